"""Reading and writing at indices, as MLX's primitives Gather, Scatter, Slice and their kin define them.

Indices are integers; a negative one counts from the end of its axis.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from parity.base.errors import InputError

_COMBINE = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum}


def gather(
    source: np.ndarray, indices: Sequence[np.ndarray], axes: Sequence[int], slice_sizes: Sequence[int]
) -> np.ndarray:
    """The slices of `slice_sizes` (one size an axis) that begin at the indices, of shape indices + slice_sizes.

    The i-th array of indices is where slices begin on axis `axes[i]`; on other axes they begin at 0.
    """
    places = _places(source, indices, axes, slice_sizes)
    front = np.moveaxis(source, axes, range(len(axes)))[
        (*(slice(None),) * len(axes), *(slice(n) for axis, n in enumerate(slice_sizes) if axis not in axes))
    ]
    return _to_axes(np.asarray(front[places]), axes, source.ndim)


def gather_axis(source: np.ndarray, indices: np.ndarray, axis: int) -> np.ndarray:
    """source[..., indices[..., j, ...], ...]: along one axis, other axes alike or broadcast."""
    return np.asarray(np.take_along_axis(source, _signed(indices), axis))


def scatter(
    source: np.ndarray, indices: Sequence[np.ndarray], updates: np.ndarray, axes: Sequence[int], mode: str = "none"
) -> np.ndarray:
    """A copy of source with `updates`, of shape indices + slice, put at the slices that begin at the indices.

    `mode` is 'none' (replace: of repeated indices the last one stays), 'sum', 'prod', 'max' or 'min': then what is
    there takes part, and each of repeated indices does.
    """
    count = updates.ndim - source.ndim
    sizes = updates.shape[count:]
    places = _places(source, indices, axes, sizes)
    out = np.array(source)
    front = np.moveaxis(out, axes, range(len(axes)))[
        (*(slice(None),) * len(axes), *(slice(n) for axis, n in enumerate(sizes) if axis not in axes))
    ]
    values = np.moveaxis(updates, [count + axis for axis in axes], range(count, count + len(axes)))
    _put(front, places, values.astype(source.dtype, copy=False), mode)
    return out


def scatter_axis(
    source: np.ndarray, indices: np.ndarray, updates: np.ndarray, axis: int, mode: str = "none"
) -> np.ndarray:
    """A copy of source with `updates` put, or added ('sum'), at indices along one axis: of the shape of the indices."""
    out = np.array(source)
    places: list[np.ndarray] = list(np.indices(indices.shape, sparse=True))
    places[axis] = _signed(indices)
    _put(out, tuple(places), np.broadcast_to(updates, indices.shape), mode)
    return out


def windows(
    shape: Sequence[int], start: Sequence[int], stop: Sequence[int], stride: Sequence[int]
) -> tuple[slice, ...]:
    """The slice of each axis that Slice and SliceUpdate mean by start, stop and stride, as Python's own slices."""
    return tuple(_window(*each) for each in zip(shape, start, stop, stride, strict=True))


def slice_update(
    source: np.ndarray,
    update: np.ndarray,
    start: Sequence[int],
    stop: Sequence[int],
    stride: Sequence[int],
    mode: str = "none",
) -> np.ndarray:
    """A copy of source with `update`, broadcast, put into a slice or combined with it by `mode`, as in `scatter`."""
    out = np.array(source)
    where = windows(source.shape, start, stop, stride)
    _put(out, where, np.asarray(update).astype(source.dtype, copy=False), mode)
    return out


def dynamic_slice(source: np.ndarray, start: np.ndarray, axes: Sequence[int], slice_size: Sequence[int]) -> np.ndarray:
    """The slice of `slice_size` (one size an axis) that begins at start[i] on axis `axes[i]`, at 0 on others."""
    return np.asarray(source[_dynamic(source, start, axes, slice_size)])


def dynamic_slice_update(source: np.ndarray, update: np.ndarray, start: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    """A copy of source with `update` put where it begins at start[i] on axis `axes[i]`, at 0 on others."""
    out = np.array(source)
    out[_dynamic(source, start, axes, update.shape)] = update
    return out


def masked_scatter(source: np.ndarray, mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A copy of source with values, in order, where the mask is true: each entry of the first axis by its own values.

    Source and mask are of one shape; values begin with its first axis.
    """
    out = np.array(source)
    for entry, seen, given in zip(out, mask, values.reshape(len(values), -1), strict=True):
        count = int(np.count_nonzero(seen))
        if count > given.size:
            raise InputError(f"a mask of {count} true values needs as many to put there, got {given.size}")
        entry[seen] = given[:count]
    return out


def _signed(indices: np.ndarray) -> np.ndarray:
    return np.asarray(indices).astype(np.int64, copy=False)


def _places(
    source: np.ndarray, indices: Sequence[np.ndarray], axes: Sequence[int], sizes: Sequence[int]
) -> tuple[np.ndarray, ...]:
    """Of each indexed axis the positions of slices, of shape indices + the slice's sizes on the indexed axes."""
    starts = [_signed(each) for each in np.broadcast_arrays(*indices)] if len(indices) else []
    places = []
    for turn, (axis, start) in enumerate(zip(axes, starts, strict=True)):
        start = np.where(start < 0, start + source.shape[axis], start)
        if start.size and (start.min() < 0 or start.max() + sizes[axis] > source.shape[axis]):
            raise InputError(
                f"indices reach from {start.min()} to {start.max() + sizes[axis] - 1} on axis {axis} of shape "
                f"{source.shape}: MLX does not say what lies there; keep indices inside"
            )
        shape = [1] * len(axes)
        shape[turn] = sizes[axis]
        places.append(start.reshape(*start.shape, *(1,) * len(axes)) + np.arange(sizes[axis]).reshape(shape))
    return tuple(places)


def _to_axes(gathered: np.ndarray, axes: Sequence[int], ndim: int) -> np.ndarray:
    """Put the slice's indexed axes, which come right behind those of the indices, where they are in the source."""
    count = gathered.ndim - ndim
    return np.moveaxis(gathered, range(count, count + len(axes)), [count + axis for axis in axes])


def _put(target: np.ndarray, where: tuple[np.ndarray | slice, ...], values: np.ndarray, mode: str) -> None:
    if mode == "none":
        target[where] = values
    elif mode in _COMBINE:
        with np.errstate(over="ignore", invalid="ignore"):
            _COMBINE[mode].at(target, where, values)  # type: ignore[arg-type]
    else:
        raise InputError(f"mode is 'none', 'sum', 'prod', 'max' or 'min', got {mode!r}")


def _window(size: int, start: int, stop: int, stride: int) -> slice:
    start, stop = (each + size if each < 0 else each for each in (start, stop))
    if stride > 0:
        start = min(max(start, 0), size)
        return slice(start, max(min(max(stop, 0), size), start), stride)
    start, stop = min(start, size - 1), max(stop, -1)
    # Python reads a stop of -1 as the last element: None is the one before the first.
    return slice(start, None if stop < 0 else stop, stride) if start > stop else slice(0, 0, stride)


def _dynamic(source: np.ndarray, start: np.ndarray, axes: Sequence[int], sizes: Sequence[int]) -> tuple[slice, ...]:
    begin = [0] * source.ndim
    for axis, value in zip(axes, np.atleast_1d(start), strict=True):
        begin[axis] = int(value)
    if any(a < 0 or a + n > size for a, n, size in zip(begin, sizes, source.shape, strict=True)):
        raise InputError(
            f"a slice of {tuple(sizes)} from {tuple(begin)} leaves an array of shape {source.shape}: MLX does not say "
            "what lies there; keep it inside"
        )
    return tuple(slice(a, a + n) for a, n in zip(begin, sizes, strict=True))
