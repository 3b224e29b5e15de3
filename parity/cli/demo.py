"""`parity demo`: a small model and its port, which the package carries, judged as they are or with a fault planted."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console

from parity.base.errors import MissingModuleError, UsageError
from parity.base.files import replacing, require_new
from parity.cli.commands import progress
from parity.cli.faults import FAULTS, Fault, numbered

PAIR = Path(__file__).with_name("pair")
"""Files that are copied and run from where they were copied to, as a user's own are: never imported from here."""
REFERENCE, PORT, WEIGHTS = "demo_torch", "demo_mlx", "demo_weights"
LENGTHS = {"short": 5, "long": 9}


def demo(options: argparse.Namespace, console: Console) -> tuple[bool, dict[str, Any]]:
    """Compare the pair in double and on the device, and say what was planted."""
    if lacking := [name for name in ("torch", "mlx") if find_spec(name) is None]:
        raise MissingModuleError(
            f"the demo is a model in PyTorch and its port to MLX, and {' and '.join(lacking)} cannot be imported: "
            "pip install 'chatterbox-parity[torch,mlx]'"
        )
    if options.fault is not None and not 1 <= options.fault <= len(FAULTS):
        raise UsageError(f"--fault {options.fault}: expected 1 to {len(FAULTS)}: {numbered()}")
    from parity.show.comparison import Comparison

    fault = FAULTS[options.fault - 1] if options.fault else None
    with _folder(options.out, fault) as folder, progress(console) as say:
        say("comparing the port of a small model with it")
        with _modules(folder):
            models = f"{REFERENCE}:reference", f"{PORT}:candidate"
            found = Comparison.of(*models, [folder / f"{name}.npz" for name in LENGTHS])
            said = [text.replace(f"{folder}{os.sep}", "") for text in found.lines()]
    if fault:
        said += ["", f"planted: {PORT}.py:{line_of(fault)}: {fault.what}"]
    for text in said:
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    return found.passed, found.as_dict()


def line_of(fault: Fault) -> int:
    """The line of the port that the fault changes."""
    return (PAIR / f"{PORT}.py").read_text(encoding="utf-8").partition(fault.old)[0].count("\n") + 1


def copy(folder: Path, fault: Fault | None = None) -> None:
    """Write the pair and its inputs into a folder, the port with the fault where one is given."""
    for name in (REFERENCE, PORT, WEIGHTS):
        text = (PAIR / f"{name}.py").read_text(encoding="utf-8")
        if fault and name == PORT:
            text = text.replace(fault.old, fault.new, 1)
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    with _modules(folder):
        inputs = importlib.import_module(WEIGHTS).inputs
        for name, length in LENGTHS.items():
            np.savez(folder / f"{name}.npz", **inputs(length))


@contextmanager
def _folder(out: Path | None, fault: Fault | None) -> Iterator[Path]:
    """A folder with the pair: the one that was asked for, or one that is gone afterwards."""
    if out is None:
        with TemporaryDirectory(prefix="parity-") as folder:
            copy(Path(folder), fault)
            yield Path(folder).resolve()
        return
    require_new([out])
    with replacing(out) as partial:
        partial.mkdir()
        copy(partial, fault)
    yield out.resolve()


@contextmanager
def _modules(folder: Path) -> Iterator[None]:
    """The pair of a folder can be imported, and is forgotten afterwards: another demo has another port."""
    kept, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.dont_write_bytecode = kept
        for name in (REFERENCE, PORT, WEIGHTS):
            sys.modules.pop(name, None)
