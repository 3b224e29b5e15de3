"""Benchmarks of both sides: `tox -e bench`, with `-- --size full` for the real dimensions.

Each result is compared with the reference's before it is timed: a fast wrong answer is not a result. A round of the
reference stands before each round of what is compared with it.
"""


def test_bench(benchmark, point, comparisons, shown, request):
    benchmark.group = str(point).removesuffix(f"-{point.kind}")

    def timed(call, before, rounds):
        benchmark.pedantic(call, setup=before, rounds=rounds)
        return benchmark.stats.stats.data

    folder = request.config.getoption("--gputrace")
    trace = folder and folder / f"{point}.gputrace"
    row = comparisons(point).row(point.side(), timed, trace=trace)
    benchmark.extra_info |= row.figures()
    shown(row)
