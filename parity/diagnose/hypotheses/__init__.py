"""The hypotheses, by what is wrong. Importing this package registers all of them."""

from parity.diagnose.hypotheses import (
    functions,
    gains,
    layouts,
    norms,
    phases,
    places,
    rounding,
    shifts,
    spectra,
    sums,
    values,
)

__all__ = [
    "functions",
    "gains",
    "layouts",
    "norms",
    "phases",
    "places",
    "rounding",
    "shifts",
    "spectra",
    "sums",
    "values",
]
