"""The reference's Turbo and Nano against upstream's own T3: same checkpoint, same uniforms, at every shared tap."""

import ast
import gc
import importlib
from collections import defaultdict
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file

from fixtures.cases.turbo import t3_inputs
from parity.base.draws import integers, normal, uniform
from parity.base.metrics import rms, rmse
from parity.capture.torch import instrument, to_numpy
from reference.t3.sampling import cut_top_p, draw
from reference.turbo import decode, each_token, prefill, sample
from reference.turbo.sampling import cut_top_k
from reference.weights.t3 import parameter_name
from reference.weights.turbo import load_turbo
from spec import synthetic
from spec.keys import turbo_t3_keys
from spec.turbo import TurboSampling, turbo
from spec.turbo_text import TurboTokenizer, normalize_turbo
from tests.upstream.upstream_loader import _Overlay, double_precision

# Here and not above: upstream_loader prepares their import.
upstream = importlib.import_module("chatterbox.models.t3.t3")
cond_enc = importlib.import_module("chatterbox.models.t3.modules.cond_enc")
logits_process = importlib.import_module("transformers.generation.logits_process")

BOUND = {"float32": 1e-6, "float64": 1e-12}
MODELS = [("turbo", "tiny"), ("nano", "tiny"), ("nano", "full"), ("turbo", "full")]
STEPS = {"tiny": 40, "full": 3}


@pytest.fixture(scope="module", params=MODELS, ids="-".join)
def config(request):
    return turbo(*request.param)


@pytest.fixture(scope="module")
def checkpoint(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("turbo")
    synthetic.write(folder, config, files=[config.t3.file.removesuffix(".safetensors")])
    yield folder
    (folder / config.t3.file).unlink()  # 1.9 GB at full size


@contextmanager
def upstream_t3(config):
    """Upstream's T3 in eval mode, set up as `from_local` of `tts_turbo.py` does it, at any size."""
    sizes = {
        "hidden_size": config.width,
        "n_embd": config.width,
        "n_head": config.heads,
        "n_layer": config.blocks,
        "vocab_size": config.unread_vocab_size,
    }
    with mock.patch.dict(upstream.LLAMA_CONFIGS["GPT2_medium"], sizes):
        settings = upstream.T3Config(text_tokens_dict_size=config.text_vocab_size)
        settings.llama_config_name = "GPT2_medium"
        settings.speech_tokens_dict_size = config.speech_vocab_size
        settings.input_pos_emb = None
        settings.speech_cond_prompt_len = config.prompt_tokens
        settings.use_perceiver_resampler = False
        settings.emotion_adv = False
        settings.speaker_embed_size = config.speaker_width
        yield upstream.T3(settings).eval()


def inputs(config):
    return t3_inputs("turbo upstream", config, letters=11, prompt=config.prompt_tokens)


def multinomial_by(uniforms, seen):
    """`torch.multinomial` with its draws given, which keeps the probabilities that it is asked with."""

    def multinomial(probabilities, num_samples):
        seen["probabilities"].append(to_numpy(probabilities))
        token = draw(probabilities, float(uniforms[len(seen["probabilities"]) - 1]))
        return torch.tensor([[token]])

    return multinomial


def run_upstream(config, checkpoint, uniforms, sampling):
    """Every module output in order of calls by the reference's path, the probabilities, and the tokens."""
    seen = defaultdict(list)

    def observe(path, value):
        first = value[0] if isinstance(value, tuple) else value
        if isinstance(first, torch.Tensor):
            seen[parameter_name(path + ".").rstrip(".")].append(to_numpy(first))
        return value

    given = inputs(config)
    with upstream_t3(config) as model:
        model.load_state_dict(load_file(checkpoint / config.file), strict=True)
        wide = next(model.parameters()).dtype
        cond = cond_enc.T3Cond(
            speaker_emb=torch.from_numpy(given["voice"]).to(wide),
            cond_prompt_speech_tokens=torch.from_numpy(given["prompt_tokens"]),
        )
        paths = [path for path, _ in model.named_modules() if path]
        fixed = _Overlay(upstream.torch, {"multinomial": multinomial_by(uniforms, seen)})
        with mock.patch.object(upstream, "torch", fixed), instrument(model, paths, observe):
            tokens = model.inference_turbo(
                t3_cond=cond,
                text_tokens=torch.from_numpy(given["text_tokens"]),
                temperature=sampling.temperature,
                top_k=sampling.top_k,
                top_p=sampling.top_p,
                repetition_penalty=sampling.repetition_penalty,
                max_gen_len=len(uniforms) - 1,
            )
        seen["t3.logits"] = [logits[:, -1] for logits in seen.pop("speech_head")]
    return seen, tokens[0].tolist()


def in_torch(config, dtype=torch.float32):
    given = [torch.from_numpy(value) for value in inputs(config).values()]
    return [value.to(dtype) if value.is_floating_point() else value for value in given]


@torch.inference_mode()
def run_reference(config, checkpoint, uniforms, dtype, sampling):
    seen = defaultdict(list)

    def observe(path, value):
        if isinstance(value, torch.Tensor):
            seen[path].append(to_numpy(value))
        return value

    model = load_turbo(checkpoint, config, dtype)
    cache, tokens = model.new_cache(), [config.start_speech]
    paths = [path for path, _ in model.named_modules() if path]
    with instrument(model, paths, observe):
        logits = prefill(model, *in_torch(config, dtype), cache, observe)
        for number in uniforms:
            tokens.append(sample(logits, tokens, sampling, float(number), observe))
            if len(tokens) <= len(uniforms):  # upstream makes no logits that it does not choose from
                logits = decode(model, torch.tensor([tokens[-1:]]), cache, observe)
    seen["probabilities"] = [left(torch.from_numpy(scores), sampling) for scores in seen["t3.scores"]]
    assert [int(count[0]) for count in seen["t3.top_p"]] == [np.count_nonzero(each) for each in seen["probabilities"]]
    return seen, tokens[1:]


def left(scores: torch.Tensor, sampling: TurboSampling) -> np.ndarray:
    """The probabilities of which a token is drawn, from scores `(2, V)`."""
    kept = cut_top_p(cut_top_k(scores[:1], sampling.top_k), sampling.top_p)
    return scores[1:].masked_fill(kept == -torch.inf, -torch.inf).softmax(dim=-1).numpy()


# Upstream embeds in other calls, takes the logits of all positions, and wraps what its backbone returns; what comes of
# it is compared: conditions, the first block's norm, the logits, the backbone's last norm.
NOT_SHARED = {"text_embedding", "speech_embedding", "speech_head", "backbone"}
OURS_ALONE = {*(f"t3.{name}" for name in ("prompt", "text", "input", "scores", "top_k", "top_p", "uniform"))}


@pytest.mark.parametrize("dtype", BOUND)
def test_turbo_equals_upstream(config, checkpoint, dtype):
    config = config.t3
    steps = STEPS["full" if config.width > 64 else "tiny"]
    uniforms, sampling = uniform("turbo", "uniforms", (steps,)), TurboSampling()
    with double_precision() if dtype == "float64" else nullcontext():
        theirs, their_tokens = run_upstream(config, checkpoint, uniforms, sampling)
    gc.collect()
    mine, my_tokens = run_reference(config, checkpoint, uniforms, getattr(torch, dtype), sampling)
    assert my_tokens == their_tokens
    errors = {}
    for path, values in mine.items():
        if path in OURS_ALONE | NOT_SHARED or path.endswith("attn.attention"):
            continue
        assert path in theirs, f"upstream has no module for {path}"
        assert len(values) == len(theirs[path]), path
        for call, (value, expected) in enumerate(zip(values, theirs[path], strict=True)):
            assert value.dtype == expected.dtype == dtype
            assert value.shape == expected.shape, path
            errors[f"{path}[call={call}]"] = rmse(value, expected) / rms(expected)
    worst = max(errors, key=errors.__getitem__)
    equal = sum(error == 0 for error in errors.values())
    print(f"{config.file}, {config.width}, {dtype}: {len(errors)} shared taps, {equal} equal; worst {worst}", end=" ")
    print(f"{errors[worst]:.1e}")
    assert {"conditioning", "backbone.ln_f", "backbone.h.0.attn", "t3.logits", "probabilities"} <= {
        name.partition("[")[0] for name in errors
    }
    assert len(errors) > steps * config.blocks * 9
    assert errors[worst] <= BOUND[dtype], worst


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("turbo-tiny")
    synthetic.write(folder, turbo("turbo", "tiny"), files=["t3_turbo_v1"])
    return folder


@torch.inference_mode()
def test_two_hundred_tokens_equal_upstreams(tiny):
    config = turbo("turbo", "tiny").t3
    numbers, sampling = uniform("turbo", "long", (200,)), TurboSampling(max_tokens=200)
    tokens = list(each_token(load_turbo(tiny, config), *in_torch(config), sampling, numbers.tolist()))
    _, expected = run_upstream(config, tiny, numbers, sampling)
    assert tokens == expected
    late = list(each_token(load_turbo(tiny, config), *in_torch(config), sampling, np.roll(numbers, 1).tolist()))
    assert late != expected


TEXTS = (
    "the other one, then [laugh] and more",
    "“It’s late” — he said…: ‘wait’ ; 3–4 more -  no ",
    "É où?  [sigh][cough] ... [unknown] 你好\n",
    "",
    "  ",
)


@pytest.mark.parametrize("text", TEXTS)
def test_text_equals_upstreams(tiny, text):
    """Upstream's own rules, and the tokenizer that transformers makes of the checkpoint's files."""
    file = Path(upstream.__file__).parents[2] / "tts_turbo.py"
    (rules,) = [node for node in ast.parse(file.read_text()).body if getattr(node, "name", "") == "punc_norm"]
    found = {}
    exec(compile(ast.Module([rules], []), str(file), "exec"), found)  # its other imports need packages that nobody has
    normalized = normalize_turbo(text)
    assert normalized == found["punc_norm"](text)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny)
    assert type(tokenizer).__name__ == "GPT2Tokenizer"
    expected = tokenizer(normalized, return_tensors="np").input_ids
    assert np.array_equal(TurboTokenizer(tiny, turbo("turbo", "tiny").t3).encode(normalized), expected)


@pytest.mark.parametrize("at", [0, 4])
@torch.inference_mode()
def test_speech_stops_where_upstream_stops(tiny, at):
    """A stop token ends speech from the second token on; upstream says a first one, and cuts the last."""
    config = turbo("turbo", "tiny").t3
    numbers, sampling = uniform("turbo", "stop", (8,)), TurboSampling(max_tokens=8)
    model = load_turbo(tiny, config)
    free = list(each_token(model, *in_torch(config), sampling, numbers.tolist()))
    assert len(set(free)) == len(free) == 8
    model.config = replace(config, stop_speech=free[at])
    stopped = list(each_token(model, *in_torch(config), sampling, numbers.tolist()))
    assert stopped == (free if at == 0 else free[: at + 1])
    original = upstream.T3

    def stopping(settings):
        settings.stop_speech_token = free[at]
        return original(settings)

    with mock.patch.object(upstream, "T3", stopping):
        _, expected = run_upstream(config, tiny, numbers, sampling)
    assert expected == (free if at == 0 else free[:at])


def test_keys_are_upstreams(config):
    config = config.t3
    with torch.device("meta"), upstream_t3(config) as model:
        shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert {key.name: key.shape for key in turbo_t3_keys(config)} == shapes
    counts = {"t3_turbo_v1.safetensors": 299, "t3_nano_v1.safetensors": 155}
    assert config.width <= 64 or len(shapes) == counts[config.file]


PROCESSORS = ("temperature", "top_k", "top_p", "repetition")
SAMPLINGS = [
    TurboSampling(),
    TurboSampling(repetition_penalty=3.0, temperature=0.4),
    TurboSampling(temperature=1.0, top_k=5, top_p=0.5),
    TurboSampling(temperature=2.0, top_k=6563, top_p=0.0, repetition_penalty=0.5),
]


def through_transformers(logits, previous, config, order=PROCESSORS):
    made = {
        "temperature": logits_process.TemperatureLogitsWarper(config.temperature),
        "top_k": logits_process.TopKLogitsWarper(config.top_k),
        "top_p": logits_process.TopPLogitsWarper(config.top_p),
        "repetition": logits_process.RepetitionPenaltyLogitsProcessor(config.repetition_penalty),
    }
    for name in order:
        logits = made[name](torch.tensor([previous]), logits)
    return logits.softmax(dim=-1).numpy()


def probabilities(logits, previous, config):
    seen = {}
    token = sample(logits, [0, *previous], config, 0.5, lambda name, value: seen.setdefault(name, value))
    found = left(seen["t3.scores"], config)
    assert draw(torch.from_numpy(found), 0.5) == token
    return found


@pytest.mark.parametrize("config", SAMPLINGS)
@pytest.mark.parametrize("case", range(3))
def test_sampling_equals_transformers_bit_for_bit(config, case):
    logits = torch.from_numpy(3 * normal("turbo sampling", f"logits {case}", (1, 6563)))
    previous = integers("turbo sampling", f"previous {case}", (400,), 6563).tolist()
    assert np.array_equal(probabilities(logits, previous, config), through_transformers(logits, previous, config))


@pytest.mark.parametrize("order", [("repetition", *PROCESSORS[:3]), ("temperature", "top_p", "top_k", "repetition")])
def test_another_order_of_the_processors_is_seen(order):
    config = TurboSampling(repetition_penalty=2.0, temperature=0.5, top_k=3, top_p=0.6)
    logits = torch.from_numpy(2 * normal("turbo sampling", "order", (1, 6563)))
    previous = logits[0].topk(2).indices.tolist()
    mine = probabilities(logits, previous, config)
    assert np.array_equal(mine, through_transformers(logits, previous, config))
    assert not np.array_equal(mine, through_transformers(logits, previous, config, order))
