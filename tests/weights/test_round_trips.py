"""Every target in every dtype: read back by what it was written for, and converted on, or the command says why not."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import mlx_impl.speech
import reference.speech
from mlx_impl.convert.audit import audit
from mlx_impl.convert.conversion import Request, convert
from mlx_impl.weights.stored.foreign import Quantization
from mlx_impl.weights.stored.mapping import SCHEMES
from spec import synthetic
from spec.config import CHATTERBOX_SIZES
from spec.files.checkpoint import VOICES
from spec.files.conditionals import load_conditionals
from spec.files.safetensors_file import DTYPES

TINY = CHATTERBOX_SIZES["tiny"]
PACKED = (
    ("mlx", "float32", 4),
    ("mlx", "float16", 8),
    ("mlx-community", "float32", 8),
    ("mlx-community", "float16", 4),
)
FORMS = {f"{target} {dtype}": (target, dtype, None) for target, dtype in product(SCHEMES, DTYPES)}
FORMS |= {f"{target} {dtype} {bits}bit": (target, dtype, bits) for target, dtype, bits in PACKED}
# What each target is for, and what it has not got.
READERS = {"upstream": (reference, mlx_impl), "mlx": (mlx_impl,), "swift": (mlx_impl,), "mlx-community": (mlx_impl,)}
LACKS = {"mlx-community": "model.safetensors is without tokenizer"}


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    synthetic.write(folder, TINY)
    return folder


@pytest.fixture(scope="module")
def form(published, tmp_path_factory):
    """A directory of a form, made once, and what was said of it."""
    made = {}

    def make(name: str) -> tuple[Path, list[str]]:
        if name not in made:
            target, dtype, bits = FORMS[name]
            folder, said = tmp_path_factory.mktemp("form") / "out", []
            request = Request(SCHEMES[target], dtype, None if bits is None else Quantization(bits))
            convert(published, folder, request, say=said.append)
            made[name] = folder, said
        return made[name]

    return make


@pytest.mark.parametrize("name", FORMS)
def test_what_is_written_is_read_by_what_it_is_for(name, form, published):
    target, _, _ = FORMS[name]
    folder, said = form(name)
    assert [line.partition(":")[0] for line in said] == ([LACKS[target]] if target in LACKS else [])
    for side in READERS[target]:
        model = side.speech.Chatterbox(folder, TINY)
        if target in LACKS:
            with pytest.raises(ValueError, match=r"made without the tokenizer: .*given as --voice, need none"):
                _ = model.conditioner
        else:
            assert model.conditioner is not None
    (voice,) = (folder / name for name in VOICES if (folder / name).is_file())
    ours, theirs = load_conditionals(voice), load_conditionals(published / "conds.pt")
    assert all(np.array_equal(ours[field], theirs[field]) for field in theirs)
    assert audit(folder).problems == []
    assert audit(folder, published).problems == []


# Why there is no way from a target to another.
CLOSED = {("mlx-community", "upstream"): "the source has no tokenizer; convert the published checkpoint instead"}
HALVES = [(*way, dtype) for way in (("swift", "upstream"), ("upstream", "mlx")) for dtype in ("float16", "bfloat16")]


@pytest.mark.parametrize(("first", "second", "dtype"), [*product(SCHEMES, SCHEMES, ["float32"]), *HALVES])
def test_what_is_written_is_converted_on(first, second, dtype, form, published, tmp_path):
    folder, _ = form(f"{first} {dtype}")
    request = Request(SCHEMES[second], dtype)
    if (first, second) in CLOSED:
        with pytest.raises(ValueError, match=CLOSED[first, second]):
            convert(folder, tmp_path / "out", request)
        assert not (tmp_path / "out").exists()
        return
    convert(folder, tmp_path / "out", request)
    assert audit(tmp_path / "out").problems == []
    assert audit(tmp_path / "out", folder).problems == []
    if (first, second) != ("upstream", "mlx") or dtype == "float32":  # else g and v are rounded, and then their product
        assert audit(tmp_path / "out", published).problems == []


def test_the_other_side_says_that_it_reads_upstreams_naming(form):
    with pytest.raises(ValueError, match=r"has the naming mlx, expected upstream's .*convert --target upstream"):
        reference.speech.Chatterbox(form("mlx float32")[0], TINY)
    with pytest.raises(ValueError, match=r"no such file; .*convert model\.safetensors"):
        reference.speech.Chatterbox(form("mlx-community float32")[0], TINY)


def test_a_weight_that_is_parted_otherwise_is_the_same_and_another_is_not(form, published, tmp_path):
    """The way back from a naming that has weights whole, and what a change on it makes of a weight and of a bias."""
    convert(form("swift float32")[0], tmp_path / "out", Request(SCHEMES["upstream"]))
    changes = {
        "s3gen": ("mel2wav.conv_pre.parametrizations.weight.original0", "other values"),
        "ve": ("lstm.bias_hh_l1", "other values"),
    }
    for name, (key, kind) in changes.items():
        file = tmp_path / "out" / f"{name}.safetensors"
        arrays, theirs = load_file(file), load_file(published / file.name)
        assert not np.array_equal(
            arrays[key.replace("original0", "original1")], theirs[key.replace("original0", "original1")]
        )
        assert audit(file, published).passed
        arrays[key].reshape(-1)[3] *= 1.0001
        save_file(arrays, file)
        found = [problem for problem in audit(file, published).problems if problem.kind != "source hash"]
        assert {(problem.key, problem.kind) for problem in found} >= {(key, kind)}
        assert all(problem.key.rpartition(".")[0] == key.rpartition(".")[0] for problem in found)
