"""Options of the benchmarks, what is left out and why, and the table at the end of a run."""

import pytest

from tests.bench import table
from tests.bench.plan import Comparisons, add_options, bench_of, environment, plan

LEFT_OUT, ROWS, BENCH = pytest.StashKey(), pytest.StashKey(), pytest.StashKey()


def pytest_addoption(parser):
    add_options(parser.getgroup("benchmarks of both sides").addoption)


def pytest_configure(config):
    """Says at once what cannot be had: `--device cuda` without a GPU is a wrong use, not an empty run."""
    try:
        points, config.stash[LEFT_OUT] = plan(config.option, config.getoption("--size"))
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    if not points:
        raise pytest.UsageError(f"nothing to measure: {'; '.join(config.stash[LEFT_OUT])}")
    config.stash[ROWS] = []


def pytest_generate_tests(metafunc):
    if "point" in metafunc.fixturenames:
        points, _ = plan(metafunc.config.option, metafunc.config.getoption("--size"))
        metafunc.parametrize("point", points, ids=str)


def pytest_report_collectionfinish(config):
    return [f"left out: {reason}" for reason in config.stash[LEFT_OUT]]


@pytest.fixture(scope="session")
def comparisons(request):
    """The comparison that a point belongs to."""
    bench = bench_of(request.config.getoption("--size"), request.config.getoption("--checkpoint"))
    request.config.stash[BENCH] = bench
    return Comparisons(bench)


@pytest.fixture
def shown(request):
    """Adds a row to the table at the end of the run."""
    return request.config.stash[ROWS].append


def pytest_terminal_summary(terminalreporter, config):
    if rows := config.stash[ROWS]:
        terminalreporter.section("both sides")
        for name, value in environment(config.stash[BENCH]).items():
            terminalreporter.write_line(f"{name}: {value}")
        terminalreporter.write_line(f"\n{table.markdown([row.figures() for row in rows])}\n\n{table.NOTES}")
