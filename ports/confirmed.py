"""Whether what was matched is equal on inputs that no search has seen. What is not was matched by accident."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

import parity
from parity.match.arrangement import BOUND
from parity.match.matching import Pair, confirm

ROUNDED = 1e-5
"""How far apart equal values may be, in RMS, where constants are float32 in one program and not known better."""


def false_matches(found: parity.Comparison, reference: Any, candidate: Any, **options: Any) -> list[Pair]:
    """The matches of a comparison that are not equal on other inputs; both models are those that were compared."""
    inputs = unseen(found.evidence.sets[0])
    again = parity.compare(reference, candidate, inputs, **{**options, "exact": True}).evidence
    ours, theirs = again.references[0], again.best.sources
    exact = again.best.exact[0]
    constants = {
        number: replace(constant, array=exact.get(number, constant.array))
        for number, constant in theirs.programs[0].constants.items()
    }
    program = replace(theirs.programs[0], constants=constants)
    bound = ROUNDED if any(again.best.unresolved) else BOUND
    return confirm(found.matching, [ours.program], [program], [ours.inputs], [theirs.inputs[0]], bound)


def unseen(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Inputs with the same numbers in a random order of the last axis. Masks and other booleans stay."""
    random = np.random.default_rng(1)
    return {
        name: array if array.dtype == bool or not array.ndim else random.permuted(array, axis=-1)
        for name, array in inputs.items()
    }
