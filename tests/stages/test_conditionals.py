"""Files of a voice's conditions: written and read, upstream's too, refused when unusable or another model's."""

from pathlib import Path

import numpy as np
import pytest
import torch

from parity.base.draws import integers, normal
from spec.config import CHATTERBOX_SIZES
from spec.files import conditionals
from spec.synthetic.voice_file import write_voice

FULL, TINY = CHATTERBOX_SIZES["full"], CHATTERBOX_SIZES["tiny"]


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    return {
        "speaker_emb": normal("conds", "speaker", (1, 256)),
        "cond_prompt_speech_tokens": integers("conds", "t3", (1, 150), 6561),
        "emotion_adv": np.full((1, 1, 1), 0.5, np.float32),
        "prompt_tokens": integers("conds", "flow", (1, 250), 6561),
        "prompt_mel": normal("conds", "mel", (1, 500, 80)),
        "embedding": normal("conds", "x-vector", (1, 192)),
    }


@pytest.fixture
def stored(arrays) -> dict[str, dict]:
    """What upstream's `Conditionals.save` hands to `torch.save`."""
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return {
        "t3": {
            "speaker_emb": tensors["speaker_emb"],
            "clap_emb": None,
            "cond_prompt_speech_tokens": tensors["cond_prompt_speech_tokens"],
            "cond_prompt_speech_emb": None,
            "emotion_adv": tensors["emotion_adv"],
        },
        "gen": {
            "prompt_token": tensors["prompt_tokens"],
            "prompt_token_len": torch.tensor([250]),
            "prompt_feat": tensors["prompt_mel"],
            "prompt_feat_len": None,
            "embedding": tensors["embedding"],
        },
    }


def require_equal(got: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        assert got[name].dtype == array.dtype
        assert np.array_equal(got[name], array)


def test_what_is_written_is_read(tmp_path, arrays):
    file = tmp_path / "voice.safetensors"
    conditionals.save_conditionals(file, arrays)
    require_equal(conditionals.load_conditionals(file), arrays)


def test_upstreams_file_is_read(tmp_path, arrays, stored):
    stored["gen"]["embedding"].requires_grad_()  # as upstream saves it
    torch.save(stored, tmp_path / "conds.pt")
    require_equal(conditionals.load_conditionals(tmp_path / "conds.pt"), arrays)


@pytest.mark.parametrize("config", [FULL, TINY], ids=["full", "tiny"])
def test_the_synthetic_voice_is_upstreams_format_and_plausible(tmp_path, config):
    for name in ("first.pt", "second.pt"):
        write_voice(tmp_path / name, config)
    assert (tmp_path / "first.pt").read_bytes() == (tmp_path / "second.pt").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2
    theirs = torch.load(tmp_path / "first.pt", weights_only=True)
    assert theirs["t3"].keys() == {name for part, name in conditionals.PLACES.values() if part == "t3"} | {
        "clap_emb",
        "cond_prompt_speech_emb",
    }
    ours = conditionals.load_conditionals(tmp_path / "first.pt")
    require_equal(ours, {name: theirs[part][field].numpy() for name, (part, field) in conditionals.PLACES.items()})
    conditionals.check_fit(tmp_path / "first.pt", ours, config)
    assert np.linalg.norm(ours["speaker_emb"]) == pytest.approx(1)
    assert ours["speaker_emb"].min() == 0
    assert len(np.unique(ours["prompt_tokens"])) > 90
    assert ours["prompt_mel"].mean() == pytest.approx(-5, abs=0.1)
    assert theirs["gen"]["prompt_token_len"].tolist() == [ours["prompt_tokens"].shape[1]]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda arrays: arrays.pop("embedding"), "no embedding"),
        (lambda arrays: arrays.update(extra=np.zeros(1)), "unknown extra"),
        (lambda arrays: arrays.update(embedding=np.full((1, 192), np.nan, np.float32)), "NaN or infinite"),
        (lambda arrays: arrays.update(prompt_tokens=np.zeros((1, 3), np.float32)), "expected integer"),
        (lambda arrays: arrays.update(prompt_mel=np.zeros((1, 3, 80), np.int64)), "expected floating"),
    ],
)
def test_unusable_conditions_are_not_written(tmp_path, arrays, spoil, message):
    spoil(arrays)
    with pytest.raises(ValueError, match=message):
        conditionals.save_conditionals(tmp_path / "voice.safetensors", arrays)
    assert not list(tmp_path.iterdir())


def test_other_files_are_refused(tmp_path, stored):
    with pytest.raises(ValueError, match="no such file"):
        conditionals.load_conditionals(tmp_path / "none.safetensors")
    torch.save(stored, tmp_path / "conds.safetensors")
    with pytest.raises(ValueError, match="not a whole safetensors file"):
        conditionals.load_conditionals(tmp_path / "conds.safetensors")
    (tmp_path / "conds.pt").write_bytes(b"no zip")
    with pytest.raises(ValueError, match=r"conds\.pt: not a whole torch\.save file"):
        conditionals.load_conditionals(tmp_path / "conds.pt")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda stored: stored.pop("gen"), "expected two dictionaries, t3 and gen"),
        (lambda stored: stored.update(t3=torch.zeros(1)), "expected two dictionaries, t3 and gen"),
        (lambda stored: stored["t3"].update(speaker_emb=None), "t3.speaker_emb is NoneType, expected a tensor"),
        (lambda stored: stored["gen"].update(embedding=[1.0]), "gen.embedding is list, expected a tensor"),
        (lambda stored: stored["gen"].pop("prompt_feat"), "gen.prompt_feat is NoneType"),
        (lambda stored: stored["gen"].update(other=torch.zeros(1)), "unknown .*other"),
        (lambda stored: stored["gen"].update({5: None}), "unknown .*5"),
        (lambda stored: stored["t3"].update(emotion_adv=torch.tensor([[[torch.nan]]])), "NaN or infinite"),
    ],
)
def test_other_contents_of_upstreams_file_are_refused(tmp_path, stored, spoil, message):
    spoil(stored)
    torch.save(stored, tmp_path / "conds.pt")
    with pytest.raises(ValueError, match=message):
        conditionals.load_conditionals(tmp_path / "conds.pt")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("speaker_emb", np.ones((1, 255), np.float32), r"shape \(1, 255\), expected \(1, 256\)"),
        ("speaker_emb", np.ones(256, np.float32), r"expected \(1, 256\)"),
        ("cond_prompt_speech_tokens", np.zeros((1, 0), np.int64), r"expected \(1, 1 ... 4100\)"),
        ("cond_prompt_speech_tokens", np.zeros((1, 4101), np.int64), r"expected \(1, 1 ... 4100\)"),
        ("cond_prompt_speech_tokens", np.full((1, 3), 6561), "hold 6561 ... 6561, expected 0 ... 6560"),
        ("emotion_adv", np.zeros((1, 1), np.float32), r"expected \(1, 1, 1\)"),
        ("prompt_tokens", np.zeros((2, 250), np.int64), r"expected \(1, 0 ... inf\)"),
        ("prompt_tokens", np.full((1, 250), -1), "hold -1"),
        ("prompt_mel", np.zeros((1, 502, 80), np.float32), r"expected \(1, 0 ... 501, 80\)"),
        ("prompt_mel", np.zeros((1, 500, 100), np.float32), r"expected \(1, 0 ... 501, 80\)"),
        ("embedding", np.zeros((1, 80), np.float32), r"expected \(1, 192\); is it another model's voice\?"),
    ],
)
def test_conditions_of_another_model_are_refused(arrays, name, value, message):
    conditionals.check_fit(Path("voice.pt"), arrays, FULL)
    conditionals.check_fit(Path("voice.pt"), arrays | {"prompt_mel": np.zeros((1, 501, 80), np.float32)}, FULL)
    with pytest.raises(ValueError, match=rf"voice\.pt: {name} .*{message}"):
        conditionals.check_fit(Path("voice.pt"), arrays | {name: value}, FULL)


def test_a_full_voice_does_not_fit_the_tiny_model(arrays):
    with pytest.raises(ValueError, match=r"speaker_emb has shape \(1, 256\), expected \(1, 32\)"):
        conditionals.check_fit(Path("voice.pt"), arrays, TINY)
