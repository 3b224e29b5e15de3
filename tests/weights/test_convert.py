"""Conversion: the same tensors in another naming, layout and dtype; the same bytes; whole or not at all."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import tracemalloc
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
import torch
from mlx import nn
from mlx.utils import tree_flatten
from safetensors import safe_open
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import load_file, save_file

from mlx_impl.convert import command
from mlx_impl.convert.audit import audit
from mlx_impl.convert.conversion import Request, convert
from mlx_impl.convert.encoding import quantizable, unfold
from mlx_impl.convert.source import sha256
from mlx_impl.convert.version import VERSION
from mlx_impl.weights.checkpoint import Module
from mlx_impl.weights.conditioning import load_speaker_encoder, load_tokenizer, load_voice_encoder
from mlx_impl.weights.flow import load_flow
from mlx_impl.weights.stored.fold import fold
from mlx_impl.weights.stored.foreign import Quantization
from mlx_impl.weights.stored.mapping import COMMUNITY, MLX, SCHEMES, SWIFT, UPSTREAM
from mlx_impl.weights.stored.reader import Tensors
from mlx_impl.weights.t3 import load_t3
from mlx_impl.weights.vocoder import load_vocoder
from parity.base.errors import InputError
from spec import synthetic
from spec.config import CHATTERBOX_SIZES, multilingual
from spec.files.safetensors_file import Entry, read_bytes, read_header, write_file

TINY = CHATTERBOX_SIZES["tiny"]
ROOT = Path(__file__).resolve().parents[2]
WEIGHT_NORM = ".parametrizations.weight.original"


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    synthetic.write(folder, TINY)
    return folder


@pytest.fixture(scope="module", params=SCHEMES, ids=str)
def converted(request, published, tmp_path_factory) -> tuple[str, Path]:
    """A directory of each naming."""
    folder = tmp_path_factory.mktemp(request.param) / "out"
    convert(published, folder, Request(SCHEMES[request.param]))
    return request.param, folder


def parameters(model: Module) -> dict[str, np.ndarray]:
    return {name: np.array(parameter) for name, parameter in tree_flatten(model.parameters())}


def all_parameters(folder: Path, tokenizer: bool = True) -> dict[str, np.ndarray]:
    models = {
        "flow": load_flow(folder, TINY.flow),
        "vocoder": load_vocoder(folder, TINY.vocoder),
        "speaker_encoder": load_speaker_encoder(folder, TINY.speaker_encoder),
        "voice_encoder": load_voice_encoder(folder, TINY.voice_encoder),
        "t3": load_t3(folder, TINY.t3),
    }
    if tokenizer:
        models["tokenizer"] = load_tokenizer(folder, TINY.tokenizer)
    return {f"{stage}.{name}": array for stage, model in models.items() for name, array in parameters(model).items()}


def test_every_naming_loads_to_the_same_parameters(published, converted):
    target, folder = converted
    expected = all_parameters(published)
    if target == "mlx-community":
        with pytest.raises(ValueError, match=r"model\.safetensors was made without the tokenizer"):
            load_tokenizer(folder, TINY.tokenizer)
        expected = {name: array for name, array in expected.items() if not name.startswith("tokenizer.")}
    loaded = all_parameters(folder, tokenizer=target != "mlx-community")
    assert loaded.keys() == expected.keys()
    if target == "upstream":
        assert all(np.array_equal(loaded[name], expected[name]) for name in expected)
    assert all(np.array_equal(loaded[name], array) for name, array in expected.items())


def test_there_and_back_is_bit_equal_but_for_what_is_folded_and_summed(published, converted, tmp_path):
    target, folder = converted
    if target == "mlx-community":  # which has no tokenizer
        with pytest.raises(ValueError, match="the source has no tokenizer; convert the published"):
            convert(folder, tmp_path / "out", Request(UPSTREAM))
        return
    convert(folder, tmp_path / "out", Request(UPSTREAM))
    for name in ("s3gen", "ve", "t3_cfg"):
        before, after = (load_file(path / f"{name}.safetensors") for path in (published, tmp_path / "out"))
        assert before.keys() == after.keys()
        for key, tensor in before.items():
            assert tensor.shape == after[key].shape
            assert tensor.dtype == after[key].dtype
            if target == "upstream" or not ("lstm.bias" in key or WEIGHT_NORM in key):
                assert torch.equal(tensor, after[key]), key
        for base in {key.partition(WEIGHT_NORM)[0] for key in before if WEIGHT_NORM in key}:
            pairs = [[each[f"{base}{WEIGHT_NORM}{part}"].numpy() for part in "01"] for each in (before, after)]
            np.testing.assert_allclose(fold(*pairs[1]), fold(*pairs[0]), rtol=2**-22, atol=0)
        for layer in range(3 if name == "ve" else 0):
            sums = [each[f"lstm.bias_ih_l{layer}"] + each[f"lstm.bias_hh_l{layer}"] for each in (before, after)]
            assert torch.equal(*sums)


def test_a_folded_weight_unfolds_to_a_pair_that_folds_to_it():
    weight = np.random.default_rng(0).standard_normal((16, 8, 5)).astype(np.float32)
    g, v = unfold(weight)
    assert g.shape == (16, 1, 1)
    np.testing.assert_allclose(fold(g, v), weight, rtol=2**-22, atol=0)
    assert not np.allclose(fold(2 * g, v), weight)


def test_every_file_says_how_it_was_made(published, converted):
    target, folder = converted
    for file in set(folder.glob("*.safetensors")) - {folder / "conds.safetensors"}:
        metadata = read_header(file).metadata
        assert (metadata["target"], metadata["mapping"], metadata["dtype"]) == (target, VERSION, "float32")
        sources = json.loads(metadata["source"])
        assert sources == {name: sha256(published / name) for name in sources}
        assert len(sources) == (3 if target == "mlx-community" else 1)
        assert "quantization" not in metadata
        assert len(metadata["crc32"]) == 8 * len(read_header(file).entries)
    assert (folder / "tokenizer.json").read_bytes() == (published / "tokenizer.json").read_bytes()


def test_bytes_are_the_same_every_time(published, tmp_path):
    for dtype in ("float32", "bfloat16"):
        first, second = (tmp_path / f"{dtype}{time}.safetensors" for time in "12")
        for out in (first, second):
            convert(published / "s3gen.safetensors", out, Request(dtype=dtype))
        assert first.read_bytes() == second.read_bytes()
    assert (tmp_path / "float321.safetensors").read_bytes() != (tmp_path / "bfloat161.safetensors").read_bytes()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_rounded_as_pytorch_does(published, tmp_path, dtype):
    out = tmp_path / "t3_cfg.safetensors"
    convert(published / "t3_cfg.safetensors", out, Request(UPSTREAM, dtype))
    before, after = load_file(published / "t3_cfg.safetensors"), load_file(out)
    for key, tensor in before.items():
        assert torch.equal(after[key], tensor.to(getattr(torch, dtype))), key
    loaded = parameters(load_t3(tmp_path, TINY.t3))
    assert loaded["text_head.weight"].dtype == np.float32  # float32 compute with rounded weights
    assert np.array_equal(loaded["text_head.weight"], after["text_head.weight"].float().numpy())
    assert load_t3(tmp_path, TINY.t3, mx.float16).text_head.weight.dtype == mx.float16


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("target", [MLX, COMMUNITY], ids=str)
def test_quantised_t3_is_that_of_mlx(published, tmp_path, bits, target):
    convert(published, tmp_path / "out", Request(target, quantization=Quantization(bits)))
    loaded = load_t3(tmp_path / "out", TINY.t3)
    expected = load_t3(published, TINY.t3)
    nn.quantize(
        expected,
        64,
        bits,
        class_predicate=lambda _, layer: isinstance(layer, nn.Linear) and layer.weight.shape[1] % 64 == 0,
    )
    ours, theirs = parameters(loaded), parameters(expected)
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    assert sum(array.dtype == np.uint32 for array in ours.values()) == 2 * 7 + 4 + 2
    x = mx.array(np.random.default_rng(1).standard_normal((1, 5, 64)).astype(np.float32))
    assert np.array_equal(np.array(loaded.text_head(x)), np.array(expected.text_head(x)))
    file = tmp_path / "out" / ("t3_cfg.safetensors" if target is MLX else "model.safetensors")
    tensors = Tensors(file)
    assert tensors.quantization == (bits, 64)
    assert json.loads(tensors.header.metadata["quantization"]) == {"bits": bits, "group_size": 64}
    assert audit(file, published).passed


@pytest.mark.parametrize(
    "lie", [{"bits": 8, "group_size": 64}, {"bits": 4, "group_size": 32}, {"bits": 3, "group_size": 64}]
)
def test_a_file_that_lies_about_its_quantisation_is_refused(published, tmp_path, lie):
    file = tmp_path / "t3_cfg.safetensors"
    convert(published / "t3_cfg.safetensors", file, Request(quantization=Quantization(4)))
    assert load_t3(tmp_path, TINY.t3) is not None
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"]["quantization"] = json.dumps(lie)
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
    assert {"wrong shape", "dtype", "metadata"} & {problem.kind for problem in audit(file).problems}
    with pytest.raises(ValueError, match=r"t3_cfg\.safetensors"):
        load_t3(tmp_path, TINY.t3)


def test_only_layers_with_whole_groups_are_quantised(published, tmp_path):
    convert(published, tmp_path / "out", Request(quantization=Quantization(4)))
    for parameter, found in Tensors(tmp_path / "out" / "t3_cfg.safetensors").parameters.items():
        if parameter.leaf.name == "weight" and parameter.rule.kind == "linear":
            dense = found.whole.key in ("t3.conditioning.speaker_proj.weight", "t3.conditioning.emotion_proj.weight")
            assert dense == (found.whole.dtype == "F32")
            assert not quantizable(parameter, 63, Quantization(4))


def test_multilingual_t3_keeps_its_file(tmp_path):
    synthetic.write(tmp_path / "in", TINY, files=["s3gen", "ve", "t3_mtl23ls_v2"])
    convert(tmp_path / "in", tmp_path / "out", Request(COMMUNITY))
    convert(tmp_path / "out", tmp_path / "back", Request(MLX))
    assert parameters(load_t3(tmp_path / "back", multilingual(TINY).t3))["text_head.weight"].shape == (2454, 64)


def test_nothing_is_replaced(published, tmp_path):
    out = tmp_path / "s3gen.safetensors"
    out.write_bytes(b"before")
    with pytest.raises(InputError, match=r"s3gen\.safetensors exists; nothing is replaced"):
        convert(published / "s3gen.safetensors", out, Request())
    with pytest.raises(InputError, match=r"s3gen\.safetensors exists"):
        convert(published, tmp_path, Request())
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert out.read_bytes() == b"before"


def test_a_failed_conversion_leaves_nothing(published, tmp_path):
    tensors = load_file(published / "ve.safetensors")
    tensors["proj.bias"][0] = 1e6
    save_file(tensors, tmp_path / "ve.safetensors")
    with pytest.raises(ValueError, match=r"voice_encoder\.encoder\.proj\.bias holds 1e\+06, too large for F16"):
        convert(tmp_path / "ve.safetensors", tmp_path / "out.safetensors", Request(dtype="float16"))
    assert [path.name for path in tmp_path.iterdir()] == ["ve.safetensors"]
    convert(tmp_path / "ve.safetensors", tmp_path / "out.safetensors", Request(dtype="bfloat16"))


def test_of_a_conversion_that_is_interrupted_no_file_is_left(published, tmp_path):
    def stop(file, done, total):
        if file == "ve.safetensors":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(published, tmp_path / "new" / "out", Request(), stop)
    assert not list(tmp_path.iterdir())


def test_a_killed_conversion_leaves_no_file_of_that_name(published, tmp_path):
    """Stopped for good while it writes: what is there is named as partial, and the target is not."""
    script = f"""
        import os, signal, time
        from pathlib import Path
        from mlx_impl.convert.conversion import Request, convert
        def stop(file, done, total):
            if 2 * done > total:
                os.kill(os.getpid(), signal.SIGKILL)
        source, out = Path({str(published / "ve.safetensors")!r}), Path({str(tmp_path / "ve.safetensors")!r})
        convert(source, out, Request(), stop)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, check=False)
    assert ended.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.endswith(".partial")


def test_memory_stays_within_that_of_a_tensor(tmp_path, pytestconfig):
    """Of S3Gen, whose largest tensor is a small part of the file; `--size full` has the published file's size."""
    size = pytestconfig.getoption("--size")
    synthetic.write(tmp_path / "in", CHATTERBOX_SIZES[size], files=["s3gen"])
    script = f"""
        import resource, sys
        from pathlib import Path
        from mlx_impl.convert.conversion import Request, convert
        source, out = Path({str(tmp_path / "in")!r}), Path({str(tmp_path / "out")!r})
        convert(source / "s3gen.safetensors", out / "s3gen.safetensors", Request())
        unit = 1 if sys.platform == "darwin" else 1024
        print(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    """
    # By way of a shell: a process counts as its own what the one that started it had in memory.
    command_line = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", textwrap.dedent(script)]
    ended = subprocess.run(command_line, cwd=ROOT, check=True, capture_output=True, text=True)
    peak = float(ended.stdout)
    largest = max(entry.size for entry in read_header(tmp_path / "in/s3gen.safetensors").entries.values())
    assert peak < 1.5 * largest + 300e6
    assert audit(tmp_path / "out/s3gen.safetensors", tmp_path / "in").passed
    assert_there_and_back(tmp_path / "in/s3gen.safetensors", tmp_path / "out/s3gen.safetensors")


def assert_there_and_back(published: Path, ours: Path) -> None:
    """Every tensor of a published file comes back from ours, to the bit but for weight norm."""
    convert(ours, ours.with_name("back.safetensors"), Request(UPSTREAM))
    before, after = Tensors(published), Tensors(ours.with_name("back.safetensors"))
    assert before.header.entries.keys() == after.header.entries.keys()
    for key, entry in before.header.entries.items():
        if WEIGHT_NORM not in key:
            assert np.array_equal(before.raw(entry), after.raw(after.header.entries[key])), key
    for parameter in before.parameters:
        np.testing.assert_allclose(after.value(parameter), before.value(parameter), rtol=2**-22, atol=0)


def test_a_file_is_written_and_read_tensor_by_tensor(tmp_path):
    size = 4 << 20
    entries = [Entry(f"x{number}", "U8", (size,)) for number in range(20)]

    def peak(run) -> int:
        tracemalloc.start()
        run()
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    def write(values) -> None:
        write_file(tmp_path / "x.safetensors", entries, values)

    def read() -> None:
        with (tmp_path / "x.safetensors").open("rb") as handle:
            for entry in read_header(tmp_path / "x.safetensors").entries.values():
                assert len(read_bytes(handle, entry)) == size

    kept = []
    assert peak(lambda: write(lambda entry: np.zeros(size, np.uint8))) < 4 * size
    assert peak(lambda: write(lambda entry: kept.append(np.zeros(size, np.uint8)) or kept[-1])) > 19 * size
    assert peak(read) < 4 * size


REFUSED = {
    "an empty directory": ([], {}, r"s3gen\.safetensors is missing; .* ve\.safetensors is missing.* no other T3"),
    "swift has no packed weights": (
        ["t3_cfg"],
        {"target": SWIFT, "quantization": Quantization(4)},
        "only mlx and mlx-com",
    ),
    "no T3 to quantise": (["ve"], {"quantization": Quantization(4)}, "nothing to quantise"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_wrong_requests_are_refused(tmp_path, what):
    files, request, message = REFUSED[what]
    (tmp_path / "in").mkdir()
    synthetic.write(tmp_path / "in", TINY, files=files)
    source = tmp_path / "in" / (f"{files[0]}.safetensors" if files else "")
    with pytest.raises(ValueError, match=message):
        convert(source, tmp_path / "out", Request(**request))
    assert not (tmp_path / "out").exists()


def test_a_source_with_anything_wrong_is_refused(published, tmp_path):
    tensors = load_file(published / "ve.safetensors")
    del tensors["proj.bias"]
    tensors["extra"] = torch.ones(1)
    save_file(tensors, tmp_path / "ve.safetensors")
    with pytest.raises(ValueError, match=r"\(2 problems\): extra: no naming has this key; proj\.bias is missing"):
        convert(tmp_path / "ve.safetensors", tmp_path / "out.safetensors", Request())


def test_a_quantised_source_goes_to_the_other_naming_alone(published, tmp_path):
    convert(published, tmp_path / "q", Request(quantization=Quantization(4)))
    convert(tmp_path / "q", tmp_path / "community", Request(COMMUNITY))
    ours, theirs = (parameters(load_t3(tmp_path / name, TINY.t3)) for name in ("q", "community"))
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    for wrong in (Request(UPSTREAM), Request(SWIFT), Request(quantization=Quantization(8))):
        with pytest.raises(ValueError, match="the source is quantised"):
            convert(tmp_path / "q/t3_cfg.safetensors", tmp_path / "out.safetensors", wrong)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_file_of_the_community_that_says_nothing_is_read(published, tmp_path, dtype):
    """As their converter makes them: no metadata, and no layer quantised but those of the backbone."""
    convert(published, tmp_path / "dense", Request(COMMUNITY, dtype))
    convert(published, tmp_path / "packed", Request(COMMUNITY, dtype, Quantization(4)))
    found = {}
    for name in ("dense", "packed"):
        with safe_open(tmp_path / name / "model.safetensors", "numpy") as handle:
            keys = [key for key in handle.keys() if (".layers." in key and "t3." in key) == (name == "packed")]  # noqa: SIM118
            found |= {key: handle.get_tensor(key) for key in keys}
    (tmp_path / "theirs").mkdir()
    file = tmp_path / "theirs" / "model.safetensors"
    save_numpy(found, file)
    assert audit(file).problems == []
    assert Tensors(file).quantization == (4, 64)
    with pytest.raises(ValueError, match="has the naming mlx-community and does not say how it was made"):
        load_t3(tmp_path / "theirs", TINY.t3)
    convert(tmp_path / "theirs", tmp_path / "ours", Request(MLX, dtype))
    assert audit(tmp_path / "ours/t3_cfg.safetensors", file).passed
    assert audit(tmp_path / "ours/s3gen.safetensors", file).passed
    with pytest.raises(ValueError, match="was made without the tokenizer"):
        load_tokenizer(tmp_path / "ours", TINY.tokenizer)
    t3 = load_t3(tmp_path / "ours", TINY.t3)
    assert isinstance(t3.backbone.layers[0].mlp.up_proj, nn.QuantizedLinear)
    assert isinstance(t3.text_head, nn.Linear)
    del found["t3.tfmr.model.layers.0.mlp.up_proj.scales"]
    save_numpy(found, file)
    assert {problem.kind for problem in audit(file).problems} == {"missing key"}


def test_command_line(published, tmp_path, capsys):
    arguments = ["convert", str(published), str(tmp_path / "out"), "--target", "mlx-community", "--dtype", "float16"]
    assert command.main(arguments) == 0
    shown = capsys.readouterr()
    assert "model.safetensors: " in shown.out
    assert "model.safetensors: 100 % of" in shown.err
    assert command.main(arguments) == 2
    assert "exists; nothing is replaced" in capsys.readouterr().err
    for wrong in (["--dtype", "float64"], ["--target", "onnx"], ["--quantize", "3"]):
        with pytest.raises(SystemExit) as error:
            command.main([*arguments, *wrong])
        assert error.value.code == 2


def test_the_program_hands_over(published, tmp_path):
    arguments = [sys.executable, "-m", "mlx_impl", "convert", str(published / "ve.safetensors"), str(tmp_path / "v")]
    assert subprocess.run(arguments, cwd=ROOT, check=False, env=os.environ).returncode == 0
    assert Tensors(tmp_path / "v").scheme is MLX
