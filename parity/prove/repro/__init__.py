"""A departure by itself: both programs' operations between equal inputs and differing values, as scripts in a zip."""

from parity.prove.repro.archive import write

__all__ = ["write"]
