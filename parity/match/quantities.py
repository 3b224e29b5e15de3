"""The reference's quantities: its values, those that are the same up to an arrangement taken as one."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Container, Iterable

from parity.match.arrangement import EXACT
from parity.match.values import Index, Runs, arranged, informative, neutral, whole


class Quantities:
    """Of each value of the reference the quantity that it is: the key of the first value that is equal to it.

    `made[quantity]` is the step that makes it, `parts[quantity]` the quantities that this step takes and that depend on
    the program's inputs. `neutral` quantities (masks, indices) are taken as they are and never looked for.
    """

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self.values = runs.evaluate()
        self.of: dict[int, int] = {}
        self.index, self.small = Index(), Index()
        self.neutral: set[int] = set()
        for key in runs.inputs:
            self._enter(key, ())
        for step in runs.steps:
            for key in step.outputs:
                if key in runs.dynamic:
                    self._enter(key, [part for part in step.inputs if part in runs.dynamic])
        self.made = {key: runs.makers[key] for key in set(self.of.values()) if key in runs.makers}
        self.parts = {
            quantity: tuple(dict.fromkeys(self.of[key] for key in runs.steps[place].inputs if key in runs.dynamic))
            for quantity, place in self.made.items()
        }
        self.members: dict[int, list[int]] = {}
        for key, quantity in self.of.items():
            self.members.setdefault(quantity, []).append(key)
        self.users: dict[int, list[int]] = {}
        for quantity, parts in self.parts.items():
            for part in parts:
                self.users.setdefault(part, []).append(quantity)

    def made_from(self, quantity: int, parts: Collection[int]) -> bool:
        """The quantity is made of all these, or is one of them. The nearest are looked at first, and none before all.

        A long chain of steps is so followed no further than what is asked for.
        """
        missing = set(parts) - {quantity}
        first = min(missing, default=quantity)
        seen, left = {quantity}, deque([quantity])
        while missing and left:
            for part in self.parts.get(left.popleft(), ()):
                if part >= first and part not in seen:
                    seen.add(part)
                    missing.discard(part)
                    left.append(part)
        return not missing

    def cone(self, quantity: int, seen: Container[int]) -> tuple[set[int], set[int]]:
        """What of this quantity was not seen: itself and what it is made of, back to `seen` ones, which come second."""
        inside: set[int] = set()
        edge: set[int] = set()
        left = [quantity]
        while left:
            one = left.pop()
            if one in inside or one in edge:
                continue
            if one not in self.made or (one in seen and one != quantity) or one in self.neutral:
                edge.add(one)
                continue
            inside.add(one)
            left.extend(self.parts[one])
        return inside, edge

    def grounds(self, border: Collection[int], seen: Container[int]) -> set[int]:
        """The border of a cone, and what the masks and indices in it are made of, back to `seen` quantities."""
        found = set(border)
        left = [one for one in border if one in self.neutral]
        while left:
            for part in self.parts.get(left.pop(), ()):
                if part not in found:
                    found.add(part)
                    if part in self.neutral or part not in seen:
                        left.append(part)
        return found

    def made_before(self, quantity: int, seen: Container[int]) -> set[int]:
        """The quantity and all that it is made of, masks and indices too, back to `seen` ones."""
        inside: set[int] = set()
        left = [quantity]
        while left:
            one = left.pop()
            if one in self.made and one not in inside and (one == quantity or one not in seen):
                inside.add(one)
                left.extend(self.parts[one])
        return inside

    def takers(self, weights: Container[int]) -> dict[int, list[int]]:
        """Of each of these weights the quantities that are made with it, in running order."""
        takers: dict[int, list[int]] = {}
        for step in self.runs.steps:
            for key in step.inputs:
                if key in weights:
                    takers.setdefault(key, []).extend(self.of[made] for made in step.outputs if made in self.of)
        return takers

    def _enter(self, key: int, parts: Iterable[int]) -> None:
        pooled = self.values[key]
        self.of[key] = key
        if not whole(pooled):
            return
        for part in parts:
            if self.runs.layout(self.runs.makers[key]) and arranged(pooled, self.values[part], EXACT) is not None:
                self.of[key] = self.of[part]
                return
        if informative(pooled):
            for equal, _, _ in self.index.find(pooled, EXACT):
                self.of[key] = equal
                return
            self.index.add(key, pooled)
        elif neutral(pooled):
            self.neutral.add(key)
        else:
            self.small.add(key, pooled)
