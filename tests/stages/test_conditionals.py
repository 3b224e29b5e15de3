"""Files of a voice's conditions: written and read, converted from upstream's, refused when unusable."""

import pickle
import zipfile

import numpy as np
import pytest
import torch

from parity.draws import integers, normal
from reference import conditionals
from reference.conditioning.conds_pt import convert, read_conds_pt


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


def test_upstreams_file_is_converted(tmp_path, arrays, stored):
    stored["gen"]["embedding"].requires_grad_()  # as upstream saves it
    torch.save(stored, tmp_path / "conds.pt")
    convert(tmp_path / "conds.pt", tmp_path / "conds.safetensors")
    require_equal(conditionals.load_conditionals(tmp_path / "conds.safetensors"), arrays)


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
    torch.save(stored, tmp_path / "conds.pt")
    with pytest.raises(ValueError, match="not a safetensors file"):
        conditionals.load_conditionals(tmp_path / "conds.pt")


class Opener:
    """An object whose unpickling opens a file: what a pickle may do to whoever loads it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_that_runs_code_is_refused_and_runs_none(tmp_path, stored):
    trace = tmp_path / "trace"
    stored["gen"]["embedding"] = Opener(trace)
    torch.save(stored, tmp_path / "conds.pt")
    with pytest.raises(ValueError, match=r"conds\.pt: not a file of plain tensors"):
        read_conds_pt(tmp_path / "conds.pt")
    assert not trace.exists()
    pickle.loads(pickle.dumps(Opener(trace))).close()
    assert trace.exists()  # it would have


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda stored: stored.pop("gen"), "expected two dictionaries, t3 and gen"),
        (lambda stored: stored.update(t3=torch.zeros(1)), "expected two dictionaries, t3 and gen"),
        (lambda stored: stored["t3"].update(speaker_emb=None), "t3.speaker_emb is NoneType, expected a tensor"),
        (lambda stored: stored["gen"].update(embedding=[1.0]), "gen.embedding is list, expected a tensor"),
        (lambda stored: stored["gen"].pop("prompt_feat"), "gen.prompt_feat is NoneType"),
        (lambda stored: stored["gen"].update(other=torch.zeros(1)), "unknown .*other"),
        (lambda stored: stored["t3"].update(emotion_adv=torch.tensor([[[torch.nan]]])), "NaN or infinite"),
    ],
)
def test_other_contents_of_upstreams_file_are_refused(tmp_path, stored, spoil, message):
    spoil(stored)
    torch.save(stored, tmp_path / "conds.pt")
    with pytest.raises(ValueError, match=message):
        read_conds_pt(tmp_path / "conds.pt")


def test_unreadable_files_of_upstream_are_refused(tmp_path, stored):
    with pytest.raises(ValueError, match="no such file"):
        read_conds_pt(tmp_path / "conds.pt")
    torch.save(stored, tmp_path / "conds.pt")
    content = (tmp_path / "conds.pt").read_bytes()
    for wrong in (b"", b"no zip", content[: len(content) // 2]):
        (tmp_path / "conds.pt").write_bytes(wrong)
        with pytest.raises(ValueError, match="not a file of plain tensors"):
            read_conds_pt(tmp_path / "conds.pt")
    with zipfile.ZipFile(tmp_path / "conds.pt", "w") as archive:
        archive.writestr("data.pkl", b"other")
    with pytest.raises(ValueError, match="not a file of plain tensors"):
        read_conds_pt(tmp_path / "conds.pt")
