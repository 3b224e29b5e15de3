"""Capture: what a side computes, seen tap by tap as it appears."""
