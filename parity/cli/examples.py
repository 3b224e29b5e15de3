"""The two pairs that `parity demo` judges: files that are copied and run from there, as a user's own are."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parity.cli.faults import FAULTS, TRAINED_FAULTS, Fault
from parity.cli.wheels import lay

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Example:
    """Modules of one side each and one of what both need, in the package's folder `files`.

    `faulty` is the file of the port in which the `faults` are planted, below the folder that the pair is copied to.
    `lengths` are those of its inputs, by name. `packages` are what its modules make importable besides.
    """

    files: Path
    reference: str
    port: str
    shared: str
    faulty: str
    faults: tuple[Fault, ...]
    lengths: dict[str, int]
    packages: tuple[str, ...] = ()

    @property
    def modules(self) -> tuple[str, str, str]:
        return self.reference, self.port, self.shared

    def line_of(self, fault: Fault, folder: Path) -> int:
        """The line that the fault changes of the port in a folder, in which it is not planted."""
        return (folder / self.faulty).read_text(encoding="utf-8").partition(fault.old)[0].count("\n") + 1

    def copy(self, folder: Path, fault: Fault | None, wheels: Path | None) -> int:
        """Write the pair, what it needs of `wheels`, and its inputs into a folder, with the fault where one is given.

        Returns the line of the port that the fault changes, 0 without one.
        """
        line = 0
        for name in self.modules:
            (folder / f"{name}.py").write_bytes((self.files / f"{name}.py").read_bytes())
        if wheels is not None:
            lay(wheels, folder)
        if fault:
            line, port = self.line_of(fault, folder), folder / self.faulty
            port.write_text(port.read_text(encoding="utf-8").replace(fault.old, fault.new, 1), encoding="utf-8")
        with self.importable(folder):
            inputs = importlib.import_module(self.shared).inputs
            for name, length in self.lengths.items():
                np.savez(folder / f"{name}.npz", **inputs(length))
        return line

    @contextmanager
    def importable(self, folder: Path) -> Iterator[None]:
        """The pair of a folder can be imported, and is forgotten afterwards: another demo has another port."""
        kept, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        sys.path.insert(0, str(folder))
        importlib.invalidate_caches()
        try:
            yield
        finally:
            sys.path.remove(str(folder))
            sys.dont_write_bytecode = kept
            for name in list(sys.modules):
                if name.partition(".")[0] in (*self.modules, *self.packages):
                    del sys.modules[name]


LITTLE = Example(
    HERE / "pair", "demo_torch", "demo_mlx", "demo_weights", "demo_mlx.py", FAULTS, {"short": 5, "long": 9}
)
TRAINED = Example(
    HERE / "trained",
    "vad_torch",
    "vad_mlx",
    "vad_inputs",
    os.path.join("mlx_audio", "vad", "models", "silero_vad", "silero_vad.py"),
    TRAINED_FAULTS,
    {"short": 9, "long": 17},
    ("mlx_audio",),
)
