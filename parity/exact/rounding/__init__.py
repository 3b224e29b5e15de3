"""A program's own rounding: it is run again with every float32 result rounded up or down at random."""

from parity.exact.rounding.coin import Rounding
from parity.exact.rounding.floors import RUNS, Floors

__all__ = ["RUNS", "Floors", "Rounding"]
