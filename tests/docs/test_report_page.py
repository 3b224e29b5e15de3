"""docs/report.md names every key that a result has."""

from __future__ import annotations

import json
import re

import pytest

from parity.diagnose.growth import Growth
from parity.judge.mathematics import Mathematics
from parity.judge.snapshots import Picture
from parity.judge.verdict import Verdict
from parity.mutate.results import Result
from parity.mutate.surveyed import Measured, Surveyed
from parity.run.exact_report import ExactReport
from parity.run.report import Report
from tests.docs.markdown import ROOT

PAGE = (ROOT / "docs" / "report.md").read_text()
MEASURED = Measured([], 0, "all", {}, 0)
RESULTS = {
    "result": Report("case", "checkpoint", [], 0).as_dict(),
    "verdict": Verdict("tap", "", "local", True, "", (), 2.0, 2.0).as_dict(),
    "picture": Picture(("tap", "", "local"), (), (), 0, 0, "", 1.0, (), ()).as_dict(),
    "proof": ExactReport("case", "checkpoint", [], 0).as_dict(),
    "verdict in double": Mathematics("tap", "", "local", True, "").as_dict(),
    "survey": Surveyed([], 0, "contract", [], arithmetic=MEASURED).as_dict(),
    "survey on a device": MEASURED.as_dict(),
    "mutant": Result.__dataclass_fields__,
    "growth": Growth.__dataclass_fields__,
    "comparison of two models": json.loads((ROOT / "docs" / "schemas" / "port.json").read_text())["properties"],
}


def unnamed(page: str, keys: object) -> set[str]:
    """Keys that no table row of the page has in backquotes."""
    rows = "\n".join(line for line in page.splitlines() if line.startswith("|"))
    return {str(key) for key in keys} - set(re.findall(r"`(\w+)`", rows))


@pytest.mark.parametrize("name", RESULTS)
def test_every_key_is_named(name):
    assert unnamed(PAGE, RESULTS[name]) == set()


def test_a_key_that_is_not_named_is_seen():
    assert unnamed("| `a`, `b` | text `c` |\n`d`\n", ["a", "c", "d", "e"]) == {"d", "e"}
