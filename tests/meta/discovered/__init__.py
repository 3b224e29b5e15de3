"""A pair that nobody prepared: the port has other names, another layout and another order of its projections."""
