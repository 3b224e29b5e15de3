"""The two sides mirror each other: the same files, names in the same order, attribute paths, and stages."""

import ast
import inspect
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from mlx.utils import tree_flatten

import mlx_impl.conditioning.conditioner
import mlx_impl.flow
import mlx_impl.t3
import mlx_impl.turbo
import mlx_impl.vocoder
import mlx_impl.watermark
import reference.conditioning.conditioner
import reference.flow
import reference.t3
import reference.turbo
import reference.vocoder
import reference.watermark
from fixtures import cases
from fixtures.cases import turbo as turbo_cases
from mlx_impl.flow import Flow as MlxFlow
from mlx_impl.pipeline import Pipeline as MlxPipeline
from mlx_impl.turbo.pipeline import TurboPipeline as MlxTurbo
from parity import contract as contracts
from parity.contract.implementation import Case
from reference.flow import Flow as TorchFlow
from reference.pipeline import Pipeline as TorchPipeline
from reference.turbo.pipeline import TurboPipeline as TorchTurbo
from spec.config import SIZES, FlowConfig
from spec.turbo import TurboConfig

ROOT = Path(__file__).resolve().parents[2]

# Files and folders that one side has and the other has not, with the reason. Each must exist: a stale one fails.
MLX_ONLY = {
    "ops/": "PyTorch's own layers and functions are the reference",
    "convert/": "files are converted to this side, and audited here",
    "weights/stored/": "PyTorch's own reader, layouts and dtypes are the reference",
}
MLX_ONLY_NAMES = {
    "weights/checkpoint.py": {"load"},  # by the one table of `stored/mapping/`
    "ode.py": {"time_grid"},  # the reference takes that of the specification, `spec/config.py`
}
# By a table of each stage; MLX makes no values early.
REFERENCE_ONLY_NAMES = {"weights/checkpoint.py": {"load", "fill", "without_values"}}
MOST = 10
"""Exceptions in all."""
STAGES = [
    "conditioning/",
    "t3/",
    "turbo/",
    "encoder.py",
    "decoder.py",
    "ode.py",
    "flow.py",
    "vocoder/",
    "watermark/",
    "weights/",
    "speech.py",
    "pipeline.py",
]


def files(side: Path, without: Iterable[str] = ()) -> set[str]:
    """The source files of a side by path, those left out that are or lie in one of `without`."""
    paths = {path.relative_to(side).as_posix() for path in side.rglob("*.py")}
    return {path for path in paths if not path.startswith(tuple(without))}


MIRRORED = files(ROOT / "reference")


def public_names(file: Path, without: frozenset[str] | set[str] = frozenset()) -> list[str]:
    """Public functions and classes with their methods and arguments, in order; PyTorch's `forward` is `__call__`."""

    def signature(function: ast.FunctionDef) -> str:
        arguments = function.args
        listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        name = "__call__" if function.name == "forward" else function.name
        return f"{name}({', '.join(argument.arg for argument in listed)})"

    names = []
    for node in ast.parse(file.read_text(), str(file)).body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_") or node.name in without:
            continue
        if isinstance(node, ast.FunctionDef):
            names.append(signature(node))
            continue
        names.append(node.name)
        methods = [member for member in node.body if isinstance(member, ast.FunctionDef)]
        names += [f"{node.name}.{signature(method)}" for method in methods]
    return names


def test_both_sides_have_the_same_files():
    names = [*MLX_ONLY_NAMES.values(), *REFERENCE_ONLY_NAMES.values()]
    assert len(MLX_ONLY) + sum(map(len, names)) <= MOST
    stale = [path for path in MLX_ONLY if not (ROOT / "mlx_impl" / path).exists()]
    assert stale == []
    assert files(ROOT / "mlx_impl", MLX_ONLY) == MIRRORED
    assert all((ROOT / side / stage).exists() for side in ("reference", "mlx_impl") for stage in STAGES)


@pytest.mark.parametrize("name", sorted(MIRRORED))
def test_mirrored_files_have_the_same_names_in_the_same_order(name):
    only = {"mlx_impl": MLX_ONLY_NAMES.get(name, set()), "reference": REFERENCE_ONLY_NAMES.get(name, set())}
    ours, theirs = (public_names(ROOT / side / name, names) for side, names in only.items())
    assert ours == theirs
    for side, names in only.items():
        assert {signature.partition("(")[0] for signature in public_names(ROOT / side / name)} >= names


def test_differing_files_and_names_are_seen(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").touch()
    file = tmp_path / "a.py"
    file.write_text(
        "class A:\n    def forward(self, x): ...\n    def split(self, x): ...\n"
        "class _B: ...\ndef c(x, *, y=1): ...\ndef d(): ...\n"
    )
    assert files(tmp_path) == {"a.py", "package/__init__.py"}
    assert files(tmp_path, ["package/"]) == {"a.py"}
    names = ["A", "A.__call__(self, x)", "A.split(self, x)", "c(x, y)"]
    assert public_names(file, {"d"}) == names
    for other in ("def c(x, y): ...\nclass A:\n    def __call__(self, x): ...", "class A: ...\ndef c(x, y): ..."):
        file.write_text(other)
        assert public_names(file) != names


def torch_paths(config: FlowConfig) -> tuple[dict[str, tuple[int, ...]], set[str]]:
    """Parameters with their shapes, and modules, by path. MLX's lists of modules are no modules of their own."""
    with torch.device("meta"):
        flow = TorchFlow(config)
    modules = {name for name, module in flow.named_modules() if not isinstance(module, torch.nn.ModuleList)}
    return {name: tuple(parameter.shape) for name, parameter in flow.named_parameters()}, modules


def mlx_paths(config: FlowConfig) -> tuple[dict[str, tuple[int, ...]], set[str]]:
    """As `torch_paths`; nothing is evaluated."""
    flow = MlxFlow(config)
    return dict(shapes(flow)), {name for name, _ in flow.named_modules()}


def shapes(flow: MlxFlow) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, parameter.shape) for name, parameter in tree_flatten(flow.parameters())]


@pytest.mark.parametrize("size", SIZES)
def test_parameters_and_modules_have_the_same_paths(size):
    (their_parameters, their_modules), (parameters, modules) = torch_paths(SIZES[size]), mlx_paths(SIZES[size])
    assert sorted(parameters) == sorted(their_parameters)
    assert modules == their_modules
    assert {name: sorted(shape) for name, shape in parameters.items()} == {
        name: sorted(shape) for name, shape in their_parameters.items()
    }
    if size == "full":
        assert len(parameters) == 1121


def test_another_size_has_other_paths():
    assert torch_paths(SIZES["tiny"])[1] != mlx_paths(SIZES["full"])[1]
    assert torch_paths(SIZES["tiny"])[0] != mlx_paths(SIZES["full"])[0]


NAMES = re.compile(r"\bobserve\(\s*\"([^\"]+)\"")


def observed(side: str, turbo: bool = False) -> set[str]:
    """The names that the files of a side hand to `observe`, or those of its `turbo/`, which has a contract of its own.

    What follows attention is in `spec`, and T3's. No whole run has those of what `speak` runs.
    """
    files = [file for file in sorted((ROOT / side).rglob("*.py")) if file.name != "spoken.py"]
    sources = [file.read_text() for file in files if (file.parent.name == "turbo") == turbo]
    followed = [] if turbo else NAMES.findall((ROOT / "spec" / "alignment.py").read_text())
    return {name for source in sources for name in NAMES.findall(source)} | {f"t3.{name}" for name in followed}


def model_paths(side: str, case: Case) -> set[str]:
    """The modules of every stage by the path that taps have, without a checkpoint: no weight is read."""
    config = case.options["config"]
    if side == "reference":
        with torch.device("meta"):
            roots = [reference.flow.Flow(config.flow), reference.conditioning.conditioner.Conditioner(config)]
            prefixed = {"t3": reference.t3.T3(config.t3), "vocoder": reference.vocoder.Vocoder(config.vocoder)}
            prefixed["watermark"] = reference.watermark.Watermark(config.watermark)
    else:
        roots = [mlx_impl.flow.Flow(config.flow), mlx_impl.conditioning.conditioner.Conditioner(config)]
        prefixed = {"t3": mlx_impl.t3.T3(config.t3), "vocoder": mlx_impl.vocoder.Vocoder(config.vocoder)}
        prefixed["watermark"] = mlx_impl.watermark.Watermark(config.watermark)
    paths = {path for root in roots for path, _ in root.named_modules()}
    return paths | {f"{name}.{path}".rstrip(".") for name, root in prefixed.items() for path, _ in root.named_modules()}


def unresolved(taps: set[str], modules: set[str], seen: set[str]) -> set[str]:
    """Taps that no module returns and no `observe` sees, and observed names that are no tap or a module's as well."""
    return (taps - modules - seen) | (seen - taps) | (seen & modules)


@pytest.mark.parametrize("size", SIZES)
def test_every_tap_of_the_contract_is_a_module_or_observed_on_both_sides(size):
    contract = contracts.load(ROOT / "fixtures/contract.toml")
    case, beside = cases.load(size), cases.load(f"{size}-watermark")
    segments = contract.segments({**case.dims, "t3_watched": 1}) + contract.segments(beside.dims, beside.segments)
    # The tokens of `t3_rest` are numbered by its name for them.
    taps = {re.sub(r"^t3\.tokens\.\d+\.", "t3.", tap.path) for segment in segments for tap in segment.taps}
    for side in ("reference", "mlx_impl"):
        modules = model_paths(side, case)
        assert unresolved(taps, modules, observed(side)) == set()
        # Wrong contracts: a tap too many, and an observed value that is not declared.
        assert unresolved(taps | {"encoder.none"}, modules, observed(side)) == {"encoder.none"}
        assert unresolved(taps - {"mu"}, modules, observed(side)) == {"mu"}


def turbo_paths(side: str, config: TurboConfig) -> set[str]:
    """As `model_paths`, of Turbo: its T3, its flow and its vocoder."""
    sides = {"reference": reference, "mlx_impl": mlx_impl}[side]
    with torch.device("meta"):
        roots = {"": sides.flow.Flow(config.flow), "t3": sides.turbo.TurboT3(config.t3)}
        roots["vocoder"] = sides.vocoder.Vocoder(config.vocoder)
    return {f"{name}.{path}".strip(".") for name, root in roots.items() for path, _ in root.named_modules()}


@pytest.mark.parametrize("name", ["tiny-turbo", "full-nano"])
def test_every_tap_of_turbo_is_a_module_or_observed_on_both_sides(name):
    contract, case = contracts.load(ROOT / "fixtures/turbo.toml"), turbo_cases.load(name)
    segments = contract.segments(case.dims, case.segments)
    taps = {re.sub(r"^t3\.tokens\.\d+\.", "t3.", tap.path) for segment in segments for tap in segment.taps}
    for side in ("reference", "mlx_impl"):
        modules = turbo_paths(side, case.options["config"])
        seen = observed(side, turbo=True) | (observed(side) & taps)  # of Chatterbox's files it runs a part
        assert unresolved(taps, modules, seen) == set()
        assert unresolved(taps - {"t3.scores"}, modules, seen) == {"t3.scores"}
        assert unresolved(taps | {"t3.none"}, modules, seen) == {"t3.none"}


def test_contract_runs_the_segments_of_both_pipelines_in_their_order():
    contract = contracts.load(ROOT / "fixtures/contract.toml")
    segments = list(dict.fromkeys(entry["name"] for entry in contract.outline))
    for pipeline in (TorchPipeline, MlxPipeline):
        takes_state = [
            name
            for name, method in vars(pipeline).items()
            if inspect.isfunction(method) and list(inspect.signature(method).parameters)[1:2] == ["state"]
        ]
        assert takes_state == segments


def test_contract_of_turbo_runs_the_segments_of_both_pipelines():
    """Its own ones in their order; the others are Chatterbox's."""
    outline = contracts.load(ROOT / "fixtures/turbo.toml").outline
    segments = list(dict.fromkeys(entry["name"] for entry in outline))
    for pipeline in (TorchTurbo, MlxTurbo):
        own = [name for name in vars(pipeline) if name in segments]
        assert own == [name for name in segments if name in own]
        assert {"t3_prefill", "t3_step", "t3_rest"} <= set(own)
        assert all(callable(getattr(pipeline, name)) for name in segments)


def stage_table(text: str) -> list[str]:
    """The files and folders that the rows of a Markdown page's tables start with, those of the stages only."""
    rows = re.findall(r"^\|\s*`([\w./]+)`\s*\|", text, flags=re.MULTILINE)
    return [row for row in rows if row in STAGES]


def test_the_reading_order_is_the_order_of_the_data():
    assert stage_table((ROOT / "CONTRIBUTING.md").read_text()) == STAGES


def test_another_reading_order_is_rejected():
    row = "| `{}` | what it does |\n"
    table = "| file | stage |\n|---|---|\n" + "".join(row.format(file) for file in STAGES)
    assert stage_table(table) == STAGES
    assert stage_table(table + row.format("text.py")) == STAGES
    assert stage_table(table.replace(row.format("ode.py"), "")) != STAGES
    assert stage_table(table.replace("ode", "x").replace("flow", "ode").replace("x.py", "flow.py")) != STAGES
