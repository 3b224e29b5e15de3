"""Diagnosis of a failed run: localisation, recognition of the mistake, and a binary search where a trace is too much."""

from parity.diagnosis.conclude import Diagnosis, diagnose
from parity.diagnosis.evidence import Evidence, Finding
from parity.diagnosis.growth import Growth, growth
from parity.diagnosis.inside import Suspect
from parity.diagnosis.recognise import recognise

__all__ = ["Diagnosis", "Evidence", "Finding", "Growth", "Suspect", "diagnose", "growth", "recognise"]
