"""NPY files, read and written strictly: what is returned is what the file says, or there is no answer.

NumPy's own reader is lenient where a parity check must not be: it ignores bytes after the array and takes
headers with a duplicate key, a negative axis, ``True`` for a length or a Python 2 ``10L``. The header is
therefore parsed here. The writer is ``numpy.lib.format.write_array``, which already does what is needed.

Both sides get their arrays from here. ``mlx.core.load`` (0.32.4) is no substitute. MLX looks for ``descr`` and
``fortran_order`` at fixed columns, so a valid Fortran-order file with other spacing comes out scrambled without an
error. MLX also swaps big-endian complex64 as one 8-byte number, takes over-long files and refuses version 3.0.

The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

import ast
import hashlib
import math
import os
import stat
import struct
import sys
from dataclasses import dataclass
from functools import lru_cache
from io import FileIO
from pathlib import Path
from typing import Literal

import numpy as np

from parity.base import syntax
from parity.base.errors import InputError
from parity.base.files import replacing, writing
from parity.base.pointer import is_pointer
from parity.base.walk import WINDOW, release

MAX_HEADER_BYTES = 4096  # 32 axes of 20 digits take 700; Python's parser is not safe on long hostile text
MAX_AXES = 32  # what NumPy 1 could read; NumPy 2 has 64, and no tap has more than a handful
SMALL = 1 << 18  # bytes of a file that is read whole: to map it would take longer

PREAMBLE = 12  # bytes before a header, at most: magic, version, length
_LENGTH_FORMAT: dict[tuple[int, ...], str] = {(1, 0): "<H", (2, 0): "<I", (3, 0): "<I"}
_KEYS = {"descr", "fortran_order", "shape"}
# fmt: off
_TYPES = [
    np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64,
    np.float16, np.float32, np.float64, np.complex64, np.complex128,
]
# fmt: on
# "|f4", "=f4" and "f4" mean other numbers on other machines: only one-byte types go without a byte order.
_DTYPES = {
    order + dtype.str[1:]: np.dtype(order + dtype.str[1:])
    for dtype in map(np.dtype, _TYPES)
    for order in ("<>|" if dtype.itemsize == 1 else "<>")
}
_DTYPE_NAMES = ", ".join(np.dtype(t).name for t in _TYPES)


@dataclass(frozen=True)
class Header:
    """What an NPY file says about its array: ``dtype`` in the file's byte order, ``data_offset`` in bytes."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran_order: bool
    version: tuple[int, ...]
    data_offset: int

    @property
    def nbytes(self) -> int:
        """Size of the array in bytes, without the header."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read the header and hold the file's size against it; refuse what ``read`` refuses, bools unseen."""
    with _open(path) as file:
        return _read_header(file, path)[0]


def read(path: str | os.PathLike[str], *, mmap: bool = False) -> np.ndarray:
    """Read one array of any shape, in native byte order and in the memory order of the file.

    A Fortran-order file yields an F-contiguous array. With ``mmap`` the array is read-only, and of a file of more than
    ``SMALL`` bytes a ``np.memmap``; one in the other byte order cannot be mapped as native numbers and is in memory.

    Raises ``InputError`` for a file that is missing, truncated or over-long, whose header breaks the format,
    whose dtype is not bool, (u)int8 to 64, float16 to 64 or complex64/128, or whose bools are not 0 and 1.
    """
    with _open(path) as file:
        header, start = _read_header(file, path)
        order: Literal["C", "F"] = "F" if header.fortran_order else "C"
        whole = len(start) == header.data_offset + header.nbytes
        if mmap and header.dtype.isnative and not whole:
            array: np.ndarray = np.memmap(file, header.dtype, "r", header.data_offset, header.shape, order)
        else:
            if whole:
                flat = np.frombuffer(start, header.dtype, offset=header.data_offset)
            else:
                file.seek(header.data_offset)
                flat = np.fromfile(file, header.dtype, math.prod(header.shape))
            native = flat.astype(header.dtype.newbyteorder("="), copy=whole and not mmap)
            array = native.reshape(header.shape, order=order)
            array.flags.writeable = not mmap
    _check_bools(array, path)
    return array


def write(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Store an array of any shape at exactly ``path``: version 1.0, little-endian, never pickled.

    The memory order is kept: Fortran order for an array that is F-contiguous and not C-contiguous, C order for
    everything else. The same array gives the same bytes. A temporary file in the same folder takes the bytes first, so
    a failed write leaves an older file as it was.

    Raises ``InputError`` for an array that ``read`` would refuse and a ``path`` that cannot become a file.
    """
    path = Path(path)
    array = _checked(array, path)
    if path.is_dir() or not path.parent.is_dir():
        raise _refusal(path, "no place for a file", "a file name in an existing folder", "Correct the path")
    array = array.astype(array.dtype.newbyteorder("<"), order="A", copy=False)
    with replacing(path) as partial, writing(path), partial.open("xb") as file:
        np.lib.format.write_array(file, array, version=(1, 0), allow_pickle=False)


def canonical_sha256(array: np.ndarray) -> str:
    """SHA-256 of dtype, shape and content in hexadecimal, whatever the memory order and byte order.

    Hashed are the ASCII line ``<f4 1,80,37\\n`` (NumPy's little-endian dtype string, a space, the lengths of
    the axes, none for 0-d) and the elements' little-endian bytes in C order. Bits count: -0.0 is not 0.0.
    Raises ``InputError`` for an array that cannot be stored.
    """
    array = _checked(array, "canonical_sha256")
    array = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    digest = hashlib.sha256(f"{array.dtype.str} {','.join(map(str, array.shape))}\n".encode())
    flat = array.reshape(-1)
    for start in range(0, array.size, WINDOW):
        digest.update(flat[start : start + WINDOW].data)
        release(array)
    return digest.hexdigest()


def _refusal(where: object, got: str, expected: str, remedy: str) -> InputError:
    return InputError(f"{where}: got {got}; expected {expected}. {remedy}.")


def _checked(array: np.ndarray, where: object) -> np.ndarray:
    """Refuse what has no place in a file before any of it is stored or hashed."""
    if not isinstance(array, np.ndarray | np.generic) or isinstance(array, np.ma.MaskedArray):
        raise _refusal(where, f"a {type(array).__name__}", "a plain np.ndarray", "Convert it first")
    array = np.asarray(array)
    if array.dtype.str not in _DTYPES:
        raise _refusal(where, f"dtype {array.dtype}", f"one of {_DTYPE_NAMES}", "Cast it first")
    if array.ndim > MAX_AXES:
        raise _refusal(where, f"{array.ndim} axes", f"at most {MAX_AXES}", "Merge some of them first")
    _check_bools(array, where)
    return array


def _check_bools(array: np.ndarray, where: object) -> None:
    """NumPy takes any byte as a bool, and then two arrays that compare equal differ in content."""
    if array.dtype.kind == "b" and np.any(array.view(np.uint8) > 1):
        raise _refusal(where, "bools stored as other bytes than 0 and 1", "only those", "Store `array != 0`")


def _open(path: str | os.PathLike[str]) -> FileIO:
    try:
        return FileIO(path, opener=_descriptor)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        other = isinstance(error, FileNotFoundError | IsADirectoryError)
        got = "no regular file" if other else (isinstance(error, OSError) and error.strerror) or error
        raise _refusal(path, str(got), "a readable NPY file", "Check the path") from error


def _descriptor(path: str, flags: int) -> int:
    """Opens a file without waiting: a pipe would block."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _read_header(file: FileIO, path: str | os.PathLike[str]) -> tuple[Header, bytes]:
    """The header and what was read: the bytes of all of a small file, and of any other at least those of its header."""
    about = os.fstat(file.fileno())
    if not stat.S_ISREG(about.st_mode):
        raise _refusal(path, "no regular file", "a readable NPY file", "Check the path")
    size = about.st_size
    try:
        start = file.read(size if size <= SMALL else PREAMBLE + MAX_HEADER_BYTES)
    except OSError as error:
        raise _refusal(path, str(error.strerror), "a readable NPY file", "Check the path") from error
    again = "Copy or make the file again"
    magic, version = start[:6], (*start[6:8],)
    if magic != np.lib.format.MAGIC_PREFIX and is_pointer(path):
        raise _refusal(path, "a Git LFS pointer", "the file that it stands for", "Run `git lfs pull`")
    if len(start) < 8 or magic != np.lib.format.MAGIC_PREFIX:
        got = f"a file that begins {start[:8]!r}" if start else "an empty file"
        raise _refusal(path, got, "an NPY file, which begins \\x93NUMPY", "Write it again")
    if version not in _LENGTH_FORMAT:
        raise _refusal(path, "NPY version {}.{}".format(*version), "1.0, 2.0 or 3.0", "Store the array again")
    length_format = _LENGTH_FORMAT[version]
    begin = 8 + struct.calcsize(length_format)
    if len(start) < begin:
        raise _refusal(path, "a file that ends inside the header's length", "a whole file", again)
    (length,) = struct.unpack_from(length_format, start, 8)
    if length > MAX_HEADER_BYTES:
        raise _refusal(path, f"a header of {length} bytes", f"at most {MAX_HEADER_BYTES}", again)
    text = start[begin : begin + length]
    if len(text) < length:
        raise _refusal(path, f"{len(text)} bytes of header", f"the {length} it announces", again)
    try:
        header = _fields(text, version, begin + length)
    except _Refused as refused:
        # The text as stored: a parsed number may have more digits than Python is willing to print.
        raise _refusal(path, f"header {text.strip()!r:.300}", str(refused), "Store the array again") from refused
    due = header.data_offset + header.nbytes
    if size != due:
        what = "truncated" if size < due else "over-long"
        raise _refusal(path, f"{size} bytes ({what})", f"{due} for {header.dtype.str} {header.shape}", again)
    return header, start


class _Refused(Exception):
    """What a header was expected to be."""


@lru_cache(maxsize=1024)
def _fields(text: bytes, version: tuple[int, ...], data_offset: int) -> Header:
    """What a header says. Thousands of files have few headers, and Python's parser takes longer than their values."""
    if not text.endswith(b"\n") or not text.isascii():
        raise _Refused("ASCII that ends with a newline")
    try:
        node = syntax.expression(text.decode("ascii"))
        fields = ast.literal_eval(node)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        raise _Refused("a Python literal") from error
    # Counted in the source: of two equal keys the dict has silently kept the second.
    if not isinstance(node, ast.Dict) or len(node.keys) != len(_KEYS) or fields.keys() != _KEYS:
        raise _Refused(f"a dict with exactly the keys {sorted(_KEYS)}")

    descr, fortran_order, shape = fields["descr"], fields["fortran_order"], fields["shape"]
    if not isinstance(descr, str) or descr not in _DTYPES:
        raise _Refused(f"a descr with byte order, like '<f4', for one of {_DTYPE_NAMES}")
    if type(fortran_order) is not bool:
        raise _Refused("fortran_order True or False")
    if type(shape) is not tuple or any(type(n) is not int or n < 0 for n in shape) or len(shape) > MAX_AXES:
        raise _Refused(f"as shape a tuple of at most {MAX_AXES} integers, none negative")
    dtype = _DTYPES[descr]
    # NumPy's own limit, which leaves zeros out.
    if math.prod(n for n in shape if n) * dtype.itemsize > sys.maxsize:
        raise _Refused("a shape that fits into memory")
    return Header(shape, dtype, fortran_order, version, data_offset)
