"""One dump against one golden array: in which axes, by which floors, and what its storage has rounded away."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np

from parity.base import reduced
from parity.base.bfloat16 import stored_dtype
from parity.base.errors import InputError
from parity.capture.golden import MANIFEST, Golden
from parity.contract import ACCUMULATED, Contract, Tap
from parity.contract.axes import permute
from parity.judge.arithmetic import NO_PROGRAM
from parity.judge.floor import MANTISSA
from parity.judge.reduced import judge_reduced
from parity.judge.segment import branches
from parity.judge.verdict import Verdict, judge
from parity.run.dumps.bundle import KEYS
from parity.run.dumps.sources import Dump

AXES = "are these the axes of the bundle?"


class Judging:
    """Judges dumps by the goldens of one folder, all in the reference's axes.

    `layout` names the side whose axes the dumps have, where no manifest says so; empty for those of the goldens.
    `rounded` counts the dumps that are stored in half precision, by dtype. `projected` has the numbers of projections
    of those that are reduced.
    """

    def __init__(self, contract: Contract, golden: Golden, layout: str = ""):
        self.contract, self.golden, self.layout = contract, golden, layout
        self.rounded: Counter[str] = Counter()
        self.projected: list[int] = []
        self._checked: set[str] = set()

    def known(self, name: str, floors: str) -> dict[str, float]:
        """The noise floors of a tap by branch, of the kind `ACCUMULATED`, `LOCAL` or `BLOCK`.

        Raises `InputError` for one that is no finite number of at least 0.
        """
        found: dict[str, float] = self.golden.entries[name].get(KEYS[floors], {})
        for floor in found.values():
            if isinstance(floor, bool) or not isinstance(floor, int | float) or not 0 <= floor < math.inf:
                where = self.golden.folder / MANIFEST
                raise InputError(f"{where}: a floor of {name} is {floor!r}; expected a number from 0 on: write it anew")
        return found

    def reference(self, tap: Tap) -> np.ndarray:
        """The golden array of a tap, whose content is checked once."""
        array = self.golden.load(tap.name, mmap=True, known=tap.name in self._checked)
        self._checked.add(tap.name)
        return self._turned(array, self.golden.entries[tap.name]["axes"], tap)

    def candidate(self, tap: Tap, dump: Dump) -> np.ndarray:
        """The dump of a tap, as it is where it has another number of axes."""
        return self._turned(dump.load(), dump.axes or self._layout(tap), tap)

    def _layout(self, tap: Tap) -> str:
        """The axes of a dump that has no manifest."""
        if not self.layout:
            return str(self.golden.entries[tap.name]["axes"])
        return tap.axes if self.layout == "reference" else self.contract.candidate_axes(tap.axes)

    def arrays(self, tap: Tap, dump: Dump) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """The dump of a tap and its golden, by branch; nothing of a reduced one."""
        if dump.record is not None:
            return {}
        found = branches(self.contract, tap.axes, self.candidate(tap, dump), self.reference(tap))
        return {branch: (ours, theirs) for branch, ours, theirs in found}

    def tap(self, tap: Tap, dump: Dump, mode: str = ACCUMULATED, floors: str = "") -> list[Verdict]:
        """The verdicts on one dump, a branch each.

        The `floors` are those of the mode where no others are named. Where float64 is stored, there is a ratio64.
        """
        floors = floors or mode
        if dump.record is not None:
            return self._reduced(tap, dump.record, mode, floors)
        rule, reference, candidate = self.contract.rule(tap.name, mode), self.reference(tap), self.candidate(tap, dump)
        entry, storage = self.golden.entries[tap.name], self._storage(stored_dtype(candidate), reference)
        margins = self._margins(tap) if self.contract.decision(tap) else None
        exacts = []
        if (double := self.golden.float64(floors)) is not None:
            exacts.append(self._turned(double.load(tap.name, mmap=True), entry["axes"], tap))
        known, found = self.known(tap.name, floors), []
        for branch, ours, theirs, *wide in branches(self.contract, tap.axes, candidate, reference, *exacts):
            verdict = judge(
                tap.name,
                branch,
                mode,
                rule,
                ours,
                theirs,
                wide[0] if wide else None,
                known.get(branch, 0.0),
                margins,
                AXES,
                storage,
                tap.axes,
                word=NO_PROGRAM,
            )
            found.append(verdict)
        return found

    def _reduced(self, tap: Tap, file: Path, mode: str, floors: str) -> list[Verdict]:
        record, axes, reference = reduced.load(file), self._layout(tap), self.reference(tap)
        if reference.ndim == len(axes.split()):
            reference = permute(reference, tap.axes, axes)
        rule, storage = self.contract.rule(tap.name, mode), self._storage(record.dtype, reference)
        known = self.known(tap.name, floors)
        found = judge_reduced(self.contract, tap.name, axes, mode, rule, record, reference, known, storage)
        self.projected += [record.values.size // len(found)] if record.values.size else []
        return found

    def _storage(self, stored: str, reference: np.ndarray) -> str:
        """The dtype whose rounding is part of a dump's floor: half precision, or float32 where it has none."""
        if stored == "float32" or stored not in MANTISSA or reference.dtype.kind != "f":
            return "float32"
        self.rounded[stored] += 1
        return stored

    def _margins(self, tap: Tap) -> np.ndarray:
        entry = self.golden.entries[tap.name]
        return self._turned(np.reshape(entry["margins"], entry["shape"]), entry["axes"], tap)

    @staticmethod
    def _turned(array: np.ndarray, axes: str, tap: Tap) -> np.ndarray:
        return permute(array, axes, tap.axes) if array.ndim == len(axes.split()) else array
