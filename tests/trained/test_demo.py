"""`parity demo --trained`: silero-vad and its port in mlx-audio pass; a fault fails at the line that was changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from parity.cli import main
from parity.cli.examples import TRAINED
from parity.cli.faults import TRAINED_FAULTS
from parity.cli.wheels import lay

WHEELS = Path("build/demo-wheels").absolute()
WORDS = {1: "mode=reflect", 2: "sqrt(", 3: "slice("}
"""Of each fault what the sentence of its departure has."""


def test_the_port_of_trained_weights_passes(capsys, tmp_path) -> None:
    assert main(["demo", "--trained", str(WHEELS), "--out", str(tmp_path / "pair")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("PROVEN: vad_mlx:candidate against vad_torch:reference") and out.endswith("PASS\n")
    assert {"LICENSE.mlx-audio", "LICENSE.silero-vad"} <= {file.name for file in (tmp_path / "pair").iterdir()}


@pytest.mark.parametrize("number", WORDS)
def test_a_fault_of_the_port_fails_at_its_line(number, capsys, tmp_path) -> None:
    assert main(["demo", "--trained", str(WHEELS), "--fault", str(number), "--out", str(tmp_path / "pair")]) == 1
    said, planted = capsys.readouterr().out.rsplit("planted: ", 1)
    fault = TRAINED_FAULTS[number - 1]
    lay(WHEELS, tmp_path / "as-it-is")
    line = f"{TRAINED.faulty}:{TRAINED.line_of(fault, tmp_path / 'as-it-is')}: "
    assert planted == f"{line}{fault.what}\n"
    departures = said[said.index("departure 1") : said.index("on the device")].split("\ndeparture ")
    assert len(departures) == 1  # the probabilities, right once that is mended, are none
    assert line in departures[0] and fault.new in departures[0] and WORDS[number] in departures[0]


def test_every_fault_is_one_line_of_the_port(tmp_path) -> None:
    assert main(["demo", "--trained", str(WHEELS), "--out", str(tmp_path / "pair"), "--quiet"]) == 0
    text = (tmp_path / "pair" / TRAINED.faulty).read_text()
    assert len(TRAINED_FAULTS) == len(WORDS)
    for fault in TRAINED_FAULTS:
        assert text.count(fault.old) == 1 and "\n" not in fault.old + fault.new
