"""chatterbox-mlx's Chatterbox, its route that is MLX alone: models made and loaded as `ChatterboxTTSPureMLX` does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from types import FunctionType, SimpleNamespace
from typing import Any
from unittest import mock

import mlx.core as mx
import numpy as np
from chatterbox.models.s3gen_mlx.convert_weights import convert_s3gen_state_dict
from chatterbox.models.s3gen_mlx.matcha.decoder_mlx import ResnetBlock1DMLX
from chatterbox.models.s3gen_mlx.matcha.transformer_mlx import BasicTransformerBlockMLX
from chatterbox.models.s3gen_mlx.s3gen_mlx import S3Token2WavMLX
from chatterbox.models.s3gen_mlx.transformer.attention_mlx import RelPositionMultiHeadedAttentionMLX
from chatterbox.models.t3_mlx.inference import alignment_stream_analyzer_mlx as alignment
from chatterbox.models.t3_mlx.inference import sampling_utils_mlx as sampling_utils
from chatterbox.models.t3_mlx.modules.cond_enc_mlx import T3CondMLX
from chatterbox.models.t3_mlx.t3_mlx import LLAMA_CONFIGS, T3MLX, T3Config
from chatterbox.models.tokenizers.tokenizer import MTLTokenizer
from mlx.utils import tree_unflatten

from ports.chatterbox.alignment import LENGTH, STOP, WATCHED
from ports.chatterbox.flow import hollow
from ports.chatterbox.subject import CONFIG, LAYERS, Arrays, stored
from ports.chatterbox.t3 import BOTH, CHOSEN, SAMPLING, TOP_P, TWO_LAYERS
from ports.chatterbox.text import rewritten
from ports.chatterbox.vocoder import finished
from spec.config import SamplingConfig


def filled(model: Any, weights: Mapping[str, Any]) -> Any:
    """The model in evaluation with these weights; as its pipeline does, whatever is left out."""
    model.update(tree_unflatten([(name, mx.array(array)) for name, array in weights.items()]), strict=False)
    model.eval()
    return model


def s3gen(prefix: str) -> Any:
    """S3Gen with those tensors of the checkpoint whose keys begin with `prefix`."""
    return block(S3Token2WavMLX(), prefix)


def block(model: Any, prefix: str, own: str = "") -> Any:
    """A block made as S3Gen makes it, with its tensors of the checkpoint, which the port renames and transposes.

    `own` is the port's name of the block; S3Gen itself has none.
    """
    weights = convert_s3gen_state_dict({key: np.array(value) for key, value in stored("s3gen", prefix).items()})
    return filled(model, {name.removeprefix(own): array for name, array in weights.items()})


def attention() -> Any:
    prefix = "flow.encoder.encoders{}0.self_attn."
    return block(RelPositionMultiHeadedAttentionMLX(8, 512), prefix.format("."), prefix.format("_"))


def resnet() -> Any:
    prefix = "flow.decoder.estimator.mid_blocks"
    return block(ResnetBlock1DMLX(256, 256, 1024, causal=True), f"{prefix}.0.0.", f"{prefix}_0.layers_0.")


def transformer() -> Any:
    prefix = "flow.decoder.estimator.mid_blocks"
    made = BasicTransformerBlockMLX(256, 8, 64, activation_fn="gelu")
    return block(made, f"{prefix}.0.1.0.", f"{prefix}_0.layers_1_0.")


def attended(attention: Any, given: Arrays) -> Any:
    x = given["x"]
    return attention(x, x, x, mx.ones((1, 1, x.shape[1]), mx.bool_), given["positions"])[0]


def convolved(resnet: Any, given: Arrays) -> Any:
    return resnet(given["x"], mx.ones((1, 1, given["x"].shape[2])), given["time"])


def transformed(transformer: Any, given: Arrays) -> Any:
    return transformer(given["x"])


def flow() -> Any:
    return hollow(s3gen("flow.").flow)


def vocoder() -> Any:
    return s3gen("mel2wav.").mel2wav


def f0_predictor() -> Any:
    return vocoder().f0_predictor


def mel(flow: Any, given: Arrays) -> Any:
    """Its own inference, which draws its noise."""
    tokens, prompt, mel = given["tokens"], given["prompt"], given["prompt_mel"]
    heard = prompt, prompt.shape[1], mel, mel.shape[1]
    with mock.patch.object(mx.random, "normal", return_value=given["noise"]):
        return flow(tokens, mx.array([tokens.shape[1]]), *heard, given["embedding"], finalize=True)[0]


def source(vocoder: Any, given: Arrays) -> Any:
    return vocoder.m_source(vocoder._upsample_f0(given["f0"][:, None]).swapaxes(1, 2))[0].swapaxes(1, 2)


def wave(vocoder: Any, given: Arrays) -> Any:
    return vocoder.decode(given["mel"].swapaxes(1, 2), given["source"])


fade = partial(finished, S3Token2WavMLX)


def t3() -> Any:
    with mock.patch.dict(LLAMA_CONFIGS["Llama_520M"], num_hidden_layers=LAYERS):
        model = T3MLX(T3Config.english_only())
    return filled(model, stored("t3_cfg", config=TWO_LAYERS))


def prefix(t3: Any, given: Arrays) -> Any:
    """What its loop gives to the backbone first."""
    seen: list[Any] = []

    def backbone(inputs_embeds: Any, **_: Any) -> Any:
        seen.append(inputs_embeds)
        return {"cache": None, "logits": mx.zeros((2, 1, CONFIG.t3.speech_vocab_size))}

    t3.patched_model = mock.Mock(side_effect=backbone)
    condition = T3CondMLX(given["voice"], cond_prompt_speech_tokens=given["prompt"], emotion_adv=given["emotion"])
    text = mx.concatenate([given["text"]] * 2)
    with mock.patch.object(mx.random, "categorical", return_value=mx.array([0])):
        t3.inference(t3_cond=condition, text_tokens=text, max_new_tokens=1, show_progress=False)
    return seen[0]


def shell(outputs: list[Any], condition: int = 0) -> Any:
    """What the loop asks of a T3 whose backbone gives these outputs, one a step."""
    nothing = mx.zeros((1, 1, 1))
    return SimpleNamespace(
        hp=T3Config.english_only(),
        speech_emb=lambda _: nothing,
        speech_pos_emb=SimpleNamespace(get_fixed_embedding=lambda _: nothing),
        prepare_input_embeds=lambda **_: (nothing, condition),
        patched_model=mock.Mock(side_effect=outputs),
    )


def words(length: int) -> Any:
    """Text `(1, length)` that begins and ends as a text does."""
    config = T3Config.english_only()
    return mx.array([[config.start_text_token, *[1] * (length - 2), config.stop_text_token]])


def drawn_from(scores: Any, sampling: SamplingConfig = SAMPLING) -> Any:
    """What its loop draws from, given these scores in the place of what its backbone gives."""
    seen: list[Any] = []

    def draw(logits: Any) -> Any:
        seen.append(mx.softmax(logits, axis=-1))
        return mx.array([0])

    model = shell([{"cache": None, "logits": scores[:, None]}] * 2)
    options = {"temperature": sampling.temperature, "top_p": sampling.top_p, "min_p": sampling.min_p}
    plain = {"cfg_weight": 0, "use_alignment_analyzer": False, "show_progress": False}
    with mock.patch.object(mx.random, "categorical", draw):
        T3MLX.generate(model, t3_cond=None, text_tokens=words(2), max_new_tokens=1, **options, **plain)
    return seen[0]


def loop(logits: Any) -> Any:
    """The scores of each step of its loop, whose backbone gives these logits and attends to the text's first token."""
    attention = mx.array(np.eye(LENGTH, dtype=np.float32)[[0] * (LENGTH + 2)])[None, None]
    outputs = [{"cache": None, "logits": step[:, None], "attentions": [attention]} for step in logits]
    seen: list[Any] = []
    with (
        mock.patch.object(alignment, "LLAMA_ALIGNED_HEADS", ((0, 0),)),
        mock.patch.object(sampling_utils, "apply_min_p", lambda scores, _: (seen.append(scores), scores)[1]),
        mock.patch.object(mx.random, "categorical", side_effect=[mx.array([token]) for token in (*CHOSEN, 0)]),
    ):
        options = {"temperature": 1, "top_p": 1, "show_progress": False, "max_new_tokens": len(CHOSEN) + 1}
        T3MLX.generate(shell([*outputs, outputs[0]]), t3_cond=None, text_tokens=words(LENGTH), **options)
    return mx.concatenate(seen)


by_top_p, by_both = (partial(drawn_from, sampling=cut) for cut in (TOP_P, BOTH))


def stops(scores: Any) -> Any:
    """What its analyser makes of the scores of each step, whose attention has the text's positions first."""
    (attention, tokens), made = WATCHED[scores.shape[0]], []
    analyzer = alignment.AlignmentStreamAnalyzerMLX((0, LENGTH), STOP)
    for step in range(scores.shape[0]):
        frames = mx.concatenate([mx.zeros((LENGTH if step == 0 else 0, LENGTH)), mx.array(attention[: step + 2])])
        analyzer.last_aligned_attns = [frames]
        made.append(analyzer.step(scores[step : step + 1], tokens[step - 1] if step else None))
    return mx.concatenate(made)


def punctuation(module: str) -> Callable[[str], str]:
    """The function of that module, which cannot be imported: it needs packages of PyTorch that are not here."""
    loader: Any = find_spec(module).loader
    code = next(code for code in loader.get_code(module).co_consts if getattr(code, "co_name", "") == "punc_norm")
    return FunctionType(code, {"re": re}, argdefs=(False,) * (code.co_argcount - 1))


normalized = rewritten(punctuation("chatterbox.tts_mlx"), mx.array)
multilingual = rewritten(punctuation("chatterbox.mtl_tts_mlx"), mx.array)
letters = rewritten(partial(MTLTokenizer.preprocess_text, None), mx.array)
