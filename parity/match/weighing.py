"""Which weights the two sides of a departure take: another part's, none, or some that the other side does not."""

from __future__ import annotations

from collections.abc import Iterable

from parity.match.values import Runs
from parity.match.walk import Walk


def weights_apart(walk: Walk, quantities: Iterable[int], keys: Iterable[int]) -> tuple[str, ...]:
    """In words, how the weights differ with which the reference makes `quantities` and the candidate `keys`.

    Parts in another order take each other's weights; what is missing takes none, and what is run again takes some.
    """
    runs, same = walk.reference.runs, walk.anchors.same
    made = [runs.steps[walk.reference.made[one]].inputs for one in quantities if one in walk.reference.made]
    taken = [walk.candidate.steps[walk.candidate.makers[key]].inputs for key in keys if key in walk.candidate.makers]
    ours = _modules(runs, [one for inputs in made for one in inputs])
    theirs = _modules(runs, [one for inputs in taken for key in inputs for one in same.get(key, ())])
    if not ours - theirs and not theirs - ours:
        return ()
    if not ours or not theirs:
        side, modules, other = ("candidate", theirs, "reference") if theirs else ("reference", ours, "candidate")
        return (f"the {side} takes weights of {_common(modules)} where the {other} takes none",)
    one, other = _apart(_common(theirs - ours or theirs), _common(ours - theirs or ours))
    return (f"the candidate takes weights of {one} where the reference takes those of {other}",) if one != other else ()


def _modules(runs: Runs, keys: Iterable[int]) -> set[str]:
    """Paths of the modules whose weights the keys are, or are made of."""
    left, seen, names = list(keys), set[int](), set[str]()
    while left:
        key = left.pop()
        if key in seen or key in runs.dynamic:
            continue
        seen.add(key)
        if key in runs.makers:
            left.extend(runs.steps[runs.makers[key]].inputs)
        else:
            names.update(c.name.rpartition(".")[0] for c in runs.constants(key)[:1] if c is not None and "." in c.name)
    return names


def _common(modules: set[str]) -> str:
    """The path that all of them are in."""
    paths = [module.split(".") for module in sorted(modules)]
    common = []
    for parts in zip(*paths, strict=False):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return ".".join(common) or "several modules"


def _apart(one: str, other: str) -> tuple[str, str]:
    """Two paths up to the last place at which they differ: the parts that stand for each other."""
    first, second = one.split("."), other.split(".")
    while len(first) > 1 and len(second) > 1 and first[-1] == second[-1]:
        first.pop()
        second.pop()
    return ".".join(first), ".".join(second)
