"""The search itself: each tensor of the port looked for among the reference's, the plain ways first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np

from parity.exact.constants import HALF
from parity.match.audit import folding, quantised, rows
from parity.match.audit.crossed import crossed
from parity.match.audit.leftover import DIGITS, NEAR, distance, fresh, likeliest, pairs
from parity.match.audit.lying import corners, lying, reversed_axes
from parity.match.audit.rows import Audit, Row
from parity.match.audit.slices import WHOLE, Cut, Slices, entry_sizes, merged, regular, runs
from parity.match.audit.tensor import CODES, Side, Tensor, nearest
from parity.match.orders import how

SINGLE = "float32"

_LOST = 0.5
"""Share of a tensor's entries that may be other numbers where the rest is the reference's."""


def audit(reference: Side, candidate: Side) -> Audit:
    """Account for every tensor of two sides by its values."""
    search = _Search(reference, candidate)
    search.integers()
    search.filled()
    search.whole(SINGLE)
    search.flipped()
    search.cut(SINGLE)
    search.folded()
    for dtype in HALF:
        search.whole(dtype)
        search.cut(dtype)
    search.quantised()
    search.factors()
    search.differing()
    search.untied()
    search.alone()
    return Audit(crossed(search.rows, reference.tensors))


class _Search:
    """`left` are the tensors of either side that are not accounted for yet: the reference's, the port's."""

    def __init__(self, reference: Side, candidate: Side) -> None:
        self.sides = reference, candidate
        self.left: tuple[list[Tensor], list[Tensor]] = (
            [tensor for tensor in reference.tensors if tensor.size],
            [tensor for tensor in candidate.tensors if tensor.size],
        )
        self.rows: list[Row] = []

    def add(
        self,
        ours: Iterable[Tensor],
        theirs: Iterable[Tensor],
        ways: Iterable[str],
        *evidence: str,
        as_reference: Iterable[tuple[Tensor, Callable[[], np.ndarray]]] = (),
        apart: float | None = None,
    ) -> None:
        """A row of these tensors, which are accounted for with it."""
        sides = list(dict.fromkeys(ours)), list(dict.fromkeys(theirs))
        ways, said = list(ways), [text for text in evidence if text]
        for name, tensors in zip(("the reference", "the port"), sides, strict=True):
            if tensors and not any(tensor.used for tensor in tensors):
                ways.append(rows.UNUSED)
                said.append(f"no output of {name} is made of it")
        names = [tuple(dict.fromkeys(name for tensor in side for name in tensor.names)) for side in sides]
        shaped = sum(tensor.weight and tensor.real and tensor.fill is None for tensor in sides[1]) if sides[0] else 0
        if any(tensor.told for side in sides for tensor in side):
            places = tuple(
                f"{name}: {side[0].taken}"
                for name, side in zip(("reference", "port"), sides, strict=True)
                if side and side[0].taken
            )
            given = tuple(as_reference)
            self.rows.append(Row(names[0], names[1], tuple(ways), "; ".join(said), given, shaped, places, apart=apart))
        for left, tensors in zip(self.left, sides, strict=True):
            left[:] = [tensor for tensor in left if tensor not in tensors]

    def filled(self) -> None:
        """Tensors of one number, which only their names tell apart: as many of one side as the other has."""
        groups: dict[tuple[tuple[int, ...], float], tuple[list[Tensor], list[Tensor]]] = {}
        for side in (0, 1):
            for tensor in self.left[side]:
                if tensor.real and (fill := tensor.fill) is not None:
                    groups.setdefault((tensor.lengths, fill), ([], []))[side].append(tensor)
        for (_, fill), (ours, theirs) in groups.items():
            for one in list(ours):
                other = next((t for t in theirs if t.path == one.path), None) or next(iter(theirs), None)
                if other is None:
                    break
                self.add([one], [other], [rows.SAME], f"all {fill:g}" if one.size > 1 else f"the number {fill:g}")
                if one.size > 1:  # a program may have one number once for all layers
                    theirs.remove(other)

    def integers(self) -> None:
        """Integers and booleans, which nothing rounds: equal, or by their paths others."""
        ours, theirs = (
            [tensor for tensor in self.left[side] if not tensor.real and tensor.dtype != CODES] for side in (0, 1)
        )
        for other in theirs:
            alike = [one for one in ours if one.shape == other.shape]
            equal = [one for one in alike if np.array_equal(one.read(), other.read())]
            same = next((one for one in equal or alike if one.path == other.path), None)
            if one := same or next(iter(equal), None):
                ours.remove(one)
                if equal:
                    self.add([one], [other], [rows.SAME])
                else:
                    self._differs(one, other, f"with other {one.dtype} numbers")

    def whole(self, dtype: str) -> None:
        """Tensors that are one of the reference's, its axes in some order."""
        keys: dict[tuple[int, float, float], list[Tensor]] = {}
        for tensor in self._of(0, dtype):
            keys.setdefault((tensor.size, *_ends(tensor, dtype)), []).append(tensor)
        found: dict[Tensor, list[tuple[Tensor, str]]] = {}
        for tensor in self._of(1, dtype):
            for other in keys.get((tensor.size, *_ends(tensor, dtype)), ()):
                if dtype != SINGLE and not (_stored(tensor, dtype) or _stored(other, dtype)):
                    continue
                said = lying(tensor.rounded(dtype), other.rounded(dtype))
                if said is not None:
                    found.setdefault(tensor, []).append((other, said))
        taken: dict[Tensor, list[Tensor]] = {}
        for tensor, others in found.items():
            taken.setdefault(others[0][0], []).append(tensor)
        for tensors in taken.values():
            ours = list(dict.fromkeys(other for tensor in tensors for other, _ in found[tensor]))
            said = found[tensors[0]][0][1]
            ways = [rows.PERMUTED if said else rows.SAME]
            evidence = [said]
            if len(ours) != len(tensors) or any(tensor.others for tensor in (*ours, *tensors)):
                ways.append(rows.TIED)
                evidence.append(f"{_counted(ours)} of the reference, {_counted(tensors)} of the port")
            self._narrowed(ours, tensors, ways, evidence, dtype)

    def flipped(self) -> None:
        """Tensors that run along some axis in the other direction."""
        keys: dict[tuple[float, ...], list[Tensor]] = {}
        for tensor in self._of(0, SINGLE):
            if len(tensor.lengths) <= 5:
                keys.setdefault((tensor.size, *corners(tensor.rounded(SINGLE))), []).append(tensor)
        for tensor in list(self._of(1, SINGLE)) if keys else ():
            for other in keys.get((tensor.size, *corners(tensor.rounded(SINGLE))), ()):
                said = reversed_axes(tensor.rounded(SINGLE), other.rounded(SINGLE))
                if said is not None:
                    self.add([other], [tensor], [rows.FLIPPED], said)
                    break

    def cut(self, dtype: str) -> None:
        """Tensors whose entries are entries of the reference's."""
        ours, theirs = list(self._of(0, dtype)), list(self._of(1, dtype))
        if dtype != SINGLE:
            half = [any(_stored(tensor, dtype) for tensor in side) for side in (ours, theirs)]
            if not any(half):
                return
        if not ours or not theirs:
            return
        summed = list(folding.sums(ours)) if dtype == SINGLE else []
        arrays = [tensor.rounded(dtype) for tensor in ours]
        arrays += [one.rounded(SINGLE) + other.rounded(SINGLE).reshape(one.shape) for one, other in summed]
        sources: list[tuple[Tensor, ...]] = [*((tensor,) for tensor in ours), *summed]
        index = Slices(arrays, entry_sizes([tensor.read() for tensor in theirs]))
        split: dict[Tensor, list[tuple[Tensor, Cut]]] = {}
        for tensor in theirs:
            found = index.cut(tensor.rounded(dtype))
            if found is None:
                continue
            made_of = list(dict.fromkeys(one for part in found.parts for one in sources[part.number]))
            if found.lost:
                self._but_for(tensor, made_of, found, dtype)
            elif len(made_of) == 1 and made_of[0].size == tensor.size and not regular(found.rows):
                self._disordered(made_of[0], tensor, found)
            elif len(made_of) == 1 and made_of[0].size > tensor.size:
                split.setdefault(made_of[0], []).append((tensor, found))
            else:
                folds = [rows.FOLDED] if any(len(sources[part.number]) > 1 for part in found.parts) else []
                way, evidence = _joined(tensor, made_of, found)
                if folds:
                    evidence = "a sum of two" + (f"; {evidence}" if evidence else "")
                self._narrowed(made_of, [tensor], [*(folds or [way])], [evidence], dtype)
        for one, pieces in split.items():
            said = [f"{tensor.name} is {found.parts[0].text}" for tensor, found in pieces]
            self._narrowed([one], [tensor for tensor, _ in pieces], [rows.SPLIT], said, dtype)

    def _disordered(self, one: Tensor, tensor: Tensor, found: Cut) -> None:
        """Entries of one tensor in an order that no layout has, or some of them in the place of others."""
        order = found.rows
        wrong = [place for place, row in enumerate(order) if place != row]
        if set(order) == set(range(len(order))):
            said = _order(one, tensor) or f"with its entries {found.along} in another order: put them back in order"
        else:
            which = ", ".join(f"entry {place} is its entry {order[place]}" for place in wrong[:3])
            more = f", and of {len(wrong) - 3} more" if len(wrong) > 3 else ""
            said = f"but that {found.along} {which}{more}: convert the tensor anew"
        self._differs(one, tensor, said)

    def _but_for(self, tensor: Tensor, made_of: list[Tensor], found: Cut, dtype: str) -> None:
        """Most of a tensor is the reference's: entries were added to it, or some of a fused one are wrong."""
        if len(found.lost) > _LOST * found.count:
            return
        lost = merged(tensor.rounded(dtype), found.axes)[list(found.lost)]
        if len(made_of) == 1 and tensor.size > made_of[0].size and (lost == lost.flat[0]).all():
            said = f"{len(found.lost)} entries of {lost.flat[0]:g} are added {found.along}"
            self._narrowed(made_of, [tensor], [rows.SPLIT], [said], dtype)
        elif len(made_of) > 1:
            which = f"{'entries' if len(found.lost) > 1 else 'entry'} {', '.join(runs(found.lost))} {found.along}"
            said = f"but for {which}, of {found.count}: convert the tensor anew"
            self.add(made_of, [tensor], [rows.FUSED, rows.DIFFERS], said)

    def folded(self) -> None:
        """Tensors that either program makes of its own: a norm folded into a weight, a weight norm.

        What is made of a tensor that has no counterpart may be one that has: a weight norm with its first lengths.
        """
        for side in (0, 1):
            mine, others = self.left[side], self.left[1 - side]
            if not mine and not others:
                continue
            held = [tensor for tensor in self.sides[1 - side].tensors if tensor.real and tensor.told]
            near = folding.Near(held)
            paths = {tensor.name: tensor for tensor in self.sides[side].tensors}
            hits: list[folding.Hit] = list(folding.computed(near, self.sides[side].made(near.sizes), paths))
            if not side:
                hits += folding.batch_norms(near, self.sides[0].norms)
            for number, names, said in hits:
                made_of = [paths[name] for name in names if name in paths]
                if held[number] in others or any(tensor in mine for tensor in made_of):
                    pair = (made_of, [held[number]]) if not side else ([held[number]], made_of)
                    self.add(*pair, [rows.FOLDED], said)

    def quantised(self) -> None:
        """Codes of a few bits, and the weights of which they are within half a step."""
        for one in list(quantised.quantised(self.left[1])):
            parts = (one.codes, one.scales, one.biases)
            ours = [tensor for tensor in self.left[0] if tensor.real]
            found = quantised.partner(one, ours)
            if found is not None:
                tensor, bits, group = found
                said = f"quantised to {bits} bits in groups of {group}, every number within half a step"
                values = partial(one.values, bits, group, tensor.shape)
                self.add([tensor], parts, [rows.QUANTISED], said, as_reference=[(tensor, values)])

    def factors(self) -> None:
        """Tensors that are the reference's times a number."""
        ours, theirs = ([tensor for tensor in self.left[side] if tensor.real] for side in (0, 1))
        if ours and theirs:
            by_name = {tensor.name: tensor for tensor in ours}
            for number, names, said in list(folding.factors(folding.Near(theirs), ours)):
                if theirs[number] in self.left[1]:
                    self.add([by_name[names[0]]], [theirs[number]], [rows.FOLDED], said)

    def differing(self) -> None:
        """Tensors that stand for each other by their shape, and have other numbers."""
        ours, theirs = ([tensor for tensor in self.left[side] if tensor.weight and tensor.real] for side in (0, 1))
        found = [(one, other, apart, fresh(other)) for one, other, apart in pairs(ours, theirs)]
        never = {_module(other) for one, other, apart, made in found if made and apart >= NEAR and not fresh(one)}
        for one, other, apart, made in found:
            if apart < NEAR:
                said = _order(one, other)
                digits = apart if not said and apart < DIGITS else None
                self._differs(one, other, said or f"apart from it by {apart:.1e} of its RMS", apart=digits)
            elif made and not fresh(one):
                self._differs(one, other, f"{made}, as in a layer that was made and not loaded", rows.UNFILLED)
            elif other.path and _module(other) in never:
                self._differs(one, other, "as what is beside it in its module", rows.UNFILLED)
            else:
                self._differs(one, other, "with other numbers")

    def _differs(
        self, one: Tensor, other: Tensor, said: str, way: str = rows.DIFFERS, apart: float | None = None
    ) -> None:
        values = partial(_as_reference, one, other)
        self.add([one], [other], [way], said, as_reference=[(one, values)], apart=apart)

    def untied(self) -> None:
        """Copies of a tensor that is one at several paths of the reference, of which the port has changed one."""
        for other in [tensor for tensor in self.left[1] if tensor.weight and tensor.real]:
            for one in self.sides[0].tensors:
                if one.real and one.others and one.lengths == other.lengths and distance(one, other) < NEAR:
                    said = _order(one, other) or f"apart from it by {distance(one, other):.1e} of its RMS"
                    self.add([one], [other], [rows.DIFFERS], said)
                    break

    def alone(self) -> None:
        """What has no counterpart."""
        for side in (0, 1):
            for tensor in list(self.left[side]):
                self.add(
                    [tensor] * (1 - side),
                    [tensor] * side,
                    [rows.ALONE],
                    _unlike_any(tensor),
                )

    def _of(self, side: int, dtype: str) -> Iterator[Tensor]:
        """What is left of a side and can be found by its numbers."""
        for tensor in self.left[side]:
            if tensor.real and tensor.fill is None:
                yield tensor

    def _narrowed(
        self, ours: list[Tensor], theirs: list[Tensor], ways: list[str], evidence: list[str], dtype: str
    ) -> None:
        """A row of tensors that are equal, once both are rounded to a dtype."""
        if dtype == SINGLE:
            self.add(ours, theirs, ways, *evidence)
            return
        narrow = all(_stored(tensor, dtype) for tensor in theirs)
        whose = "the port's" if narrow else "the reference's"
        narrow = narrow and not all(tensor.restored for tensor in theirs)
        replaced = [(one, partial(one.rounded, dtype)) for one in ours] if narrow else []
        self.add(ours, theirs, [*ways, rows.CAST], *evidence, f"{whose} is rounded to {dtype}", as_reference=replaced)


def _unlike_any(tensor: Tensor) -> str:
    """What is said of a tensor without a counterpart."""
    if tensor.dtype == CODES:
        return "codes of a few bits"
    return fresh(tensor) if tensor.weight and tensor.real else rows.TABLE


def _module(tensor: Tensor) -> str:
    return tensor.path.rpartition(".")[0]


def _ends(tensor: Tensor, dtype: str) -> tuple[float, float]:
    first, last = nearest(np.array(tensor.ends, np.float32), dtype).tolist()
    return first, last


def _stored(tensor: Tensor, dtype: str) -> bool:
    """Its values are of the dtype, however they are held."""
    if tensor.dtype == dtype:
        return True
    if tensor.dtype in HALF or not all(a == b for a, b in zip(_ends(tensor, dtype), tensor.ends, strict=True)):
        return False
    return bool(np.array_equal(tensor.rounded(dtype), tensor.rounded(SINGLE), equal_nan=True))


def _counted(tensors: list[Tensor]) -> str:
    paths = sum(len(tensor.names) for tensor in tensors)
    one = "one tensor" if len(tensors) == 1 else f"{len(tensors)} tensors"
    return one if paths == len(tensors) else f"{one} at {paths} paths"


def _joined(tensor: Tensor, made_of: list[Tensor], found: Cut) -> tuple[str, str]:
    """Of a tensor made of others' entries: fused, stacked, or one with its entries in another order."""
    if len(made_of) == 1:
        return rows.PERMUTED, f"its entries {found.along} in another order"
    if all(part.axis == WHOLE for part in found.parts):
        return rows.STACKED, found.along
    whole = all(len(part.rows) == one.shape[part.axis] for part, one in zip(found.parts, made_of, strict=False))
    if whole and len(found.parts) == len(made_of):
        return rows.FUSED, found.along
    return rows.FUSED, f"{found.along}: " + ", ".join(part.text for part in found.parts[:4])


def _order(one: Tensor, other: Tensor) -> str:
    """What a changed tensor is to the other one, in words."""
    ours, theirs = one.read(), other.read()
    arrangement = likeliest(ours, theirs)
    return how(theirs, arrangement.apply(ours, theirs.shape))


def _as_reference(one: Tensor, other: Tensor) -> np.ndarray:
    """The port's tensor in the reference's layout."""
    return likeliest(one.read(), other.read()).invert(other.read(), one.shape)
