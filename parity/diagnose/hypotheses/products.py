"""A gate: a function of one input times another, with another function, or with the two exchanged."""

from __future__ import annotations

from itertools import permutations

from parity.base.metrics import rms
from parity.diagnose.evidence import Evidence, Finding, hypothesis, unknown
from parity.diagnose.hypotheses.functions import ACTIVATIONS

NEAR = 1e-5
GATES = ("identity", "sigmoid", "SiLU", "tanh", "ReLU", "exact GELU", "tanh GELU", "Mish")


@hypothesis
def gated(e: Evidence) -> Finding | tuple[Finding, ...] | None:
    """The reference is a function of one input times another input; the candidate is another such product."""
    if not e.comparable or e.r.size < 8:
        return None
    given = e.alike()
    gates = {(name, function): ACTIVATIONS[function](x) for name, x in given.items() for function in GATES}

    def said(one: str, function: str, other: str) -> str:
        return f"{function} of {one} times {other}"

    ways = [(one, function, other) for one, other in permutations(given, 2) for function in GATES]
    right = next((way for way in ways if rms(gates[way[:2]] * given[way[2]] - e.r) <= NEAR * rms(e.r)), None)
    if right is None:
        return None
    own = next((way for way in ways if e.explains(gates[way[:2]] * given[way[2]])), None)
    if own is None:
        return unknown(said(*right), "activation", "tap")
    return Finding("activation", 0.97, f"{said(*own)}, expected {said(*right)}") if own != right else None
