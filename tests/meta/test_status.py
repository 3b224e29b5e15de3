"""parity.show.status: the page says of each case and device what its newest result says, and which have none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from parity.base.exercise import Exercise
from parity.show import status

TARGETS = (
    {"name": "Here", "environment": {"mlx metal": "False"}},
    {"name": "Elsewhere", "environment": {"mlx metal": "x"}},
)


@pytest.fixture
def result(verify_toy):
    environment = {"mlx": "1", "mlx device": "gpu", "mlx metal": "False", "commit": "0123abc", "weights": "trained"}
    return lambda case, when, **more: replace(
        verify_toy(case), **{"case": "tiny", "when": when, "environment": environment} | more
    )


@pytest.fixture
def page(toy_contract):
    return lambda *results: status.page(list(results), replace(toy_contract, targets=TARGETS), Exercise())


def test_what_is_verified_and_what_is_not(page, result):
    text = page(result("tiny", "2026-02-02"))
    assert "| pass | tiny | trained | mlx gpu | mlx 1 | 92 of 92 |" in text
    assert "| 2026-02-02 | 0123abc |" in text
    assert "- Elsewhere: no result" in text
    assert "- Here" not in text


def test_the_newest_result_counts(page, result):
    good, bad = result("tiny", "2026-02-01"), result("gain", "2026-02-02")
    text = page(bad, good)
    assert "**FAIL**" in text
    assert "| pass |" not in text
    assert "- tiny: its newest result failed." in text
    assert "**FAIL**" not in page(bad, good, result("tiny", "2026-02-03"))


def test_a_published_checkpoint_is_missed_until_one_is_seen(page, result):
    trained = result("tiny", "2026-02-02")
    published = result("tiny", "2026-02-01", environment=trained.environment | {"weights": "published"})
    unknown = result("tiny", "2026-02-01", environment={"mlx": "1", "mlx device": "gpu"})
    assert "No published checkpoint has been seen here" in page(trained, unknown)
    assert "| pass | tiny | not recorded |" in page(unknown)
    text = page(trained, published)
    assert "| pass | tiny | published |" in text and "| pass | tiny | trained |" in text
    assert "has been seen" not in text


def test_an_informative_result_verifies_nothing(page, result):
    text = page(result("tiny", "2026-02-02", informative=True))
    assert "| pass |" not in text
    assert "- Here: no result" in text


def test_results_of_two_systems_stand_side_by_side(page, result):
    environments = [{"mlx device": "gpu", "mlx metal": "False", "system": name} for name in ("macOS 15", "macOS 26")]
    text = page(*(result("tiny", "2026-02-02", environment=environment) for environment in environments))
    assert "| mlx gpu, macOS 15 |" in text
    assert "| mlx gpu, macOS 26 |" in text
