"""What the engine asks of an implementation, and how it finds one: by the dotted names in the contract."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from parity.base.errors import ContractError, UnknownNameError
from parity.base.names import meant
from parity.contract import FULL, Contract

State = dict[str, np.ndarray]


class Side(Protocol):
    """One implementation of the pipeline.

    `root` gives the module whose attribute paths name the taps of a segment, and may load its weights then; `release`
    lets go of all weights. `run` takes a segment's name and index and the state that the segment before it left, arrays
    in this side's own layout, and returns the next state. `run` hands every value that no module returns to
    `observe(name, value)`, goes on with what `observe` gives back, and draws nothing at random.

    >>> from pathlib import Path
    >>> import sides
    >>> side: parity.Side = sides.TorchSide(Path(), {}, "float32")
    >>> side.root("encode").blocks[0].norm.normalized_shape
    (16,)
    """

    def root(self, segment: str) -> Any: ...

    def release(self) -> None: ...

    def run(self, segment: str, index: int | None, state: State, observe: Callable[[str, Any], Any]) -> State: ...


@dataclass(frozen=True)
class Case:
    """One input to verify on. `inputs` is the state before the first segment, in the reference's layout.

    `dims` are the loop lengths that the contract refers to; `options` go to the side's factory as they are. `segments`
    are those of the contract that are run, all when empty. `weights` says what kind those are that it runs on where no
    checkpoint is given: synthetic, trained or published.

    >>> import numpy as np
    >>> inputs = {"tokens": np.zeros((2, 5), np.int64), "x": np.zeros((2, 16, 5), np.float32)}
    >>> case = parity.Case("zeros", {"steps": 1, "depth": 2}, inputs)
    >>> case.inputs["x"].shape
    (2, 16, 5)
    """

    name: str
    dims: Mapping[str, int]
    inputs: State
    options: Mapping[str, Any] = field(default_factory=dict)
    segments: tuple[str, ...] = ()
    weights: str = "synthetic"


def importable(contract: Path) -> Path:
    """The folder from which a contract's dotted names are found: the first above it that is no package."""
    return next(folder for folder in contract.resolve().parents if not (folder / "__init__.py").is_file())


def resolve(dotted: str) -> Any:
    """The object that `"package.module:name"` names. Raises `InputError` when there is none."""
    module, _, name = dotted.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        own = error.name is not None and f"{module}.".startswith(f"{error.name}.")
        advice = "expected 'package.module:name', found from the contract's folder" if own else f"install {error.name}"
        raise ContractError(f"{dotted!r}: cannot be loaded ({error}); {advice}") from error
    except (ImportError, AttributeError, ValueError) as error:
        raise ContractError(f"{dotted!r}: cannot be loaded ({error}); expected 'package.module:name'") from error


def make_side(
    contract: Contract, name: str, checkpoint: Path, case: Case, dtype: str, weights: str = FULL.weights
) -> Side:
    """Build a side from its factory, `factory(checkpoint, options, dtype)`. A `ValueError` it raises is bad input.

    Among the options is `weights`, to what the weights are rounded, unless that is float32.
    """
    if name not in contract.sides:
        raise UnknownNameError(f"unknown side {name!r} in {contract.path}; {meant(name, contract.sides)}")
    factory = resolve(contract.sides[name]["factory"])
    try:
        rounded = {} if weights == FULL.weights else {"weights": weights}
        side: Side = factory(checkpoint, dict(case.options) | rounded, dtype)
    except ValueError as error:
        raise ContractError(f"side {name!r}: {error}") from error
    return side


def case_names(contract: Contract) -> list[str]:
    """The names of a contract's cases: the list `CASES` beside their provider, empty where there is none."""
    resolve(contract.cases)
    return list(getattr(importlib.import_module(contract.cases.partition(":")[0]), "CASES", ()))


def make_case(contract: Contract, name: str) -> Case:
    """The named case from the contract's provider, `provider(name)`.

    A `ValueError` or an `InputError` of the provider is bad input: it arrives as `InputError`.

    >>> from pathlib import Path
    >>> case = parity.make_case(parity.load_contract(Path("contract.toml")), "short")
    >>> {name: array.shape for name, array in case.inputs.items()}
    {'tokens': (2, 5), 'x': (2, 16, 5)}
    """
    provider = resolve(contract.cases)
    known = case_names(contract)
    if known and name not in known:
        raise UnknownNameError(f"unknown case {name!r}; {meant(name, known)}")
    try:
        case: Case = provider(name)
    except ValueError as error:
        raise ContractError(str(error)) from error
    return case
