"""Runs of a contract's sides, and what they found."""
