"""The one exception that means "wrong use or broken input": the command line turns it into exit code 2."""


class InputError(Exception):
    """Something given to the harness is unusable.

    The message says what was got, what was expected and what to do, and names the file, key or tap.

    >>> from pathlib import Path
    >>> parity.load_contract(Path("none.toml"))
    Traceback (most recent call last):
    parity.base.errors.InputError: none.toml: cannot read the contract (No such file or directory); name one with ...
    """
