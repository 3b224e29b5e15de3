"""A file of constants alone."""

SCALE = 3.0
