"""All pairs, and the share of them that one of several machines judges."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence

import ports
from parity.base.errors import InputError
from ports.pair import Pair

PEERS = "chatterbox"
"""The folder of the ports that are judged against `reference/`, and that have a page of their own."""


def every(peers: bool = False) -> list[Pair]:
    """The pairs of all subjects but one, by name, or the `peers` alone.

    Raises `InputError` where a package that they are of is missing.
    """
    found = [found.name for found in pkgutil.iter_modules(ports.__path__) if found.ispkg]
    folders = [folder for folder in found if (folder == PEERS) == peers]
    try:
        found = [pair for folder in folders for pair in importlib.import_module(f"ports.{folder}").PAIRS]
    except ImportError as error:
        raise InputError(
            f"{error}; run `tox -e {'peers' if peers else 'ports'}`, or install what ports/requirements.txt names"
        ) from None
    return sorted(found, key=lambda pair: pair.name)


def named(name: str, peers: bool = False) -> Pair:
    """The pair of this name. Raises `InputError` where there is none."""
    pairs = {pair.name: pair for pair in every(peers)}
    if name not in pairs:
        raise InputError(f"there is no pair {name!r}; expected one of {', '.join(pairs)}")
    return pairs[name]


def shard(text: str, pairs: Sequence[Pair]) -> list[Pair]:
    """The i-th of n parts, written `i/n`. Raises `InputError` for what is no such text."""
    place, _, count = text.partition("/")
    if not (place.isdigit() and count.isdigit() and 1 <= int(place) <= int(count)):
        raise InputError(f"--shard {text}: expected i/n with i from 1 to n, as 1/4")
    return list(pairs[int(place) - 1 :: int(count)])
