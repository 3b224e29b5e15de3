"""The one table that says what each tensor is called and how it lies: upstream, here, and in the other MLX ports.

A key is read by one naming into a `Parameter` and written by any other, so that every pair of namings is covered and
each mapping has its inverse. `tests/weights/test_mapping.py` proves that the table is total, exact and injective.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property

from mlx_impl.weights.stored.layout import MLX as MLX_LAYOUT
from mlx_impl.weights.stored.layout import PYTORCH as PYTORCH_LAYOUT
from mlx_impl.weights.stored.layout import SWIFT as SWIFT_LAYOUT
from mlx_impl.weights.stored.mapping import conditioning, flow, t3, vocoder
from mlx_impl.weights.stored.mapping.rule import (
    DROP,
    FOLD,
    RENAME,
    SUM,
    Leaf,
    Parameter,
    Rule,
    templates,
    within_limits,
)
from mlx_impl.weights.stored.mapping.template import Template, shape_of

__all__ = [
    "COMMUNITY",
    "DROP",
    "FOLD",
    "MLX",
    "RENAME",
    "SCHEMES",
    "SUM",
    "SWIFT",
    "TABLE",
    "UPSTREAM",
    "Leaf",
    "Parameter",
    "Rule",
    "Scheme",
    "parameter_of",
]

TABLE = (*flow.RULES, *vocoder.RULES, *conditioning.RULES, *t3.RULES)


class Scheme:
    """A naming with its layout: keys to parameters and back."""

    def __init__(self, target: str, naming: str, layout: str, table: Iterable[Rule] = TABLE):
        self.target, self.naming, self.layout = target, naming, layout
        self.index: dict[str, list[tuple[Rule, Leaf, int, Template]]] = {}
        self.names: dict[tuple[Rule, Leaf], list[Template]] = {}
        for rule in table:
            for leaf, part, template in templates(rule, naming):
                self.index.setdefault(template.shape, []).append((rule, leaf, part, template))
                self.names.setdefault((rule, leaf), []).append(template)

    def __repr__(self) -> str:
        return self.target

    @cached_property
    def prefixes(self) -> dict[str, str]:
        """What all keys of a stage begin with, up to a dot: an error tells by it which stage an unknown key is of."""
        firsts: dict[str, list[str]] = {}
        for (rule, _), names in self.names.items():
            firsts.setdefault(rule.stage, []).extend(template.literals[0] for template in names)
        common = {stage: os.path.commonprefix(names) for stage, names in firsts.items()}  # noqa: RUF071 - cut at a dot
        return {stage: prefix[: prefix.rfind(".") + 1] for stage, prefix in common.items()}

    def all(self, key: str) -> list[tuple[Parameter, int]]:
        """Every parameter that a key could be, and which part of it; the tests hold that there is one at most."""
        found = []
        for rule, leaf, part, template in self.index.get(shape_of(key), ()):
            numbers = template.read(key)
            if numbers is not None and within_limits(rule, numbers):
                found.append((Parameter(rule, leaf, numbers), part))
        return found

    def find(self, key: str) -> tuple[Parameter, int] | None:
        """The parameter that a key holds and which part of it, or None for a key that this naming has not."""
        return next(iter(self.all(key)), None)

    def keys(self, parameter: Parameter) -> tuple[str, ...]:
        """The key or keys that hold a parameter, none where this naming has not got it."""
        templates = self.names.get((parameter.rule, parameter.leaf), ())
        return tuple(template.fill(parameter.numbers) for template in templates)


UPSTREAM = Scheme("upstream", "upstream", PYTORCH_LAYOUT)
MLX = Scheme("mlx", "mlx", MLX_LAYOUT)
SWIFT = Scheme("swift", "swift", SWIFT_LAYOUT)
COMMUNITY = Scheme("mlx-community", "community", MLX_LAYOUT)
SCHEMES = {scheme.target: scheme for scheme in (UPSTREAM, MLX, SWIFT, COMMUNITY)}


# What a tensor is called once its parts are folded or summed, and one of the parts.
JOINED = ((".weight", ".parametrizations.weight.original1"), (".bias_l", ".bias_ih_l"))


def parameter_of(stage: str, key: str) -> str:
    """The parameter of a stage's module that an upstream key fills, folded and summed or not; else the key itself."""
    for candidate in (key, *(key.replace(whole, part) for whole, part in JOINED)):
        found = UPSTREAM.find(candidate)
        if found is not None and found[0].stage == stage and (names := MLX.keys(found[0])):
            return names[0].removeprefix(f"{stage}.")
    return key
