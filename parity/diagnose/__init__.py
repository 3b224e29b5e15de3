"""Diagnosis of a failed run: where it went wrong first, which mistake that looks like, and a binary search."""

from parity.diagnose.conclude import Diagnosis, diagnose
from parity.diagnose.evidence import Evidence, Finding
from parity.diagnose.growth import Growth, growth
from parity.diagnose.inside import Suspect
from parity.diagnose.recognise import recognise

__all__ = ["Diagnosis", "Evidence", "Finding", "Growth", "Suspect", "diagnose", "growth", "recognise"]
