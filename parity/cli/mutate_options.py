"""The options of `parity mutate`, apart from what it does: a help text loads nothing of it."""

from __future__ import annotations

import argparse
import math
from pathlib import Path


def add_options(sub: argparse.ArgumentParser) -> None:
    """What `parity mutate` takes beside the contract."""
    text = "cases by patterns of their names, with commas between (the contract's)"
    sub.add_argument("--cases", metavar="PATTERN", default="", help=text)
    sub.add_argument("--stage", metavar="NAME", default="", help="run segments of this stage alone, on what reaches it")
    text = "change files by a pattern of their paths alone: 'port/layers/*'; again for more"
    sub.add_argument("--files", metavar="PATTERN", action="append", default=[], help=text)
    text = "change this package or module (the contract's, or what the candidate's factory reaches); again for more"
    sub.add_argument("--package", metavar="NAME", action="append", default=[], help=text)
    text = "try so many mutants, which stand for all"
    sub.add_argument("--sample", type=_count, metavar="N", help=text)
    text = "try part i of n, for one of n machines; results of all parts in one --state make one report"
    sub.add_argument("--shard", type=_shard, metavar="i/n", default=(1, 1), help=text)
    sub.add_argument("--budget", type=_seconds, metavar="SECONDS", help="begin no mutant after that time")
    text = "random cases that a mutant of the same bits has to pass to be called equivalent (%(default)s)"
    sub.add_argument("--random", type=_none_or_more, metavar="N", default=100, help=text)
    text = "judge mutants also by the arithmetic verdict alone, as this device runs them: all, or the survivors"
    sub.add_argument("--arithmetic", choices=("all", "survivors"), nargs="?", const="all", default="", help=text)
    text = "explain so many of the killed, and say whether the changed line is among those shown"
    sub.add_argument("--locate", type=_none_or_more, metavar="N", default=0, help=text)
    text = "mutants that run at the same time (the cores of this machine)"
    sub.add_argument("--jobs", type=_count, metavar="N", help=text)
    text = "folder that keeps references and results, so that a survey goes on where it ended (%(default)s)"
    sub.add_argument("--state", type=Path, metavar="DIR", default=Path("build/mutate"), help=text)
    sub.add_argument("--report", type=Path, metavar="DIR", help="write the page with the source there: index.html")
    text = "fail where less of the mutants than that are noticed"
    sub.add_argument("--at-least", type=_percent, metavar="PERCENT", default=0.0, help=text)


def _count(text: str) -> int:
    return int(_number(text, int, "1 or more", 1))


def _none_or_more(text: str) -> int:
    return int(_number(text, int, "0 or more", 0))


def _seconds(text: str) -> float:
    found = _number(text, float, "more than 0 seconds", 0)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r}: expected more than 0 seconds")
    return found


def _percent(text: str) -> float:
    return _number(text, float, "a percentage from 0 to 100", 0, 100)


def _number(text: str, kind: type[int] | type[float], expected: str, least: float, most: float = math.inf) -> float:
    try:
        found = kind(text)
    except ValueError:
        found = math.nan
    if not least <= found <= most or math.isinf(found):
        raise argparse.ArgumentTypeError(f"{text!r}: expected {expected}")
    return found


def _shard(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    try:
        found = int(part), int(parts)
    except ValueError:
        found = 0, 0
    if not 1 <= found[0] <= found[1]:
        raise argparse.ArgumentTypeError(f"{text!r}: expected i/n, with i from 1 to n")
    return found
