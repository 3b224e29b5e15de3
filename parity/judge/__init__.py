"""Verdicts on taps."""
