"""mlx-lm's ports of language models against transformers, in double: logits, and every module found by value."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.base.metrics import rms, rmse
from parity.exact.standin import installed
from parity.exact.standin.record import recording as recorded
from parity.exact.torch import recording, single, twin
from parity.match.matching import Matching, confirm, match
from tests.ports import architectures
from tests.ports.architectures import DEPARTING, EQUAL, MATCHED, NOT_FOUND, RECURRENT

NAMES = (*EQUAL, *DEPARTING)
LENGTHS = (11, 16, 23)
OTHER = 29
"""The length of another random input, at which the pairs are checked again."""


@dataclass
class Judged:
    """What is known of one architecture: the error of its logits, in RMS of the reference's, and its matching.

    `false` are pairs that are not equal on another input of another length, `mixed` those that are not where the port
    is given it backwards.
    """

    error: float
    single: list[str]
    found: Matching | None = None
    modules: list[str] = field(default_factory=list)
    false: int = 0
    mixed: int = 0


def judge(name: str, folder: Path) -> Judged:
    """To be called inside of `installed()`."""
    model = architectures.reference(name)
    architectures.save(model, name, folder)
    exact, port = twin(model), architectures.port(name, folder)
    lengths = (12,) * 4 if name in RECURRENT else (*LENGTHS, OTHER)
    sets = [architectures.tokens(length, seed) for seed, length in enumerate(lengths)]
    matched = name in MATCHED or name in DEPARTING
    sets = sets if matched else sets[:1]

    def logits(ids: Any) -> Any:
        return exact(input_ids=ids, use_cache=False).logits

    ours = [recording(logits, [ids], root=exact, source=name) for ids in sets]
    theirs = [recorded(port, [ids.astype(np.int32)], source=name) for ids in sets]
    errors = [
        rmse(b.values[b.program.outputs[0]], a.values[a.program.outputs[0]]) / rms(a.values[a.program.outputs[0]])
        for a, b in zip(ours, theirs, strict=True)
    ]
    judged = Judged(max(errors), [text for run in ours for text in single(run)])
    if matched:
        inputs = [[ids] for ids in sets]
        programs = [run.program for run in ours], [run.program for run in theirs]
        judged.found = match(programs[0][:3], programs[1][:3], inputs[:3], inputs[:3])
        judged.modules = [tap for tap in programs[0][0].taps if not re.search(r"\.\d+$", tap) or is_module(exact, tap)]
        last = programs[0][3:], programs[1][3:], inputs[3:]
        judged.false = len(confirm(judged.found, *last, inputs[3:]))
        judged.mixed = len(confirm(judged.found, *last, [[ids[:, ::-1]] for ids in sets[3:]]))
    return judged


def is_module(model: Any, tap: str) -> bool:
    """The tap is what a module returns first, not its second result `path.1`."""
    return tap in dict(model.named_modules())


@pytest.fixture(scope="module")
def judged(tmp_path_factory) -> dict[str, Judged | Exception]:
    """All of them. One that cannot be judged has the exception: it fails its own tests."""
    results: dict[str, Judged | Exception] = {}
    with installed():
        for name in NAMES:
            try:
                results[name] = judge(name, tmp_path_factory.mktemp(name))
            except Exception as error:
                results[name] = error
    return results


def of(judged: dict[str, Judged | Exception], name: str) -> Judged:
    result = judged[name]
    if isinstance(result, Exception):
        raise result
    return result


@pytest.mark.parametrize("name", EQUAL)
def test_logits_are_equal_in_double(judged, name):
    result = of(judged, name)
    assert result.single == []
    assert result.error <= 1e-12


@pytest.mark.parametrize("name", DEPARTING)
def test_a_departing_port_is_explained(judged, name):
    result = of(judged, name)
    assert result.error > 1e-5
    reference, candidate = DEPARTING[name]
    assert len(result.found.departures) == architectures.COMMON["num_hidden_layers"]
    for departure in result.found.departures:
        assert departure.healed
        assert reference in map(str, departure.reference)
        assert candidate in map(str, departure.candidate)


@pytest.mark.parametrize("name", MATCHED)
def test_every_module_is_found_by_value(judged, name):
    result = of(judged, name)
    missing = [tap for tap in result.modules if tap in result.found.unmatched_taps]
    assert [tap for tap in missing if not any(re.fullmatch(known, tap) for known in NOT_FOUND)] == []


def test_the_modules_that_are_not_found_are_few(judged):
    results = [of(judged, name) for name in MATCHED]
    modules = sum(len(result.modules) for result in results)
    missing = sum(tap in result.found.unmatched_taps for result in results for tap in result.modules)
    print(f"{modules - missing} of {modules} modules found")
    assert missing <= 0.03 * modules


@pytest.mark.parametrize("name", MATCHED)
def test_no_pair_is_a_coincidence(judged, name):
    result = of(judged, name)
    assert result.false == 0
    assert result.mixed > 20
