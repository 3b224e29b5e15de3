"""All faults and rewrites of pairs: `python -m tests.exact.pairs.score FOLDER [PAIR…]` writes a JSON for each."""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from dataclasses import asdict
from pathlib import Path

from tests.exact.pairs import PAIRS
from tests.exact.pairs.find import answer, compared
from tests.exact.pairs.planting import PACKAGE


def score(pair: str, folder: Path) -> None:
    plan = importlib.import_module(f"{PACKAGE}.{pair}.faults")
    rows = []
    for kind, changes in (("fault", plan.FAULTS), ("rewrite", plan.REWRITES)):
        for change in changes:
            row = {"pair": pair, "kind": kind, "old": change.old, "new": change.new, "source": change.source}
            try:
                if kind == "fault":
                    row |= asdict(answer(change))
                else:
                    found, said = compared(pair, [change], change.source)
                    row |= {"passed": found.passed, "said": said}
            except Exception:  # of a fault that stops the port, or of the judge
                row |= {"error": traceback.format_exc()}
            rows.append(row | {"says": change.says, "lines": change.lines})
            (folder / f"{pair}.json").write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    for name in sys.argv[2:] or PAIRS:
        score(name, Path(sys.argv[1]))
