"""The vocoder's stream: the samples of the whole run, whatever the chunks, and what a frame of context less does."""

import importlib
from itertools import pairwise
from types import SimpleNamespace

import mlx.core as mx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.cases import load, synthetic_checkpoint
from fixtures.cases.vocoder import vocoder_inputs
from parity.base.metrics import rmse
from spec.config import CHATTERBOX_SIZES, VocoderConfig
from spec.receptive_field import Context, generator_field, vocoder_context

CONFIG = CHATTERBOX_SIZES["tiny"].vocoder
CONTEXT = vocoder_context(CONFIG)
FRAMES, SAMPLES = 70, CONFIG.frame_samples
KINDS = {"float64": ("reference", torch.float64), "torch": ("reference", torch.float32), "mlx": ("mlx_impl", None)}
# The streamed wave against the whole one, in the float32 reference's distances from float64. MLX: mostly 0.
# PyTorch: 1.9 at worst of 24 random chunkings, 2.9 of 100 single frames, whose f0 it rounds otherwise. 8 as the
# contract has it behind the phase, which is a running sum of f0.
FLOORS = 8


def sound(kind: str) -> SimpleNamespace:
    """A side's vocoder, whole and streamed, of NumPy arrays in the reference's layout."""
    side, dtype = KINDS[kind]
    modules = {part: importlib.import_module(f"{side}.vocoder.{part}") for part in ("streaming", "vocoder")}
    load_vocoder = importlib.import_module(f"{side}.weights.vocoder").load_vocoder
    vocoder = load_vocoder(synthetic_checkpoint(load("tiny-vocoder")), CONFIG, dtype or mx.float32)

    def to(array):
        if dtype is None:
            return mx.array(np.ascontiguousarray(array.swapaxes(1, 2) if array.ndim == 3 else array))
        return torch.from_numpy(array.copy()).to(dtype)

    def back(value):
        return np.array(value) if dtype is None else value.numpy()

    @torch.inference_mode()
    def whole(inputs):
        wave, _ = vocoder(*(to(inputs[name]) for name in ("mel", "phase", "noise")))
        return back(modules["vocoder"].fade_in(wave, CONFIG.sample_rate))[0]

    @torch.inference_mode()
    def streamed(inputs, cuts, context=None):
        """The pieces that come of chunks of the mel between `cuts`."""
        drawn = 0

        def noise(samples):
            nonlocal drawn
            drawn += samples
            return to(inputs["noise"][:, :, drawn - samples : drawn])

        stream = modules["streaming"].VocoderStream(vocoder, to(inputs["phase"]), noise, context)
        ends = [0, *cuts, inputs["mel"].shape[2]]
        return [back(stream.push(to(inputs["mel"][:, :, a:b]), b == ends[-1]))[0] for a, b in pairwise(ends)]

    return SimpleNamespace(**modules, model=vocoder, to=to, back=back, whole=whole, streamed=streamed)


@pytest.fixture(scope="module")
def sounds():
    return {kind: sound(kind) for kind in KINDS}


@pytest.fixture(scope="module")
def inputs():
    return vocoder_inputs("streaming", CONFIG, batch=1, frames=FRAMES)


@pytest.fixture(scope="module")
def waves(sounds, inputs):
    return {kind: side.whole(inputs) for kind, side in sounds.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cuts", [[], [35], [21, 22, 60], list(range(10, FRAMES, 10)), list(range(1, FRAMES))], ids=len)
def test_chunks_joined_are_the_whole_wave(sounds, inputs, waves, kind, cuts):
    pieces = sounds[kind].streamed(inputs, cuts)
    for end, (_, cut) in enumerate(pairwise([0, *cuts])):  # each piece is all that its frames allow
        said = sum(map(len, pieces[: end + 1]))
        assert said == (SAMPLES * (cut - CONTEXT.lookahead) if cut - CONTEXT.lookahead >= 2 else 0)
    wave = np.concatenate(pieces)
    assert wave.shape == waves[kind].shape
    if kind == "float64":
        assert np.abs(wave - waves[kind]).max() <= 1e-10
    else:
        assert rmse(wave, waves[kind]) <= FLOORS * rmse(waves["torch"], waves["float64"])


@settings(max_examples=12, deadline=None, derandomize=True)
@given(cuts=st.lists(st.integers(1, FRAMES - 1), unique=True, max_size=6).map(sorted))
def test_any_chunks_joined_are_the_whole_wave(sounds, inputs, waves, cuts):
    exact, wave = (np.concatenate(sounds[kind].streamed(inputs, cuts)) for kind in ("float64", "mlx"))
    assert np.abs(exact - waves["float64"]).max() <= 1e-10
    assert rmse(wave, waves["mlx"]) <= FLOORS * rmse(waves["torch"], waves["float64"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "less"), [("left", 5), ("right", 5), ("pitch", 1)])
def test_less_context_gives_another_wave(sounds, inputs, waves, kind, name, less):
    context = CONTEXT._replace(**{name: getattr(CONTEXT, name) - less})
    wave = np.concatenate(sounds[kind].streamed(inputs, [35, 50], context))
    assert np.abs(wave - waves[kind]).max() > 1e-5


@pytest.mark.parametrize("kind", ["torch", "mlx"])
@pytest.mark.parametrize("name", ["left", "right"])
def test_one_frame_of_context_less_misses_a_sample(sounds, inputs, kind, name):
    """Its weight is below float32's rounding: NaN in the outermost sample of the source shows that it is read."""
    for less in (0, 1):
        context = CONTEXT._replace(**{name: getattr(CONTEXT, name) - less})
        cut = 45
        border = SAMPLES * (cut - context.lookahead)  # where the second piece begins
        field = generator_field(CONFIG, 0 if name == "left" else -1).source
        noise = inputs["noise"].copy()
        noise[:, :, border + (field.first if name == "left" else field.last)] = np.nan
        poisoned = inputs | {"noise": noise}
        missing = np.isnan(sounds[kind].whole(poisoned))
        streamed = np.isnan(np.concatenate(sounds[kind].streamed(poisoned, [cut], context)))
        assert missing[border if name == "left" else border - 1]
        assert np.array_equal(missing, streamed) == (not less)


@pytest.mark.parametrize("kind", ["torch", "mlx"])
@pytest.mark.parametrize("sample", [20 * SAMPLES, 21 * SAMPLES - 1, 20 * SAMPLES + 123])
def test_a_sample_reads_its_field_and_nothing_else(sounds, inputs, kind, sample):
    side, frames = sounds[kind], 40
    field = generator_field(CONFIG, sample)
    given = {"mel": inputs["mel"][:, :, :frames], "source": np.ones((1, 1, SAMPLES * frames), np.float32) / 9}
    for name in given:
        span = getattr(field, name)
        for position in (span.first - 1, span.first, span.last, span.last + 1):
            array = given[name].copy()
            array[:, :, position] = np.nan
            changed = given | {name: array}
            with torch.inference_mode():
                wave = side.back(side.model.generator(side.to(changed["mel"]), side.to(changed["source"])))[0]
            assert np.isnan(wave[sample]) == (span.first <= position <= span.last), (name, position)


@pytest.mark.parametrize("kind", ["torch", "mlx"])
def test_f0_reads_as_many_frames_as_are_given(sounds, inputs, kind):
    side, frame = sounds[kind], 20
    for distance in (CONTEXT.pitch, CONTEXT.pitch + 1):
        for position in (frame - distance, frame + distance):
            mel = inputs["mel"].copy()
            mel[:, :, position] = np.nan
            with torch.inference_mode():
                f0 = side.back(side.model.f0_predictor(side.to(mel)))[0]
            assert np.isnan(f0[frame]) == (distance == CONTEXT.pitch)


def test_context_of_the_published_vocoder():
    """As many frames as its kernels reach over: 0.4 s must follow what is said."""
    assert vocoder_context(VocoderConfig()) == CONTEXT == Context(left=15, right=15, pitch=5)
    assert CONTEXT.lookahead == 20
    small = VocoderConfig(resblock_kernels=(3,), source_kernels=(3, 3, 3), dilations=(1,), f0_layers=2)
    assert vocoder_context(small) == Context(left=4, right=4, pitch=2)


@pytest.mark.parametrize("kind", ["torch", "mlx"])
def test_a_wrong_use_is_refused(sounds, inputs, kind):
    side = sounds[kind]
    with pytest.raises(ValueError, match="the mel has 1 frame, expected at least 2"):
        side.streamed(inputs | {"mel": inputs["mel"][:, :, :1]}, [])
    with pytest.raises(ValueError, match="frames after the last"):
        side.streamed(inputs, [FRAMES, 5])
    assert len(side.streamed(inputs | {"mel": inputs["mel"][:, :, :2]}, [])[0]) == 2 * SAMPLES
