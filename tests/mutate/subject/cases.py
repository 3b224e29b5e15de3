"""The cases: numbers below the limit, and random ones that reach it."""

from __future__ import annotations

from pathlib import Path

from parity.base.draws import normal
from parity.contract.implementation import Case

CASES = ["small", "small-negative", "other"]


def load(name: str) -> Case:
    x = normal("mutants", name, (40,))
    return Case(name, {}, {"x": -abs(x) if name == "small-negative" else x}, {"loud": False})


def random(number: int) -> Case:
    return Case(f"random-{number}", {}, {"x": 10.0**number * normal("mutants", str(number), (40,))}, {"loud": False})


def checkpoint(case: Case) -> Path:
    return Path(__file__).parent
