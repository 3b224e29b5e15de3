"""The analyzer of the multilingual T3 against upstream's own: fed the same attention, and in whole generations."""

import gc
import importlib
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
import torch

from fixtures import cases
from fixtures.cases import watched
from parity.base.draws import uniform
from parity.base.metrics import rms, rmse
from parity.capture.torch import instrument, to_numpy
from reference.t3 import generation
from reference.weights.t3 import load_t3
from spec import synthetic
from spec.alignment import FORCED, AlignmentAnalyzer
from spec.config import CHATTERBOX_SIZES, SamplingConfig, T3Config, multilingual
from tests.upstream.test_t3 import BOUND, in_torch, inputs, run_upstream, upstream
from tests.upstream.upstream_loader import double_precision

theirs = importlib.import_module("chatterbox.models.t3.inference.alignment_stream_analyzer")

STOP, BEFORE = 3, 4  # the stop token's number, and the positions before the text
TINY = multilingual(CHATTERBOX_SIZES["tiny"])
# Deep enough for the heads that upstream watches, which nothing replaces here.
DEEP = multilingual(replace(TINY, t3=T3Config(width=256, mlp_width=64, blocks=14, speaker_width=32)))
STATE = ("position", "started", "complete", "completed_at", "alignment")


def upstream_analyzer(length: int):
    layers = [SimpleNamespace(self_attn=torch.nn.Identity()) for _ in range(14)]
    place = (BEFORE, BEFORE + length)
    return theirs.AlignmentStreamAnalyzer(SimpleNamespace(layers=layers), None, place, eos_idx=STOP)


def upstream_step(analyzer, attention: np.ndarray, previous: list[int]) -> torch.Tensor:
    """What upstream makes of logits of 0 when its heads attend to the text, on average, as given."""
    length = attention.shape[1]
    whole = torch.zeros(BEFORE + length + 2 if len(attention) == 2 else 1, BEFORE + length + 2)
    whole[-len(attention) :, BEFORE : BEFORE + length] = torch.from_numpy(attention)
    analyzer.last_aligned_attns = [whole * part for part in (0.5, 1.0, 1.5)]
    return analyzer.step(torch.zeros(1, 6), next_token=previous[-1])


def amended(found) -> torch.Tensor:
    return generation.amend(torch.zeros(1, 6), STOP, found.end)


def upstream_state(analyzer) -> dict:
    alignment = analyzer.alignment.numpy()
    return dict(zip(STATE, (int(analyzer.text_position), bool(analyzer.started), bool(analyzer.complete),
                            analyzer.completed_at, alignment), strict=True))  # fmt: skip


def state(analyzer) -> dict:
    return dict(zip(STATE, (analyzer.position, analyzer.started, analyzer.completed_at is not None,
                            analyzer.completed_at, analyzer.alignment), strict=True))  # fmt: skip


def assert_same_state(ours: dict, expected: dict) -> None:
    np.testing.assert_allclose(ours.pop("alignment"), expected.pop("alignment"), rtol=0, atol=2e-6)
    assert ours == expected


def walk(name: str, length: int, steps: int):
    """Attention of each step to a text: on from place to place, resting, jumping back, or nowhere in particular."""
    numbers = iter(uniform("alignment", name, (steps * (length + 4) + 8,)).astype(np.float64))
    pace, sharp, jump = 0.3 + 2 * next(numbers), 2 + 60 * next(numbers), 0.2 * next(numbers)
    at = 0.0
    for step in range(steps):
        at = min(at + pace * next(numbers), length - 1) if next(numbers) > jump else (length - 1) * next(numbers)
        share, rest = 0.4 + 0.6 * next(numbers), np.array([next(numbers) for _ in range(length)])
        weights = np.exp(-sharp * (np.arange(length) - at) ** 2 / 8) + 0.2 * rest / length
        row = (share * weights / weights.sum()).astype(np.float32)
        yield np.stack([row, row]) if step == 0 else row[None]


def test_analyzer_equals_upstream_on_any_attention():
    fired = dict.fromkeys(("false_start", "discontinuity", "complete", "long_tail", "repetition", "token_repetition",
                           "unfinished", "stop_forced", "stop_forbidden"), 0)  # fmt: skip
    steps = 0
    for case in range(60):
        length = 6 + case % 23
        ours, other, previous = AlignmentAnalyzer(length), upstream_analyzer(length), [6561]
        numbers = uniform("alignment", f"tokens {case}", (60,))
        for attention, number in zip(walk(str(case), length, 60), numbers, strict=True):
            found = ours.step(attention, previous)
            assert torch.equal(amended(found), upstream_step(other, attention, previous)), (case, len(previous))
            assert_same_state(state(ours), upstream_state(other))
            previous.append(int(number * 30))
            steps += 1
            for name in fired:
                fired[name] += getattr(found, name)
    assert all(0 < count < steps for count in fired.values()), fired


@pytest.mark.parametrize("name", ["tiny-t3-watched-tail", "tiny-t3-watched-repeated"])
def test_cases_that_begin_amid_an_utterance_are_as_upstream_follows_it(name):
    """Both have followed the same frames, and decide the same of the next ones: nothing, and then the end."""
    case, given = watched.CASES[name], cases.load(name).inputs
    ours, other = AlignmentAnalyzer.resumed(given), upstream_analyzer(case.letters + 2)
    *seen, newest = watched.rows(case)
    said = given["speech_tokens"].tolist()
    for step, row in enumerate(seen):
        upstream_step(other, row, said[: step + 1])
    assert_same_state(state(ours), upstream_state(other))
    ends = []
    for row in (newest, newest):
        found = ours.step(row, said)
        assert torch.equal(amended(found), upstream_step(other, row, said))
        assert_same_state(state(ours), upstream_state(other))
        ends.append(found.end)
    assert (ends[0] == FORCED, ends[1]) == (False, FORCED)


@pytest.mark.parametrize("length", range(2, 6))
def test_short_text_ends_freely_where_upstream_fails(length):
    """Upstream takes the highest of no columns as soon as the text is complete; until then both are the same."""
    ours, other, previous, failed = AlignmentAnalyzer(length), upstream_analyzer(length), [6561], False
    for attention in walk("short", length, 30):
        found = ours.step(attention, previous)
        assert not found.stop_forbidden
        assert not found.repetition
        if found.complete:
            with pytest.raises(IndexError, match="non-zero size"):
                upstream_step(other, attention, previous)
            failed = True
            break
        assert torch.equal(amended(found), upstream_step(other, attention, previous))
        previous.append(len(previous))
    assert failed


def recorded(analyzer: type, state_of) -> tuple[type, list]:
    """A class of analyzers that notes its state after each step, and the notes."""
    notes: list = []

    class Recorded(analyzer):
        def step(self, *given, **named):
            result = super().step(*given, **named)
            notes.append(state_of(self))
            return result

    return Recorded, notes


@torch.inference_mode()
def run_generate(config, folder, numbers, dtype, sampling):
    """Logits, tokens and the analyzer's states of a whole generation."""
    logits: list = []

    def observe(path, value):
        logits.append(to_numpy(value)[:, -1])
        return value

    loaded = load_t3(folder, config, dtype)
    given = [value.to(dtype) if value.is_floating_point() else value for value in in_torch(config)]
    kind, notes = recorded(AlignmentAnalyzer, state)
    with mock.patch.object(generation, "AlignmentAnalyzer", kind), instrument(loaded, ["speech_head"], observe):
        tokens = list(generation.each_token(loaded, *given, sampling, numbers.tolist()))
    return logits, tokens, notes


def compare(config, folder, numbers, dtype, sampling):
    """The tokens and the analyzer's states of both, which are equal, as the logits are but for rounding."""
    kind, expected_notes = recorded(theirs.AlignmentStreamAnalyzer, upstream_state)
    with (
        double_precision() if dtype == "float64" else nullcontext(),
        mock.patch.object(upstream, "AlignmentStreamAnalyzer", kind),
        mock.patch.object(theirs, "LLAMA_ALIGNED_HEADS", list(config.watched_heads)),
    ):
        seen, expected = run_upstream(config, folder, numbers, sampling)
    gc.collect()
    logits, tokens, notes = run_generate(config, folder, numbers, getattr(torch, dtype), sampling)
    assert tokens == expected
    for mine, other in zip(notes, expected_notes, strict=True):
        assert_same_state(dict(mine), dict(other))
    # Upstream makes its attention in the open here (`eager`), and the reference fuses it. It decodes its last token
    # too, unless that is the stop token.
    assert len(seen["t3.logits"]) == len(logits) + (tokens[-1] != config.stop_speech)
    errors = [rmse(value, other) / rms(other) for value, other in zip(logits, seen["t3.logits"], strict=False)]
    print(f"{config.blocks} blocks, {dtype}: {len(errors)} logits, worst {max(errors):.1e}")
    assert max(errors) <= BOUND[dtype]
    return tokens, notes


# The deep one in double only: in float32 its many layers of fused attention round to within 15 % of the bound.
@pytest.mark.parametrize(("size", "dtype"), [("tiny", "float32"), ("tiny", "float64"), ("deep", "float64")])
def test_generation_equals_upstream(size, dtype, tmp_path):
    pipeline = {"tiny": TINY, "deep": DEEP}[size]
    synthetic.write(tmp_path, pipeline, files=["t3_mtl23ls_v2"])
    config, folder = pipeline.t3, tmp_path
    assert inputs(config)["text_tokens"].max() > 704
    numbers = uniform("multilingual", "numbers", (12,))
    sampling = SamplingConfig(repetition_penalty=2.0, max_tokens=len(numbers))
    free, notes = compare(config, folder, numbers, dtype, sampling)
    assert len(free) == len(numbers)
    assert max(note["alignment"][-1].max() for note in notes) > 0.02
    # The same token twice, which a penalty below 1 invites, and which forces the stop token.
    forced, _ = compare(config, folder, numbers, dtype, replace(sampling, repetition_penalty=0.1))
    assert len(forced) < len(numbers)
    assert forced[-3] == forced[-2]
    # A stop token that is sampled before the text is at its end, which is forbidden.
    early = free[2]
    forbidden, notes = compare(replace(config, stop_speech=early), folder, numbers, dtype, sampling)
    assert forbidden[:2] == free[:2]
    assert forbidden[2] != early
    assert not notes[2]["complete"]


def test_full_size_equals_upstream(tmp_path):
    """In double: in float32, attention that is fused differs from upstream's by 1.3e-6 after 30 layers."""
    config = multilingual(CHATTERBOX_SIZES["full"])
    assert tuple(theirs.LLAMA_ALIGNED_HEADS) == config.t3.watched_heads
    synthetic.write(tmp_path, config, files=["t3_mtl23ls_v2"])
    numbers = uniform("multilingual", "full", (3,))
    sampling = SamplingConfig(repetition_penalty=2.0, max_tokens=len(numbers))
    try:
        compare(config.t3, tmp_path, numbers, "float64", sampling)
    finally:
        (tmp_path / config.t3.file).unlink()  # 2.1 GB
