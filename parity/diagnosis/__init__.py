"""Diagnosis of a failed run: where it went wrong first, which mistake that looks like, and a binary search."""

from parity.diagnosis.conclude import Diagnosis, diagnose
from parity.diagnosis.evidence import Evidence, Finding
from parity.diagnosis.growth import Growth, growth
from parity.diagnosis.inside import Suspect
from parity.diagnosis.recognise import recognise

__all__ = ["Diagnosis", "Evidence", "Finding", "Growth", "Suspect", "diagnose", "growth", "recognise"]
