"""The own port with one fault each, as factories that a contract can name.

They import the port when they are called: inside a stand-in that is the port anew, on the stand-in, and the fault goes
with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

LAYER = "encoder.encoders.1"


def _side(checkpoint: Path, options: Mapping[str, Any], dtype: str, spoil: Callable[[Any], None]) -> Any:
    from mlx_impl.pipeline import Pipeline

    class Faulty(Pipeline):
        def root(self, segment: str) -> Any:
            before = self.stage
            model = super().root(segment)
            if self.stage is not before and "encoder" in model:
                spoil(model)
            return model

    return Faulty(checkpoint, options, dtype)


def epsilon(checkpoint: Path, options: Mapping[str, Any], dtype: str) -> Any:
    """A layer norm's epsilon is 1e-6, not 1e-12."""

    def spoil(model: Any) -> None:
        model.encoder.encoders[1].norm_ff.eps = 1e-6

    return _side(checkpoint, options, dtype, spoil)


def scale(checkpoint: Path, options: Mapping[str, Any], dtype: str) -> Any:
    """A projection is too large by a millionth, which is ten times less than what float32 would show."""

    def spoil(model: Any) -> None:
        layer = model.encoder.encoders[1].feed_forward.w_2
        layer.weight = layer.weight * (1 + 1e-9)

    return _side(checkpoint, options, dtype, spoil)


def scale_on_cpu(checkpoint: Path, options: Mapping[str, Any], dtype: str) -> Any:
    """As `scale`, where the device is a CPU alone."""
    import mlx.core as mx

    if mx.default_device().type == mx.cpu:
        return scale(checkpoint, options, dtype)
    return _side(checkpoint, options, dtype, lambda model: None)


def narrowed(checkpoint: Path, options: Mapping[str, Any], dtype: str) -> Any:
    """A block's output goes through half precision."""
    import mlx.core as mx

    def spoil(model: Any) -> None:
        block = model.encoder.encoders[1].feed_forward

        class Narrowed(type(block)):  # type: ignore[misc]
            def __call__(self, x: mx.array) -> mx.array:
                return super().__call__(x).astype(mx.bfloat16).astype(mx.float32)

        block.__class__ = Narrowed

    return _side(checkpoint, options, dtype, spoil)


def stopping(checkpoint: Path, options: Mapping[str, Any], dtype: str) -> Any:
    """A block raises an error of its own."""

    def spoil(model: Any) -> None:
        def stop(*arguments: Any) -> None:
            raise RuntimeError("out of luck")

        model.encoder.encoders[1].self_attn.split = stop

    return _side(checkpoint, options, dtype, spoil)


def drawing(checkpoint: Path, options: Mapping[str, Any], dtype: str) -> Any:
    """A block adds noise that it draws itself."""
    import mlx.core as mx

    def spoil(model: Any) -> None:
        block = model.encoder.encoders[1].feed_forward

        class Noisy(type(block)):  # type: ignore[misc]
            def __call__(self, x: mx.array) -> mx.array:
                return super().__call__(x) + mx.random.normal(x.shape)

        block.__class__ = Noisy

    return _side(checkpoint, options, dtype, spoil)
