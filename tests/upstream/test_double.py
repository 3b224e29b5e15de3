"""Both sides of the comparisons in double are twins: upstream holds and computes nothing in single precision, and the
reference's float64 mode has the values of its own twin, at full size."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch

from fixtures.cases import load, synthetic_checkpoint
from fixtures.voice import synthetic_voice
from parity.base.draws import integers, normal
from parity.exact.torch import recording, single, twin
from reference.weights.conditioning import load_conditioner
from reference.weights.flow import load_flow
from reference.weights.t3 import load_t3
from reference.weights.vocoder import load_vocoder
from spec import synthetic
from spec.config import CHATTERBOX_SIZES
from spec.files.checkpoint import S3GEN
from tests.upstream.test_t3 import cond_enc, inputs, upstream_t3
from tests.upstream.upstream_loader import build_s3gen, build_voice_encoder, double_precision

FULL = CHATTERBOX_SIZES["full"]
TINY = CHATTERBOX_SIZES["tiny"].t3
# One block of T3: all are of one kind, and whole it is 10 GB in single and double precision together.
SHORT = replace(FULL, t3=replace(FULL.t3, blocks=1))
VOICE = synthetic_voice("double", 1.1, 24000)


def flow() -> tuple[Any, Callable[[], Any]]:
    model = build_s3gen().flow
    tokens, three = torch.from_numpy(integers("double", "tokens", (1, 8), 6561)), torch.tensor([3])
    return model, lambda: model.inference(
        token=tokens[:, 3:],
        token_len=torch.tensor([5]),
        prompt_token=tokens[:, :3],
        prompt_token_len=three,
        prompt_feat=torch.from_numpy(normal("double", "mel", (1, 6, 80)).astype(np.float64)),
        prompt_feat_len=None,
        embedding=torch.from_numpy(normal("double", "embedding", (1, 192)).astype(np.float64)),
        finalize=True,
        n_timesteps=2,
    )


def vocoder() -> tuple[Any, Callable[[], Any]]:
    model = build_s3gen().mel2wav
    mel, past = normal("double", "mel", (1, 80, 7)).astype(np.float64), torch.zeros(1, 1, 0, dtype=torch.float64)
    return model, lambda: model.inference(torch.from_numpy(mel), past)


def prompt() -> tuple[Any, Callable[[], Any]]:
    """The S3 tokenizer, the prompt's mel and the x-vector."""
    model = build_s3gen()
    return model, lambda: model.embed_ref(torch.from_numpy(VOICE.astype(np.float64)), 24000)


def voice_encoder() -> tuple[Any, Callable[[], Any]]:
    model = build_voice_encoder()
    wave = VOICE.astype(np.float64)
    return model, lambda: model.embeds_from_wavs([wave], sample_rate=16000, trim_top_db=None)


def t3() -> tuple[Any, Callable[[], Any]]:
    with upstream_t3(TINY) as model:
        pass
    given = {name: torch.from_numpy(array) for name, array in inputs(TINY).items()}
    condition = cond_enc.T3Cond(
        speaker_emb=given["voice"].double(),
        cond_prompt_speech_tokens=given["prompt_tokens"],
        emotion_adv=given["emotion"].double().reshape(1, 1, 1),
    )
    text = given["text_tokens"].repeat(2, 1)
    return model, lambda: model.inference(t3_cond=condition, text_tokens=text, max_new_tokens=3)


UPSTREAM = {function.__name__: function for function in (flow, vocoder, prompt, voice_encoder, t3)}


@pytest.mark.parametrize("stage", UPSTREAM)
def test_upstream_in_double_has_no_single_precision(stage):
    with double_precision():
        model, run = UPSTREAM[stage]()
        found = recording(run, [], root=model, values=False)
    assert single(model) == single(found) == []
    assert len(found.program.nodes) > 10


def test_double_alone_leaves_tables_in_single_precision():
    model, run = flow()
    model.double()
    with double_precision():
        assert single(recording(run, [], root=model, values=False))


@cache
def checkpoint() -> Path:
    """All files: `s3gen` is that of the cases, the others are made for this process."""
    folder = TemporaryDirectory()
    out = Path(folder.name)
    out.joinpath(S3GEN).symlink_to(synthetic_checkpoint(load("full-flow-short")) / S3GEN)
    synthetic.write(out, SHORT, files=["ve", "t3_cfg"])
    checkpoint.folder = folder  # removed with the process
    return out


REFERENCE = {
    "flow": (load_flow, FULL.flow),
    "vocoder": (load_vocoder, FULL.vocoder),
    "conditioning": (load_conditioner, FULL),
    "t3": (load_t3, SHORT.t3),
}


def tensors(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers."""
    return dict(model.named_parameters()) | dict(model.named_buffers())


@pytest.mark.parametrize("stage", REFERENCE)
def test_the_float64_mode_has_the_values_of_the_twin(stage):
    """That both also run alike is shown at the tiny size, by `tests/exact/torch_twin/test_reference.py`."""
    loader, config = REFERENCE[stage]
    make = partial(loader, checkpoint(), config)
    exact = twin(lambda: make(torch.float32))
    assert single(exact) == []
    ours, theirs = tensors(make(torch.float64)), tensors(exact)
    assert ours.keys() == theirs.keys() and len(ours) > 10
    assert [name for name, value in ours.items() if not torch.equal(value, theirs[name])] == []


def test_a_folded_weight_that_was_rounded_is_not_the_twin_s():
    make = partial(load_vocoder, checkpoint(), FULL.vocoder)
    ours, theirs = tensors(make(torch.float32).double()), tensors(make(torch.float64))
    assert not all(torch.equal(value, theirs[name]) for name, value in ours.items())
