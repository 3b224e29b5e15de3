"""Who may import whom. The engine knows neither side; the sides share `spec/`, which has no framework."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = {"parity", "spec", "reference", "mlx_impl", "fixtures", "tests"}
FRAMEWORKS = {"torch", "mlx", "safetensors", "tensorflow", "jax"}

# How every program reads arguments, writes files, and ends.
PROGRAM = tuple(
    f"parity.base.{name}" for name in ("arguments", "files", "errors", "gate", "jsonfile", "names", "pointer")
)
# What a package may import of this project and of the frameworks. A longer path is judged in place of its package.
ALLOWED = {
    "parity": {"parity"},
    "parity/capture/torch.py": {"parity", "torch"},
    "parity/capture/mlx.py": {"parity", "mlx"},
    "parity/exact/torch": {"parity", "torch"},
    "parity/exact/mlx": {"parity", "mlx"},
    "parity/exact/standin/install.py": {"parity", "mlx"},  # the package, in which the stand-in takes mlx.core's place
    "parity/exact/standin/made.py": {"parity", "mlx"},  # mlx.nn, which runs on the stand-in: where a module is made
    # The demo's pairs, which are copied and run from there.
    "parity/cli/pair/demo_torch.py": {"torch"},
    "parity/cli/pair/demo_mlx.py": {"mlx"},
    "parity/cli/trained/vad_torch.py": {"torch"},
    "parity/cli/trained/vad_mlx.py": {"mlx", "mlx_audio", "torch"},
    "spec": {"spec"},
    "spec/files": {"spec", *PROGRAM},
    "spec/files/conditionals.py": {"spec", "safetensors", *PROGRAM},
    "spec/speak": {"spec", *PROGRAM},
    "spec/synthetic": {"spec", *PROGRAM},
    "reference": {"reference", "spec", "torch", "safetensors"},
    "mlx_impl": {"mlx_impl", "spec", "mlx", "safetensors"},
    "mlx_impl/__main__.py": {"mlx_impl", "spec", *PROGRAM, "parity.base.runtime", "parity.base.kernels"},
    "mlx_impl/convert": {"mlx_impl", "spec", "mlx", *PROGRAM},
    "reference/__main__.py": {"reference", "spec", *PROGRAM},
    "fixtures": {"fixtures", "parity", "spec"},
    "fixtures/trained_checkpoint.py": {"fixtures", "parity", "spec", "torch"},  # reads a file of before torch's zip
    "fixtures/features.py": {"reference", "spec", "torch"},  # runs modules of the reference by themselves
}


def imports(file: Path, root: Path) -> Iterator[str]:
    """Every module that a file imports, at its top or inside a function, by its absolute dotted name.

    `from a import b` gives `a.b`, for b may be a module. Names in `import_module("a")` count.
    """
    package = file.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(file.read_text(), str(file))):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                above = package[: len(package) - level + 1] if level else ()
                start = ".".join([*above, *([module] if module else [])])
                yield from (f"{start}.{name.name}" for name in names)
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name


def wrong_imports(root: Path) -> list[str]:
    """`file: module` for each import that `ALLOWED` does not have, of every file of its packages."""
    wrong = []
    for package in sorted({path.partition("/")[0] for path in ALLOWED}):
        for file in sorted((root / package).rglob("*.py")):
            path = file.relative_to(root).as_posix()
            allowed = ALLOWED[max((rule for rule in ALLOWED if f"{path}/".startswith(f"{rule}/")), key=len)]
            for name in imports(file, root):
                if name.partition(".")[0] not in OURS | FRAMEWORKS:
                    continue
                if not any(f"{name}.".startswith(f"{prefix}.") for prefix in allowed):
                    wrong.append(f"{path}: {name}")
    return wrong


def test_arrows_hold():
    assert wrong_imports(ROOT) == []


def test_every_file_with_a_rule_of_its_own_exists():
    assert [path for path in ALLOWED if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("parity/run/verify.py", "import spec.config"),
        ("parity/run/verify.py", "from mlx_impl import flow"),
        ("parity/run/verify.py", "from fixtures.cases import load"),
        ("parity/run/verify.py", "def late():\n    import torch"),
        ("parity/capture/__init__.py", "import mlx.core as mx"),
        ("parity/capture/torch.py", "import mlx.core as mx"),
        ("parity/exact/torch/recorder.py", "import mlx.core as mx"),
        ("parity/exact/program.py", "import torch"),
        ("parity/capture/mlx.py", "from torch import nn"),
        ("reference/flow.py", "import mlx"),
        ("reference/flow.py", "from mlx_impl.ode import solve_euler"),
        ("reference/flow.py", "from parity.base.draws import normal"),
        ("spec/synthetic/__init__.py", "from parity.base.draws import normal"),
        ("spec/keys/flow.py", "import torch"),
        ("spec/config.py", "from parity.base import npy"),
        ("spec/text.py", "from parity.base.files import write_text"),
        ("reference/flow.py", "from parity.base.files import write_text"),
        ("spec/config.py", "import torch"),
        ("spec/files/torch_file.py", "import torch"),
        ("spec/speak/__init__.py", "from reference.speech import Chatterbox"),
        ("spec/config.py", "from reference.flow import Flow"),
        ("mlx_impl/flow.py", "import torch"),
        ("mlx_impl/flow.py", "from parity import axes"),
        ("mlx_impl/flow.py", "from reference import weights"),
        ("mlx_impl/flow.py", "from reference.ode import Conditions"),
        ("mlx_impl/flow.py", "import reference.configuration"),
        ("reference/flow.py", "import fixtures.cases"),
        ("mlx_impl/flow.py", "from ..reference import weights"),
        ("mlx_impl/flow.py", 'import importlib\ntorch = importlib.import_module("torch")'),
        ("fixtures/cases.py", "from mlx_impl.flow import Flow"),
        ("fixtures/cases.py", "import tests.conftest"),
        ("fixtures/quality.py", "import torch"),
        ("fixtures/features.py", "import mlx.core as mx"),
    ],
)
def test_a_wrong_import_is_rejected(tmp_path, file, source):
    bad = tmp_path / file
    bad.parent.mkdir(parents=True)
    bad.write_text(source)
    (found,) = wrong_imports(tmp_path)
    assert found.startswith(f"{file}: ")


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("parity/run/verify.py", "import numpy\nfrom parity.capture.runner import Runner\nfrom . import axes"),
        ("parity/capture/torch.py", "from torch import nn"),
        ("mlx_impl/flow.py", "from spec.config import FULL\nfrom spec import config\nimport mlx.nn"),
        ("mlx_impl/flow.py", "from .ode import solve_euler"),
        ("fixtures/cases.py", "from parity.contract.implementation import Case\nfrom spec import synthetic"),
        ("tests/stages/test_flow.py", "import torch, mlx_impl.flow, parity"),
    ],
)
def test_a_right_import_is_accepted(tmp_path, file, source):
    good = tmp_path / file
    good.parent.mkdir(parents=True)
    good.write_text(source)
    assert wrong_imports(tmp_path) == []
