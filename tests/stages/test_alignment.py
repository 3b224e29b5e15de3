"""The analyzer of the multilingual T3: every rule fires and holds back, and both sides decide alike."""

import importlib
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest

from fixtures.cases.t3 import t3_inputs
from parity.base.draws import normal, uniform
from parity.base.metrics import rmse
from parity.capture.runner import adapter
from spec import synthetic
from spec.alignment import EXTREME, AlignmentAnalyzer
from spec.config import CHATTERBOX_SIZES, SamplingConfig, multilingual

CONFIG = multilingual(CHATTERBOX_SIZES["tiny"]).t3
SIDES = {"reference": "torch", "mlx_impl": "mlx"}
LENGTH = 10
WITHOUT_REPETITION = (6561, 1, 2)


def own(name: str, array):
    """An array in the framework of a side."""
    framework = importlib.import_module({"torch": "torch", "mlx": "mlx.core"}[SIDES[name]])
    array = np.ascontiguousarray(array)
    return framework.from_numpy(array.copy()) if name == "reference" else framework.array(array)


def row(*places: int, length: int = LENGTH, weight: float = 0.9) -> np.ndarray:
    """Attention `(1, L)` of that weight to some places of the text."""
    attention = np.zeros((1, length), np.float32)
    attention[0, list(places)] = weight
    return attention


def follow(rows, length: int = LENGTH, previous=WITHOUT_REPETITION):
    """An analyzer that has seen the rows, and what it found at each."""
    analyzer = AlignmentAnalyzer(length)
    return analyzer, [analyzer.step(attention, previous) for attention in rows]


def said(length: int = LENGTH) -> list[np.ndarray]:
    """Attention that goes through the whole text, one token a frame."""
    first = row(0, length=length)
    return [np.concatenate([first, first]), *(row(at, length=length) for at in range(1, length))]


def test_position_follows_the_text_and_is_complete_at_its_last_three_tokens():
    analyzer, found = follow(said())
    assert [step.position for step in found] == list(range(LENGTH))
    assert [step.complete for step in found] == [False] * 7 + [True] * 3
    assert analyzer.completed_at == 9  # frames: the first step has two
    assert analyzer.alignment.shape == (LENGTH + 1, LENGTH)
    assert not any(step.stop_forced for step in found)
    assert [step.stop_forbidden for step in found] == [True] * 7 + [False] * 3


def test_what_is_further_in_the_text_than_steps_were_made_is_not_seen():
    analyzer, found = follow([np.concatenate([row(5), row(0, 5)]), row(1, 5), row(5), row(5), row(5), row(5)])
    assert [step.position for step in found] == [0, 1, 0, 0, 0, 5]
    assert np.count_nonzero(analyzer.alignment, axis=1).tolist() == [0, 1, 1, 0, 0, 0, 1]
    assert found[-1].complete is False


def test_given_attention_is_left_as_it_is():
    attention = row(5)
    follow([attention])
    assert np.array_equal(attention, row(5))


@pytest.mark.parametrize(("to", "jumped"), [(3, True), (4, False), (7, False), (13, False), (14, True), (19, True)])
def test_position_stays_where_attention_jumps(to, jumped):
    length = 20
    rows = [*said(length)[:8], *[row(7, length=length)] * 12, row(to, length=length)]
    _, found = follow(rows, length)
    assert found[-1].discontinuity == jumped
    assert found[-1].position == (7 if jumped else to)
    # Whether the stop token is forbidden is for the attention, not for the position.
    assert found[-1].stop_forbidden == (to < length - 3)


def test_speech_has_begun_when_attention_is_on_the_start_and_off_the_end():
    _, found = follow([row(0, weight=0.4), row(1, weight=0.4), row(1, weight=0.5), row(2, weight=0.1)])
    assert [step.false_start for step in found] == [True, True, False, False]
    # On the last two tokens, in either of the last two frames; a text of two tokens has no others.
    _, found = follow([row(0), row(0, 1), row(0), row(0), row(0)], length=LENGTH)
    assert not found[0].false_start
    rows = [row(0, length=2, weight=0.9), row(0, length=2), row(0, length=2)]
    assert [step.false_start for step in follow(rows, length=2)[1]] == [True, True, True]
    # From 0.1 on it counts.
    for weight, late in ((0.09, False), (0.11, True)):
        rows = [row(weight=0)] * 9 + [row(0) + row(9, weight=weight)]
        assert follow(rows)[1][-1].false_start == late


def test_long_tail_forces_the_stop_token():
    """Attention that sums to 5 on one of the last three tokens after the text is complete."""
    for place in (7, 8, 9):
        _, found = follow([*said(), *[row(place, weight=1.0)] * 6])
        assert [index for index, step in enumerate(found) if step.long_tail] == [14, 15]
        assert [index for index, step in enumerate(found) if step.stop_forced] == [14, 15]
    # Not on a fourth from the end, nor before completion.
    assert not any(step.long_tail for step in follow([*said(), *[row(6, weight=1.0)] * 20])[1])
    assert not any(step.long_tail for step in follow([row(0, weight=1.0)] * 30)[1])
    assert not any(step.long_tail for step in follow([*said(), *[row(9, weight=0.04)] * 30])[1])


def test_repetition_forces_the_stop_token():
    """The highest attention to what is before the last five tokens, summed to more than 5 after completion."""
    for place in (0, 4):
        _, found = follow([*said(), *[row(place, weight=0.5)] * 12])
        assert [step.repetition for step in found] == [False] * (LENGTH + 10) + [True] * 2
        assert found[-1].stop_forced
        assert not found[-1].long_tail
        assert found[-1].complete  # for good
        assert not found[-1].stop_forbidden  # forced, though the attention is before the end
        assert found[-3].stop_forbidden
    # Many places of one frame count once; the fifth from the end does not count.
    _, found = follow([*said(), *[row(0, 1, 2, 3, weight=0.5)] * 11])
    assert [step.repetition for step in found][-2:] == [False, True]
    assert not any(step.repetition for step in follow([*said(), *[row(5, weight=0.5)] * 30])[1])
    assert not any(step.repetition for step in follow([row(0)] * 30)[1])


@pytest.mark.parametrize(
    ("previous", "forced"),
    [
        ([6561], False),
        ([6561, 6561], False),  # too few, though the same
        ([6561, 5], False),
        ([6561, 5, 5], True),
        ([5, 5, 6], False),
        ([5, 6, 5], False),
        ([6561, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9], True),
    ],
)
def test_a_token_twice_in_a_row_forces_the_stop_token(previous, forced):
    _, (found,) = follow([row(0)], previous=previous)
    assert found.token_repetition == found.stop_forced == forced
    assert found.stop_forbidden == (not forced)


@pytest.mark.parametrize("length", [2, 4, 5, 6])
def test_short_text_may_end_at_once_and_repeats_nothing(length):
    _, found = follow([row(0, length=length)] * 40, length)
    assert [step.stop_forbidden for step in found] == [length == 6] * 40
    assert not any(step.repetition for step in found)
    assert [step.complete for step in found] == [length < 4] * 40
    assert found[-1].long_tail == (length < 4)


@pytest.mark.parametrize("name", SIDES)
@pytest.mark.parametrize("guidance", [0.0, 0.5, 3.0])
def test_logits_are_amended_and_guidance_leaves_that_as_it_is(name, guidance):
    generation, sampling = (importlib.import_module(f"{name}.t3.{module}") for module in ("generation", "sampling"))
    to_numpy = adapter(SIDES[name]).to_numpy
    logits, stop = normal("alignment", "logits", (2, 6)), 4
    _, (forbidden,) = follow([row(0)])
    _, (forced,) = follow([row(0)], previous=[1, 2, 2])
    _, (free,) = follow([row(0, length=4)], length=4)
    plain = to_numpy(sampling.guide(own(name, logits), guidance))

    def guided(found):
        amended = generation.amend(own(name, logits), stop, found.end)
        assert to_numpy(amended).dtype == np.float32
        assert to_numpy(amended).shape == logits.shape
        return to_numpy(sampling.guide(amended, guidance))

    assert np.array_equal(guided(free), plain)
    assert np.array_equal(guided(forbidden), np.where(np.arange(6) == stop, -EXTREME, plain))
    assert np.array_equal(guided(forced), np.where(np.arange(6) == stop, EXTREME, -EXTREME)[None])


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The multilingual T3 of both sides, by name, with the same tiny checkpoint."""
    folder = tmp_path_factory.mktemp("multilingual")
    synthetic.write(folder, CHATTERBOX_SIZES["tiny"], files=["t3_mtl23ls_v2"])
    return {name: importlib.import_module(f"{name}.weights.t3").load_t3(folder, CONFIG) for name in SIDES}


def given(name: str, letters: int) -> list:
    return [own(name, value) for value in t3_inputs("multilingual", CONFIG, letters).values()]


@pytest.mark.parametrize("name", SIDES)
def test_weights_are_those_that_attention_uses(name, models):
    """Of each watched head and of no other, for the last two positions of a prefix and for each new one."""
    model, to_numpy = models[name], adapter(SIDES[name]).to_numpy
    x = normal("alignment", "x", (2, 24, CONFIG.width))
    cache = model.new_cache(CONFIG.watched_heads)
    calls = [x[:, :23], x[:, 23:]]
    for start, part in zip((0, 23), calls, strict=True):
        assert part.shape[1] in (1, 23)
        # The queries are seen where attention is told of them, and the weights made again in double.
        with mock.patch.object(type(cache), "watch", autospec=True, side_effect=type(cache).watch) as watch:
            model.backbone(own(name, part), cache)
        assert cache.attention.keys() == set(CONFIG.watched_heads)
        assert watch.call_count == CONFIG.blocks
        for call in watch.call_args_list:
            _, layer, queries, keys = call.args
            q, k = (to_numpy(value)[0].astype(np.float64) for value in (queries, keys))
            for head in [head for watched, head in CONFIG.watched_heads if watched == layer]:
                scores = q[head] @ k[head].T / np.sqrt(CONFIG.head_width)
                hidden = np.arange(k.shape[1]) > start + np.arange(q.shape[1])[:, None]
                weights = np.where(hidden, 0, np.exp(scores))
                expected = (weights / weights.sum(axis=1, keepdims=True))[-2:]
                found = to_numpy(cache.attention[layer, head])
                assert found.shape == expected.shape == (min(2, part.shape[1]), k.shape[1])
                assert rmse(found, expected) < 1e-7
    text = importlib.import_module(f"{name}.t3.generation").text_attention(
        cache, replace(CONFIG, perceiver_queries=3), 7
    )
    expected = [to_numpy(cache.attention[head])[:, 5:12] for head in CONFIG.watched_heads]
    assert np.array_equal(to_numpy(text), expected)


@pytest.mark.parametrize("name", SIDES)
def test_watching_changes_nothing_and_is_not_done_unasked(name, models):
    model, to_numpy = models[name], adapter(SIDES[name]).to_numpy
    x = own(name, normal("alignment", "x", (2, 24, CONFIG.width)))
    watched, plain = model.new_cache(CONFIG.watched_heads), model.new_cache()
    assert np.array_equal(to_numpy(model.backbone(x, watched)), to_numpy(model.backbone(x, plain)))
    assert len(watched.attention) == 3
    assert plain.attention == {}


def generate(models, name: str, sampling, numbers, config=CONFIG, letters: int = 12):
    """The tokens of a side, what its analyzer found, and the attention it was given."""
    generation = importlib.import_module(f"{name}.t3.generation")
    model, found, seen = models[name], [], []

    class Recorded(AlignmentAnalyzer):
        def step(self, attention, previous, observe):
            seen.append(attention)
            found.append(super().step(attention, previous, observe))
            return found[-1]

    model.config = config
    try:
        with mock.patch.object(generation, "AlignmentAnalyzer", Recorded):
            tokens = list(generation.each_token(model, *given(name, letters), sampling, numbers))
    finally:
        model.config = CONFIG
    return tokens, found, seen


def test_both_sides_make_the_same_tokens_and_find_the_same(models):
    sampling = SamplingConfig(repetition_penalty=2.0, max_tokens=120)
    numbers = uniform("alignment", "numbers", (sampling.max_tokens,)).tolist()
    for uniforms in (numbers, None):
        (their_tokens, theirs, attention), (tokens, ours, own_attention) = (
            generate(models, name, sampling, uniforms) for name in SIDES
        )
        assert tokens == their_tokens
        assert ours == theirs
        assert len(theirs) == len(tokens)
        assert attention[0].shape == (2, 14)
        assert attention[1].shape == (1, 14)
        for mine, other in zip(own_attention, attention, strict=True):
            assert rmse(mine, other) < 1e-6
        assert max(other.max() for other in attention) > 0.02


@pytest.mark.parametrize("name", SIDES)
def test_stop_token_is_forbidden_and_forced_in_a_generation(name, models):
    sampling = SamplingConfig(repetition_penalty=2.0, max_tokens=30)
    numbers = uniform("alignment", "numbers", (30,)).tolist()
    free, found, _ = generate(models, name, sampling, numbers)
    # Told that its third token is the stop token, the model without an analyzer ends there.
    early = replace(CONFIG, stop_speech=free[2])
    assert found[2].stop_forbidden
    watched, _, _ = generate(models, name, sampling, numbers, early)
    assert watched[:2] == free[:2]
    assert watched[2] != free[2]
    # A penalty below 1 invites repetition, which ends it.
    forced, found, _ = generate(models, name, replace(sampling, repetition_penalty=0.1), numbers)
    assert forced[-1] == CONFIG.stop_speech
    assert forced[-2] == forced[-3]
    assert found[-1].token_repetition
    assert not any(step.stop_forced for step in found[:-1])


@pytest.mark.parametrize("name", SIDES)
def test_english_model_is_not_watched(name, models):
    config = replace(CHATTERBOX_SIZES["tiny"].t3, watched_heads=())
    sampling = SamplingConfig(repetition_penalty=2.0, max_tokens=3)
    tokens, found, _ = generate(models, name, sampling, None, config)
    assert len(tokens) == 3
    assert found == []
