"""Turbo and Nano on both sides: equal tap by tap, and what is refused. Their faults: tests/mutants/turbo.py."""

import importlib
import json
from dataclasses import replace
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
import torch

from fixtures import turbo_margins
from fixtures.cases import turbo as cases
from fixtures.cases.turbo import t3_inputs
from mlx_impl.ops.normalization import blocked_layer_norm, single_layer_norm
from parity import contract as contracts
from parity.base.draws import normal, uniform
from parity.base.metrics import rmse
from parity.contract import ACCUMULATED, HANDED, LOCAL, Tap
from parity.contract.implementation import make_side
from parity.run.verify import Verifier
from parity.show.terminal import describe
from spec.synthetic.turbo_tokenizer import write_turbo_tokenizer
from spec.turbo import TurboSampling, check_turbo_inputs, turbo
from spec.turbo_text import MERGES, SETTINGS, VOCABULARY, TurboTokenizer, normalize_turbo

CONTRACT = contracts.load(Path("fixtures/turbo.toml"))
CONFIG = turbo("turbo", "tiny").t3
SIDES = ("reference", "mlx_impl")


def verified(name: str):
    case = cases.load(name)
    return Verifier(CONTRACT, case, cases.synthetic_checkpoint(case)).run()


@pytest.mark.parametrize("name", [name for name in cases.CASES if name.startswith("tiny") and "speak" not in name])
def test_every_tap_of_case_is_equal(name):
    report = verified(name)
    assert report.passed, "\n".join(map(describe, report.failures[:5]))
    case = cases.load(name)
    segments = CONTRACT.segments(case.dims, case.segments)
    called_for = sum(len(segment.modes) * len(segment.taps) for segment in segments)
    handed = [verdict for verdict in report.verdicts if verdict.tap.startswith(HANDED)]
    assert len(report.verdicts) - len(handed) == called_for > 0
    assert handed
    assert sum(verdict.ties for verdict in report.decisions) == 0


def test_every_rule_of_turbo_decides_something():
    used = set()
    for name in cases.CASES:
        for precision in ("float32", "float16"):
            case, contract = cases.load(name), CONTRACT.rules_of(name, CONTRACT.precision(precision))
            taps = [tap.name for segment in contract.segments(case.dims, case.segments) for tap in segment.taps]
            used |= {contract.rule(tap, mode) for tap in taps for mode in (ACCUMULATED, LOCAL)}
    assert used == set(CONTRACT.rules)


@pytest.fixture(scope="module")
def models():
    path = cases.synthetic_checkpoint(cases.load("tiny-turbo-t3"))
    return {name: importlib.import_module(f"{name}.weights.turbo").load_turbo(path, CONFIG) for name in SIDES}


@pytest.mark.parametrize("name", SIDES)
def test_the_whole_flow_is_its_steps(name):
    """What `speak` calls gives the state that the steps of the pipeline end in."""
    case = cases.load("tiny-turbo-flow-batch")
    path, config = cases.synthetic_checkpoint(case), case.options["config"].flow
    side = make_side(CONTRACT, "reference" if name == "reference" else "candidate", path, case, "float32")
    state = case.inputs if name == "reference" else case.inputs | {"x": case.inputs["x"].swapaxes(1, 2)}
    given = [np.ascontiguousarray(state[each]) for each in ("tokens", "prompt_mel", "embedding", "x")]
    for segment in CONTRACT.segments(case.dims, case.segments):
        state = side.run(segment.name, segment.index, state, lambda name, value: value)
    flow = importlib.import_module(f"{name}.weights.flow").load_flow(path, config)
    framework = {"reference": torch.from_numpy, "mlx_impl": mx.array}[name]
    grid = importlib.import_module(f"{name}.ode").mean_grid(2)
    assert grid.tolist() == [0, 0.5, 1]
    tokens, prompt_mel, embedding, noise = map(framework, given)
    with torch.inference_mode():
        mel = flow(tokens, [7, 5], prompt_mel, embedding, noise, framework(grid), True)
    mel = mel.numpy() if name == "reference" else np.array(mel)
    assert rmse(mel, state["x"]) <= 1e-7 * np.sqrt(np.mean(state["x"] ** 2))
    with pytest.raises(ValueError, match="the ODE needs at least 1 step, got 0"):
        importlib.import_module(f"{name}.ode").mean_grid(0)


def generate(models, name, sampling, uniforms, config=CONFIG):
    """The tokens of a side on the tiny model, as if its configuration were `config`."""
    framework = {"reference": lambda array: torch.from_numpy(array.copy()), "mlx_impl": mx.array}[name]
    given = [framework(np.ascontiguousarray(value)) for value in t3_inputs("generate", CONFIG, 9, 12).values()]
    models[name].config = config
    try:
        return list(importlib.import_module(f"{name}.turbo").each_token(models[name], *given, sampling, uniforms))
    finally:
        models[name].config = CONFIG


@pytest.mark.parametrize("name", SIDES)
def test_generation_ends_with_the_stop_token_but_not_with_a_first_one(models, name):
    sampling, uniforms = TurboSampling(max_tokens=6), uniform("generate", "uniforms", (6,)).tolist()
    free = generate(models, name, sampling, uniforms)
    assert len(set(free)) == 6
    assert generate(models, name, sampling, uniforms, replace(CONFIG, stop_speech=free[3])) == free[:4]
    assert generate(models, name, sampling, uniforms, replace(CONFIG, stop_speech=free[0])) == free
    assert generate(models, name, replace(sampling, max_tokens=1), uniforms) == free[:1]
    assert generate(models, name, replace(sampling, temperature=3.0), uniforms) != free
    with pytest.raises(ValueError, match="got 5 uniforms, expected one for each of max_tokens = 6"):
        generate(models, name, sampling, uniforms[:5])
    speech_only = importlib.import_module(f"{name}.turbo").speech_only
    assert speech_only([6562, 5, 6561, 6560, 6562], CONFIG) == [5, 6560]


@pytest.mark.parametrize("name", SIDES)
def test_positions_that_the_model_has_not_are_refused(models, name):
    model = models[name]
    cache = model.new_cache()
    model.backbone.config = replace(CONFIG, positions=24)
    try:
        framework = {"reference": torch.zeros, "mlx_impl": mx.zeros}[name]
        model(framework((1, 24, CONFIG.width)), cache)
        with pytest.raises(ValueError, match="got position 25, expected at most 24; ask for fewer tokens"):
            model(framework((1, 1, CONFIG.width)), cache)
        with pytest.raises(ValueError, match="got 2 positions for a cache of 24, expected one; feed them singly"):
            model(framework((1, 2, CONFIG.width)), cache)
    finally:
        model.backbone.config = CONFIG


def changed(**values):
    return t3_inputs("refused", CONFIG, 5, 4) | values


REFUSED = {
    "text_tokens hold 300 to 300": changed(text_tokens=np.full((1, 3), 300)),
    "text_tokens have shape": changed(text_tokens=np.zeros((1, 0), np.int64)),
    "prompt_tokens have shape": changed(prompt_tokens=np.zeros((2, 3), np.int64)),
    "prompt_tokens hold -1": changed(prompt_tokens=np.full((1, 3), -1)),
    "voice has shape": changed(voice=np.zeros((1, 7), np.float32)),
    "of finite values": changed(voice=np.full((1, 32), np.nan, np.float32)),
    "take 8202 positions, expected fewer than 8196; split": changed(text_tokens=np.zeros((1, 8196), np.int64)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_inputs_that_make_no_sense_are_refused(message):
    check_turbo_inputs(CONFIG, changed())
    with pytest.raises(ValueError, match=message):
        check_turbo_inputs(CONFIG, REFUSED[message])


@pytest.mark.parametrize("wrong", [{"top_k": -1}, {"top_p": 1.1}, {"temperature": 0.0}, {"repetition_penalty": -1.0}])
def test_sampling_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is .*; expected top_p from 0 to 1"):
        TurboSampling(**wrong)


@pytest.mark.parametrize("name", SIDES)
def test_logits_that_are_not_finite_are_refused(name):
    sample = importlib.import_module(f"{name}.turbo").sample
    framework = {"reference": torch.tensor, "mlx_impl": mx.array}[name]
    with pytest.raises(ValueError, match="the logits hold NaN or infinite values"):
        sample(framework([[0.0, float("nan"), 1.0]]), [0], TurboSampling(), 0.5)
    assert sample(framework([[0.0, 9.0, 1.0]]), [0], TurboSampling(top_k=1), 0.99) == 1


TAP = Tap("t3.tokens.5.token", "t3.tokens.5.token", "b n")


@pytest.mark.parametrize("what", ["top_k", "top_p", "token"])
def test_a_tenth_of_the_margin_changes_no_decision_and_many_times_it_changes_some(what):
    sampling = TurboSampling(temperature=1.0, top_k=20, top_p=0.8, repetition_penalty=2.0)
    sample, different = importlib.import_module("reference.turbo").sample, 0

    def decided(scores, number):
        seen = {}
        seen["token"] = sample(
            torch.from_numpy(scores), [0, 1, 2, 3], sampling, number, lambda n, v: seen.setdefault(n, v)
        )
        if what == "top_k":  # of as many that stay, which they are
            return set(np.argsort(scores[0])[-20:].tolist())
        return seen["token"] if what == "token" else int(seen["t3.top_p"])

    for trial in range(30):
        scores = 3 * normal(what, f"scores {trial}", (1, 200)).astype(np.float64)
        number = float(uniform(what, f"number {trial}", (1,))[0])
        case = replace(cases.load("tiny-turbo-t3"), inputs={"uniforms": np.full(6, number)})
        case = replace(case, options=dict(case.options) | {"sampling": sampling})
        sides = importlib.import_module("reference.t3.sampling").penalize(torch.from_numpy(scores), [1, 2, 3], 2.0)
        margin = np.min(getattr(turbo_margins, what)(case, TAP, np.concatenate([scores, sides.numpy()])))
        assert margin > 0
        for direction in range(4):
            noise = normal(what, f"noise {trial} {direction}", (1, 200)).astype(np.float64)
            assert decided(scores + 0.1 * margin * noise, number) == decided(scores, number)
            different += decided(scores + 20 * margin * noise, number) != decided(scores, number)
    assert different > 30


def test_the_norm_of_a_single_position_rounds_less_than_that_of_many():
    """By its factor, of which all values have the error: over 50 positions, each alone."""
    errors = {"single": [], "blocked": []}
    weight, bias = mx.ones(64), mx.zeros(64)
    for trial in range(50):
        x = normal("norm", str(trial), (1, 1, 64)) + 3
        wide = torch.nn.functional.layer_norm(torch.from_numpy(x).double(), (64,), eps=1e-5).numpy()
        for how, norm in (("single", single_layer_norm), ("blocked", blocked_layer_norm)):
            errors[how].append(rmse(np.array(norm(mx.array(x), weight, bias, 1e-5)), wide))
    assert np.mean(errors["single"]) < 0.6 * np.mean(errors["blocked"])
    assert np.max(errors["single"]) < 5e-8


@pytest.fixture
def folder(tmp_path):
    """A tokenizer's files that may be changed."""
    write_turbo_tokenizer(lambda name: tmp_path / name)
    return tmp_path


def test_text_is_bytes_in_pairs_and_added_tokens(folder):
    tokenizer = TurboTokenizer(folder, CONFIG)
    vocabulary = tokenizer.tokenizer.get_vocab()
    inverse = {number: token for token, number in vocabulary.items()}
    (tokens,) = tokenizer.encode("the the [laugh]thé").tolist()
    assert [inverse[number] for number in tokens] == ["th", "e", "Ġ", "th", "e", "Ġ", "[laugh]", "th", "Ã", "©"]
    assert normalize_turbo("it is  late…: “no” — 3–4") == 'It is late,, "no" - 3-4.'
    assert normalize_turbo(" ") == "."
    assert normalize_turbo("") == "You need to add some text for me to talk."


def files_refused(folder):
    settings, vocabulary = (json.loads((folder / name).read_text()) for name in (SETTINGS, VOCABULARY))
    decoder = settings["added_tokens_decoder"]
    moved = settings | {"added_tokens_decoder": {str(int(number) + 1): each for number, each in decoder.items()}}
    return {
        "no such file; expected the tokenizer": (MERGES, None),
        "not JSON": (VOCABULARY, "{"),
        "holds list, expected an object": (SETTINGS, "[]"),
        "do not fit each other": (MERGES, "q x\n"),
        r"<\|endoftext\|> has the number 289, expected 288": (SETTINGS, json.dumps(moved)),
        r"\[laugh\] has the number 289, expected 290": (VOCABULARY, json.dumps(vocabulary | {"zz": 289})),
    }


@pytest.mark.parametrize("number", range(6))
def test_files_of_no_tokenizer_or_of_another_are_refused(folder, number):
    message, (name, text) = list(files_refused(folder).items())[number]
    (folder / name).unlink() if text is None else (folder / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        TurboTokenizer(folder, CONFIG)


def test_a_text_that_is_too_long_is_refused(folder):
    with pytest.raises(ValueError, match="has the number 291, expected below 291; is it another model's"):
        TurboTokenizer(folder, replace(CONFIG, text_vocab_size=291))
    with pytest.raises(ValueError, match="the text has 9000 tokens, expected 1 to 8173; split it"):
        TurboTokenizer(folder, CONFIG).encode("!?" * 4500)


@pytest.mark.parametrize("name", SIDES)
def test_weights_of_another_size_are_refused(name):
    path = cases.synthetic_checkpoint(cases.load("tiny-turbo-t3"))
    load = importlib.import_module(f"{name}.weights.turbo").load_turbo
    with pytest.raises(ValueError, match="does not fit this configuration"):
        load(path, replace(CONFIG, blocks=1))
    with pytest.raises(ValueError, match=r"tfmr\.wpe\.weight has shape|backbone\.wpe\.weight has shape"):
        load(path, replace(CONFIG, positions=8195))
    with pytest.raises(ValueError, match=r"t3_nano_v1\.safetensors: no such file"):
        load(path, turbo("nano", "tiny").t3)
