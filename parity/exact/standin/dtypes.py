"""Dtypes as MLX reports them, and the NumPy dtype that holds their values: floating-point values are always double."""

from __future__ import annotations

from typing import Any

import numpy as np


class DtypeCategory:
    """A set of dtypes, as `mx.floating` is. `inside` is the category that holds it."""

    def __init__(self, name: str, inside: DtypeCategory | None = None):
        self.name, self.inside = name, inside

    def __repr__(self) -> str:
        return f"DtypeCategory.{self.name}"


generic = DtypeCategory("generic")
number = DtypeCategory("number", generic)
integer = DtypeCategory("integer", number)
signedinteger = DtypeCategory("signedinteger", integer)
unsignedinteger = DtypeCategory("unsignedinteger", integer)
inexact = DtypeCategory("inexact", number)
floating = DtypeCategory("floating", inexact)
complexfloating = DtypeCategory("complexfloating", inexact)


class Dtype:
    """What MLX reports of an array. `storage` is NumPy's dtype of its values, `size` the bytes of an item in MLX."""

    __slots__ = ("category", "is_floating", "is_inexact", "name", "size", "storage")

    def __init__(self, name: str, size: int, category: DtypeCategory, storage: Any):
        self.name, self.size, self.category = name, size, category
        self.storage = np.dtype(storage)
        self.is_floating = category is floating
        self.is_inexact = category in (floating, complexfloating)

    def __repr__(self) -> str:
        return f"mlx.core.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return named, (self.name,)

    def __copy__(self) -> Dtype:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Dtype:
        return self


bool_ = Dtype("bool", 1, generic, np.bool_)
uint8 = Dtype("uint8", 1, unsignedinteger, np.uint8)
uint16 = Dtype("uint16", 2, unsignedinteger, np.uint16)
uint32 = Dtype("uint32", 4, unsignedinteger, np.uint32)
uint64 = Dtype("uint64", 8, unsignedinteger, np.uint64)
int8 = Dtype("int8", 1, signedinteger, np.int8)
int16 = Dtype("int16", 2, signedinteger, np.int16)
int32 = Dtype("int32", 4, signedinteger, np.int32)
int64 = Dtype("int64", 8, signedinteger, np.int64)
float16 = Dtype("float16", 2, floating, np.float64)
bfloat16 = Dtype("bfloat16", 2, floating, np.float64)
float32 = Dtype("float32", 4, floating, np.float64)
float64 = Dtype("float64", 8, floating, np.float64)
complex64 = Dtype("complex64", 8, complexfloating, np.complex128)

ALL = (
    bool_,
    uint8,
    uint16,
    uint32,
    uint64,
    int8,
    int16,
    int32,
    int64,
    float16,
    bfloat16,
    float32,
    float64,
    complex64,
)
_NAMED = {dtype.name: dtype for dtype in ALL}
HALF = (float16, bfloat16)


def named(name: str) -> Dtype:
    """The dtype of that name: `"float32"`, and `"bool"` for `mx.bool_`."""
    return _NAMED[name]


_FROM_NUMPY = {np.dtype(name): dtype for name, dtype in _NAMED.items() if name not in ("bfloat16", "complex64")}
_FROM_NUMPY |= {np.dtype(np.float64): float32, np.dtype(np.complex64): complex64, np.dtype(np.complex128): complex64}


def from_numpy(dtype: np.dtype[Any]) -> Dtype:
    """What MLX reports of an array made from NumPy's: float64 becomes float32. Raises ValueError for other kinds."""
    try:
        return _FROM_NUMPY[dtype]
    except KeyError:
        raise ValueError(f"an array of NumPy's dtype {dtype} cannot be made into one of MLX") from None


def _promoted(a: Dtype, b: Dtype) -> Dtype:
    if a is b:
        return a
    for dtype in (complex64, float64, float32):
        if dtype in (a, b):
            return dtype
    if a.is_floating and b.is_floating:
        return float32  # the two halves
    if a.is_floating or b.is_floating:
        return a if a.is_floating else b
    common = np.promote_types(a.storage, b.storage)
    return float32 if common.kind == "f" else named(common.name)  # uint64 with a signed one is a float


PROMOTED = {(a, b): _promoted(a, b) for a in ALL for b in ALL}


def result_type(*dtypes: Dtype) -> Dtype:
    """The dtype that arrays of these make together, by MLX's rules."""
    result = dtypes[0]
    for dtype in dtypes[1:]:
        result = PROMOTED[result, dtype]
    return result


def issubdtype(dtype: Dtype | DtypeCategory, category: Dtype | DtypeCategory) -> bool:
    """Whether a dtype or category is in a category, or is that dtype itself."""
    if isinstance(category, Dtype):
        return dtype is category
    inner: DtypeCategory | None = dtype.category if isinstance(dtype, Dtype) else dtype
    while inner is not None and inner is not category:
        inner = inner.inside
    return inner is category


class finfo:
    """Limits of a floating-point dtype as it is reported, not of the double that holds its values."""

    _LIMITS = (
        (float16, 65504.0, 2.0**-10, 2.0**-14, 16),
        (bfloat16, (2 - 2.0**-7) * 2.0**127, 2.0**-7, 2.0**-126, 16),
        (float32, (2 - 2.0**-23) * 2.0**127, 2.0**-23, 2.0**-126, 32),
        (float64, float(np.finfo(np.float64).max), 2.0**-52, 2.0**-1022, 64),
    )

    def __init__(self, dtype: Dtype):
        known = {name: limits for name, *limits in self._LIMITS} | {complex64: list(self._LIMITS[2][1:])}
        if dtype not in known:
            raise ValueError(f"[finfo] dtype must be a floating-point dtype, got {dtype}")
        self.dtype = float32 if dtype is complex64 else dtype
        self.max, self.eps, self.smallest_normal, self.bits = known[dtype]
        self.min = -self.max


class iinfo:
    """Limits of an integer dtype."""

    def __init__(self, dtype: Dtype):
        if not issubdtype(dtype, integer):
            raise ValueError(f"[iinfo] dtype must be an integer dtype, got {dtype}")
        limits = np.iinfo(dtype.storage)
        self.dtype, self.min, self.max, self.bits = dtype, int(limits.min), int(limits.max), limits.bits


def isdtype(dtype: Dtype, kind: Any) -> bool:
    """Whether a dtype is of a kind of the array API: a name, a dtype, or a tuple of such."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    if isinstance(kind, Dtype):
        return dtype is kind
    kinds = {
        "bool": dtype is bool_,
        "signed integer": dtype.category is signedinteger,
        "unsigned integer": dtype.category is unsignedinteger,
        "integral": issubdtype(dtype, integer),
        "real floating": dtype.is_floating,
        "complex floating": dtype is complex64,
        "numeric": dtype is not bool_,
    }
    if kind not in kinds:
        raise ValueError(f"[isdtype] got kind {kind!r}, expected one of {', '.join(kinds)}")
    return kinds[kind]


def can_cast(source: Any, target: Dtype) -> bool:
    """Whether promotion leads from a dtype, or from an array's, to `target`."""
    return PROMOTED[getattr(source, "dtype", source), target] is target
