"""Models of ports as their tables say, by names that can be imported: `ports.chatterbox.models:mlx_audio.flow`."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from parity.prove.models import named
from ports.chatterbox.subject import LAYERS, filled


def __getattr__(port: str) -> SimpleNamespace:
    """What makes each of a port's models. Raises `AttributeError` for a port that has no table."""
    table = Path(__file__).with_name(f"{port}.toml")
    if not table.is_file():
        raise AttributeError(f"{port}: there is no {table}")
    models = tomllib.loads(table.read_text(encoding="utf-8")).get("models", {})
    return SimpleNamespace(**{name: _factory(fields) for name, fields in models.items()})


def _factory(fields: dict[str, Any]) -> Callable[[], Any]:
    return lambda: made(**fields)


def made(
    kind: str,
    file: str,
    prefix: str = "",
    part: str = "",
    takes: Sequence[Any] = (),
    first: str = "",
    within: bool = False,
) -> Any:
    """A class `module:name`, made with what it takes and filled; or a part of the model.

    `file`, `prefix` and `within` say which tensors it is filled with: `subject.filled` has more. Of the list of layers
    that `first` names only the first `LAYERS` are kept, as in the reference.
    """
    model = filled(named(kind)(*takes), file, prefix, within=within)
    if first:
        holder, _, name = first.rpartition(".")
        setattr(attrgetter(holder)(model), name, attrgetter(first)(model)[:LAYERS])
    return attrgetter(part)(model) if part else model
