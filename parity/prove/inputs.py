"""Inputs of a proof: `.npz` files whose keys name the reference's arguments, and how their axes lie in the port."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np

from parity.base.errors import InputError, MissingError, UsageError

Inputs = dict[str, np.ndarray]
Order = tuple[int, ...]
"""Axes of the reference's array in the order in which the candidate has them."""

OUTPUT = "output"
"""What `--axes` calls the output; of several, `output 1` is the second."""

UNPACKED = 1 << 30
"""Bytes to which a compressed file may unpack."""
DEEPEST = 100
"""Dictionaries in each other that an input may be in."""

_TRIED = 24
"""Layouts of all inputs together that are tried at most."""


Given = str | Path | Mapping[str, Any]
"""A `.npz` file, or the arrays themselves by name; what can be made an array is one."""


def several(inputs: Given | Sequence[Given]) -> list[Path | Mapping[str, Any]]:
    """Each set of inputs. Raises `InputError` for what is neither a file nor arrays by name."""
    sets = [inputs] if isinstance(inputs, str | Path | Mapping) else inputs
    if not isinstance(sets, Sequence) or not all(isinstance(one, str | Path | Mapping) for one in sets):
        kinds = {type(one).__name__ for one in sets} if isinstance(sets, Sequence) else {type(inputs).__name__}
        raise InputError(
            f"inputs of {', '.join(sorted(kinds))}: expected arrays by the names of the reference's arguments, as "
            "{'x': array}, a .npz file of such, or a list of these"
        )
    return [Path(one) if isinstance(one, str) else one for one in sets]


def read(path: Path) -> Inputs:
    """The arrays of a `.npz` file, in its order. Raises `InputError` where it cannot be read."""
    if not path.is_file():
        raise MissingError(f"{path}: there is no such file; write the reference's arguments with numpy.savez, by name")
    try:
        _check_sizes(path)
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: _numbers(name, file[name]) for name in file.files}
    except (OSError, TypeError, ValueError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: cannot be read as .npz ({error}); write it with numpy.savez") from error


def _check_sizes(path: Path) -> None:
    """Raises `ValueError` for a zip that would unpack to more than `UNPACKED` bytes, or where it holds more than that,
    to more than it has itself. What a member claims is all that is unpacked of it."""
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > max(UNPACKED, path.stat().st_size):
        raise ValueError(
            f"it would unpack to {size} bytes; expected at most {UNPACKED}, or arrays that are stored as they are"
        )


def _numbers(name: str, member: Any) -> np.ndarray:
    if not isinstance(member, np.ndarray):  # NumPy gives the bytes of what is no array
        raise TypeError(f"{name} is no array")
    return member


def labels(given: Sequence[Path | Mapping[str, Any]]) -> list[str]:
    """What messages call each set: its file, or its number."""
    return [str(one) if isinstance(one, Path) else f"inputs {number}" for number, one in enumerate(given)]


def read_all(given: Sequence[Path | Mapping[str, Any]]) -> list[Inputs]:
    """The arrays of each set. Raises `InputError` for what are no inputs, and where sets differ but in lengths."""
    if not given:
        raise InputError("no inputs: give a mapping of arrays by the names of the reference's arguments, or several")
    called = labels(given)
    sets = [
        read(one) if isinstance(one, Path) else _arrays(label, one) for label, one in zip(called, given, strict=True)
    ]
    for label, inputs in zip(called, sets, strict=True):
        _check(label, inputs)
        if missing := sorted(sets[0].keys() ^ inputs.keys()):
            raise InputError(f"{label}: differs from {called[0]} in {', '.join(missing)}; give the same keys in each")
        for name, array in inputs.items():
            first = sets[0][name]
            if array.ndim != first.ndim or array.dtype != first.dtype:
                raise InputError(
                    f"{label}: {name} is {array.dtype} with {array.ndim} axes, in {called[0]} {first.dtype} with "
                    f"{first.ndim}; sets of inputs may differ in lengths alone"
                )
    names = list(flat(structured(sets[0])))
    return [{name: inputs[name] for name in names} for inputs in sets]


def _arrays(label: str, given: Mapping[str, Any]) -> Inputs:
    """Raises `InputError` for a key that is no name, and for a value that is no array."""
    arrays = {}
    for name, value in given.items():
        if not isinstance(name, str):
            raise InputError(f"{label}: the key {name!r} is a {type(name).__name__}, expected the name of an argument")
        try:
            arrays[name] = np.asarray(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"{label}: {name} cannot be made an array ({error}); give a NumPy array") from None
    return arrays


def _check(label: str, inputs: Inputs) -> None:
    if not inputs:
        raise InputError(f"{label}: holds no arrays, expected one for each argument of the reference")
    for name, array in inputs.items():
        if array.dtype.kind not in "biufc":
            raise InputError(f"{label}: {name} holds {array.dtype}, expected numbers")
        if array.dtype.kind in "fc" and not np.isfinite(array).all():
            raise InputError(f"{label}: {name} holds NaN or infinity, expected finite numbers")
        if not array.size:
            raise InputError(f"{label}: {name} is empty (shape {array.shape}), expected numbers")


def structured(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments from keys: `batch/ids` is `ids` in the dictionary `batch`. Raises `InputError` for a name of both."""
    made: dict[str, Any] = {}
    for name, value in inputs.items():
        *outer, last = name.split("/")
        if len(outer) > DEEPEST:
            raise InputError(
                f"the inputs hold {name[:40]!r}..., in {len(outer)} dictionaries; expected at most {DEEPEST}"
            )
        place = made
        for part in outer:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise InputError(f"the inputs hold {part!r} and {name!r}; an argument is an array or a dictionary")
        if last in place:
            raise InputError(f"the inputs hold {name!r} and what is in it; an argument is an array or a dictionary")
        place[last] = value
    return made


def flat(tree: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """The keys again, those of one dictionary beside each other."""
    made: dict[str, Any] = {}
    for name, value in tree.items():
        made |= flat(value, f"{path}{name}/") if isinstance(value, dict) else {f"{path}{name}": value}
    return made


def declared(texts: Sequence[str]) -> dict[str, Order]:
    """Orders from texts like `x: b c t -> b t c`. Raises `InputError` for what is none."""
    orders = {}
    for text in [texts] if isinstance(texts, str) else texts:
        name, colon, rest = text.partition(":") if isinstance(text, str) else ("", "", "")
        before, arrow, after = rest.partition("->")
        ours, theirs = before.split(), after.split()
        if not (colon and arrow and ours) or len(set(ours)) != len(ours) or sorted(ours) != sorted(theirs):
            raise UsageError(f"--axes {text!r}: expected 'name: axes of the reference -> the same axes of the port'")
        orders[" ".join(name.split())] = tuple(ours.index(axis) for axis in theirs)
    return orders


def check_declared(orders: Mapping[str, Order], inputs: Inputs) -> None:
    """Raises `InputError` for an order of no input, or of another number of axes."""
    for name, order in orders.items():
        if name.split()[0] == OUTPUT:
            continue
        if name not in inputs:
            raise UsageError(f"--axes names {name!r}; expected {', '.join(inputs)} or {OUTPUT}")
        if len(order) != inputs[name].ndim:
            raise UsageError(f"--axes {name!r} has {len(order)} axes, the array has {inputs[name].ndim}")


def layouts(inputs: Inputs, orders: Mapping[str, Order]) -> Iterator[dict[str, Order]]:
    """Layouts to try, the likeliest first: as they are, all with channels last, all with channels first, each alone."""

    def options(name: str, array: np.ndarray) -> list[Order]:
        plain = tuple(range(array.ndim))
        if name in orders:
            return [orders[name]]
        if array.ndim < 3:
            return [plain]
        last, first = (0, *plain[2:], 1), (0, plain[-1], *plain[1:-1])
        return [plain, last, *([first] if first != last else [])]

    choices = {name: options(name, array) for name, array in inputs.items()}
    seen = set()
    together = [tuple(c[min(place, len(c) - 1)] for c in choices.values()) for place in range(3)]
    for row in islice((*together, *product(*choices.values())), _TRIED + len(together)):
        if row not in seen:
            seen.add(row)
            yield dict(zip(choices, row, strict=True))


def turned(inputs: Inputs, layout: Mapping[str, Order]) -> Inputs:
    """The inputs as the candidate takes them."""
    return {name: np.array(array.transpose(layout[name]), order="C") for name, array in inputs.items()}


def equally_long(sets: Sequence[Inputs]) -> list[str]:
    """A sentence for each input two axes of which are equally long in every file: they could be mixed up."""
    said = []
    for name, first in sets[0].items():
        for one in range(first.ndim):
            for other in range(one + 1, first.ndim):
                lengths = {(inputs[name].shape[one], inputs[name].shape[other]) for inputs in sets}
                if all(a == b > 1 for a, b in lengths):
                    said.append(
                        f"{name}: axes {one} and {other} are equally long ({first.shape[one]}); "
                        "a port that mixes them up may pass; give other lengths"
                    )
    return said
