"""What makes a CPU faster, or more exact: polynomials that a compiler vectorises, a second stream, fewer threads."""
