"""A candidate whose places go one way, another, or both: what `tests/exact/test_exercise.py` reads the report of."""
