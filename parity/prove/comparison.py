"""Both questions about two models that nobody prepared: the mathematics in double, the arithmetic on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from parity.base.errors import UsageError
from parity.contract import Rule
from parity.judge.verdict import Verdict
from parity.match.audit import Audit
from parity.match.matching import Matching
from parity.prove import device
from parity.prove import inputs as given
from parity.prove import proof as proving
from parity.prove.calls import Calls
from parity.prove.inputs import Given
from parity.prove.models import kept
from parity.prove.programs import TORCH
from parity.prove.proof import Evidence, Proof


@dataclass
class Compared:
    """The proof in double, and a verdict on each output as the device gives it: none where it was left out."""

    proof: Proof
    evidence: Evidence = field(repr=False)
    verdicts: list[Verdict] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """The mathematics is proven, no weight is another one, and every output passes on the device."""
        return self.proof.proven and not self.weights.unseen and all(verdict.passed for verdict in self.verdicts)

    @property
    def weights(self) -> Audit:
        """Every tensor of both sides, accounted for by its values."""
        return self.proof.weights

    @cached_property
    def matching(self) -> Matching:
        """The two programs matched by value; made when it is first asked for where the outputs are equal."""
        return self.proof.found or proving.matched(self.evidence.best, self.evidence.references, [])

    @property
    def modules(self) -> tuple[int, int]:
        """How many of the reference's module outputs are found in the port by value, and how many there are."""
        found = len(self.matching.taps)
        return found, found + len(self.matching.unmatched_taps)

    @classmethod
    def of(
        cls,
        reference: Any,
        candidate: Any,
        inputs: Given | Sequence[Given],
        axes: Sequence[str] = (),
        source: str | None = None,
        exact: bool = False,
        strict: bool = False,
        rules: Sequence[Rule] = (),
        call: Calls = None,
        draws: Sequence[str] = (),
    ) -> Self:
        """See `parity.compare`."""
        if exact and rules:
            raise UsageError("rules are bounds of what the device gives, which exact leaves out; leave one out")
        sets = given.several(inputs)
        taken, rounded = given.read_all(sets), list[str]()
        if not exact:
            taken, rounded = device.single(taken)
        with kept(reference, candidate):
            models, labels = (reference, candidate), given.labels(sets)
            proof, evidence = proving.evidence(*models, taken, labels, axes, source, call, draws)
            proof.notes += rounded
            if exact:
                return cls(proof, evidence)
            environment = _environment(proof.source)
            return cls(proof, evidence, device.verdicts(proof, evidence, rules, strict), environment)


def _environment(source: str) -> dict[str, str]:
    """Versions and devices that a comparison rests on; `source` says whether MLX took part."""
    from parity.exact.torch.run import environment

    found = environment()
    if source != TORCH:
        from parity.exact.mlx.run import environment

        found |= environment()
    return found
