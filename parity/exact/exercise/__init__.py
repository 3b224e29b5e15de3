"""What of a candidate's source a run exercises: its conditions, limits, lengths and functions.

The candidate's modules are imported from a source in which each of these places reports what it does
(`instrument.py`); values, lines and results stay as they are. Nothing is changed, and nothing costs, outside of
`exercised`.
"""

from parity.exact.exercise.importing import exercised

__all__ = ["exercised"]
