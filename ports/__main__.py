"""`python -m ports`: judge every pair, print what was found, and write the page on request."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from parity.base.gate import guarded
from ports import page, pairs
from ports.pair import EXPECTED, judge
from ports.row import Row, load, row, save


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ports", description=__doc__)
    parser.add_argument("--shard", default="1/1", help="judge the i-th of n parts alone: 1/4")
    parser.add_argument("--only", action="append", metavar="NAME", help="judge this pair alone; may be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows, for --read")
    text = "judge the ports of Chatterbox itself, for docs/peers.md, and no others"
    parser.add_argument("--peers", action="store_true", help=text)
    text = "judge nothing, and take the rows of these files: the shards of one run"
    parser.add_argument("--read", type=Path, nargs="+", default=[], metavar="FILE", help=text)
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page: docs/ports.md or docs/peers.md")
    given = parser.parse_args()
    rows = load(given.read) if given.read else list(_judged(given.only, given.shard, given.peers))
    if given.json:
        save(rows, given.json)
    if given.write:
        page.write(rows, given.write, page.PEERS if given.peers else page.PORTS)
        if given.peers:
            from ports.chatterbox import readings  # its packages need not be there for the others

            readings.write(rows, given.write.with_suffix(""))
    return int(any(one.verdict not in EXPECTED for one in rows))


def _judged(only: Sequence[str] | None, shard: str, peers: bool) -> Iterator[Row]:
    """The row of each pair, printed as soon as it is judged, and the wall times at the end."""
    seconds = []
    chosen = [pairs.named(name, peers) for name in only] if only else pairs.every(peers)
    for pair in pairs.shard(shard, chosen):
        found = row(judge(pair))
        print(found.line, flush=True)
        seconds += [found.seconds] * bool(found.modules)
        yield found
    if seconds:
        print(f"{len(seconds)} compared; median {median(seconds):.1f} s, the longest {max(seconds):.1f} s")


if __name__ == "__main__":
    sys.exit(guarded("python -m ports", main))
