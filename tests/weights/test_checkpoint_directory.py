"""Checkpoint directories as they are published: each file is used, said to be unneeded, or refused; all or nothing."""

import json
import shutil
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
import torch
from mlx import nn
from safetensors.numpy import load_file, save_file

from mlx_impl.convert import command
from mlx_impl.convert.audit import audit
from mlx_impl.convert.conversion import Request, convert
from mlx_impl.weights.conditioning import load_voice_encoder
from mlx_impl.weights.stored.mapping import COMMUNITY, MLX, UPSTREAM
from mlx_impl.weights.t3 import load_t3
from spec import synthetic
from spec.config import CHATTERBOX_SIZES, multilingual
from spec.files.checkpoint import contents_of, size_of
from spec.files.conditionals import load_conditionals

TINY = CHATTERBOX_SIZES["tiny"]
S3GEN, VE, T3, V2, V3 = (f"{name}.safetensors" for name in ("s3gen", "ve", "t3_cfg", "t3_mtl23ls_v2", "t3_mtl23ls_v3"))
# Of `ResembleAI/chatterbox`, beside what `synthetic` writes.
UNNEEDED = {
    "s3gen.pt": "s3gen.safetensors is read",
    "ve.pt": "ve.safetensors is read",
    "t3_cfg.pt": "t3_cfg.safetensors is read",
    "s3gen_v3.pt": "upstream reads s3gen.safetensors with every T3",
    "s3gen_v3.safetensors": "upstream reads s3gen.safetensors with every T3",
    "t3_23lang.safetensors": "an older multilingual T3, of fewer text tokens, which upstream no longer reads",
    "mtl_tokenizer.json": "",
    "README.md": "",
}


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> Path:
    """All that is published: the English T3 and two multilingual ones, of whose weights the files differ."""
    folder = tmp_path_factory.mktemp("both")
    synthetic.write(folder, TINY, files=synthetic.NAMES)
    newer = load_file(folder / V2)
    newer["tfmr.norm.weight"] = newer["tfmr.norm.weight"] * np.float32(1.5)
    save_file(newer, folder / V3)
    for name in UNNEEDED:
        (folder / name).write_bytes(b"of no use")
    return folder


@pytest.fixture
def plain(both, tmp_path) -> Path:
    """A copy of what is needed of it, of links."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name in (S3GEN, VE, T3, "tokenizer.json", "conds.pt"):
        (folder / name).symlink_to(both / name)
    return folder


def test_a_directory_as_published_is_converted_and_the_rest_is_named(both, tmp_path):
    said = []
    convert(both, tmp_path / "out", Request(), say=said.append)
    assert said == [f"not needed: {name}" + (f" ({why})" if why else "") for name, why in sorted(UNNEEDED.items())]
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {path.name for path in both.iterdir()} - UNNEEDED.keys()
    one, other = (load_t3(tmp_path / "out", multilingual(TINY, file).t3) for file in (V2, V3))
    assert np.array_equal(np.array(other.backbone.norm.weight), 1.5 * np.array(one.backbone.norm.weight))
    assert audit(tmp_path / "out", both).problems == []


def shards(folder: Path) -> None:
    tensors = load_file(folder / T3)
    (folder / T3).unlink()
    keys = sorted(tensors)
    places = {}
    for number, part in enumerate((keys[:9], keys[9:]), start=1):
        name = f"t3_cfg-0000{number}-of-00002.safetensors"
        save_file({key: tensors[key] for key in part}, folder / name)
        places |= dict.fromkeys(part, name)
    (folder / "t3_cfg.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))


def pickled(folder: Path) -> None:
    for name in ("s3gen", "ve"):
        tensors = load_file(folder / f"{name}.safetensors")
        torch.save({key: torch.from_numpy(value) for key, value in tensors.items()}, folder / f"{name}.pt")
        (folder / f"{name}.safetensors").unlink()


# What is done to a directory, and all that is said of it.
INCOMPLETE = {
    "shards": (shards, ["t3_cfg-00001-of-00002.safetensors is one of 2 shards", "join them in t3_cfg.safetensors"]),
    "nano": (
        lambda at: (at / T3).rename(at / "t3_nano_v1.safetensors"),
        ["s3gen_meanflow.safetensors is missing; fetch it"],
    ),
    "no T3 of Turbo": (
        lambda at: [(at / S3GEN).rename(at / "s3gen_meanflow.safetensors"), (at / T3).unlink()],
        ["t3_turbo_v1.safetensors is missing, and there is no other T3"],
    ),
    "pt alone": (pickled, ["s3gen.pt is not read: fetch s3gen.safetensors, which is", "ve.pt is not read: fetch ve.s"]),
    "v3 of s3gen alone": (
        lambda at: (at / S3GEN).rename(at / "s3gen_v3.safetensors"),
        ["s3gen_v3.safetensors is not read by upstream; fetch s3gen.safetensors from"],
    ),
    "no voice encoder": (lambda at: (at / VE).unlink(), ["ve.safetensors is missing; fetch it"]),
    "no T3": (lambda at: (at / T3).unlink(), ["t3_cfg.safetensors is missing, and there is no other T3"]),
    "unknown": (lambda at: (at / "vocoder.safetensors").touch(), ["vocoder.safetensors is not a file of Chatterbox's"]),
    "twice": (
        lambda at: (at / "model.safetensors").symlink_to(at / VE),
        ["s3gen.safetensors holds what model.safetensors does", "t3_cfg.safetensors holds what"],
    ),
}


@pytest.mark.parametrize("what", INCOMPLETE)
def test_weights_that_cannot_be_read_are_named_and_nothing_is_written(plain, tmp_path, what, capsys):
    change, said = INCOMPLETE[what]
    change(plain)
    assert command.main(["convert", str(plain), str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert all(text in error for text in said), error
    assert not (tmp_path / "out").exists()
    assert command.main(["audit", str(plain)]) == 1
    shown = capsys.readouterr().out
    assert all(text in shown for text in said), shown


def test_a_file_that_fails_late_leaves_no_file_and_no_folder(plain, tmp_path):
    tensors = load_file(plain / VE)
    tensors["proj.bias"][0] = 1e6
    (plain / VE).unlink()
    save_file(tensors, plain / VE)
    with pytest.raises(ValueError, match="too large for F16"):
        convert(plain, tmp_path / "out", Request(dtype="float16"))
    assert not (tmp_path / "out").exists()


def test_one_t3_of_several_is_chosen(both, tmp_path, capsys):
    with pytest.raises(ValueError, match="holds t3_cfg, t3_mtl23ls_v2, t3_mtl23ls_v3, and mlx-community has one T3"):
        convert(both, tmp_path / "out", Request(COMMUNITY))
    arguments = ["convert", str(both), str(tmp_path / "out"), "--target", "mlx-community"]
    assert command.main([*arguments, "--t3", "v4"]) == 2
    assert "--t3 is 'v4', expected one of t3_cfg, t3_mtl23ls_v2, t3_mtl23ls_v3" in capsys.readouterr().err
    assert command.main([*arguments, "--t3", "v3"]) == 0
    assert "not needed: t3_mtl23ls_v2.safetensors (--t3 v3)" in capsys.readouterr().out
    ours, theirs = (load_t3(folder, multilingual(TINY, V3).t3) for folder in (tmp_path / "out", both))
    assert np.array_equal(np.array(ours.backbone.norm.weight), np.array(theirs.backbone.norm.weight))


def test_a_file_is_audited_against_a_directory_of_several_t3(both, tmp_path):
    convert(both, tmp_path / "out", Request())
    for name in (S3GEN, VE, T3, V2, V3):
        report = audit(tmp_path / "out" / name, both)
        assert report.problems == [], name
        assert report.compared > 0
    shutil.copyfile(both / V3, tmp_path / "mine.safetensors")
    with pytest.raises(ValueError, match=r"say with --t3 which mine\.safetensors was made"):
        audit(tmp_path / "mine.safetensors", both)
    assert audit(tmp_path / "mine.safetensors", both, t3="v3").passed
    assert {problem.kind for problem in audit(tmp_path / "mine.safetensors", both, t3="v2").problems} == {
        "other values"
    }


@pytest.mark.parametrize("name", ["t3_pt_br.safetensors", V3])
def test_a_t3_of_another_name_keeps_it(plain, both, tmp_path, name):
    (plain / T3).unlink()
    (plain / name).symlink_to(both / V3)
    convert(plain, tmp_path / "out", Request())
    assert load_t3(tmp_path / "out", multilingual(TINY, name).t3) is not None
    with pytest.raises(ValueError, match=rf"t3_cfg\.safetensors: no such file; .* there is {name}"):
        load_t3(tmp_path / "out", TINY.t3)


def test_any_linear_layer_may_be_packed(tmp_path):
    """As in the published file of 4 bits, in which the voice encoder's projection is."""
    config = CHATTERBOX_SIZES["full"].voice_encoder
    synthetic.write(tmp_path / "in", CHATTERBOX_SIZES["full"], files=["ve"])
    file = tmp_path / "model.safetensors"
    convert(tmp_path / "in" / VE, file, Request(COMMUNITY))
    arrays = load_file(file)
    parts = mx.quantize(mx.array(arrays["ve.proj.weight"]), 64, 4)
    names = ("weight", "scales", "biases")
    arrays |= {f"ve.proj.{name}": np.array(part) for name, part in zip(names, parts, strict=True)}
    save_file(arrays, file)
    assert audit(file).problems == []
    convert(file, tmp_path / VE, Request(MLX))
    assert audit(tmp_path / VE, file).problems == []
    packed = load_voice_encoder(tmp_path, config)
    assert isinstance(packed.encoder.proj, nn.QuantizedLinear)
    x = mx.array(np.linspace(-1, 1, 256, dtype=np.float32)[None])
    whole = load_voice_encoder(tmp_path / "in", config).encoder.proj(x)
    assert np.abs(np.array(packed.encoder.proj(x) - whole)).max() < 0.2 * np.abs(np.array(whole)).max()
    del arrays["ve.proj.scales"]
    save_file(arrays, file)
    assert not audit(file).passed


def test_a_voice_as_mlx_ports_keep_it_is_read_and_written(plain, tmp_path):
    voice = load_conditionals(plain / "conds.pt")
    convert(plain, tmp_path / "theirs", Request(COMMUNITY))
    stored = load_file(tmp_path / "theirs" / "conds.safetensors")
    assert stored.keys() == {
        *(f"t3.{name}" for name in ("speaker_emb", "cond_prompt_speech_tokens", "emotion_adv")),
        *(f"gen.{name}" for name in ("prompt_token", "prompt_token_len", "prompt_feat", "embedding")),
    }
    assert stored["gen.prompt_token_len"].tolist() == [voice["prompt_tokens"].shape[1]]
    assert not (tmp_path / "theirs" / "conds.pt").exists()
    (plain / "conds.pt").unlink()
    (plain / "conds.safetensors").symlink_to(tmp_path / "theirs" / "conds.safetensors")
    for target, name in ((MLX, "conds.safetensors"), (UPSTREAM, "conds.pt")):
        convert(plain, tmp_path / str(target), Request(target))
        ours = load_conditionals(tmp_path / str(target) / name)
        assert all(
            ours[field].dtype == array.dtype and np.array_equal(ours[field], array) for field, array in voice.items()
        )
    theirs = torch.load(tmp_path / "upstream" / "conds.pt", weights_only=True)
    assert torch.equal(theirs["gen"]["prompt_feat"], torch.from_numpy(voice["prompt_mel"]))


@pytest.mark.parametrize("size", CHATTERBOX_SIZES)
def test_the_size_is_read_from_the_files_of_any_naming(both, tmp_path, size):
    config = CHATTERBOX_SIZES[size]
    save_file(
        {"x": np.zeros((config.flow.encoder.vocab_size, config.flow.encoder.width), np.float32)}, tmp_path / S3GEN
    )
    assert size_of(tmp_path) == size
    (tmp_path / S3GEN).rename(tmp_path / "model.safetensors")
    assert size_of(tmp_path) == size
    save_file({"x": np.zeros((6561, 33), np.float32)}, tmp_path / "model.safetensors")
    assert size_of(tmp_path) is None
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    assert size_of(tmp_path) is None
    assert size_of(both) == "tiny"


def test_a_directory_is_audited_file_by_file(plain, tmp_path, capsys):
    assert command.main(["audit", str(plain), "--json", str(tmp_path / "audit.json")]) == 0
    assert "PASS nothing is wrong" in capsys.readouterr().out
    result = json.loads((tmp_path / "audit.json").read_text())
    assert result["tensors"] == sum(len(load_file(file)) for file in contents_of(plain).weights)
    tensors = load_file(plain / VE)
    tensors["proj.bias"][0] = np.nan
    (plain / VE).unlink()
    save_file(tensors, plain / VE)
    assert command.main(["audit", str(plain)]) == 1
    assert "ve.safetensors: proj.bias holds 1 NaN" in capsys.readouterr().out


def test_the_help_of_convert_has_examples(capsys):
    with pytest.raises(SystemExit):
        command.main(["convert", "--help"])
    assert "--target mlx-community --t3 t3_cfg" in capsys.readouterr().out
