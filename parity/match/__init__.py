"""Two programs in double compared by their values: which nodes are the same quantity, and where the programs depart.

Nothing is declared: no names, axes or taps. NumPy alone.
"""
