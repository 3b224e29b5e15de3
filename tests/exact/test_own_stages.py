"""The port's stages matched with the reference's by value alone: no name, axis or tap is declared."""

from __future__ import annotations

import pytest

from parity.match.matching import confirm, match
from tests.exact import stages

TOKENS = {"tiny-conditioning": ["tokenizer.quantizer", "tokenizer", "tokenizer.quantizer#1", "tokenizer#1"]}
"""Taps of integers, which are equal as outputs and say nothing about which quantity they are."""


@pytest.mark.parametrize("name", ["tiny-flow", "tiny-flow-batch", "tiny-vocoder", "tiny-t3", "tiny-conditioning"])
def test_every_module_is_found_by_value(name: str):
    programs, inputs = stages.reference(name)
    ours, given = stages.candidate(name)
    first, rest = slice(stages.LENGTHS), slice(stages.LENGTHS, None)
    matching = match(programs[first], ours[first], inputs[first], given[first])
    assert matching.equal
    assert matching.departures == []
    assert matching.unmatched_taps == TOKENS.get(name, [])
    assert len(matching.taps) + len(matching.unmatched_taps) == len(programs[0].taps)
    assert confirm(matching, programs[rest], ours[rest], inputs[rest], given[rest]) == []
