"""`python -m tests.bench`: the benchmarks without pytest, one table at the end.

A row that is wrong is said to be, the others are still measured, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from parity.base import runtime

BLAS = runtime.prepare()

from parity.base.arguments import Parser  # noqa: E402
from parity.base.errors import InputError  # noqa: E402
from parity.base.files import JSON, try_outputs  # noqa: E402
from parity.base.gate import FAILURE, PASS, guarded  # noqa: E402
from parity.base.jsonfile import write_json  # noqa: E402
from parity.base.names import meant  # noqa: E402
from tests.bench import table  # noqa: E402
from tests.bench.measure import SECONDS, WrongResult  # noqa: E402
from tests.bench.plan import Comparisons, Point, add_options, bench_of, environment, plan  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    """Measure, or show what was measured. Returns 0, 1 for a wrong result, 2 for anything else, 130 interrupted."""
    parser = Parser(
        prog="python -m tests.bench", description=__doc__, example="python -m tests.bench --size tiny --work vocoder"
    )
    add_options(parser.add_argument)
    parser.add_argument("--size", choices=("tiny", "full"), default="tiny")
    parser.add_argument("--checkpoint", type=Path, help="directory of that size; a synthetic one when left out")
    parser.add_argument("--work", nargs="*", default=[], help="parts of names, of works or of points: vocoder-200")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each pair of sides, about (%(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows, as pytest-benchmark does")
    parser.add_argument("--show", type=Path, nargs="*", metavar="FILE", help="measure nothing: one table of such files")
    parser.add_argument("--debug", action="store_true", help="show where an error that ends the command was raised")
    options = parser.parse_args(arguments)
    return guarded("bench", lambda: command(options), options.debug, (InputError, ValueError))


def command(options: argparse.Namespace) -> int:
    """Do what the options say."""
    if options.show:
        print(f"{table.markdown([row for file in options.show for row in table.stored(file)])}\n\n{table.NOTES}")
        return PASS
    if options.json:
        try_outputs([(options.json, JSON)], [options.checkpoint] if options.checkpoint else [])
    points, left_out = plan(options, options.size)
    for reason in left_out:
        print(f"left out: {reason}", file=sys.stderr)
    chosen = [point for point in points if _named(point, options.work)]
    if unknown := [part for part in options.work if not any(_named(point, [part]) for point in points)]:
        advice = meant(unknown[0], (point.work.name for point in points))
        raise InputError(f"--work {unknown[0]}: no work has that in its name; {advice}")
    bench, rows, wrong = bench_of(options.size, options.checkpoint), [], []
    comparisons = Comparisons(bench)
    for number, point in enumerate(chosen, 1):
        print(f"{number} of {len(chosen)}, {point}", file=sys.stderr, flush=True)
        try:
            trace = options.gputrace and options.gputrace / f"{point}.gputrace"
            rows.append(comparisons(point).row(point.side(), seconds=options.seconds, trace=trace))
        except WrongResult as error:
            wrong.append(str(error))
        else:
            write_json(table.as_json(rows, environment(bench)), options.json)  # of a run that is cut off this is left
    facts = environment(bench)
    print("\n".join(f"{name}: {value}" for name, value in facts.items()))
    print(f"\n{table.markdown([row.figures() for row in rows])}\n\n{table.NOTES}")
    for message in wrong:
        print(f"wrong: {message}", file=sys.stderr)
    return FAILURE if wrong else PASS


def _named(point: Point, parts: list[str]) -> bool:
    """Whether a point's name, or its work's, has any of these parts; every point without any."""
    return not parts or any(part in point.work.name or part in str(point) for part in parts)


if __name__ == "__main__":
    sys.exit(main())
