"""The battery: faults of real ports, each a small named patch of the MLX side, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

import mlx_impl.pipeline
from mlx_impl.weights.stored.reader import Tensors
from parity.contract.implementation import Case
from parity.run.report import Report
from parity.run.verify import Verifier
from spec.files.safetensors_file import Entry
from tests.mutants.subjects import case, checkpoint_for, contract

Patch = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutant:
    """A fault: the case that shows it, the first tap it makes wrong, and the families that are right to be named."""

    name: str
    case: str
    tap: str
    families: tuple[str, ...]
    patch: Patch


BATTERY: list[Mutant] = []


def mutant(name: str, case: str, tap: str, *families: str) -> Callable[[Patch], Patch]:
    def add(patch: Patch) -> Patch:
        assert name not in [known.name for known in BATTERY], name
        BATTERY.append(Mutant(name, case, tap, families, patch))
        return patch

    return add


def verify(fault: Mutant, subject: Case | None = None) -> Report:
    """The report on a candidate with that fault: of its own case, or of another one."""
    subject = case(fault.case) if subject is None else subject
    with pytest.MonkeyPatch.context() as patch:
        fault.patch(patch)
        return Verifier(contract(subject.name), subject, checkpoint_for(subject)).run()


@cache
def outcome(fault: Mutant) -> tuple[bool, str, tuple[str, ...], str]:
    """Whether a fault is caught, at which tap first, which families are named, and the sentence. Run once a session."""
    report = verify(fault)
    found = report.diagnosis
    if found is None:
        return not report.passed, "", (), ""
    return not report.passed, found.first.tap, tuple(found.families), found.sentence()


def wrap(m: pytest.MonkeyPatch, owner: Any, name: str, around: Callable[..., Any]) -> None:
    """Replace a function or method by `around(original, *args)`."""
    original = getattr(owner, name)
    m.setattr(owner, name, lambda *args, **kwargs: around(original, *args, **kwargs))


def checkpoint(m: pytest.MonkeyPatch, change: Callable[[dict[str, np.ndarray]], None]) -> None:
    """Have the candidate alone read other tensors; `change` is given those of a file, in upstream's names."""
    changed: dict[Path, dict[str, np.ndarray]] = {}

    def part(original: Callable[..., np.ndarray], file: Tensors, entry: Entry) -> np.ndarray:
        if file.file not in changed:
            entries = file.header.entries
            tensors = {key: original(file, each).copy() for key, each in entries.items() if each.dtype == "F32"}
            change(tensors)
            changed[file.file] = tensors
        return changed[file.file].get(entry.key, original(file, entry))

    wrap(m, Tensors, "part", part)


def constant(m: pytest.MonkeyPatch, part: str, value: float) -> None:
    """Have the candidate alone read one number in every tensor whose name has that part."""

    def change(tensors: dict[str, np.ndarray]) -> None:
        for key in tensors:
            if part in key:
                tensors[key] = np.full_like(tensors[key], value)

    checkpoint(m, change)


def loaded(m: pytest.MonkeyPatch, segment: str, change: Callable[[Any], None]) -> None:
    """Change the candidate's model of that segment's stage once it is loaded."""
    original = mlx_impl.pipeline.MODELS[segment]

    def load(*args: Any) -> Any:
        model = original(*args)
        change(model)
        mx.eval(model.parameters())
        return model

    for name, stage in list(mlx_impl.pipeline.MODELS.items()):
        if stage is original:
            m.setitem(mlx_impl.pipeline.MODELS, name, load)


def unfilled(module: Any, seed: int = 1) -> None:
    """Give a module numbers of its own, as it has them before a checkpoint is read."""
    rng = np.random.default_rng(seed)

    def fill(tree: Any) -> Any:
        if isinstance(tree, dict):
            return {name: fill(part) for name, part in tree.items()}
        if isinstance(tree, list):
            return [fill(part) for part in tree]
        width = max(1, int(np.prod(tree.shape[1:])))
        return mx.array((rng.uniform(-1, 1, tree.shape) / np.sqrt(width)).astype(np.float32))

    module.update(fill(module.parameters()))
