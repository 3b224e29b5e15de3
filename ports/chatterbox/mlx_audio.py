"""mlx-audio's Chatterbox: the stages that are more than a method of a model."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

import mlx.core as mx
import numpy as np
from mlx_audio.lm.sample_utils import make_sampler
from mlx_audio.tts.models.chatterbox.chatterbox import Model, punc_norm
from mlx_audio.tts.models.chatterbox.s3gen import S3Token2Wav
from mlx_audio.tts.models.chatterbox.t3 import t3 as loop
from mlx_audio.tts.models.chatterbox.tokenizer import MTLTokenizer
from mlx_audio.tts.models.chatterbox.voice_encoder import VoiceEncConfig, melspectrogram
from mlx_audio.utils import resample_audio

from ports.chatterbox.defaults import taken
from ports.chatterbox.flow import hollow
from ports.chatterbox.subject import LAYERS, Arrays, filled
from ports.chatterbox.t3 import BOTH, CHOSEN, SAMPLING, TOP_P, TWO_LAYERS
from ports.chatterbox.text import rewritten
from ports.chatterbox.vocoder import finished


def flow() -> Any:
    return hollow(filled(S3Token2Wav(), "s3gen", "flow.").flow)


def t3() -> Any:
    with mock.patch.dict(loop.LLAMA_CONFIGS["Llama_520M"], num_hidden_layers=LAYERS):
        return filled(loop.T3(), "t3_cfg", config=TWO_LAYERS)


def resample(wave: Any) -> Any:
    """What the port does with NumPy, as the product with its response to unit impulses."""
    return wave @ mx.array(resample_audio(np.eye(wave.shape[1], dtype=np.float32), 24000, 16000))


voice_mel = partial(melspectrogram, hp=VoiceEncConfig())


def tokens(tokenizer: Any, given: Arrays) -> Any:
    hidden, _ = tokenizer.encoder(given["mel"], mx.array([given["mel"].shape[2]]))
    return hidden, tokenizer.quantizer.encode(hidden)


def speaker(encoder: Any, given: Arrays) -> Any:
    return encoder.inference(given["mel"].swapaxes(1, 2), [given["mel"].shape[2]], rate=1.3)


def encoded(encoder: Any, given: Arrays) -> Any:
    return encoder(given["x"], mx.array([given["x"].shape[1]]))[0]


def mel(flow: Any, given: Arrays) -> Any:
    """Its own inference, which takes its noise from an array that it keeps."""
    flow.decoder.rand_noise = given["noise"]
    lengths = [mx.array([given[name].shape[1]]) for name in ("tokens", "prompt")]
    heard = given["prompt"], lengths[1], given["prompt_mel"], None, given["embedding"]
    return flow.inference(given["tokens"], lengths[0], *heard, finalize=True)[0]


def source(vocoder: Any, given: Arrays) -> Any:
    return vocoder.m_source(vocoder._f0_upsample(given["f0"][:, None]).swapaxes(1, 2))[0].swapaxes(1, 2)


fade = partial(finished, S3Token2Wav)


def conditions(given: Arrays) -> tuple[Any, Any]:
    heard = loop.T3Cond(given["voice"], cond_prompt_speech_tokens=given["prompt"], emotion_adv=given["emotion"])
    return heard, mx.concatenate([given["text"]] * 2)


def prefix(t3: Any, given: Arrays) -> Any:
    return t3._prepare_inference_context(*conditions(given), SAMPLING.guidance)


def scores(t3: Any, given: Arrays) -> Any:
    """What its own loop hands to its sampler, which gives it the chosen tokens."""
    sampler = mock.Mock(side_effect=[mx.array([token]) for token in (*CHOSEN, 0)])
    with mock.patch.object(loop, "make_sampler", return_value=sampler):
        t3.inference(*conditions(given), max_new_tokens=len(CHOSEN) + 1)
    return mx.concatenate([call.args[0] for call in sampler.call_args_list])


def drawn_from(scores: Any, sampling: Any = SAMPLING) -> Any:
    """What its sampler draws from."""
    with mock.patch.object(mx.random, "categorical", lambda logits: mx.softmax(logits, axis=-1)):
        return make_sampler(sampling.temperature, sampling.top_p, sampling.min_p)(scores)


by_top_p, by_both = (partial(drawn_from, sampling=cut) for cut in (TOP_P, BOTH))

normalized = rewritten(punc_norm, mx.array)
letters = rewritten(partial(MTLTokenizer.preprocess_text, SimpleNamespace(uses_v3_preprocessing=False)), mx.array)
settings = taken(Model.generate)
