"""How every command ends: 0 pass, 1 parity failure, 2 anything else that is wrong, 130 interrupted.

Whatever ends a command early is said in one sentence on standard error.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress

from parity.base.errors import InputError, UsageExit, code_of
from parity.base.names import printable

PASS, FAILURE, BROKEN, INTERRUPTED = 0, 1, 2, 130
LONGEST = 400
"""Characters of a crash's own text that are shown: a compiler's are thousands."""


def guarded(
    name: str,
    command: Callable[[], int],
    debug: bool = False,
    says: tuple[type[Exception], ...] = (InputError,),
    as_json: bool = False,
) -> int:
    """What a command returns, or the exit code of the error that ended it, with a sentence that begins with `name`.

    The sentence ends with the error's code in brackets. `says`: the errors whose own text is that sentence. With
    `debug` the traceback stands before it, and with `as_json` the error is printed on standard output, as
    docs/schemas/error.json has it. What `argparse` ends is ended as it does.
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with suppress(AttributeError):  # a stand-in of another type
            stream.reconfigure(errors="backslashreplace")
    try:
        with suppress(ValueError):  # of a thread that is not the first: it gets no signals
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                signal.signal(signal.SIGTERM, _terminated)
        code = command()
        if sys.stdout:
            sys.stdout.flush()
        return code
    except BaseException as error:
        if isinstance(error, SystemExit) and _place(error).filename == argparse.__file__:
            _let_go()
            raise
        if isinstance(error, UsageExit):
            if as_json:
                _print_error(code_of(error), error.message, BROKEN)
            raise
        if debug:
            traceback.print_exception(error)
        return refused(name, error, says, as_json)
    finally:
        if signal.getsignal(signal.SIGTERM) is _terminated:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminated(number: int, frame: object) -> None:
    """Whoever stops a job sends this signal, by which Python would end and leave half-written files behind."""
    raise KeyboardInterrupt("terminated")


def refused(name: str, error: BaseException, says: tuple[type[Exception], ...], as_json: bool = False) -> int:
    """Say in one sentence why a command ended early, and return its exit code: nothing was judged."""
    _let_go()
    exec("")  # an interrupt that passed another `exec` is noted by Python, which would end by the signal
    code = INTERRUPTED if isinstance(error, KeyboardInterrupt) else BROKEN
    match error:
        case KeyboardInterrupt():
            text = str(error) or "interrupted"
        case BrokenPipeError() | SystemExit(__context__=BrokenPipeError()):  # the second is rich's
            text = "the output was closed before it ended"
        case MemoryError():
            text = f"not enough memory at {_line(error)}; give smaller files, or a machine that has more"
        case UnicodeError():
            text = _crash(error)
        case _ if isinstance(error, says):
            text = str(error)
        case OSError(filename=str(file), strerror=str(reason)):
            text = f"{file}: {reason}"
        case OSError(strerror=str(reason)):
            text = f"{reason} at {_line(error)}; --debug shows the way there"
        case ModuleNotFoundError(name=str(module)):
            text = f"{error} at {_line(error)}; pip install {module.partition('.')[0]}"
        case SystemExit():
            text = f"the program was ended by sys.exit({error.code!r}) at {_line(error)}; leave that to the command"
        case _:
            text = _crash(error)
    said = isinstance(error, says) and not isinstance(error, (InputError, UnicodeError))
    text, kind = printable(" ".join(text.split())), InputError.code if said else code_of(error)
    with suppress(OSError):
        print(f"{name}: {text} [{kind}]", file=sys.stderr, flush=True)
    if as_json:
        _print_error(kind, text, code)
    return code


def _print_error(kind: str, text: str, code: int) -> None:
    """The error as JSON, where the result would have been."""
    import json

    with suppress(OSError, ValueError):  # nobody reads it
        error = {"code": kind, "message": text, "exit_code": code}
        print(json.dumps({"schema": 1, "kind": "error", "error": error}, indent=1), flush=True)


def _crash(error: BaseException) -> str:
    kind = f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
    kind = kind if len(kind) <= LONGEST else f"{kind[:LONGEST]} ..."
    return f"{kind} at {_line(error)}; --debug shows the way there"


def _place(error: BaseException) -> traceback.FrameSummary:
    return traceback.extract_tb(error.__traceback__)[-1]


def _line(error: BaseException) -> str:
    place = _place(error)
    return f"{place.filename}:{place.lineno}"


def _let_go() -> None:
    """Nobody may read what is printed, or nothing may hold it: Python would complain once more as it ends."""
    try:
        if sys.stdout:
            sys.stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
