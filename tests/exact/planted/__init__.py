"""Faults that are planted in the source of the port, one place each, and have to be found at their own operation."""

from tests.exact.planted import conditioning, flow, t3, vocoder

FAULTS = [*flow.FAULTS, *vocoder.FAULTS, *t3.FAULTS, *conditioning.FAULTS]
