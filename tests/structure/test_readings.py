"""What two readers found in the sources of Chatterbox's ports: the tables, and the page that counts their rows."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/readings.md").read_text()
TABLES = {table.stem: table for table in sorted((ROOT / "ports/chatterbox/readings").glob("*.csv"))}
TOLD = ["upstream_computes", "port_computes", "effect", "shown_by"]
COLUMNS = ["id", "stage", "kind", "route", "port", "upstream", *TOLD, "readers"]
SPEECH = ["text", "conditioning", "t3", "sampling", "flow-encoder", "flow-decoder", "solver", "vocoder"]
STAGES = [*SPEECH, "loading", "defaults", "pipeline"]
KINDS = ["mathematics", "loading", "defaults", "edge", "rounding"]
ROUTES = {"mlx", "hybrid", "torch"}
READERS = ("A B", "A", "B")
LONGEST = 40
PLACES = re.compile(r"absent|package metadata|[\w./]+\.py(:\d+(-\d+)?(,\d+(-\d+)?)*)?(; [\w./]+\.py(:[\d,-]+)?)*")


def rows(name: str) -> list[dict[str, str]]:
    with TABLES[name].open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table, strict=True))


def faults(table: list[dict[str, str]]) -> list[str]:
    """What is wrong with the rows of a table, each named by its id."""
    counts = Counter(row["id"] for row in table)
    found = [f"{name}: not unique" for name, count in counts.items() if count > 1]
    for row in table:
        wrong = {
            "columns": list(row) != COLUMNS,
            "id": not re.fullmatch(rf"{row['stage']}-[1-9]\d*", row["id"]),
            "stage": row["stage"] not in STAGES,
            "kind": row["kind"] not in KINDS,
            "route": not set(row["route"].split()) <= ROUTES,
            "readers": row["readers"] not in READERS,
            "place": not all(PLACES.fullmatch(row[side] or "") for side in ("port", "upstream")),
            "empty": not all(cell and cell.strip() for cell in row.values()),
            "long": any(len(str(cell).split()) > LONGEST for cell in row.values()),
            "lines": any("\n" in str(cell) for cell in row.values()),
        }
        found += [f"{row['id']}: {reason}" for reason, is_wrong in wrong.items() if is_wrong]
    return found


def by_kind() -> list[str]:
    """The page's first table: how many rows each port, kind and reader has."""
    lines = []
    for name in TABLES:
        counts = Counter((row["kind"], row["readers"]) for row in rows(name))
        for kind in KINDS:
            held = [counts[kind, readers] for readers in READERS]
            lines.append(f"| {name} | {kind} | {' | '.join(map(str, held))} | {sum(held)} |")
        held = [sum(counts[kind, readers] for kind in KINDS) for readers in READERS]
        lines.append(f"| {name} | all | {' | '.join(map(str, held))} | {sum(held)} |")
    return lines


def by_stage() -> list[str]:
    """The page's second table: how many rows each stage has in each port."""
    counts = {name: Counter(row["stage"] for row in rows(name)) for name in TABLES}
    return [f"| {stage} | {' | '.join(str(counts[name][stage]) for name in TABLES)} |" for stage in STAGES]


def of_one_reader(page: str) -> Counter[tuple[str, str, str]]:
    """Port, id and reader of every row that the page explains as one reader's alone."""
    section = page.split("## What one reader alone saw")[1].split("\n## ")[0]
    found: Counter[tuple[str, str, str]] = Counter()
    for name, reader, cell in re.findall(r"^\| [^|]+ \| (\w+) \| ([AB]) \| ([^|]+) \|$", section, re.MULTILINE):
        found.update((name, row, reader) for row in cell.strip().split(", "))
    return found


def test_both_ports_have_a_table():
    assert list(TABLES) == ["chatterbox_mlx", "mlx_audio"]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_well_formed(name):
    assert rows(name) and faults(rows(name)) == []
    assert len(TABLES[name].read_text(encoding="utf-8").splitlines()) == len(rows(name)) + 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": "vocoder-x"}, "id"),
        ({"stage": "speech", "id": "speech-1"}, "stage"),
        ({"kind": "wrong"}, "kind"),
        ({"route": "metal"}, "route"),
        ({"readers": "C"}, "readers"),
        ({"port": "hifigan.py, line 3"}, "place"),
        ({"effect": " "}, "empty"),
        ({"effect": "word " * 41}, "long"),
        ({"effect": "one\ntwo"}, "lines"),
        ({"more": "a cell too many"}, "columns"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_row_that_is_not_well_formed_is_told(changes, reason):
    row = {**rows("mlx_audio")[0], **changes}
    assert faults([row]) == [f"{row['id']}: {reason}"]


def test_an_id_that_is_given_twice_is_told():
    row = rows("mlx_audio")[0]
    assert faults([row, row]) == [f"{row['id']}: not unique"]


def test_the_page_counts_the_rows_of_the_tables():
    for line in (*by_kind(), *by_stage()):
        assert f"\n{line}\n" in PAGE, line


def test_the_page_explains_every_row_of_one_reader_once():
    alone = [(name, row["id"], row["readers"]) for name in TABLES for row in rows(name) if row["readers"] != "A B"]
    assert of_one_reader(PAGE) == Counter(alone)
    assert of_one_reader(PAGE.replace("vocoder-6, ", "")) != Counter(alone)


def test_the_page_names_rows_that_exist():
    known = {row["id"] for name in TABLES for row in rows(name)}
    assert set(re.findall(rf"\b(?:{'|'.join(STAGES)})-\d+\b", PAGE)) <= known
