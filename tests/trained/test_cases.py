"""Every tap of both sides on trained weights: the mathematics, and the arithmetic of the device."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures import cases
from fixtures.cases.trained import CASES
from parity.cli import main
from parity.contract import load
from parity.run.exact import Exact
from parity.show.results import load as load_results

CONTRACT = load(Path("fixtures/contract.toml"))


@pytest.mark.parametrize("name", CASES)
def test_the_mathematics_is_equal(name):
    case = cases.load(name)
    report = Exact(CONTRACT, case, cases.synthetic_checkpoint(case)).run()
    assert report.passed, [verdict for verdict in report.verdicts if not verdict.passed][:3]


@pytest.mark.parametrize("name", CASES)
def test_the_device_rounds_no_more_than_the_contract_or_its_own_program_says(name, tmp_path):
    file = tmp_path / "result.json"
    assert main(["verify", "--case", name, "--json", str(file)]) == 0
    (report,) = load_results([file])
    print(f"{name}: worst ratio64 {report.worst('ratio64'):.2f}, ratio32 {report.worst('ratio32'):.2f}")
    assert report.environment["weights"] == "trained"
