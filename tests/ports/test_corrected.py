"""A port's modules with lines corrected, for as long as a comparison lasts."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from parity.base.errors import InputError
from ports.corrected import Correction, corrections

HALF = Correction("mendable.inner", "x / 3", "x / 2")


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A module that imports a function of a package, which has it from another module of its own."""
    (tmp_path / "mendable").mkdir()
    (tmp_path / "mendable" / "__init__.py").write_text("from mendable.inner import half\n")
    (tmp_path / "mendable" / "inner.py").write_text("\ndef half(x):\n    return x / 3\n")
    (tmp_path / "mendable_user.py").write_text("from mendable import half\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("mendable_user")
    for name in [name for name in sys.modules if name.startswith("mendable")]:
        del sys.modules[name]


def test_a_package_is_corrected_inside_and_as_before_afterwards(user):
    with corrections([HALF], "mendable_user"):
        assert importlib.import_module("mendable_user").half(6) == 3
    assert importlib.import_module("mendable_user") is user
    assert user.half(6) == 2


def test_without_corrections_nothing_is_imported_anew(user):
    with corrections([], "mendable_user"):
        assert importlib.import_module("mendable_user") is user


def test_a_text_that_is_not_there_is_refused(user):
    gone = Correction("mendable.inner", "x / 4", "x / 2")
    with pytest.raises(InputError, match=r"mendable\.inner has no 'x / 4'"), corrections([gone], "mendable_user"):
        importlib.import_module("mendable_user")
    with pytest.raises(InputError, match=r"mendable\.inner has no 'x / 4'"):
        _ = gone.difference
    assert user.half(6) == 2


def test_a_difference_has_the_line(user):
    assert HALF.difference == "mendable/inner.py:3\n-x / 3\n+x / 2"
