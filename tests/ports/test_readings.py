"""What is said of each row of the readers' lists: found where a stage departs so; none is left out or said twice."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from parity.base.errors import InputError
from ports.chatterbox import PORTS, readings
from ports.chatterbox.port import Port
from ports.row import Row

PAGES = Path(__file__).resolve().parents[2] / "docs" / "peers"
ROW = re.compile(r"^\| ([a-z0-9-]+-\d+) \| (\w+) \| ([\w ]+) \|", flags=re.MULTILINE)


@pytest.fixture(params=PORTS, ids=lambda port: port.name)
def port(request):
    return request.param


def judged(port: Port, stage: str, verdict: str, *sentences: str) -> Row:
    return Row(f"{port.name}/{stage}", (), verdict, "", "", None, None, sentences, (), (), "", "", "", 0.0)


def test_the_page_has_each_row_of_the_list(port):
    rows = {one: (kind, word) for one, kind, word in ROW.findall((PAGES / f"{port.name}.readings.md").read_text())}
    assert {one: kind for one, (kind, _) in rows.items()} == readings.kinds(port)


def test_no_row_that_a_departure_of_chatterbox_mlx_names_is_missed():
    (port,) = (port for port in PORTS if port.name == "chatterbox-mlx")
    words = Counter(word for _, _, word in ROW.findall((PAGES / f"{port.name}.readings.md").read_text()))
    assert words[readings.MISSED] == 0
    assert words[readings.FOUND] == sum(len(departure.readings) for departure, _ in port.departures)


def test_a_row_is_found_where_its_stages_depart_as_the_departure_says(port):
    departure, stages = next(one for one in port.departures if one[0].readings)
    row, sentence = departure.readings[0], departure.sentence
    shown = [judged(port, stage, "departs", sentence) for stage in stages]
    assert readings.said(port, shown)[row] == (readings.FOUND, "; ".join(stages))
    for other in ([], [judged(port, stages[0], "unexplained", sentence)], [judged(port, stages[0], "departs", "?")]):
        assert readings.said(port, other)[row][0] == readings.MISSED


def test_a_row_is_equal_where_its_stage_is(port):
    found = {word for word, _ in readings.said(port, []).values()}
    assert readings.EQUAL not in found and readings.FOUND not in found
    equal = [judged(port, stage, "equal") for stage in port.stages]
    assert readings.EQUAL in {word for word, _ in readings.said(port, equal).values()}


def test_a_row_that_is_said_twice_or_that_nobody_listed_is_refused(port):
    departure, stages = next(one for one in port.departures if one[0].readings)
    for ids in ((*departure.readings, departure.readings[0]), (*departure.readings, "vocoder-99")):
        odd = [(replace(departure, readings=ids), stages), *(one for one in port.departures if one[0] is not departure)]
        with pytest.raises(InputError, match="expected each row once"):
            readings.said(replace(port, departures=odd), [])
    rest = [one for one in port.departures if one[0] is not departure]
    with pytest.raises(InputError, match=departure.readings[0]):
        readings.said(replace(port, departures=rest), [])
