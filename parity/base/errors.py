"""What is wrong with the use or the input, as exceptions: the command line turns them into exit code 2 and a code.

A message says what was got, what was expected and what to do, and names the file, key or tap. A code says which kind of
error it is, and stays the same when the words of a message change: what a script asks for.
"""

from __future__ import annotations


class InputError(Exception):
    """Something given to the harness is unusable.

    >>> from pathlib import Path
    >>> parity.load_contract(Path("none.toml"))
    Traceback (most recent call last):
    parity.base.errors.ContractError: none.toml: cannot read the contract (No such file or directory); name one with ...
    """

    code = "input.unusable"


class MissingError(InputError):
    """A file or folder that is to be read is not there."""

    code = "input.missing"


class UsageError(InputError):
    """Options that do not go together, or the value of one."""

    code = "usage.options"


class UnknownNameError(InputError):
    """A name that the contract, case or model has not; the message offers the nearest."""

    code = "usage.unknown-name"


class ContractError(InputError):
    """A contract that cannot be read, or that says what cannot be."""

    code = "contract.unusable"


class OutputError(InputError):
    """A place where nothing can be written, or where something would be lost."""

    code = "output.unwritable"


class MissingModuleError(InputError):
    """A module is needed that cannot be imported."""

    code = "install.missing-module"


class PrecisionError(InputError):
    """A device on which float32 is not float32."""

    code = "device.imprecise"


class UsageExit(SystemExit):
    """The end of a program whose arguments are not understood, with what was said of them."""

    def __init__(self, message: str):
        super().__init__(2)
        self.message = message


CODES = {
    "usage.arguments": "The command line is not understood: an option, an argument or a choice.",
    "usage.options": "Options do not go together, or the value of one is none that the command takes.",
    "usage.unknown-name": "A case, stage, tap, side or module's name is not known. The message has the nearest.",
    "input.missing": "A file or folder that is to be read is not there.",
    "input.unusable": "What is read or called cannot be judged: a broken or altered file, a model, its inputs.",
    "contract.unusable": "The contract cannot be read, or says what cannot be.",
    "model.no-program": "An operation of a model has no definition in double, so that nothing can be proven.",
    "output.unwritable": "A place cannot be written, or what is there would be lost.",
    "output.closed": "Nobody reads standard output any more.",
    "device.imprecise": "float32 is not float32 on this device, as with TF32: no verdict is given.",
    "install.missing-module": "A module cannot be imported: its package is not installed, or its name is mistyped.",
    "system.file": "The operating system refused a file while the command ran, as a full disk does.",
    "system.memory": "There is not enough memory.",
    "crash": "Code failed that the command has called, a model's or its own.",
    "interrupted": "Ctrl-C, or a signal to end. The exit code is 130.",
}
"""Every code with its meaning: the table of docs/faults.md."""


def code_of(error: BaseException) -> str:
    """The code of what ended a command.

    An `InputError` that is of no narrower kind has the code of what it was raised from, as far as that says more.

    >>> code_of(InputError("x.npy: ...")), code_of(OutputError("y.json: ...")), code_of(MemoryError())
    ('input.unusable', 'output.unwritable', 'system.memory')
    """
    match error:
        case OutputError():
            return error.code
        case InputError(__cause__=FileNotFoundError()):
            return MissingError.code
        case InputError() if type(error) is not InputError:
            return error.code
        case InputError(__cause__=InputError() | ModuleNotFoundError() | MemoryError() as cause):
            return code_of(cause)
        case InputError():
            return InputError.code
        case UsageExit():
            return "usage.arguments"
        case KeyboardInterrupt():
            return "interrupted"
        case BrokenPipeError() | SystemExit(__context__=BrokenPipeError()):  # the second is rich's
            return "output.closed"
        case MemoryError():
            return "system.memory"
        case FileNotFoundError():
            return MissingError.code
        case OSError():
            return "system.file"
        case ModuleNotFoundError():
            return MissingModuleError.code
    return "crash"
