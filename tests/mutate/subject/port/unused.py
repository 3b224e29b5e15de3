"""What no segment runs, and the contract leaves out."""


def unused(x: float) -> float:
    return x + 1.0
