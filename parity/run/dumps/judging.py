"""One dump against one golden array: in which axes, by which floors, and what its storage has rounded away."""

from __future__ import annotations

from collections import Counter

import numpy as np

from parity.base.bfloat16 import stored_dtype
from parity.capture.golden import Golden
from parity.contract import ACCUMULATED, Contract, Tap
from parity.contract.axes import permute
from parity.judge.floor import MANTISSA
from parity.judge.segment import branches
from parity.judge.verdict import Verdict, judge
from parity.run.dumps.bundle import KEYS
from parity.run.dumps.sources import Dump

Judged = list[tuple[Verdict, np.ndarray, np.ndarray]]


class Judging:
    """Judges dumps by the goldens of one folder, all in the reference's axes.

    `layout` names the side whose axes the dumps have, where no manifest says so; empty for those of the goldens.
    `rounded` counts the dumps that are stored in half precision, by dtype.
    """

    def __init__(self, contract: Contract, golden: Golden, layout: str = ""):
        self.contract, self.golden, self.layout = contract, golden, layout
        self.rounded: Counter[str] = Counter()

    def known(self, name: str, floors: str) -> dict[str, float]:
        """The noise floors of a tap by branch, of the kind `ACCUMULATED`, `LOCAL` or `BLOCK`."""
        found: dict[str, float] = self.golden.entries[name].get(KEYS[floors], {})
        return found

    def reference(self, tap: Tap) -> np.ndarray:
        """The golden array of a tap."""
        return self._turned(self.golden.load(tap.name, mmap=True), self.golden.entries[tap.name]["axes"], tap)

    def candidate(self, tap: Tap, dump: Dump) -> np.ndarray:
        """The dump of a tap, as it is where it has another number of axes."""
        layouts = {
            "reference": tap.axes,
            "candidate": self.contract.candidate_axes(tap.axes),
            "": self.golden.entries[tap.name]["axes"],
        }
        return self._turned(dump.load(), dump.axes or layouts[self.layout], tap)

    def tap(self, tap: Tap, dump: Dump, mode: str = ACCUMULATED, floors: str = "") -> Judged:
        """The verdicts on one dump, a branch each, with the two arrays.

        The `floors` are those of the mode where no others are named. Where float64 is stored, there is a ratio64.
        """
        floors = floors or mode
        rule, reference, candidate = self.contract.rule(tap.name, mode), self.reference(tap), self.candidate(tap, dump)
        stored, entry = stored_dtype(candidate), self.golden.entries[tap.name]
        storage = stored if stored in MANTISSA and reference.dtype.kind == "f" else "float32"
        self.rounded.update([storage] if storage != "float32" else [])
        margins = self._margins(tap) if self.contract.decision(tap) else None
        exacts = []
        if (double := self.golden.float64(floors)) is not None:
            exacts.append(self._turned(double.load(tap.name, mmap=True), entry["axes"], tap))
        known, found = self.known(tap.name, floors), []
        for branch, ours, theirs, *wide in branches(self.contract, tap.axes, candidate, reference, *exacts):
            exact64 = wide[0] if wide else None
            floor = known.get(branch, 0.0)
            verdict = judge(tap.name, branch, mode, rule, ours, theirs, exact64, floor, margins, storage=storage)
            found.append((verdict, ours, theirs))
        return found

    def _margins(self, tap: Tap) -> np.ndarray:
        entry = self.golden.entries[tap.name]
        return self._turned(np.reshape(entry["margins"], entry["shape"]), entry["axes"], tap)

    @staticmethod
    def _turned(array: np.ndarray, axes: str, tap: Tap) -> np.ndarray:
        return permute(array, axes, tap.axes) if array.ndim == len(axes.split()) else array
