"""What is compared: the taps of a run with their axes and bounds, and the implementations that give them."""

from parity.contract.contract import (
    ACCUMULATED,
    FULL,
    HANDED,
    LOCAL,
    Contract,
    Decision,
    NotJudged,
    Precision,
    Rule,
    Segment,
    Tap,
)
from parity.contract.reading import load

__all__ = [
    "ACCUMULATED",
    "FULL",
    "HANDED",
    "LOCAL",
    "Contract",
    "Decision",
    "NotJudged",
    "Precision",
    "Rule",
    "Segment",
    "Tap",
    "load",
]
