"""Traces that outlive a run: one side captured to a golden folder or a bundle, and dumps of a port judged by one."""

from __future__ import annotations

from parity.run.dumps.bisect import bisect
from parity.run.dumps.capture import capture
from parity.run.dumps.compare import compare

__all__ = ["bisect", "capture", "compare"]
