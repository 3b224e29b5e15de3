"""Values that were seen and are not visited yet: a lazy framework computes many at a time, while others are judged."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from parity.contract import Tap

MOST, MOST_BYTES = 8, 1 << 26
"""Values, and bytes of them, that are computed as one graph. Twice as many are held.

MLX runs only some operations behind the program, which judges meanwhile. Side by side, on the short flow at full size,
capture and verdict took 10, 12, 24 and 31 % on top of the plain run with graphs of 4, 8, 16 and 32 values.
"""

See = Callable[[Tap, Any], None]


class Waiting:
    """Hands values to `see` in the order in which they were added; those of a framework that is not lazy, at once.

    A value that is looked at by itself ends the graph, and the run waits for it. Here a run waits for the graph before
    the one that is being computed.
    """

    def __init__(self, adapter: ModuleType, see: See):
        self.adapter, self.see = adapter, see
        self.started: list[tuple[Tap, Any]] = []
        self.held: list[tuple[Tap, Any]] = []
        self.bytes = 0

    def add(self, tap: Tap, value: Any) -> None:
        """A value as it is now."""
        if not self.adapter.LAZY:
            self.see(tap, value)
            return
        self.held.append((tap, self.adapter.hold(value)))
        self.bytes += value.nbytes
        if len(self.held) >= MOST or self.bytes >= MOST_BYTES:
            self._turn()

    def flush(self) -> None:
        """See all that were added."""
        self._turn()
        self._turn()

    def _turn(self) -> None:
        self.adapter.start([value for _, value in self.held])
        seen, self.started, self.held, self.bytes = self.started, self.held, [], 0
        for tap, value in seen:
            self.see(tap, value)
