"""A product of two inputs, one of them through a function: which of the two is gated."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from parity.base.metrics import rms
from parity.diagnose.evidence import Evidence, Finding, hypothesis
from parity.diagnose.hypotheses.functions import ACTIVATIONS

GATES = ("SiLU", "exact GELU", "tanh GELU", "sigmoid", "ReLU", "identity")


@hypothesis
def gate(e: Evidence) -> Finding | None:
    """The reference is f(x) y of two inputs; the candidate f(y) x, or g(x) y."""
    if not e.comparable:
        return None
    arrays = [(name, np.asarray(x, np.float64)) for name, x in e.inputs.items() if x.shape == e.r.shape][:4]
    products = {
        (name, one, two): ACTIVATIONS[name](x) * y for (one, x), (two, y) in permutations(arrays, 2) for name in GATES
    }
    theirs = next((key for key, y in products.items() if rms(y - e.r) <= 3e-6 * rms(e.r)), None)
    ours = next((key for key, y in products.items() if rms(y - e.c) <= 3e-6 * rms(e.c)), None)
    if theirs is None or ours is None or ours == theirs:
        return None
    say = "{0} of {1}, times {2}".format
    return Finding("activation", 0.98, f"{say(*ours)}; expected {say(*theirs)}")
