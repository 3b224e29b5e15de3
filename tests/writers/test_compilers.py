"""`python -m tests.writers` skips nothing: without a compiler, or for an unknown language, it exits 2 with one line."""

from __future__ import annotations

import stat

import pytest

from tests.writers.__main__ import main


@pytest.fixture
def only_rust(tmp_path, monkeypatch):
    """A machine whose one compiler is rustc."""
    (tmp_path / "rustc").touch()
    (tmp_path / "rustc").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("only_rust")
def test_a_missing_compiler_is_said(capsys):
    assert main([]) == 2
    said = "there is no g++ and no swiftc: install g++, swiftc, or test what there is: `tox -e writers -- rust`\n"
    assert capsys.readouterr().err == said
    assert main(["cpp"]) == 2


def test_without_any_compiler(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["rust"]) == 2
    assert capsys.readouterr().err == "there is no rustc: install rustc\n"


def test_an_unknown_language_is_said(capsys):
    assert main(["cobol"]) == 2
    assert capsys.readouterr().err == "no language 'cobol'; expected some of cpp, rust, swift\n"
