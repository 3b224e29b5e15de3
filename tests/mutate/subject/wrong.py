"""A candidate that is wrong as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parity.contract.implementation import State
from tests.mutate.subject.port import side


class Port(side.Port):
    def run(self, segment: str, index: int | None, state: State, observe: Callable[[str, Any], Any]) -> State:
        return super().run(segment, index, {"x": 1.01 * state["x"]}, observe)
