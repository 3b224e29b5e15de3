"""`parity` itself: every public name has an example that runs, is typed, and is loaded when it is first used."""

from __future__ import annotations

import ast
import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import parity
from tests.docs.markdown import ROOT, blocks
from tests.docs.session import Session

SOURCE = ROOT / "parity" / "__init__.py"
EXAMPLES = doctest.DocTestFinder(recurse=False)


@pytest.fixture(scope="module")
def own_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of docs/own-model.md, with weights and inputs."""
    found = blocks((ROOT / "docs" / "own-model.md").read_text())
    session = Session(found, tmp_path_factory.mktemp("own-model"))
    session.until(next(block for block in found if block.text == "python make.py\n"))
    for block in found:
        if block.mark[0] == "file":
            (session.folder / block.mark[1]).write_text(block.text)
    return session.folder


def examples(name: str) -> doctest.DocTest:
    return EXAMPLES.find(getattr(parity, name), name, module=False, globs={"parity": parity})[0]


@pytest.mark.parametrize("name", parity.__all__)
def test_a_public_name_has_an_example_that_runs(name, own_model, monkeypatch):
    monkeypatch.chdir(own_model)
    monkeypatch.syspath_prepend(str(own_model))
    example = examples(name)
    assert example.examples, f"parity.{name} has no example in its docstring"
    said: list[str] = []
    results = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example, out=said.append)
    assert results.failed == 0, "".join(said)


def test_an_example_that_is_wrong_is_seen():
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert doctest.DocTestRunner().run(wrong, out=lambda text: None).failed == 1


def test_the_three_lists_of_names_agree():
    """What type checkers see, what is loaded, and what `__all__` says."""
    typed = {}
    for node in ast.walk(ast.parse(SOURCE.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("parity"):
            typed |= {alias.asname: f"{node.module}:{alias.name}" for alias in node.names}
    assert typed == parity._HOMES
    assert sorted(typed) == parity.__all__ == dir(parity)


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match=r"no attribute 'judges'; it offers Case, Comparison, Contract"):
        _ = parity.judges


def test_a_public_name_is_not_a_layer():
    """A submodule of the same name would take its place as soon as it is imported."""
    layers = {path.stem if path.is_file() else path.name for path in (ROOT / "parity").iterdir()}
    assert layers.isdisjoint(parity.__all__)


def test_importing_the_package_loads_no_layer_and_no_framework():
    program = "import parity, sys; print([n for n in sys.modules if n.split('.')[0] in ('torch', 'mlx', 'parity')])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "['parity']\n"


@pytest.mark.parametrize("name", [name for name in parity.__all__ if inspect.isfunction(getattr(parity, name))])
def test_a_function_is_typed(name):
    signature = inspect.signature(getattr(parity, name))
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(parameter.annotation is not inspect.Parameter.empty for parameter in signature.parameters.values())
