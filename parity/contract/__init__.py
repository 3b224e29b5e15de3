"""What is compared: the taps of a run with their axes and bounds, and the implementations that give them."""

from parity.contract.contract import (
    CREATED,
    FULL,
    INHERITED,
    Contract,
    Decision,
    Precision,
    Rule,
    Segment,
    Tap,
    load,
)

__all__ = ["CREATED", "FULL", "INHERITED", "Contract", "Decision", "Precision", "Rule", "Segment", "Tap", "load"]
