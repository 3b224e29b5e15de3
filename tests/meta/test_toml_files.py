"""A contract in several files says what one file would, has one hash, and goes whole into a bundle."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from parity import contract as contracts
from parity.base.errors import InputError
from parity.base.files import file_sha256
from parity.capture.golden import Golden
from parity.contract import toml_files
from parity.contract.implementation import make_case
from parity.run import dumps as offline
from parity.run.dumps.bundle import contract_file
from tests.meta import toy
from tests.meta.conftest import TOY


@pytest.fixture
def divided(tmp_path) -> Path:
    """The toy's contract in three files: its first segment, the others, and the rest."""
    first, rest = TOY.read_text().split("[[segment]]", 1)
    segments, rules = re.split(r"(?=^\[\[rule\]\])", "[[segment]]" + rest, maxsplit=1, flags=re.MULTILINE)
    one, others = re.split(r"(?=^\[\[segment\]\])", segments, maxsplit=2, flags=re.MULTILINE)[1:]
    (tmp_path / "below").mkdir()
    (tmp_path / "below/first.toml").write_text(one)
    (tmp_path / "below/others.toml").write_text(others)
    file = tmp_path / "contract.toml"
    file.write_text(f'parts = ["below/first.toml", "below/others.toml"]\n{first}{rules}')
    return file


def test_parts_say_what_one_file_says(divided):
    whole, joined = contracts.load(TOY), contracts.load(divided)
    assert [segment["name"] for segment in joined.outline] == [segment["name"] for segment in whole.outline]
    assert len(joined.outline) > 1
    assert (joined.rules, joined.blocks, joined.state) == (whole.rules, whole.blocks, whole.state)


def test_the_hash_is_of_every_file(divided):
    assert toml_files.sha256(TOY) == file_sha256(TOY)
    before = toml_files.sha256(divided)
    (part,) = (file for file in toml_files.files(divided) if file.name == "others.toml")
    text = part.read_text()
    part.write_text(text + "#\n")
    assert toml_files.sha256(divided) != before
    part.write_text(text)
    assert toml_files.sha256(divided) == before


def test_a_bundle_has_every_file(divided, toy_checkpoint, tmp_path):
    contract = contracts.load(divided)
    case = make_case(contracts.load(TOY), next(iter(toy.STEPS)))
    offline.capture(contract, case, toy_checkpoint, "reference", tmp_path / "bundle", bundle="candidate")
    golden = Golden(tmp_path / "bundle")
    found = contract_file(golden)
    assert found is not None and contracts.load(found).outline == contract.outline
    part = tmp_path / "bundle/below/first.toml"
    part.write_text(part.read_text() + "#\n")
    with pytest.raises(InputError, match=r"contract\.toml: altered"):
        contract_file(golden)


@pytest.mark.parametrize(
    ("parts", "more", "message"),
    [
        ('"below/first.toml"', "", r"parts is 'below/first.toml', expected a list of file names"),
        ('["below/first.toml", "below/first.toml"]', "", "each once"),
        ("[1]", "", r"parts is \[1\], expected a list"),
        ('["../first.toml"]', "", "the part '../first.toml' is outside the contract's folder"),
        ('["/first.toml"]', "", "outside the contract's folder"),
        ('["below/firts.toml"]', "", r"firts\.toml: cannot read .* is first\.toml meant\?"),
        ('["below/first.toml"]', "parts = []\n", r"first\.toml: has 'parts', which only the contract itself may have"),
        ('["below/first.toml"]', 'cases = "m:n"\n', r"contract\.toml: has 'cases', as another file"),
        ('["below/first.toml"]', '[state]\nx = "b"\n', r"contract\.toml: \[state\] has 'x', as another file"),
        ('["below/first.toml"]', "= 1\n", r"first\.toml: not valid TOML"),
        ('["below/first.toml"]', "other = 1\n", "the contract has 'other', which is not known"),
    ],
)
def test_parts_that_make_no_sense_are_refused(divided, parts, more, message):
    divided.write_text(f"parts = {parts}\n" + divided.read_text().partition("\n")[2])
    part = divided.parent / "below/first.toml"
    part.write_text(more + part.read_text())
    with pytest.raises(InputError, match=message):
        contracts.load(divided)
