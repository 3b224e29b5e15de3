"""From a failed run to the sentence a porter needs: which tap first, local or accumulated, and what it looks like.

Nothing here changes a verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parity.capture.runner import INPUT, OUTPUT, Runner
from parity.contract import ACCUMULATED, Contract
from parity.contract.implementation import resolve
from parity.diagnose.evidence import Finding
from parity.diagnose.growth import Growth
from parity.diagnose.inside import Scene, Suspect, look
from parity.diagnose.recognise import recognise, shared
from parity.judge.verdict import Verdict

SHOWN, FEEDING = 3, 5
SURE = 0.5
PROJECTIONS = 3
"""What is right before a wrong value that was mixed from it, modules or inputs of one: queries, keys and values."""


@dataclass(frozen=True)
class Diagnosis:
    """The first bad tap, and what is wrong there.

    Where both programs are known, `departures` are the operations in which they depart, as formulas with their lines.
    Elsewhere, `inside` says where in the tap the first wrong value is, `findings` what the error looks like, the
    likeliest first, and `fed` names the right values that came before the wrong one, the latest first.
    """

    first: Verdict
    inside: str = ""
    findings: list[Finding] = field(default_factory=list)
    growth: list[Growth] = field(default_factory=list)
    note: str = ""
    fed: list[str] = field(default_factory=list)
    departures: list[str] = field(default_factory=list)

    @property
    def families(self) -> list[str]:
        return [finding.family for finding in self.findings]

    def sentence(self) -> str:
        """`first wrong: TAP, local; departs: ...`, or `looks like: ...`"""
        text = f"first wrong: {self.first.label}, {self.first.mode}"
        if self.inside:
            text += f" ({self.inside})"
        if self.note:
            text += f"; {self.note}"
        if self.departures:
            more = f"; and {len(self.departures) - 1} more departures" if len(self.departures) > 1 else ""
            return f"{text}; departs: {self.departures[0]}{more}"
        if not self.findings:
            return text + "; looks like nothing that is known"
        looks = (f"{f.family} ({f.confidence:.2f}): {f.sentence}" for f in self.findings[:SHOWN])
        return text + "; looks like: " + "; or ".join(looks)

    def as_dict(self) -> dict[str, Any]:
        return {
            "tap": self.first.label,
            "mode": self.first.mode,
            "inside": self.inside,
            "sentence": self.sentence(),
            "findings": [finding.as_dict() for finding in self.findings],
            "growth": [row.as_dict() for row in self.growth],
            "note": self.note,
            "fed": self.fed,
        }


def alone(contract: Contract, first: Verdict) -> str:
    """Which slice is wrong where no bound of the whole tap is passed: `only time 17 of 40 is wrong, by ...`."""
    whole = first.ratio32 <= first.bound_ratio32 and first.ratio64 <= first.bound_ratio64
    if not first.slice or not whole or first.ratio_slice <= first.bound_ratio_slice:
        return ""
    axis, index, length = first.slice
    what = f"{contract.roles.get(axis, axis)} {index} of {length}"
    return (
        f"only {what} is wrong, by {first.ratio_slice:.3g} of its noise floors, expected {first.bound_ratio_slice:.3g}"
    )


def diagnose(
    contract: Contract, first: Verdict, suspect: Suspect | None, runners: Mapping[str, Runner], growth: list[Growth]
) -> Diagnosis:
    """Run the suspect's segment again, look into its tap and test every hypothesis there."""
    if suspect is None:
        return Diagnosis(first, findings=[Finding("taps", 0.99, first.reason)], growth=growth)
    scene = look(contract, suspect, runners)
    if scene is None:
        return Diagnosis(first, findings=[Finding("taps", 0.99, first.reason)], growth=growth)
    found = recognise(scene.evidence)
    found += _structure(scene, found)
    if (weights := _weights(contract, suspect, scene, runners)) is not None:
        found = [*(finding for finding in found if finding.family != weights.family), weights]
    found = shared(found)
    note = "; ".join(filter(None, (alone(contract, first), scene.carried)))
    return Diagnosis(first, _where(scene), found, growth, note, list(scene.evidence.inputs)[:FEEDING])


def _where(scene: Scene) -> str:
    if not scene.point:
        return "what it is given is right" if scene.seen else ""
    return f"what {scene.point} {'is given' if scene.place.startswith(INPUT) else 'returns'} is wrong first"


def _structure(scene: Scene, found: list[Finding]) -> list[Finding]:
    """What the place of the first wrong value says by itself, where no hypothesis explains the value."""
    sure = 0.45 if any(finding.confidence > SURE for finding in found) else 0.6
    if scene.place.startswith(INPUT):
        parent = scene.point.rpartition(".")[0]
        siblings = [path for path in scene.right if path.rpartition(".")[0] == parent]
        if len(siblings) >= PROJECTIONS:
            names = ", ".join(path.rpartition(".")[2] for path in siblings[-4:])
            text = f"{names} are right, what {scene.point} is given is not: an attention's scale, mask or heads"
            return [Finding("mixing", sure, text)]
    if not scene.point and scene.seen and scene.leaf:
        given = [name for name in scene.evidence.inputs if name.startswith(f"{scene.tap.path} {INPUT}")]
        if len(given) >= PROJECTIONS:
            return [Finding("mixing", sure, f"its {len(given)} inputs are right: an attention's scale, mask or heads")]
        text = (
            "its input is right: its own arithmetic, as padding, stride, dilation, epsilon or direction, or its weights"
        )
        return [Finding("arithmetic", sure - 0.05, text)]
    return []


def _weights(contract: Contract, suspect: Suspect, scene: Scene, runners: Mapping[str, Runner]) -> Finding | None:
    """What the contract's audit of weights says of the wrong module. Of a tap that is no module: of its stage."""
    if not contract.weights:
        return None
    sides = ("reference", "candidate", "rounded") if "rounded" in runners else ("reference", "candidate")
    reference, candidate, *rounded = (runners[side].root(suspect.segment) for side in sides)
    path = scene.point if scene.place == OUTPUT else scene.tap.path
    sentence = resolve(contract.weights)(reference, candidate, path, *rounded)
    if sentence is None:
        return None
    sure = 0.99 if scene.seen and suspect.mode != ACCUMULATED else 0.7
    return Finding("weights", sure, sentence)
