"""Any model as a side of a contract: one segment, from the model's arguments to what it gives.

`parity discover` writes contracts whose sides are these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any

import numpy as np

from parity.capture.results import arrays
from parity.capture.runner import adapter
from parity.contract.implementation import State


class ModelSide:
    """A model that is called with the `inputs` of the state, by keyword or by position.

    `outputs` names each array that it gives, in order: an empty name is left out. Each is observed by its name, and
    handed on.
    """

    def __init__(self, framework: str, model: Any, inputs: Sequence[str], outputs: Sequence[str], keywords: bool):
        self.adapter, self.model = adapter(framework), model
        self.inputs, self.outputs, self.keywords = inputs, outputs, keywords

    def root(self, segment: str) -> Any:
        """The model itself: taps are attribute paths from there."""
        return self.model

    def release(self) -> None:
        """Nothing: the model was made for this side, and goes with it."""

    def run(self, segment: str, index: int | None, state: State, observe: Callable[[str, Any], Any]) -> State:
        """Call the model once."""
        with self.around():
            given = {name: self.adapter.new(state[name]) for name in self.inputs}
            made = self.model(**given) if self.keywords else self.model(*given.values())
            named = zip(self.outputs, arrays(made, self.adapter.is_array), strict=True)
            left = {name: np.array(self.adapter.to_numpy(observe(name, array))) for name, array in named if name}
        return {**state, **left}

    def around(self) -> AbstractContextManager[Any]:
        """What the model runs within."""
        return nullcontext()


class MlxSide(ModelSide):
    """A model of MLX, or a function of its arrays, called by position."""

    def __init__(self, model: Any, inputs: Sequence[str], outputs: Sequence[str]):
        super().__init__("mlx", model, inputs, outputs, keywords=False)
        model.eval()


class TorchModel:
    """A torch module in single precision, and its twin in double, whose tables are computed anew.

    `model` is the module, or what makes it with its weights. `ahead` makes both at once: a candidate is asked for its
    double where double is the default already, and what draws its weights would draw others there.
    """

    def __init__(self, model: Any, ahead: bool = False):
        self.made = model
        if ahead:
            self.double  # noqa: B018 - it is made

    @cached_property
    def single(self) -> Any:
        """As it is."""
        made = self.made if isinstance(self.made, adapter("torch").nn.Module) else self.made()
        return made.eval().requires_grad_(False)

    @cached_property
    def double(self) -> Any:
        """The twin."""
        from parity.exact.torch import twin

        return twin(self.single) if self.single is self.made else twin(self.made, self.single)


class TorchSide(ModelSide):
    """A torch module, called by keyword or by position."""

    def __init__(
        self, model: TorchModel, dtype: str, inputs: Sequence[str], outputs: Sequence[str], keywords: bool = True
    ):
        self.wide = dtype == "float64"
        super().__init__("torch", model.double if self.wide else model.single, inputs, outputs, keywords)

    def around(self) -> AbstractContextManager[Any]:
        """Single precision that a twin asks for is double; a candidate's already is."""
        from parity.exact.torch.run import in_double, inference

        return in_double() if self.wide else inference()
