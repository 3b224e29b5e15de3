"""The reference's T3 against upstream's own, on the same checkpoint and uniforms, at every shared module and step."""

import gc
import importlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from unittest import mock

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from parity.base.draws import integers, normal, uniform
from parity.base.metrics import rms, rmse
from parity.capture.torch import instrument, to_numpy
from reference.t3 import decode, each_token, prefill, sample, speech_only
from reference.t3.sampling import cut_min_p, cut_top_p, draw
from reference.weights.t3 import load_t3, parameter_name
from spec import synthetic
from spec.config import CHATTERBOX_SIZES, ENGLISH_T3, SamplingConfig, T3Config, rope_frequencies
from spec.keys import t3_keys
from tests.upstream.upstream_loader import _Overlay, double_precision

# Here and not above: upstream_loader prepares their import.
upstream = importlib.import_module("chatterbox.models.t3.t3")
cond_enc = importlib.import_module("chatterbox.models.t3.modules.cond_enc")
logits_process = importlib.import_module("transformers.generation.logits_process")

BOUND = {"float32": 1e-6, "float64": 1e-12}
SAMPLING = SamplingConfig(top_p=0.9)


@pytest.fixture(scope="module", params=["tiny", "full"])
def size(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def checkpoint(size, tmp_path_factory):
    folder = tmp_path_factory.mktemp(f"t3-{size}")
    synthetic.write(folder, CHATTERBOX_SIZES[size], files=["t3_cfg"])
    yield folder
    (folder / ENGLISH_T3).unlink()  # 2.1 GB at full size


@contextmanager
def upstream_t3(config: T3Config) -> Iterator[torch.nn.Module]:
    """Upstream's T3 in eval mode at any size: what it hard-codes is replaced, no code is."""
    sizes = {
        "hidden_size": config.width,
        "intermediate_size": config.mlp_width,
        "num_hidden_layers": config.blocks,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.heads,
        "head_dim": config.head_width,
    }
    perceiver = partial(
        cond_enc.Perceiver, config.perceiver_queries, config.width, config.width, config.perceiver_heads
    )
    with (
        mock.patch.dict(upstream.LLAMA_CONFIGS["Llama_520M"], sizes),
        mock.patch.object(cond_enc, "Perceiver", perceiver),
    ):
        settings = upstream.T3Config(config.text_vocab_size)
        settings.speaker_embed_size = config.speaker_width
        settings.stop_speech_token = config.stop_speech
        yield upstream.T3(settings).eval()


def inputs(config: T3Config) -> dict[str, np.ndarray]:
    voice = normal("t3", "voice", (1, config.speaker_width))
    text = integers("t3", "text", (1, 11), config.text_vocab_size)
    return {
        "text_tokens": np.concatenate([[[config.start_text]], text, [[config.stop_text]]], axis=1),
        "prompt_tokens": integers("t3", "prompt", (1, config.prompt_tokens), config.start_speech),
        "voice": voice / np.linalg.norm(voice),
        "emotion": np.array([0.7], np.float32),
    }


Seen = dict[str, list[np.ndarray]]


def run_upstream(config: T3Config, checkpoint, uniforms, sampling=SAMPLING) -> tuple[Seen, list[int]]:
    """Every module output in order of calls by the reference's path, the probabilities, and the tokens."""
    seen: Seen = defaultdict(list)

    def observe(path, value):
        first = value[0] if isinstance(value, tuple) else value
        if isinstance(first, torch.Tensor):
            seen[parameter_name(path + ".").rstrip(".")].append(to_numpy(first))
        return value

    def multinomial(probabilities, num_samples):
        seen["probabilities"].append(to_numpy(probabilities))
        cumulative = np.cumsum(seen["probabilities"][-1][0].astype(np.float64))
        token = np.searchsorted(cumulative / cumulative[-1], uniforms[len(seen["probabilities"]) - 1], side="right")
        return torch.tensor([[int(token)]])

    given = inputs(config)
    with upstream_t3(config) as model:
        file = checkpoint / config.file
        model.load_state_dict(load_file(file), strict=True)
        wide = next(model.parameters()).dtype
        cond = cond_enc.T3Cond(
            speaker_emb=torch.from_numpy(given["voice"]).to(wide),
            cond_prompt_speech_tokens=torch.from_numpy(given["prompt_tokens"]),
            emotion_adv=torch.from_numpy(given["emotion"]).to(wide) * torch.ones(1, 1, 1, dtype=wide),
        )
        paths = [path for path, _ in model.named_modules() if path]
        fixed = _Overlay(upstream.torch, {"multinomial": multinomial})
        with mock.patch.object(upstream, "torch", fixed), instrument(model, paths, observe):
            tokens = model.inference(
                t3_cond=cond,
                text_tokens=torch.from_numpy(given["text_tokens"]).repeat(2, 1),
                max_new_tokens=len(uniforms),
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                min_p=sampling.min_p,
                repetition_penalty=sampling.repetition_penalty,
                cfg_weight=sampling.guidance,
            )
        seen["t3.logits"] = [logits[:, -1] for logits in seen.pop("speech_head")]
    return seen, tokens[0].tolist()


@torch.inference_mode()
def run_reference(config, checkpoint, uniforms, dtype, sampling=SAMPLING) -> tuple[Seen, list[int]]:
    seen: Seen = defaultdict(list)

    def observe(path, value):
        if isinstance(value, torch.Tensor):
            seen[path].append(to_numpy(value))
        return value

    model = load_t3(checkpoint, config, dtype)
    given = inputs(config)
    tokens = [torch.from_numpy(given[name]) for name in ("text_tokens", "prompt_tokens")]
    floats = [torch.from_numpy(given[name]).to(dtype) for name in ("voice", "emotion")]
    cache, previous = model.new_cache(), [config.start_speech]
    paths = [path for path, _ in model.named_modules() if path]
    with instrument(model, paths, observe):
        logits = prefill(model, *tokens, *floats, sampling.guidance, cache, observe)
        for step, number in enumerate(uniforms):
            previous.append(sample(logits, previous, sampling, float(number), observe))
            logits = decode(model, torch.tensor([previous[-1:]]), step + 1, cache, observe)
    seen["probabilities"] = [after_cuts(torch.from_numpy(scores), sampling) for scores in seen["t3.scores"]]
    assert [int(count[0]) for count in seen["t3.top_p"]] == [np.count_nonzero(each) for each in seen["probabilities"]]
    return seen, previous[1:]


# Upstream embeds in other calls, takes the logits of all positions, and wraps what its backbone returns; what comes of
# it is compared: conditions, the first layer's norm, the last position's logits, the backbone's last norm.
NOT_SHARED = {"text_embedding", "speech_embedding", "speech_head", "backbone"}
INLINE = ("self_attn.rotary_q", "self_attn.rotary_k", "self_attn.attention")
OURS_ALONE = {
    *("t3.prompt", "t3.resampled", "t3.text", "t3.input"),
    *("t3.guided_logits", "t3.penalized", "t3.scores", "t3.min_p", "t3.top_p", "t3.uniform"),
}


@pytest.mark.parametrize("dtype", BOUND)
def test_t3_equals_upstream(size, checkpoint, dtype):
    config = CHATTERBOX_SIZES[size].t3
    steps = {"tiny": 40, "full": 6 if dtype == "float32" else 2}[size]
    uniforms = uniform("t3", "uniforms", (steps,))
    with double_precision() if dtype == "float64" else nullcontext():
        theirs, their_tokens = run_upstream(config, checkpoint, uniforms)
    gc.collect()
    mine, my_tokens = run_reference(config, checkpoint, uniforms, getattr(torch, dtype))
    assert my_tokens == their_tokens
    errors = {}
    for path, values in mine.items():
        if path in OURS_ALONE | NOT_SHARED or path.endswith(INLINE):
            continue
        assert path in theirs, f"upstream has no module for {path}"
        assert len(values) == len(theirs[path]), path
        for call, (value, expected) in enumerate(zip(values, theirs[path], strict=True)):
            assert value.dtype == expected.dtype == dtype
            assert value.shape == expected.shape, path
            errors[f"{path}[call={call}]"] = rmse(value, expected) / rms(expected)
    worst = max(errors, key=errors.__getitem__)
    equal = sum(error == 0 for error in errors.values())
    print(f"{size}, {dtype}: {len(errors)} shared taps, {equal} equal; worst {worst} {errors[worst]:.1e}")
    assert {"conditioning", "backbone.norm", "backbone.layers.1.self_attn", "t3.logits", "probabilities"} <= {
        name.partition("[")[0] for name in errors
    }
    assert len(errors) > (steps + 1) * config.blocks * 12
    assert errors[worst] <= BOUND[dtype], worst


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("t3-tiny-alone")
    synthetic.write(folder, CHATTERBOX_SIZES["tiny"], files=["t3_cfg"])
    return folder


def in_torch(config: T3Config) -> list[torch.Tensor]:
    return [torch.from_numpy(value) for value in inputs(config).values()]


@torch.inference_mode()
def test_two_hundred_tokens_equal_upstreams(tiny):
    config = CHATTERBOX_SIZES["tiny"].t3
    numbers = uniform("t3", "long", (200,))
    sampling = replace(SAMPLING, max_tokens=200)
    tokens = list(each_token(load_t3(tiny, config), *in_torch(config), sampling, numbers.tolist()))
    _, expected = run_upstream(config, tiny, numbers)
    assert tokens == expected
    # A draw that is one number late is another sequence.
    late = list(each_token(load_t3(tiny, config), *in_torch(config), sampling, np.roll(numbers, 1).tolist()))
    assert late != expected


@pytest.mark.parametrize("guidance", [0.0, 0.5, 2.0])
def test_guidance_equals_upstream(tiny, guidance):
    """Without guidance too, where upstream's multilingual model leaves both items the same."""
    config, numbers = CHATTERBOX_SIZES["tiny"].t3, uniform("t3", "guidance", (3,))
    sampling = replace(SAMPLING, guidance=guidance)
    theirs, their_tokens = run_upstream(config, tiny, numbers, sampling)
    mine, my_tokens = run_reference(config, tiny, numbers, torch.float32, sampling)
    assert my_tokens == their_tokens
    for value, expected in zip(mine["t3.logits"], theirs["t3.logits"], strict=True):
        assert rmse(value, expected) <= 1e-6 * rms(expected)
        # Not bit for bit: with several threads, a matrix product rounds equal rows differently.
        assert (rmse(value[0], value[1]) <= 1e-6 * rms(value)) == (guidance == 0)


def test_published_keys_are_292(tiny):
    assert len(list(t3_keys(CHATTERBOX_SIZES["full"].t3))) == 292
    with upstream_t3(CHATTERBOX_SIZES["tiny"].t3) as model:
        assert sorted(map(parameter_name, model.state_dict())) == sorted(
            load_t3(tiny, CHATTERBOX_SIZES["tiny"].t3).state_dict()
        )


@pytest.mark.parametrize("head_width", [16, 64])
def test_rope_frequencies_are_those_of_transformers_bit_for_bit(head_width):
    config = T3Config(width=16 * head_width)
    with upstream_t3(replace(config, blocks=1, mlp_width=8)) as model:
        assert np.array_equal(rope_frequencies(config), model.tfmr.rotary_emb.inv_freq.numpy())
        assert len(set(rope_frequencies(config) * 8 / rope_frequencies(replace(config, rope_factor=1.0)))) > 2


PROCESSORS = ("repetition", "temperature", "min_p", "top_p")


def through_transformers(logits, previous, config: SamplingConfig, order=PROCESSORS) -> np.ndarray:
    made = {
        "repetition": logits_process.RepetitionPenaltyLogitsProcessor(config.repetition_penalty),
        "temperature": logits_process.TemperatureLogitsWarper(config.temperature),
        "min_p": logits_process.MinPLogitsWarper(config.min_p),
        "top_p": logits_process.TopPLogitsWarper(config.top_p),
    }
    for name in order:
        logits = made[name](torch.tensor([previous]), logits)
    return logits.softmax(dim=-1).numpy()


def after_cuts(scores: torch.Tensor, config: SamplingConfig) -> np.ndarray:
    """The probabilities of which a token is drawn."""
    return cut_top_p(cut_min_p(scores, config.min_p), config.top_p).softmax(dim=-1).numpy()


def probabilities(logits, previous, config: SamplingConfig) -> np.ndarray:
    seen = {}

    def observe(name, value):
        return seen.setdefault(name, value)

    token = sample(logits.expand(2, -1), previous, config, 0.5, observe)
    found = after_cuts(seen["t3.scores"], config)
    assert draw(torch.from_numpy(found), 0.5) == token
    return found


CONFIGS = [
    SamplingConfig(),
    SamplingConfig(repetition_penalty=2.0),
    SamplingConfig(temperature=1.0, min_p=0.02, top_p=0.8),
    SamplingConfig(repetition_penalty=0.5, temperature=2.0, min_p=0.0, top_p=0.5),
    SamplingConfig(temperature=0.1, min_p=1.0),
    SamplingConfig(top_p=0.0, min_p=0.0),
]


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("case", range(5))
def test_sampling_equals_transformers_bit_for_bit(config, case):
    logits = torch.from_numpy(3 * normal("sampling", f"logits {case}", (1, 8194)))
    previous = [6561, *integers("sampling", f"previous {case}", (400,), 8194).tolist()]
    assert np.array_equal(probabilities(logits, previous, config), through_transformers(logits, previous, config))


@pytest.mark.parametrize(
    "order",
    [
        ("repetition", "temperature", "top_p", "min_p"),
        ("repetition", "min_p", "top_p", "temperature"),
        ("min_p", "top_p", "repetition", "temperature"),
    ],
)
def test_another_order_of_the_processors_is_seen(order):
    config = SamplingConfig(repetition_penalty=2.0, temperature=0.5, min_p=0.05, top_p=0.7)
    logits = torch.from_numpy(2 * normal("sampling", "order", (1, 8194)))
    previous = [6561, *logits[0].topk(20).indices.tolist()]
    mine = probabilities(logits, previous, config)
    assert np.array_equal(mine, through_transformers(logits, previous, config))
    assert not np.array_equal(mine, through_transformers(logits, previous, config, order))


@pytest.mark.parametrize("tokens", [[], [5], [6561, 1, 2, 6562], [1, 2, 6562, 3], [7, 6561, 1], [6562]])
def test_special_tokens_are_dropped_as_upstream_drops_them(tokens):
    from chatterbox.models.s3tokenizer import drop_invalid_tokens

    config = CHATTERBOX_SIZES["tiny"].t3
    kept = drop_invalid_tokens(torch.tensor(tokens, dtype=torch.long))
    assert speech_only(tokens, config) == kept[kept < 6561].tolist()  # the English pipeline's own filter
