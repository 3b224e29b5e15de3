"""Rules: what a layer is called by each naming, and what becomes of its tensors.

A rule covers one layer, wherever it is repeated. Its kind says which tensors the layer has, their layouts, and which
of them are folded, summed or dropped. Namings: `upstream` is the published checkpoint, `mlx` this side's parameters
behind the name of their stage, `swift` the Swift port, `community` the single files of mlx-community.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import NamedTuple

from mlx_impl.weights.stored.layout import CONV1D, CONV2D, CONV_TRANSPOSE1D, LINEAR, LINEAR_OF_GPT2, PLAIN, Layout
from mlx_impl.weights.stored.mapping.template import Template

NAMINGS = ("upstream", "mlx", "swift", "community")
SAME = "="  # as upstream

RENAME, FOLD, SUM, DROP = "rename", "fold", "sum", "drop"


@dataclass(frozen=True, eq=False)
class Leaf:
    """A tensor of a layer: its name below the layer's, upstream's name or names for it, and what is done."""

    name: str
    sources: tuple[str, ...] = ()
    layout: Layout = field(default_factory=dict)
    operation: str = RENAME
    reason: str = "the same tensor under another name"
    namings: tuple[str, ...] = NAMINGS  # that have it

    @property
    def upstream(self) -> tuple[str, ...]:
        return self.sources or (self.name,)


BIAS = Leaf("bias")
OURS = NAMINGS[1:]
# Of a quantised linear layer: upstream has none.
SCALES, BIASES = (Leaf(name, namings=OURS, reason="of mlx.nn.quantize") for name in ("scales", "biases"))
WEIGHT_NORM = ("parametrizations.weight.original0", "parametrizations.weight.original1")
FOLDED = Leaf("weight", WEIGHT_NORM, CONV1D, FOLD, "g v / ||v|| over all axes but the first; weight norm is training's")
FOLDED_TRANSPOSE = replace(FOLDED, layout=CONV_TRANSPOSE1D)
STEP_COUNT = Leaf("num_batches_tracked", operation=DROP, reason="of use in training only", namings=NAMINGS[:1])

Kind = tuple[Leaf, ...]
LAYER: dict[str, Kind] = {
    "linear": (Leaf("weight", layout=LINEAR), BIAS, SCALES, BIASES),
    "linear of GPT-2": (Leaf("weight", layout=LINEAR_OF_GPT2), BIAS),
    "embedding": (Leaf("weight"),),
    "conv1d": (Leaf("weight", layout=CONV1D), BIAS),
    "conv2d": (Leaf("weight", layout=CONV2D), BIAS),
    "normed conv1d": (FOLDED, BIAS),
    "normed conv_transpose1d": (FOLDED_TRANSPOSE, BIAS),
    "norm": (Leaf("weight"), BIAS),
    "batch norm": (Leaf("weight"), BIAS, Leaf("running_mean"), Leaf("running_var"), STEP_COUNT),
    "snake": (Leaf("alpha"),),
    "tensor": (Leaf(""),),
    # The layer's name has a star where PyTorch's two names of the biases differ.
    "two biases": (Leaf("", ("bias_ih", "bias_hh"), PLAIN, SUM, "PyTorch's LSTM adds two biases, MLX's one"),),
    "loss": (Leaf("", operation=DROP, reason="of the loss in training", namings=("upstream", "community")),),
}


@dataclass(frozen=True, eq=False)
class Rule:
    """A layer: its kind and, for each naming, its name, or None where that naming has not got it."""

    kind: str
    names: tuple[str | None, ...]
    why: str
    stage: str = ""


class Parameter(NamedTuple):
    """One tensor of the model, whoever names it: a rule, one of its leaves, and the numbers `i`, `j`, `k`."""

    rule: Rule
    leaf: Leaf
    numbers: tuple[int, ...]

    @property
    def stage(self) -> str:
        return self.rule.stage


def rule(kind: str, upstream: str, mlx: str | None = SAME, swift: str | None = SAME, community: str | None = SAME,
         why: str = "") -> Rule:  # fmt: skip
    """A rule whose cells are upstream's where they are not given."""
    cells = (upstream, mlx, swift, community)
    return Rule(kind, tuple(upstream if cell == SAME else cell for cell in cells), why)


def under(prefixes: Sequence[str | None], rules: Iterable[Rule], why: str, stage: str = "") -> Iterator[Rule]:
    """The rules with a prefix for each naming, or None where it has nothing of them; `why` where a rule gives none."""
    for each in rules:
        names = tuple(
            None if prefix is None or name is None else prefix + name
            for prefix, name in zip(prefixes, each.names, strict=True)
        )
        yield replace(each, names=names, why=each.why or why, stage=stage or each.stage)


def templates(rule_: Rule, naming: str) -> Iterator[tuple[Leaf, int, Template]]:
    """Each tensor that a naming has of a rule's layer: the leaf, which of its parts, and its whole name."""
    name = rule_.names[NAMINGS.index(naming)]
    for leaf in LAYER[rule_.kind] if name is not None else ():
        if naming not in leaf.namings:
            continue
        for part, below in enumerate(leaf.upstream if naming == "upstream" else (leaf.name,)):
            whole = name.replace("*", below) if "*" in name else f"{name}.{below}" if below else name
            yield leaf, part, Template(whole)


@cache
def limits(rule_: Rule) -> tuple[tuple[int, int], ...]:
    """The variables that a naming of a rule bounds, and what each stays below."""
    return tuple(item for name in rule_.names if name is not None for item in Template(name).limits().items())


def within_limits(rule_: Rule, numbers: tuple[int, ...]) -> bool:
    """Whether the numbers are such as every naming of the rule can tell apart."""
    return all(numbers[variable] < limit for variable, limit in limits(rule_))
