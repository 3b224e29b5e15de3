"""The synthetic checkpoint: its values, and that its files are whole and the same everywhere."""

import hashlib

import numpy as np
import pytest
import torch
from safetensors import safe_open

from spec import synthetic
from spec.config import CHATTERBOX_SIZES
from spec.files.conditionals import load_conditionals
from spec.files.safetensors_file import Entry, write_file
from spec.keys import FILES, TURBO_FILES, Key, watermark_keys
from spec.synthetic.__main__ import main
from spec.synthetic.__main__ import main as synthetic_main
from spec.synthetic.buffers import hann_window, mel_filters
from spec.synthetic.scales import SCALES, scale_of
from spec.turbo import turbo

FULL, TINY = CHATTERBOX_SIZES["full"], CHATTERBOX_SIZES["tiny"]
ENGLISH_FILES = {"s3gen.safetensors", "ve.safetensors", "t3_cfg.safetensors", "tokenizer.json"}
MULTILINGUAL_FILES = {"t3_mtl23ls_v2.safetensors", "grapheme_mtl_merged_expanded_v1.json", "Cangjie5_TC.json"}
BUFFERS = {"tokenizer.window", "tokenizer._mel_filters"}


def file_digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_every_key_has_a_scale_and_every_scale_a_key():
    keys = [key for keys in FILES.values() for key in keys(FULL)]
    keys += [key for keys in TURBO_FILES.values() for key in keys(turbo("turbo", "full"))]
    keys += watermark_keys(FULL.watermark)
    learned = [key.name for key in keys if key.dtype == "float32" and key.name not in BUFFERS]
    assert {scale_of(name) for name in learned} == set(SCALES)


def test_unknown_key_is_refused():
    with pytest.raises(ValueError, match=r"flow\.gamma: no scale is declared"):
        synthetic.values(Key("flow.gamma", (3,)))


def test_files_are_deterministic_and_whole(tmp_path):
    synthetic.write(tmp_path / "first", TINY, synthetic.NAMES)
    synthetic.write(tmp_path / "second", TINY, synthetic.NAMES)
    digests = file_digests(tmp_path / "first")
    assert set(digests) == {*ENGLISH_FILES, *MULTILINGUAL_FILES, "conds.pt"}  # and nothing left over
    assert digests == file_digests(tmp_path / "second")
    for file, keys in FILES.items():
        expected = {key.name: (key.shape, key.dtype) for key in keys(TINY)}
        with safe_open(tmp_path / "first" / f"{file}.safetensors", "numpy") as handle:
            arrays = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118, it is no dict
        assert {name: (array.shape, str(array.dtype)) for name, array in arrays.items()} == expected
        assert all(np.isfinite(array).all() for array in arrays.values())
        for name, array in arrays.items():
            if name.endswith(("running_var", "alpha", "original0")):
                assert array.min() > 0, name


def test_edges_are_the_first_values_of_the_keys_that_have_any():
    snake, other = (Key(f"mel2wav.{name}", (5,)) for name in ("resblocks.0.activations1.0.alpha", "conv_pre.bias"))
    assert synthetic.values(snake, edges=True)[:3].tolist() == [np.float32(1e-5), 0, np.float32(-0.7)]
    assert np.array_equal(synthetic.values(snake, edges=True)[3:], synthetic.values(snake)[3:])
    assert synthetic.values(snake).min() > 0
    assert np.array_equal(synthetic.values(other, edges=True), synthetic.values(other))


def test_all_files_are_written_or_none(tmp_path, monkeypatch):
    def full(*_):
        raise OSError("no space")

    synthetic.write(tmp_path, TINY, ["ve"])
    before = file_digests(tmp_path)
    monkeypatch.setattr(synthetic, "write_voice", full)
    with pytest.raises(OSError, match="no space"):
        synthetic.write(tmp_path, TINY, ["ve", "t3_cfg", "conds"])
    assert file_digests(tmp_path) == before


def test_the_command_replaces_no_file(tmp_path, capsys):
    (tmp_path / "ve.safetensors").write_bytes(b"real weights")
    assert synthetic_main([str(tmp_path), "--size", "tiny"]) == 2
    assert "ve.safetensors exists; nothing is replaced" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"ve.safetensors"}


def test_values_depend_on_the_name():
    first, second = (synthetic.values(Key(f"flow.decoder.{name}.weight", (64, 64))) for name in "ab")
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.1
    np.testing.assert_allclose([first.std(), second.std()], 1 / 8, rtol=0.1)


def test_a_failed_write_leaves_what_was_there(tmp_path):
    file = tmp_path / "s3gen.safetensors"
    file.write_bytes(b"before")
    with pytest.raises(ValueError, match="x: got float32 of shape"):
        write_file(file, [Entry("x", "F32", (2,))], lambda entry: np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="x: the same key twice"):
        write_file(file, [Entry("x", "F32", (2,))] * 2, lambda entry: np.zeros(2, np.float32))
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert file.read_bytes() == b"before"


def test_command_line(tmp_path):
    assert main([str(tmp_path / "one"), "--size", "tiny", "--only", "ve"]) == 0
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["ve.safetensors"]
    assert main([str(tmp_path / "all"), "--size", "tiny"]) == 0
    assert {path.name for path in (tmp_path / "all").iterdir()} == ENGLISH_FILES | {"conds.pt"}
    assert main([str(tmp_path / "all"), "--size", "tiny", "--only", "t3_mtl23ls_v2"]) == 0
    assert {path.name for path in (tmp_path / "all").iterdir()} == ENGLISH_FILES | MULTILINGUAL_FILES | {"conds.pt"}
    for wrong in (["--size", "small"], ["--only", "vocoder"]):
        with pytest.raises(SystemExit):
            main([str(tmp_path), *wrong])


@pytest.mark.parametrize("model", ["turbo", "nano"])
def test_command_makes_a_checkpoint_of_turbo(model, tmp_path, capsys):
    folder, config = tmp_path / model, turbo(model, "tiny")
    assert main([str(folder), "--size", "tiny", "--model", model]) == 0
    assert capsys.readouterr().out == f"{folder}: synthetic checkpoint of {model}, tiny\n"
    weights = {config.t3.file, "s3gen_meanflow.safetensors", "ve.safetensors", "conds.pt"}
    assert {path.name for path in folder.iterdir()} == weights | {"vocab.json", "merges.txt", "tokenizer_config.json"}
    voice = load_conditionals(folder / "conds.pt")
    assert voice["speaker_emb"].shape == (1, config.t3.speaker_width)
    with pytest.raises(SystemExit):
        main([str(tmp_path / "other"), "--size", "tiny", "--model", model, "--only", "ve"])
    assert "names a file of Chatterbox's, expected no --model beside it" in capsys.readouterr().err


def test_window_and_mel_filters():
    for length in (16, 400, 1920):
        np.testing.assert_allclose(hann_window(length), torch.hann_window(length), rtol=0, atol=2**-23)
    # On a grid of 1 Hz the triangles show their unit area and their centres, equally spaced in Slaney's mel.
    filters = mel_filters(16000, 16000, 128)
    assert filters.shape == (128, 8001)
    np.testing.assert_allclose(filters.sum(1), 1, rtol=2e-3)
    highest = 15 + 27 * np.log(8) / np.log(6.4)
    for index in (10, 51, 127):
        mel = highest * (index + 1) / 129
        centre = mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)
        assert abs(filters[index].argmax() - centre) <= 1
    # librosa.filters.mel(sr=16000, n_fft=400, n_mels=128)[127, 191:196]
    expected = [0.0004756951, 0.0016171717, 0.0027586485, 0.0039001252, 0.0050416016]
    np.testing.assert_allclose(mel_filters(16000, 400, 128)[127, 191:196], expected, rtol=1e-6)
