"""Pytest plugin: parity as test cases, one for each part of the model, each segment and each kind of error.

A test takes the fixtures `parity_part` and `parity_report` and is marked `@pytest.mark.parity("ode", case="flow")`.
Such a test is run once for every part of every segment of that name (`*` stands for anything), on the case `tiny-flow`,
or `full-flow` with `--size full`. Without `case` it is run on the case that is named as the size. The sides are run
once a session for each case.

The fixture `assert_parity` compares any two models in a test, without a contract.
"""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from parity import contract as contracts
from parity.base import runtime
from parity.base.errors import InputError
from parity.base.files import ANY, try_outputs
from parity.contract import HANDED, Contract, Segment
from parity.contract.implementation import Case, importable, make_case, resolve
from parity.contract.parts import part
from parity.judge.verdict import Verdict
from parity.run.both import Both
from parity.run.report import Report
from parity.run.verify import Verifier

if TYPE_CHECKING:
    from parity.show.comparison import Comparison


@dataclass(frozen=True)
class Part:
    """A part of the model in one segment of a case's run, and which of its errors to judge.

    The last part answers for what the segment hands on, too: `end` is that segment then.
    """

    case: str
    name: str
    segment: str
    mode: str
    taps: frozenset[str]
    end: Segment | None = None

    def verdicts(self, report: Report) -> list[Verdict]:
        return [v for v in report.verdicts if v.mode == self.mode and (v.tap in self.taps or self._handed(v.tap))]

    def _handed(self, tap: str) -> bool:
        return self.end is not None and tap.startswith(HANDED) and self.end.holds(tap)


def pytest_addoption(parser: pytest.Parser) -> None:
    runtime.prepare()  # in the first of all hooks: a conftest.py may import a framework
    group = parser.getgroup("parity")
    group.addoption("--contract", type=Path, default=Path("fixtures/contract.toml"), help="parity contract file")
    group.addoption("--size", choices=("tiny", "full"), default="tiny", help="the cases that parity tests run on")
    text = "save what assert_parity finds wrong there, in a folder for each test: page, JSON and JUnit"
    group.addoption("--parity-report", type=Path, metavar="DIR", help=text)
    group.addoption("--checkpoint", type=Path, help="checkpoint directory of that size; a synthetic one when left out")


def pytest_configure(config: pytest.Config) -> None:
    checkpoint = config.getoption("--checkpoint")
    if checkpoint is not None and not checkpoint.is_dir():
        raise pytest.UsageError(f"--checkpoint {checkpoint}: no such folder; name one that holds the weights")
    if (folder := config.getoption("--parity-report")) is not None:
        try:
            try_outputs([(folder / "index.html", ANY)])
        except InputError as error:
            raise pytest.UsageError(f"--parity-report {folder}: {error}") from error
    config.addinivalue_line("markers", "parity(*segments, case): judge every part of the segments of these names")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "parity_part" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("parity")
    if marker is None or not marker.args:
        raise pytest.UsageError(
            f"{metafunc.definition.nodeid} takes parity_part: mark it with @pytest.mark.parity(segment)"
        )
    contract = load(metafunc.config)
    case = make_case(contract, case_name(metafunc.config, marker.kwargs.get("case", "")))
    segments = contract.segments(case.dims, case.segments)
    parts = []
    for pattern in marker.args:
        chosen = [segment for segment in segments if fnmatch.fnmatchcase(segment.name, pattern)]
        if not chosen:  # pytest would skip the test
            known = ", ".join(dict.fromkeys(segment.name for segment in segments))
            raise pytest.UsageError(
                f"{metafunc.definition.nodeid}: no segment {pattern!r} in {contract.path}; case {case.name} has {known}"
            )
        parts += [part for segment in chosen for part in parts_of(case.name, segment, contract)]
    metafunc.parametrize("parity_part", parts, ids=[f"{p.segment}-{p.name}-{p.mode}" for p in parts])


def load(config: pytest.Config) -> Contract:
    """The chosen contract; what it names is found from its folder."""
    file: Path = config.getoption("--contract")
    if (folder := str(importable(file))) not in sys.path:
        sys.path.insert(0, folder)
    return contracts.load(file)


def case_name(config: pytest.Config, kind: str) -> str:
    """The case that tests of a kind run on: of the chosen size."""
    size: str = config.getoption("--size")
    return f"{size}-{kind}" if kind else size


def parts_of(case: str, segment: Segment, contract: Contract) -> list[Part]:
    """The parts of a segment that are judged."""
    groups: dict[str, set[str]] = {}
    for tap in (tap for tap in segment.taps if contract.unjudged(tap.name) is None):
        groups.setdefault(part(tap.name), set()).add(tap.name)
    last = list(groups)[-1:]
    return [
        Part(case, name, segment.label, mode, frozenset(taps), segment if name in last else None)
        for name, taps in groups.items()
        for mode in reversed(segment.modes)
    ]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Beside a failure, say what is wrong first in the run that the test judges."""
    report = yield
    judged = getattr(item, "funcargs", {}).get("parity_report")
    if report.failed and isinstance(judged, Report) and judged.diagnosis is not None:
        report.sections.append((f"parity, case {judged.case}", judged.diagnosis.sentence()))
    return report


@pytest.fixture(scope="session")
def verify_case(request: pytest.FixtureRequest) -> Callable[[str], Report]:
    """Verifies a named case on the chosen contract, once a session; proves its mathematics where something fails."""
    contract = load(request.config)
    reports: dict[str, Report] = {}

    def settle(case: Case, checkpoint: Path, verifier: Verifier) -> None:
        if not verifier.report.passed:
            Both.proven(contract, case, checkpoint, strict=False).settle(verifier)

    def verify(name: str) -> Report:
        if name not in reports:
            case = make_case(contract, name)
            of_size = name.partition("-")[0] == request.config.getoption("--size")
            given = request.config.getoption("--checkpoint") if of_size else None
            checkpoint = given or resolve(contract.checkpoints)(case)
            reports[name] = Verifier(contract, case, checkpoint).run(partial(settle, case, checkpoint))
        return reports[name]

    return verify


@pytest.fixture
def parity_report(request: pytest.FixtureRequest, verify_case: Callable[[str], Report]) -> Report:
    """The report of the case that the test's part belongs to; that named as the size for a test without one."""
    part: Part | None = request.getfixturevalue("parity_part") if "parity_part" in request.fixturenames else None
    return verify_case(part.case if part else case_name(request.config, ""))


@pytest.fixture
def assert_parity(request: pytest.FixtureRequest) -> Callable[..., Comparison]:
    """`parity.assert_parity`, whose comparison is saved where it fails: `--parity-report DIR` names the folder.

    The folder of a test is `DIR/test_file.py/test_name[parameters]`, and the message of the failure ends with it.
    """
    import parity
    from parity.show.comparison import ParityError

    report: Path | None = request.config.getoption("--parity-report")
    file, _, name = request.node.nodeid.partition("::")

    def compared(reference: Any, candidate: Any, inputs: Any, **options: Any) -> Comparison:
        __tracebackhide__ = True  # the failure is the test's line
        found = parity.compare(reference, candidate, inputs, **options)
        if found.passed:
            return found
        if report is None:
            raise ParityError(str(found))
        folder = report / file / quote(name, safe="[]:= ,")
        found.save(folder)
        raise ParityError(f"{found}\nreport: {folder / 'index.html'}")

    return compared
