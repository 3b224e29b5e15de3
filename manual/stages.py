"""`python -m manual.stages` writes the tables of docs/stages.md: the stages of both contracts, with their taps."""

from __future__ import annotations

import argparse
import re

from manual.outside import DOCS, ROOT
from parity import contract as contracts
from parity.base.files import replacing
from parity.contract.implementation import make_case

PAGE = DOCS / "stages.md"
WHAT = {
    "text": "a text -> its tokens",
    "conditioning": "recordings -> prompt tokens, prompt mel, x-vector, speaker embedding",
    "t3": "text tokens -> speech tokens, 25 Hz",
    "flow": "speech tokens and a voice -> mel, by an encoder and an ODE",
    "vocoder": "mel -> wave, 24 kHz",
    "watermark": "wave, 32 kHz -> the same with a mark; a wave -> whether it has one",
}
TABLES = {
    "chatterbox": ("fixtures/contract.toml", ("tiny", "full", "tiny-watermark")),
    "turbo": ("fixtures/turbo.toml", ("tiny-turbo", "full-turbo", "tiny-nano", "full-nano")),
}
"""Of each table its contract, and the cases whose taps are counted."""

MARKED = re.compile(r"(<!-- stages: (\w+) -->\n)((?:\|.*\n)*)")


def table(name: str) -> str:
    """The Markdown of a table: a row for each stage, a column for each case."""
    file, cases = TABLES[name]
    contract = contracts.load(ROOT / file)
    counts: dict[str, dict[str, int]] = {}
    for case_name in cases:
        case = make_case(contract, case_name)
        for segment in contract.segments(case.dims, case.segments):
            row = counts.setdefault(segment.stage, {})
            row[case_name] = row.get(case_name, 0) + len(segment.taps)
    head = ["stage", "what it turns into what", *(f"`{case}`" for case in cases)]
    rows = [[f"`{stage}`", WHAT[stage], *(str(row.get(case, "")) for case in cases)] for stage, row in counts.items()]
    lines = [head, ["---", "---", *("---:" for _ in cases)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def written(text: str) -> str:
    """A page with its tables as they are now."""
    return MARKED.sub(lambda found: found[1] + table(found[2]), text)


def main() -> None:
    argparse.ArgumentParser(prog="python -m manual.stages", description=__doc__).parse_args()
    text = written(PAGE.read_text(encoding="utf-8"))
    with replacing(PAGE) as partial:
        partial.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
