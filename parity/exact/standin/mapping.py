"""`mx.vmap`: a function of each entry along an axis, called one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parity.exact.standin import shapes
from parity.exact.standin.array import array

Tree = Any
"""Arrays in lists, tuples and dicts; axes are such a tree, or one axis for all that is below."""


def vmap(fun: Callable[..., Any], in_axes: Tree = 0, out_axes: Tree = 0) -> Callable[..., Any]:
    """`fun` over entries: `in_axes` says along which axis of each argument (None: all of it), `out_axes` of results."""

    def mapped(*args: Any) -> Any:
        axes = (in_axes,) * len(args) if in_axes is None or isinstance(in_axes, int) else tuple(in_axes)
        if len(axes) != len(args):
            raise ValueError(f"[vmap] got {len(args)} arguments and {len(axes)} axes for them")
        count = next(iter(_lengths(args, axes)), None)
        if count is None:
            raise ValueError("[vmap] no argument has an axis to be mapped over")
        results = [
            fun(*(_entry(arg, axis, index) for arg, axis in zip(args, axes, strict=True))) for index in range(count)
        ]
        return _stacked(results, out_axes)

    return mapped


def _below(tree: Tree, axes: Tree) -> list[tuple[Any, Tree]]:
    parts = list(tree.values()) if isinstance(tree, dict) else list(tree)
    if axes is None or isinstance(axes, int):
        return [(part, axes) for part in parts]
    inner = list(axes.values()) if isinstance(axes, dict) else list(axes)
    return list(zip(parts, inner, strict=True))


def _lengths(tree: Tree, axes: Tree) -> list[int]:
    if isinstance(tree, array):
        return [] if axes is None else [tree.shape[axes]]
    if isinstance(tree, list | tuple | dict):
        return [length for part, inner in _below(tree, axes) for length in _lengths(part, inner)]
    return []


def _rebuilt(tree: Tree, parts: list[Any]) -> Tree:
    if isinstance(tree, dict):
        return dict(zip(tree, parts, strict=True))
    return parts if isinstance(tree, list) else tuple(parts)


def _entry(tree: Tree, axes: Tree, index: int) -> Tree:
    if isinstance(tree, array):
        return tree if axes is None else tree[(slice(None),) * (axes % tree.ndim) + (index,)]
    if isinstance(tree, list | tuple | dict):
        return _rebuilt(tree, [_entry(part, inner, index) for part, inner in _below(tree, axes)])
    return tree


def _stacked(results: list[Tree], axes: Tree) -> Tree:
    first = results[0]
    if isinstance(first, array):
        return first if axes is None else shapes.NAMES["stack"](results, axis=axes)
    if isinstance(first, list | tuple | dict):
        below = [_below(result, axes) for result in results]
        parts = [_stacked([row[at][0] for row in below], below[0][at][1]) for at in range(len(below[0]))]
        return _rebuilt(first, parts)
    return first
