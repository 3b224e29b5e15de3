"""The operators of mutation: a file for each family. Each makes the smallest change that is a fault."""

from parity.mutate.operators import arithmetic, axes, calls, comparisons, conditions, constants, slices, statements
from parity.mutate.operators.operator import OPERATORS, Operator

__all__ = [
    "OPERATORS",
    "Operator",
    "arithmetic",
    "axes",
    "calls",
    "comparisons",
    "conditions",
    "constants",
    "slices",
    "statements",
]
