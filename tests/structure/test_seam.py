"""One seam: what a device needs of its own is asked for in `mlx_impl/ops/` alone, so that a model reads as its mirror.

`weights/` may evaluate what it loads. Everywhere else devices, streams, threads, the moment of evaluation, compilation,
strides and the bits of numbers are no concern.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BELOW = ("ops/", "weights/", "convert/encoding.py")

OF_MLX = {"eval", "async_eval", "compile", "as_strided", "view", "fast", "cuda", "metal", "synchronize"}
"""Attributes of `mlx.core`, as is any with `stream` in its name."""
OF_A_DEVICE = {
    "on_gpu",
    "Device",
    "DeviceType",
    "default_device",
    "set_default_device",
    "one_thread",
    "half_the_threads",
}
"""Names, whatever they are attributes of."""
INNER = ("mlx_impl.ops.device", "mlx_impl.ops.cpu")
BITS = (ast.LShift, ast.RShift, ast.BitAnd, ast.BitXor)


def crossings(source: str) -> list[str]:
    """`line: what` for everything in a file that belongs below the seam."""
    return [f"{line}: {what}" for line, what in sorted(_found(ast.parse(source)))]


def _found(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, name.name) for name in names if name.name.startswith(INNER))
            case ast.ImportFrom(module=str(module), names=names):
                full = [f"{module}.{name.name}" for name in names]
                yield from ((node.lineno, name) for name in full if name.startswith(INNER))
            case ast.Attribute(value=ast.Name(id="mx"), attr=name) if name in OF_MLX or "stream" in name.lower():
                yield node.lineno, f"mx.{name}"
            case ast.Attribute(attr=name) | ast.Name(id=name) if name in OF_A_DEVICE:
                yield node.lineno, name
            case ast.Call(func=ast.Attribute(attr="view"), args=[ast.Attribute(value=ast.Name(id="mx"))]):
                yield node.lineno, "view"
            case ast.keyword(arg="stream"):
                yield node.value.lineno, "stream="
            case ast.BinOp(op=op) if isinstance(op, BITS):
                yield node.lineno, type(op).__name__


def above(root: Path) -> list[Path]:
    files = sorted(root.rglob("*.py"))
    return [file for file in files if not file.relative_to(root).as_posix().startswith(BELOW)]


def test_nothing_above_the_seam_is_of_a_device():
    files = above(ROOT / "mlx_impl")
    assert len(files) > 20
    assert {str(file): found for file in files if (found := crossings(file.read_text()))} == {}


@pytest.mark.parametrize("folder", BELOW)
def test_the_seam_has_something_below(folder):
    place = ROOT / "mlx_impl" / folder
    files = [place] if place.is_file() else list(place.rglob("*.py"))
    assert any(crossings(file.read_text()) for file in files)


@pytest.mark.parametrize(
    "source",
    [
        "from mlx_impl.ops.device import on_gpu",
        "from mlx_impl.ops.cpu import threads",
        "from mlx_impl.ops import device\nif device.on_gpu(): pass",
        "with mx.stream(mx.cpu): pass",
        "s = mx.new_stream(mx.gpu)",
        "y = mx.fft.rfft(x, stream=s)",
        "mx.eval(x)",
        "mx.async_eval(x)",
        "@mx.compile\ndef f(x): return x",
        "f = partial(mx.compile, shapeless=True)",
        "y = mx.as_strided(x, (2, 2), (1, 1))",
        "y = x.view(mx.int32)",
        "y = mx.view(x, mx.int32)",
        "y = x & 0x7FFFFFFF",
        "y = (n + 127) << 23",
        "mx.fast.rms_norm(x, w, eps)",
        "kind = mx.default_device().type",
    ],
)
def test_a_crossing_is_rejected(source):
    assert crossings(source) != []


@pytest.mark.parametrize(
    "source",
    [
        "from mlx_impl.ops.evaluation import started\nx = started(x)",
        "from mlx_impl.ops.parallel import beside\nwith beside(): y = f(x)",
        "model.eval()",
        "def stream(self): return VocoderStream(self)",
        "kind: int | None = {} | {}",
        "y = mx.concatenate([mx.sin(x), mx.cos(x)], axis=-1)",
    ],
)
def test_what_a_model_says_is_accepted(source):
    assert crossings(source) == []
