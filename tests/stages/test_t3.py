"""T3 on both sides: faults are found where they are, the same tokens for 200 steps, and what is refused."""

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures.cases import load, synthetic_checkpoint
from fixtures.cases.t3 import t3_inputs
from parity import contract as contracts
from parity.base.draws import normal, uniform
from parity.base.metrics import rms, rmse
from parity.capture.runner import adapter
from parity.contract import ACCUMULATED, LOCAL
from parity.judge.ties import TIE
from parity.run.verify import Verifier
from parity.show.terminal import describe
from spec.config import CHATTERBOX_SIZES, SamplingConfig, T3Config, check_t3_inputs, rope_frequencies

CONFIG = CHATTERBOX_SIZES["tiny"].t3
SIDES = {"reference": "torch", "mlx_impl": "mlx"}


@pytest.fixture(scope="module")
def models():
    """T3 of both sides, by name, with the same tiny checkpoint."""
    path = synthetic_checkpoint(load("tiny-t3"))
    return {name: importlib.import_module(f"{name}.weights.t3").load_t3(path, CONFIG) for name in SIDES}


@pytest.fixture
def verify():
    def verify(name):
        case = load(name)
        return Verifier(contracts.load(Path("fixtures/contract.toml")), case, synthetic_checkpoint(case)).run()

    return verify


def own(name: str, array):
    """An array in the framework of a side."""
    framework = importlib.import_module({"torch": "torch", "mlx": "mlx.core"}[SIDES[name]])
    array = np.ascontiguousarray(array)
    return framework.from_numpy(array.copy()) if name == "reference" else framework.array(array)


def side_of(name: str):
    return importlib.import_module(f"{name}.t3")


def generate(models, name: str, sampling: SamplingConfig, uniforms, config: T3Config = CONFIG, letters: int = 9):
    """The tokens of a side on the tiny model, as if its configuration were `config`."""
    model = models[name]
    given = [own(name, value) for value in t3_inputs("generate", CONFIG, letters).values()]
    model.config = config
    try:
        return list(side_of(name).each_token(model, *given, sampling, uniforms))
    finally:
        model.config = CONFIG


@pytest.mark.parametrize("what", ["rotary", "norm", "layer", "mask", "guidance"])
def test_a_fault_is_found_where_it_is(what, verify, monkeypatch):
    backbone = importlib.import_module("mlx_impl.t3.backbone")
    sampling = importlib.import_module("mlx_impl.t3.sampling")
    first = {
        "rotary": "t3.backbone.layers.0.self_attn.rotary_q",
        "norm": "t3.backbone.layers.0.input_layernorm",
        "layer": "t3.backbone.layers.0",
        "mask": "t3.backbone.layers.0.self_attn.attention",
        "guidance": "t3.guided_logits[token=0]",
    }[what]
    if what == "rotary":  # scaled, and turned no more
        monkeypatch.setattr(backbone, "rotate", lambda x, table: x * table[0])
    elif what == "norm":
        right = backbone.RMSNorm.__call__
        monkeypatch.setattr(backbone.RMSNorm, "__call__", lambda self, x: right(self, x) * (1 + 3e-6))
    elif what == "layer":
        right = backbone.LlamaLayer.__call__
        monkeypatch.setattr(backbone.LlamaLayer, "__call__", lambda self, x, *rest: right(self, x, *rest) + 1e-5)
    elif what == "mask":
        right = backbone.attention
        monkeypatch.setattr(backbone, "attention", lambda q, k, v, scale, bias=None: right(q, k, v, scale=scale))
    else:
        right = sampling.guide
        monkeypatch.setattr(sampling, "guide", lambda logits, guidance: right(logits, guidance + 1e-5))
    found = verify("tiny-t3").first_failure
    assert (found.mode, found.tap) == (LOCAL, first)


@pytest.mark.parametrize("case", ["tiny-t3-greedy", "tiny-t3-sampled"])
def test_two_hundred_tokens_are_the_same_on_both_sides(case, verify):
    report = verify(case)
    assert not report.failures, "\n".join(map(describe, report.failures[:5]))
    assert report.passed
    decided = [v for v in report.decisions if v.mode == ACCUMULATED]
    chosen = [v for v in decided if v.tap.partition("[")[0].endswith(".token")]
    assert len(chosen) == 200
    assert len(decided) == (200 if case == "tiny-t3-greedy" else 600)  # and what either cut leaves
    assert sum(v.ties for v in chosen) == 0
    assert min(v.margin for v in chosen) > TIE


def test_another_token_fails_where_it_is_chosen(verify, monkeypatch):
    stage = importlib.import_module("mlx_impl.t3.stage")
    right = stage.sample

    def wrong(logits, previous, *rest):
        token = right(logits, previous, *rest)
        return token + 1 if len(previous) == 4 else token

    monkeypatch.setattr(stage, "sample", wrong)
    report = verify("tiny-t3")
    assert report.first_failure.tap == "t3.tokens.3.token"
    assert "1 decided otherwise" in report.first_failure.reason
    assert any(v.tap == "t3.tokens.4.scores" and v.mode == ACCUMULATED for v in report.failures)


@pytest.mark.parametrize("name", SIDES)
def test_tokens_depend_on_everything_that_is_given(models, name):
    sampling = SamplingConfig(max_tokens=6)
    uniforms = uniform("generate", "uniforms", (6,)).tolist()
    expected = generate(models, name, sampling, uniforms)
    assert generate(models, name, sampling, uniforms) == expected
    others = [
        generate(models, name, sampling, uniforms[::-1]),
        generate(models, name, sampling, None),
        generate(models, name, sampling, uniforms, letters=8),
        generate(models, name, replace(sampling, guidance=3.0), uniforms),
        generate(models, name, replace(sampling, temperature=0.2), uniforms),
    ]
    assert all(other != expected for other in others)


@pytest.mark.parametrize("name", SIDES)
def test_generation_ends_with_the_stop_token(models, name):
    sampling = SamplingConfig(max_tokens=8)
    free = generate(models, name, sampling, None)
    stopping = replace(CONFIG, stop_speech=free[4])
    assert generate(models, name, sampling, None, stopping) == free[:5]
    assert len(generate(models, name, replace(sampling, max_tokens=1), None)) == 1
    with pytest.raises(ValueError, match="got 7 uniforms, expected one for each of max_tokens = 8"):
        generate(models, name, sampling, [0.5] * 7)
    with pytest.raises(ValueError, match="max_tokens is 4100, expected below the 4100 positions"):
        generate(models, name, replace(sampling, max_tokens=4100), None)


@pytest.mark.parametrize("name", SIDES)
def test_cached_steps_are_the_whole_sequence_at_once(models, name):
    """280 positions, more than one block of the MLX side's cache; and a cache is refused what it cannot take."""
    model = models[name]
    x = normal("t3", "x", (2, 280, CONFIG.width))
    to_numpy = adapter(SIDES[name]).to_numpy
    whole = to_numpy(model.backbone(own(name, x), model.new_cache()))
    cache = model.new_cache()
    steps = [model.backbone(own(name, x[:, :250]), cache)]
    steps += [model.backbone(own(name, x[:, at : at + 1]), cache) for at in range(250, 280)]
    stepwise = np.concatenate([to_numpy(step) for step in steps], axis=1)
    assert cache.length == 280
    assert rmse(stepwise, whole) < 2e-6 * rms(whole)
    with pytest.raises(ValueError, match="got 2 positions for a cache of 280, expected one"):
        model.backbone(own(name, x[:, :2]), cache)
    keys, values = map(to_numpy, cache.state())
    assert keys.shape == values.shape == (CONFIG.blocks, 2, CONFIG.heads, 280, CONFIG.head_width)
    rebuilt = model.new_cache()
    for layer in range(CONFIG.blocks):
        rebuilt.update(layer, own(name, keys[layer]), own(name, values[layer]))
    last = own(name, x[:, -1:])
    assert np.array_equal(to_numpy(model.backbone(last, rebuilt)), to_numpy(model.backbone(last, cache)))


@pytest.mark.parametrize("name", SIDES)
def test_prefix_has_the_start_token_twice_and_zeroes_the_unconditional_text(models, name):
    model, to_numpy = models[name], adapter(SIDES[name]).to_numpy
    given = [own(name, value) for value in t3_inputs("prefix", CONFIG, 4).values()]
    guided, unguided = (to_numpy(model.embed_prefix(*given, guided)) for guided in (True, False))
    conditions = 1 + CONFIG.perceiver_queries + 1
    assert guided.shape == (2, conditions + 6 + 2, CONFIG.width)
    text = slice(conditions, conditions + 6)
    positions = to_numpy(model.text_positions.weight[:6])
    assert np.array_equal(guided[1, text], positions)
    assert not np.array_equal(guided[0, text], positions)
    assert np.array_equal(unguided[1], unguided[0])
    assert np.array_equal(np.delete(guided[1], np.r_[text], axis=0), np.delete(guided[0], np.r_[text], axis=0))
    start = to_numpy(model.speech_embedding.weight[CONFIG.start_speech] + model.speech_positions.weight[0])
    assert np.array_equal(guided[0, -1], start)
    assert np.array_equal(guided[0, -2], start)


def test_rope_slows_only_what_turns_less_than_once_in_the_context():
    full = CHATTERBOX_SIZES["full"].t3
    plain = rope_frequencies(replace(full, rope_factor=1.0), np.float64)
    np.testing.assert_allclose(plain, 500_000.0 ** -(np.arange(0, 64, 2) / 64), rtol=1e-14)
    turns = plain * full.rope_context / (2 * np.pi)
    ratio = plain / rope_frequencies(full, np.float64)
    np.testing.assert_allclose(ratio[turns > 4], 1, rtol=1e-14)
    np.testing.assert_allclose(ratio[turns < 1], 8, rtol=1e-14)
    between = ratio[(turns > 1) & (turns < 4)]
    assert len(between) > 0
    assert ((between > 1) & (between < 8)).all()


# What is wrong with the inputs, and what the error must say.
WRONG = {
    "flat text": (
        {"text_tokens": np.array([255, 3, 0])},
        r"text_tokens have shape \(3,\), expected \(1, 1 \.\.\. 2050\)",
    ),
    "two texts": ({"text_tokens": np.zeros((2, 5), int)}, r"text_tokens have shape \(2, 5\)"),
    "long text": ({"text_tokens": np.zeros((1, 2051), int)}, "split the text"),
    "other tokenizer": ({"text_tokens": np.array([[255, 704, 0]])}, "text_tokens hold 704 .*from 0 to 703; is the"),
    "no start": ({"text_tokens": np.array([[3, 0]])}, "text_tokens lack the start token 255"),
    "no stop": ({"text_tokens": np.array([[255, 3]])}, "text_tokens lack the stop token 0"),
    "text as numbers": (
        {"text_tokens": np.array([[255.0, 0.0]])},
        r"text_tokens hold 255\.0 \(float64\), expected int",
    ),
    "no prompt": ({"prompt_tokens": np.zeros((1, 0), int)}, r"prompt_tokens have shape \(1, 0\)"),
    "negative prompt": ({"prompt_tokens": np.array([[-1, 3]])}, "prompt_tokens hold -1 .*from 0 to 8193"),
    "voice of another model": (
        {"voice": np.zeros((1, 256), np.float32)},
        r"voice has shape \(1, 256\), expected \(1, 32\)",
    ),
    "broken voice": ({"voice": np.full((1, 32), np.nan, np.float32)}, "voice has shape .* of finite values"),
    "emotion without its item": ({"emotion": np.float32(0.5)}, r"emotion has shape \(\), expected \(1,\)"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_inputs_are_refused(models, what):
    wrong, message = WRONG[what]
    given = t3_inputs("wrong", CONFIG, 4)
    check_t3_inputs(CONFIG, given)
    for name, model in models.items():
        with pytest.raises(ValueError, match=message):
            side_of(name).run_prefill(model, SamplingConfig(), given | wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"guidance": -0.1},
        {"repetition_penalty": 0.0},
        {"temperature": 0.0},
        {"temperature": float("nan")},
        {"min_p": 1.1},
        {"top_p": -0.1},
        {"max_tokens": 0},
    ],
)
def test_wrong_sampling_is_refused(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name} is {value}; expected"):
        SamplingConfig(**wrong)


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize(
    ("given", "left"),
    [
        ([], []),
        ([5, 6], [5, 6]),
        ([6561, 5, 6562], [5]),
        ([5, 6562, 6], [5]),
        ([6561, 7000, 6, 6563, 6560], [6, 6560]),
        ([6562], []),
    ],
)
def test_flow_is_given_speech_only(name, given, left):
    assert side_of(name).speech_only(given, CONFIG) == left
