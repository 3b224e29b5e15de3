"""The device's arithmetic at the outputs: the port as it runs, in noise floors of the reference, beside the proof.

The reference runs in float32 on the CPU, and in double. The port runs in float32 on its device. What is beyond the
bounds although the mathematics is equal is judged by the port's own floor: its program with every result rounded to
float32 at random.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from parity.base.errors import InputError
from parity.contract import ACCUMULATED, Rule
from parity.exact import functions
from parity.judge.arithmetic import in_doubt, settled
from parity.judge.mathematics import Mathematics
from parity.judge.verdict import Verdict, judge
from parity.prove import programs
from parity.prove.floors import own_floors
from parity.prove.inputs import OUTPUT, Inputs, Order, turned
from parity.prove.models import is_module, kept, title
from parity.prove.outputs import Output
from parity.prove.programs import Port
from parity.prove.proof import Evidence, Proof

RULE = Rule(OUTPUT, "*", 2.0, 2.0, "two right roundings of one value are 1.4 noise floors apart")


def single(sets: Sequence[Inputs]) -> tuple[list[Inputs], list[str]]:
    """The inputs with floating-point numbers as float32, which a device takes; and which of them that rounds."""
    rounded = {
        name
        for inputs in sets
        for name, array in inputs.items()
        if array.dtype.kind == "f" and not np.array_equal(array.astype(np.float32), array)
    }
    taken = [
        {name: array.astype(np.float32) if array.dtype.kind == "f" else array for name, array in inputs.items()}
        for inputs in sets
    ]
    return taken, [f"{name}: its values are rounded to float32 first, for both sides" for name in sorted(rounded)]


def decided(rules: Sequence[Rule], count: int) -> list[Rule]:
    """Of each output the first rule that matches it, else `RULE`. Raises `InputError` for a rule that decides none."""
    rules = [rules] if isinstance(rules, Rule) else rules
    if odd := [rule for rule in rules if not (isinstance(rule, Rule) and all(map(_is_bound, _bounds(rule))))]:
        raise InputError(
            f"rules hold {odd[0]!r}; expected parity.Rule(pattern, mode, ratio64, ratio32, why), its bounds 0 or more"
        )
    names = [f"{OUTPUT} {place}" for place in range(count)]
    found = [next((rule for rule in rules if rule.matches(name, ACCUMULATED)), RULE) for name in names]
    if idle := [rule for rule in rules if rule not in found]:
        raise InputError(
            f"rule {idle[0].pattern!r} ({idle[0].mode}) decides on no output; there are {', '.join(names)}, in mode "
            f"{ACCUMULATED}, and the first rule that matches decides: correct or remove it"
        )
    return found


def _bounds(rule: Rule) -> tuple[Any, Any]:
    return rule.ratio64, rule.ratio32


def _is_bound(value: Any) -> bool:
    return isinstance(value, int | float) and value >= 0


def verdicts(proof: Proof, evidence: Evidence, rules: Sequence[Rule] = (), strict: bool = False) -> list[Verdict]:
    """A verdict for each output of each set of inputs. `strict`: rounding does not pass."""
    found, bounds = [], decided(rules, len(proof.outputs))
    proof.notes += [
        f"{OUTPUT} {place}: bounds of {rule.ratio32:g} and {rule.ratio64:g} noise floors on the device: {rule.why}"
        for place, rule in enumerate(bounds)
        if rule is not RULE
    ]
    for number, inputs in enumerate(evidence.sets):
        again = number == 0  # what a module keeps from call to call, it keeps at any length
        reference = _reference(proof, evidence, inputs, again)
        candidate = _candidate(proof, evidence.port, inputs, again)
        exact = evidence.references[number].outputs
        names = [
            f"{OUTPUT} {place}" + (f" of inputs {number}" * (len(evidence.sets) > 1)) for place in range(len(exact))
        ]
        judged = [
            _judged(name, rule, _plain(_ordered(ours, output.order)), _plain(theirs), _plain(wide))
            for name, rule, output, ours, theirs, wide in zip(
                names, bounds, proof.outputs, candidate, reference, exact, strict=True
            )
        ]
        proven = [_mathematics(name, output, number) for name, output in zip(names, proof.outputs, strict=True)]
        doubtful = [in_doubt(verdict, mathematics) for verdict, mathematics in zip(judged, proven, strict=True)]
        own = own_floors(proof, evidence, number) if any(doubtful) else {}
        found += [
            settled(verdict, mathematics, own.get(place, float("nan")), strict=strict)
            for place, (verdict, mathematics) in enumerate(zip(judged, proven, strict=True))
        ]
    return found


def _judged(name: str, rule: Rule, ours: np.ndarray, theirs: np.ndarray, wide: np.ndarray) -> Verdict:
    """The verdict in noise floors; arrays without a finite number have none, and are equal where they are alike."""
    verdict = judge(name, "", ACCUMULATED, rule, ours, theirs, wide, advice="give the order of its axes with --axes")
    alike = theirs.dtype.kind == "f" and np.array_equal(ours, theirs) and not np.isfinite(theirs).any()
    alike = alike or (ours.shape == theirs.shape and not ours.size)
    return replace(verdict, passed=True, reason="") if alike else verdict


def _mathematics(name: str, output: Output, number: int) -> Mathematics:
    """What one set of inputs says of an output in double."""
    error = output.errors[number]
    equal = error <= output.bound
    said = output.apart or f"{error:.1e} of its RMS, expected at most {output.bound:.1e}"
    return Mathematics(name, "", ACCUMULATED, equal, "" if equal else said, error=error)


def _ordered(array: np.ndarray, order: Order) -> np.ndarray:
    """The port's output in the reference's order of axes, where it has as many."""
    return array.transpose(np.argsort(order)) if array.ndim == len(order) else array


def _plain(array: np.ndarray) -> np.ndarray:
    """Complex numbers as pairs of real ones, in a last axis of their own."""
    return np.stack([array.real, array.imag], -1) if array.dtype.kind == "c" else array


def _reference(proof: Proof, evidence: Evidence, inputs: Inputs, again: bool) -> list[np.ndarray]:
    """The outputs of the reference in float32, in order; `again`: it is called a second time, as in `_first`."""
    run = functions.run if evidence.call.numpy else import_module("parity.exact.torch.run").run
    model, called = evidence.model, title(evidence.model)
    function = evidence.call.of_reference(model, list(inputs), called)
    try:
        return _first(proof, "reference", model, lambda: run(function, list(inputs.values())), again)
    except InputError:
        raise
    except Exception as error:  # whatever the reference raises
        raise InputError(
            f"{called} runs in double, and with float32 inputs it does not ({type(error).__name__}: {error}); "
            "give a reference whose weights are float32, or leave the device out with --exact"
        ) from error


def _first(proof: Proof, side: str, model: Any, run: Callable[[], list[np.ndarray]], again: bool) -> list[np.ndarray]:
    """What a side gives when it is called first. Called `again`, a note says where it gives something else."""
    with kept(model):
        made = run()
        other = run() if again and is_module(model) else made
    if len(other) != len(made) or not all(map(partial(np.array_equal, equal_nan=True), made, other)):
        text = (
            f"the {side} gives something else when it is called again, for it keeps something from one call to the "
            "next: its first call is judged; to judge another one, give what is kept as an input"
        )
        if text not in proof.notes:
            proof.notes.append(text)
    return made


def _candidate(proof: Proof, port: Port, inputs: Inputs, again: bool) -> list[np.ndarray]:
    """The outputs of the port on its device, in order, in its own layout; `again` as in `_first`.

    Raises `InputError` where it cannot run.
    """
    taken = turned(inputs, proof.layout)
    try:
        if proof.source == programs.FILE:
            from parity.exact.mlx.run import imported
            from parity.exact.mlx.run import run as run_mlx

            return run_mlx(imported(port.title), list(taken.values()))
        function = port.call.of_port(port.model, list(taken), port.title)
        run = import_module(f"parity.exact.{'torch' if proof.source == programs.TORCH else 'mlx'}.run").run
        return _first(proof, "port", port.model, lambda: run(function, list(taken.values())), again)
    except InputError:
        raise
    except Exception as error:  # whatever the port raises
        raise InputError(
            f"{port.title}: its program runs in double, and on its device it does not "
            f"({type(error).__name__}: {error}); --exact leaves the device out"
        ) from error
