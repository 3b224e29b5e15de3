"""A fault in what a segment carries unseen is no local error of the tap that shows it; the place of it is printed."""

from __future__ import annotations

import pytest

import mlx_impl.t3.backbone
from parity.contract import ACCUMULATED, LOCAL
from tests.mutants.battery import Mutant, verify, wrap

FULL = 64
"""Positions after which the cache grows."""


def loses_a_position(m: pytest.MonkeyPatch) -> None:
    def grown(original, buffer, new, room):
        length = 0 if buffer is None else buffer.shape[2]
        buffer = original(buffer, new, room)
        if length >= FULL:
            buffer[:, :, length] = 0
        return buffer

    m.setattr(mlx_impl.t3.backbone, "_CACHE_BLOCK", FULL)
    wrap(m, mlx_impl.t3.backbone, "_grown", grown)


def test_a_cache_that_loses_a_position_is_accumulated_and_the_position_is_printed():
    report = verify(Mutant("cache", "t3-long", "", (), loses_a_position))
    assert report.diagnosis.first.mode == ACCUMULATED
    assert report.diagnosis.first.tap.endswith("guided_logits")
    for entry in ("keys", "values"):
        sentence = f"handed-on.{entry}[t3_rest] is wrong from position {FULL} of t on (of 66)"
        assert sentence in report.diagnosis.sentence()
    assert not [verdict.label for verdict in report.failures if verdict.mode == LOCAL]
