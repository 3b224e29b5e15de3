"""Two sides, so small that it is known what becomes of each mutant of the port."""
