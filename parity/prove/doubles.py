"""The reference in double, checked: it is the model that was given, and its program is all that the model does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from parity.exact.program import Program, Recording
from parity.match.arrangement import difference, relative_error
from parity.prove.models import is_factory, is_module, kept
from parity.prove.results import Results

NEAR = 1e-4
"""Relative RMSE up to which a model in float32 and its twin in double are one function."""
FAR = 1e-2
"""From here on float32 says little of the model, or its twin is another one."""
REPLAYED = 1e-8
"""How far a recorded program may be from the run that it was recorded in: sums in another order, no more."""

Call = Callable[[Any], Results]
Running = Callable[[Any, Callable[..., Recording]], Recording]

Recorded = tuple[list[Program], list[list[np.ndarray]], Results]
"""Programs of all sets of inputs, what each run gave, and the function that was called."""


def in_double(
    given: Any, model: Any, call: Call, taken: Sequence[Sequence[np.ndarray]], running: Running
) -> tuple[Recorded, list[str], list[str]]:
    """The twin of a module, recorded; what of it is in single precision; and what else is to be known.

    A twin is made anew, so that its tables are in double. Where it gives something else than the model, what the model
    was made with is no part of it, as an option in a dictionary or a hook; then the model is copied and widened.
    `call` gives the function of a model that is called, `running` runs a recording of a model.
    """
    from parity.exact.torch import copied, single

    if not is_module(model):
        return _recorded(model, call, taken, running), [], []
    wide = widened(given, model)
    recorded = _recorded(wide, call, taken, running)
    apart = _apart(model, call, taken[0], recorded)
    if apart > NEAR:
        plain = copied(model)
        again = _recorded(plain, call, taken, running)
        if (nearer := _apart(model, call, taken[0], again)) < apart / 4:
            wide, recorded, apart = plain, again, nearer
    said = f"the reference in float32 is {apart:.1e} of the RMS from itself in double, for the first inputs"
    return recorded, list(single(wide)), [said] * (apart > FAR)


def widened(given: Any, model: Any) -> Any:
    """The torch module in double, built anew where a factory was given."""
    from parity.exact.torch import twin

    return twin(given, model) if is_factory(given) else twin(model)


def replayed(made: Sequence[np.ndarray], results: Sequence[np.ndarray]) -> str:
    """What a program does not do that its run did; empty where both give the same."""
    for place, (ours, theirs) in enumerate(zip(made, results, strict=True)):
        if ours.shape != theirs.shape or not (error := difference(ours, theirs)) <= REPLAYED:
            said = f"{error:.1e} of its RMS" if ours.shape == theirs.shape else f"{ours.shape} for {theirs.shape}"
            return (
                f"its operations, run again, give output {place} otherwise than it did itself ({said}): something is "
                "computed outside of PyTorch's operations, as through NumPy on a tensor's memory; use operations alone"
            )
    return ""


def _recorded(model: Any, call: Call, taken: Sequence[Sequence[np.ndarray]], running: Running) -> Recorded:
    from parity.exact.torch.recorder import recording, tensors

    function = call(model)
    runs = [running(model, partial(recording, function, arrays, values=False, random=False)) for arrays in taken]
    results = [
        [tensor.detach().resolve_conj().resolve_neg().numpy().copy() for tensor in tensors(run.result)] for run in runs
    ]
    return [run.program for run in runs], results, function


def _apart(model: Any, call: Call, arrays: Sequence[np.ndarray], recorded: Recorded) -> float:
    """The largest relative RMSE of the model in float32 against the run in double; 0 where it does not run so."""
    from parity.exact.torch.run import run

    single = [array.astype(np.float32) if array.dtype.kind == "f" else array for array in arrays]
    try:
        with kept(model):
            made = run(call(model), single)
    except Exception:  # of weights in another dtype; the device says so, where it is asked
        return 0.0
    results = recorded[1][0]
    if len(made) != len(results) or any(a.shape != b.shape for a, b in zip(made, results, strict=True)):
        return np.inf
    pairs = [(a, b) for a, b in zip(made, results, strict=True) if b.dtype.kind in "fc" and b.size]
    return max((relative_error(a, b) for a, b in pairs), default=0.0)
