"""`python -m ports`: judge every pair, print what was found, and write the page on request."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import median

from parity.base.gate import guarded
from ports import page, pairs
from ports.pair import judge

EXPECTED = ("equal", "departs", "cannot run")
"""The words of pairs that are as the repository says of them."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ports", description=__doc__)
    parser.add_argument("--shard", default="1/1", help="judge the i-th of n parts alone: 1/4")
    parser.add_argument("--only", action="append", help="judge the pair of this name alone; may be repeated")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page: docs/ports.md")
    given = parser.parse_args()
    chosen = [pairs.named(name) for name in given.only] if given.only else pairs.every()
    found = []
    for pair in pairs.shard(given.shard, chosen):
        judged = judge(pair)
        print(page.line(judged), flush=True)
        found.append(judged)
    seconds = [one.seconds for one in found if one.comparison]
    if seconds:
        print(f"{len(found)} pairs; median {median(seconds):.1f} s, the longest {max(seconds):.1f} s")
    if given.write:
        page.write(found, given.write)
    return int(any(one.word not in EXPECTED for one in found))


if __name__ == "__main__":
    sys.exit(guarded("python -m ports", main))
