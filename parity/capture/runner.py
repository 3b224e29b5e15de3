"""Capture: run one segment of a side and see every tapped value as it appears, optionally replacing it.

A tap is seen where a module returns (by its attribute path) or where the side hands a value to `observe`, as it is
then: what is produced later may overwrite it in place. Capturing changes no bit of the run.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from parity.base.errors import ContractError, InputError
from parity.capture.results import first, with_first
from parity.capture.waiting import Waiting
from parity.contract import Contract, Segment, Tap
from parity.contract.axes import permute
from parity.contract.implementation import Side, State

Visit = Callable[[Tap, np.ndarray], None]
"""Called with each tap in execution order and its value in the reference's axes: a view, which whoever keeps it copies.
"""


ADAPTER = (
    "LAZY",
    "instrument",
    "is_array",
    "to_numpy",
    "hold",
    "start",
    "view",
    "from_numpy",
    "environment",
    "probe",
)
"""What an adapter has, by name."""


def adapter(framework: str) -> ModuleType:
    """The capture adapter of a framework, found by its dotted name; `torch` and `mlx` are those of `parity.capture`.

    An adapter has the functions of `parity/capture/torch.py`. Raises `InputError` for one that is not there, or lacks
    any of them.
    """
    name = framework if "." in framework else f"parity.capture.{framework}"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        expected = "expected 'torch', 'mlx' or the dotted name of an adapter"
        raise ContractError(f"unknown framework {framework!r}; {expected}") from error
    if lacking := [part for part in ADAPTER if not hasattr(module, part)]:
        raise InputError(f"{name} is no adapter: it lacks {', '.join(lacking)}; see parity/capture/torch.py")
    return module


Watch = Callable[[str, str, np.ndarray], None]
"""Called with a module's path, what was seen of it (`OUTPUT`, or `INPUT` and a position), and a copy of the value."""

INPUT, OUTPUT = "input", "output"


class Runner:
    """Runs the segments of one side, with its arrays permuted between its own layout and the reference's.

    >>> from pathlib import Path
    >>> import sides
    >>> contract = parity.load_contract(Path("contract.toml"))
    >>> case = parity.make_case(contract, "short")
    >>> runner = parity.Runner(contract, "candidate", sides.MlxSide(Path(), {}, "float32"))
    >>> encode, *refine = contract.segments(case.dims)
    >>> seen = {}
    >>> state = runner.run(encode, case.inputs, lambda tap, array: seen.update({tap.name: array.shape}))
    >>> seen, state["mu"].shape
    ({'embedding': (2, 5, 16), 'mu': (2, 16, 5)}, (2, 16, 5))
    """

    def __init__(self, contract: Contract, name: str, side: Side):
        self.contract, self.name, self.side = contract, name, side
        self.adapter = adapter(contract.sides[name]["framework"])
        self.own_axes = (lambda axes: axes) if name == "reference" else contract.candidate_axes
        self.names = {} if name == "reference" else contract.names

    def run(
        self,
        segment: Segment,
        state: State,
        visit: Visit,
        forced: Mapping[str, np.ndarray] | None = None,
        watched: Collection[str] = (),
        watch: Watch = lambda path, place, array: None,
        reached: Callable[[Tap], None] = lambda tap: None,
    ) -> State:
        """Run one segment from `state` and return the next state, both in the reference's axes.

        With `graft`, every tap goes on with the given value in place of its own once it has been visited: what is then
        visited is each block's output for the reference's own inputs, its local error. The modules at the paths
        `watched` are seen by `watch` too, inputs and outputs, in the side's own layout: they need not be taps. A tap is
        visited when its value has been computed, in a lazy framework some taps later; `reached` is called at once.
        Of a module that gives several arrays the first is the tap; its second call is the tap `path[call=1]`.
        """
        is_array = self.adapter.is_array
        declared = {tap.path: tap for tap in segment.taps}
        tapped = dict.fromkeys(path.partition("[call=")[0] for path in declared)
        calls: Counter[str] = Counter()

        def see(tap: Tap, value: Any) -> None:
            own, array = self.own_axes(tap.axes), self.adapter.view(value)
            visit(tap, permute(array, own, tap.axes) if tap.axes and array.ndim == len(own.split()) else array)

        waiting = Waiting(self.adapter, see)

        def on_result(own: str, value: Any) -> Any:
            for path in called[own]:
                array = first(value, is_array)
                seen = array if array is None else on_value(path, array)
                value = value if seen is array else with_first(value, seen, is_array)
            return value

        def on_value(path: str, value: Any) -> Any:
            if path in watched and is_array(value):
                watch(path, OUTPUT, self.adapter.to_numpy(value))
            if path not in tapped and path in watched:
                return value
            call = calls[path]
            calls[path] += 1
            name = f"{path}[call={call}]" if call else path
            tap = declared.get(name)
            if tap is None:  # a repeated or undeclared value is a tap of its own: the caller reports it
                waiting.add(Tap(name, path, ""), value)
                return value
            reached(tap)
            waiting.add(tap, value)
            if self.contract.decision(tap):  # its visit may say how to go on
                waiting.flush()
            if forced is None or tap.name not in forced:
                return value
            own = self.own_axes(tap.axes)
            return self.adapter.from_numpy(permute(forced[tap.name], tap.axes, own), value)

        def on_call(own: str, args: tuple[Any, ...]) -> None:
            for path in called[own]:
                for position, value in enumerate(args if path in watched else ()):
                    if is_array(value):
                        watch(path, f"{INPUT}{position}", self.adapter.to_numpy(value))

        called: dict[str, list[str]] = {}
        for path in dict.fromkeys([*tapped, *watched]):
            called.setdefault(self.names.get(path, path), []).append(path)
        with self.adapter.instrument(self.root(segment), called, on_result, on_call):
            try:
                left = self.side.run(segment.name, segment.index, self.to_own(state), on_value)
            finally:  # of a run that stops, too, what it reached is judged
                waiting.flush()
        return self._from_own(left)

    def modules(self, segment: Segment) -> set[str]:
        """The paths of the side's modules, in the names of the reference where the contract says those."""
        own = {path for path, _ in self.root(segment).named_modules()}
        return (own - set(self.names.values())) | {path for path, there in self.names.items() if there in own}

    def root(self, segment: Segment) -> Any:
        """The module whose attribute paths name the taps of a segment."""
        try:
            return self.side.root(segment.name)
        except ValueError as error:
            raise InputError(f"side {self.name!r}: {error}") from error

    def _axes(self, names: Iterable[str]) -> dict[str, str]:
        names = list(names)
        if unknown := [name for name in names if name not in self.contract.state]:
            raise ContractError(f"{self.contract.path}: [state] lacks the axes of {', '.join(unknown)}")
        return {name: self.contract.state[name] for name in names}

    def to_own(self, state: State) -> State:
        """A state in the side's own layout, from the reference's axes."""
        axes = self._axes(state)
        return {name: permute(array, axes[name], self.own_axes(axes[name])) for name, array in state.items()}

    def _from_own(self, state: State) -> State:
        axes = self._axes(state)
        return {name: permute(array, self.own_axes(axes[name]), axes[name]) for name, array in state.items()}
