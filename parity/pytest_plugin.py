"""Pytest plugin: parity as test cases, one for each part of the model, each segment and each kind of error.

A test that takes the fixtures `parity_part` and `parity_report` and is marked `@pytest.mark.parity("ode")` is run once
for every part of every segment of that name. The sides are run once a session for each case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from parity import contract as contracts
from parity import runtime
from parity.contract import CREATED, INHERITED
from parity.report import Report
from parity.side import make_case, resolve
from parity.terminal import part
from parity.verdict import Verdict
from parity.verify import Verifier


@dataclass(frozen=True)
class Part:
    """A part of the model in one segment of a run, and which of its errors to judge."""

    name: str
    segment: str
    mode: str
    taps: frozenset[str]

    def verdicts(self, report: Report) -> list[Verdict]:
        return [v for v in report.verdicts if v.tap in self.taps and v.mode == self.mode]


def pytest_addoption(parser: pytest.Parser) -> None:
    runtime.prepare()  # in the first of all hooks: a conftest.py may import a framework
    group = parser.getgroup("parity")
    group.addoption("--contract", type=Path, default=Path("fixtures/contract.toml"), help="parity contract file")
    group.addoption("--size", choices=("tiny", "full"), default="tiny", help="the case that parity tests run on")
    group.addoption("--checkpoint", type=Path, help="checkpoint directory for that case; a synthetic one when left out")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "parity(segment): judge every part of the segments of that name")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "parity_part" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("parity")
    if marker is None or len(marker.args) != 1:
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid} takes parity_part: mark it with @pytest.mark.parity(segment)"
        )
    contract = contracts.load(metafunc.config.getoption("--contract"))
    case = make_case(contract, metafunc.config.getoption("--size"))
    parts = []
    segments = contract.segments(case.dims, case.segments)
    for segment in segments:
        if segment.name != marker.args[0]:
            continue
        groups: dict[str, set[str]] = {}
        for tap in segment.taps:
            groups.setdefault(part(tap.name), set()).add(tap.name)
        for name, taps in groups.items():
            parts += [Part(name, segment.label, mode, frozenset(taps)) for mode in (CREATED, INHERITED)]
    if not parts:  # pytest would skip the test
        known = ", ".join(dict.fromkeys(segment.name for segment in segments))
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid}: no segment {marker.args[0]!r} in {contract.path}; it has {known}"
        )
    metafunc.parametrize("parity_part", parts, ids=[f"{p.segment}-{p.name}-{p.mode}" for p in parts])


@pytest.fixture(scope="session")
def verify_case(request: pytest.FixtureRequest) -> Callable[[str], Report]:
    """Verifies a named case on the chosen contract, once a session."""
    contract = contracts.load(request.config.getoption("--contract"))
    reports: dict[str, Report] = {}

    def verify(name: str) -> Report:
        if name not in reports:
            case = make_case(contract, name)
            given = request.config.getoption("--checkpoint") if name == request.config.getoption("--size") else None
            checkpoint = given or resolve(contract.checkpoints)(case)
            reports[name] = Verifier(contract, case, checkpoint).run()
        return reports[name]

    return verify


@pytest.fixture(scope="session")
def parity_report(request: pytest.FixtureRequest, verify_case: Callable[[str], Report]) -> Report:
    """The report of the case that `--size` names."""
    return verify_case(request.config.getoption("--size"))
