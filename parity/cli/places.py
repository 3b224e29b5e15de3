"""The places that a command writes to, by its options: tried before it does any work."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from parity.base.files import try_outputs
from parity.cli.kinds import ANY, COMPARISON, PAGE, SQLITE, SURVEY
from parity.show import page
from parity.show.history import History

FILES = {PAGE: page.FILES, COMPARISON: page.OF_A_COMPARISON, SURVEY: page.OF_A_SURVEY}


def require_places(options: argparse.Namespace, inputs: Iterable[Path] = ()) -> None:
    """Raises `InputError` where a command could not write what its options name, or would destroy what it reads.

    `options.writes` has the kind of each option that names an output; every other path is an input, and so are
    `inputs`.
    """
    try_outputs(_outputs(options), [*_inputs(options), *inputs])
    kinds = {path: kind for name, kind in options.writes.items() if (path := getattr(options, name))}
    if FILES.keys() & kinds.values():
        page.require_extra()
    for path, kind in kinds.items():
        if kind is SQLITE and path.exists():
            History(path)


def _outputs(options: argparse.Namespace) -> Iterator[tuple[Path, bytes | None]]:
    for name, kind in options.writes.items():
        if path := getattr(options, name):
            yield from [(path / file, ANY) for file in FILES[kind]] if kind in FILES else [(path, kind)]


def _inputs(options: argparse.Namespace) -> Iterator[Path]:
    for name, value in vars(options).items():
        for path in value if isinstance(value, list) else [value]:
            if name in ("reference", "candidate"):  # a file or a folder, or a module's name
                yield Path(path)
            elif isinstance(path, Path) and name not in options.writes:
                results = name in ("results", "add", "exercise") and path.is_dir()
                yield from path.rglob("*.json") if results else [path]
