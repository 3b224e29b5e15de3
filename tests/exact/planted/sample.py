"""A module to plant faults in."""


def value() -> int:
    one = 1
    two = 2
    return one + two


def other() -> int:
    return value()
