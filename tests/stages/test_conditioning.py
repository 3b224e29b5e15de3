"""Conditioning on both sides: parity at every tap, and what each side alone must do."""

import dataclasses
import importlib
from pathlib import Path
from types import ModuleType

import mlx.core as mx
import numpy as np
import pytest
import torch
from mlx.utils import tree_flatten

from fixtures.cases import conditioning, load, synthetic_checkpoint
from mlx_impl.conditioning.conditioner import Conditioner as MlxConditioner
from mlx_impl.ops.functional import sigmoid
from mlx_impl.ops.summation import blocked_sum, pairwise_sum
from parity import contract as contracts
from parity.base.metrics import rms, rmse
from parity.capture.runner import adapter
from parity.run.verify import Report, Verifier
from reference.conditioning.conditioner import Conditioner as ReferenceConditioner
from reference.conditioning.trim import trimmed
from spec.config import CHATTERBOX_SIZES

CONTRACT = contracts.load(Path("fixtures/contract.toml"))
CASE = load("tiny-conditioning")
CHECKPOINT = synthetic_checkpoint(CASE)
CONFIG = CASE.options["config"]
SIDES = ["reference", "mlx_impl"]
ROUNDINGS = 2e-6
"""Relative RMSE of the same values through products of other shapes. Measured: up to 4e-7."""


def voice(name: str, seconds: float) -> dict[str, np.ndarray]:
    """A voice, and the same without its silent ends."""
    given = conditioning.voice(name, seconds)
    return given | {"trimmed_16": trimmed(torch.from_numpy(given["voice_16"])).numpy()}


@dataclasses.dataclass(frozen=True)
class Side:
    """One side's conditioner behind NumPy arrays."""

    name: str
    model: object

    def module(self, name: str) -> ModuleType:
        return importlib.import_module(f"{self.name}.conditioning.{name}")

    def own(self, array: np.ndarray):
        return torch.from_numpy(np.array(array)) if self.name == "reference" else mx.array(np.ascontiguousarray(array))

    def common(self, value, channels_first: bool = False) -> np.ndarray:
        """The array in the reference's layout: `b c t` of this side's, when `channels_first`."""
        array = adapter("torch" if self.name == "reference" else "mlx").to_numpy(value)
        return array.swapaxes(1, 2) if channels_first and self.name == "mlx_impl" else array

    def run(self, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Both stages."""
        stage = self.module("stage")
        with torch.inference_mode():
            return stage.run_speaker(self.model, stage.run_prompt(self.model, state))


@pytest.fixture(scope="module")
def sides() -> dict[str, Side]:
    def made(name: str) -> Side:
        load_conditioner = importlib.import_module(f"{name}.weights.conditioning").load_conditioner
        return Side(name, load_conditioner(CHECKPOINT, CONFIG))

    return {name: made(name) for name in SIDES}


@pytest.fixture(params=SIDES)
def side(request, sides) -> Side:
    return sides[request.param]


@pytest.fixture(scope="module")
def report() -> Report:
    return Verifier(CONTRACT, CASE, CHECKPOINT).run()


def require(report: Report) -> None:
    """Every tap has its verdicts, and each passed."""
    taps = [tap for segment in CONTRACT.segments(CASE.dims, CASE.segments) for tap in segment.taps]
    assert len(report.verdicts) == report.expected == 2 * (len(taps) + 6) > 300  # three segments hand on six values
    failures = [f"{verdict.mode} {verdict.tap}: {verdict.reason}" for verdict in report.failures]
    assert not failures, "\n".join(failures)


def test_conditioning_parity(report):
    require(report)
    assert report.passed


def test_a_missing_and_a_failed_verdict_are_rejected(report):
    with pytest.raises(AssertionError):
        require(dataclasses.replace(report, verdicts=report.verdicts[:-1]))
    failed = dataclasses.replace(report.verdicts[0], passed=False, reason="ratio32 9 > 2")
    with pytest.raises(AssertionError, match="ratio32 9 > 2"):
        require(dataclasses.replace(report, verdicts=[failed, *report.verdicts[1:]]))


WRONG = {  # a wrong weight in each model, and the first tap that must show it
    "tokenizer.encoder.blocks.0.attn.memory.conv": "tokenizer.encoder.blocks.0.attn.memory.conv",
    "speaker_encoder.head.blocks.2.shortcut.conv": "speaker_encoder.head.blocks.2.shortcut.conv",
    "speaker_encoder.blocks.1.layers.0.cam.conv": "speaker_encoder.blocks.1.layers.0.cam.conv",
}


@pytest.mark.parametrize("path", WRONG)
def test_a_reversed_kernel_is_found_where_it_is(path):
    verifier = Verifier(CONTRACT, CASE, CHECKPOINT)
    module = dict(verifier.runs.runners["candidate"].side.root("prompt").named_modules())[path]
    assert module.weight.shape[1] >= 1
    module.weight = module.weight[::-1]
    report = verifier.run()
    assert not report.passed
    assert report.first_failure.tap == WRONG[path]
    assert report.first_failure.mode == contracts.LOCAL


def test_gates_in_another_order_are_found():
    verifier = Verifier(CONTRACT, CASE, CHECKPOINT)
    layer = verifier.runs.runners["candidate"].side.root("speaker").voice_encoder.encoder.lstm[1]
    layer.weight_hh = mx.roll(layer.weight_hh, layer.width, axis=0)
    report = verifier.run()
    assert report.first_failure.tap == "voice_encoder.encoder.lstm.1[of=t3]"


def test_sigmoid_is_exact_to_rounding():
    x = np.linspace(-80, 80, 100_001).astype(np.float32)
    exact = 1 / (1 + np.exp(-x.astype(np.float64)))
    assert np.abs(np.array(sigmoid(mx.array(x))) / exact - 1).max() < 2e-7
    ends = np.array(sigmoid(mx.array([-np.inf, -1e4, 1e4, np.inf, np.nan])))
    assert ends[:4].tolist() == [0, 0, 1, 1]
    assert np.isnan(ends[4])


@pytest.mark.parametrize("total", [pairwise_sum, blocked_sum])
@pytest.mark.parametrize("frames", [1, 2, 3, 7, 64, 501])
def test_a_sum_in_parts_is_the_sum(frames, total):
    x = np.arange(2 * frames * 3, dtype=np.float32).reshape(2, frames, 3) - 7
    assert np.array_equal(np.array(total(mx.array(x))), x.sum(1, keepdims=True, dtype=np.float64))


@pytest.mark.parametrize(("total", "bound"), [(pairwise_sum, 1e-6), (blocked_sum, 6e-6)])
def test_a_sum_in_parts_rounds_less_than_one_value_after_the_other(total, bound):
    x = np.full((1, 100_000, 1), 0.1, np.float32)
    exact = x.sum(dtype=np.float64)
    assert abs(float(total(mx.array(x)).item()) / exact - 1) < bound
    assert abs(float(np.cumsum(x.ravel())[-1]) / exact - 1) > 1e-5


@pytest.mark.parametrize("size", CHATTERBOX_SIZES)
def test_both_sides_have_the_same_paths(size):
    with torch.device("meta"):
        theirs = ReferenceConditioner(CHATTERBOX_SIZES[size])
    ours = MlxConditioner(CHATTERBOX_SIZES[size])
    modules = {name for name, module in theirs.named_modules() if not isinstance(module, torch.nn.ModuleList)}
    assert modules == {name for name, _ in ours.named_modules()}
    parameters = {name: sorted(parameter.shape) for name, parameter in theirs.named_parameters()}
    assert parameters == {name: sorted(parameter.shape) for name, parameter in tree_flatten(ours.parameters())}
    if size == "full":
        assert len(parameters) == 104 + 815 + 11


def test_tokens_are_equal_and_their_margins_far_from_rounding(sides):
    """No digit is nearer to its threshold than the sides are to each other: no token is equal by luck."""
    bounds = []
    for side in sides.values():
        mel = side.model.tokenizer.log_mel(side.own(CASE.inputs["voice_16"]))
        quantizer = side.model.tokenizer.quantizer
        with torch.inference_mode():
            bounds.append(side.common(quantizer.bound(quantizer.project_down(side.model.tokenizer.encoder(mel)))))
    difference = np.abs(bounds[0] - bounds[1]).max()
    margin = np.abs(np.abs(bounds[0]) - 0.5).min()
    assert 0 < difference < margin
    assert len(np.unique(np.round(bounds[0]))) == 3  # all three levels occur


LEVELS = [(-0.5502, 0), (-0.5498, 1), (0.0, 1), (0.5498, 1), (0.5502, 2), (99.0, 2)]


@pytest.mark.parametrize(("value", "digit"), LEVELS)
def test_digits_have_three_levels(side, value, digit):
    """tanh(x) * 0.999 is 0.5 at x = 0.54997."""
    quantizer = type(side.model.tokenizer.quantizer)(CONFIG.tokenizer)
    width, digits = CONFIG.tokenizer.width, CONFIG.tokenizer.digits
    bias = np.full(digits, -99.0, np.float32)  # every digit 0
    bias[2] = value
    parameters = {"weight": np.zeros((digits, width), np.float32), "bias": bias}
    for name, array in parameters.items():
        own = side.own(array)
        setattr(quantizer.project_down, name, torch.nn.Parameter(own) if side.name == "reference" else own)
    with torch.inference_mode():
        tokens = side.common(quantizer(side.own(np.zeros((1, 3, width), np.float32))))
    assert tokens.tolist() == [[digit * 9] * 3]


def test_shapes_follow_the_length_of_the_voice(side):
    out = side.run(voice("shapes", 1.01))
    assert out["prompt_mel"].shape == (1, 24240 // 480, 80)  # 50.5 frames: 50
    assert out["flow_prompt_tokens"].shape == (1, 25)  # the tokenizer makes 26 of 1.01 s
    assert out["prompt_tokens"].shape == (1, 26)
    assert out["embedding"].shape == (1, 192)
    assert out["voice"].shape == (1, CONFIG.voice_encoder.speaker_width)
    assert np.linalg.norm(out["voice"]) == pytest.approx(1, abs=1e-6)


def test_an_odd_mel_keeps_its_last_frame(side):
    state = voice("odd", 1.0)
    state["voice_24"] = state["voice_24"][:, : 480 * 41]
    out = side.run(state)
    assert out["prompt_mel"].shape[1] == 41
    assert out["flow_prompt_tokens"].shape[1] == 20


def test_prompt_of_t3_is_cut_in_the_mel(side):
    """The last token of the cut prompt sees no more mel: it is that of a voice that ends there."""
    wave = side.own(voice("cut", 1.5)["voice_16"])
    with torch.inference_mode():
        whole = side.common(side.model.tokenizer(wave))
        cut = side.common(side.model.tokenizer(wave, 9))
    assert whole.shape[1] > cut.shape[1] == 9


def test_each_item_of_a_batch_is_what_it_is_alone(side):
    one, two = voice("one", 1.2), voice("two", 1.2)
    shortest = min(len(item["trimmed_16"][0]) for item in (one, two))
    for item in (one, two):
        item["trimmed_16"] = item["trimmed_16"][:, :shortest]
    both = side.run({name: np.concatenate([one[name], two[name]]) for name in one})
    for index, item in enumerate((one, two)):
        alone = side.run(item)
        for name in ("flow_prompt_tokens", "prompt_tokens"):
            assert np.array_equal(both[name][index : index + 1], alone[name])
        for name in ("prompt_mel", "embedding", "voice"):
            assert rmse(both[name][index : index + 1], alone[name]) < ROUNDINGS * rms(alone[name])
    assert rmse(both["voice"][:1], both["voice"][1:]) > 100 * ROUNDINGS * rms(both["voice"])  # they are two voices


@pytest.mark.parametrize("source", [24000, 44100])
def test_resampling_keeps_a_tone(side, source):
    seconds, tone = 0.2, 1000.0
    samples = round(seconds * source)
    wave = np.sin(2 * np.pi * tone * np.arange(samples) / source).astype(np.float32)[None]
    out = side.common(side.module("resample").Resample(source, 16000)(side.own(wave)))[0]
    assert len(out) == -(-16000 * samples // source)
    expected = np.sin(2 * np.pi * tone * np.arange(len(out)) / 16000)
    inner = slice(200, -200)  # the ends see zeros beyond them
    assert rmse(out[inner], expected[inner]) < 5e-3 * rms(expected)


def test_resampling_drops_what_the_lower_rate_cannot_hold(side):
    wave = np.sin(2 * np.pi * 10000.0 * np.arange(4800) / 24000).astype(np.float32)[None]
    out = side.common(side.module("resample").Resample(24000, 16000)(side.own(wave)))
    assert rms(out[:, 200:-200]) < 0.01


@pytest.mark.parametrize(
    ("frames", "starts"),
    [
        (1, [0]),
        (160, [0]),
        (160 + 44, [0]),  # 127 frames of the next window are voice: 79 %
        (160 + 45, [0, 77]),  # 128: 80 %
        (160 + 77, [0, 77]),
        (600, [0, 77, 154, 231, 308, 385, 462]),
    ],
)
def test_windows_of_the_voice_encoder(side, frames, starts):
    config = CHATTERBOX_SIZES["full"].voice_encoder
    assert side.module("voice_encoder").window_starts(frames, config) == starts


def test_partials_are_the_windows_with_zeros_beyond_the_end(side):
    encoder = side.module("voice_encoder")
    mel = np.arange(1, 206, dtype=np.float32)[None, None].repeat(40, axis=1)  # (1, C, T)
    mel = mel if side.name == "reference" else mel.swapaxes(1, 2)
    partials = side.common(encoder.Partials(CONFIG.voice_encoder)(side.own(mel)))
    assert partials.shape == (2, 160, 40)
    assert np.array_equal(partials[0, :, 0], np.arange(1, 161))
    assert np.array_equal(partials[1, :, 7], np.append(np.arange(78, 206), np.zeros(32)))


def test_statistics_are_mean_and_unbiased_deviation(side):
    x = voice("stats", 0.2)["voice_16"][:, :3000].reshape(1, 6, 500)
    own = side.own(x if side.name == "reference" else x.swapaxes(1, 2))
    stats = side.common(side.module("speaker_encoder").StatsPool()(own))
    expected = np.concatenate([x.mean(-1, dtype=np.float64), x.std(-1, ddof=1, dtype=np.float64)], axis=-1)
    np.testing.assert_allclose(stats, expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("frames", [1, 15, 16, 17, 100])
def test_segment_averages(side, frames):
    layer = side.model.speaker_encoder.blocks[0].layers[0].cam
    assert layer.segment_averages.segment == 16
    x = np.arange(3 * frames, dtype=np.float32).reshape(1, 3, frames) ** 2
    averages = side.common(
        layer.segment_averages(side.own(x if side.name == "reference" else x.swapaxes(1, 2))), channels_first=True
    )
    expected = np.concatenate(
        [
            np.broadcast_to(part.mean(-1, keepdims=True), part.shape)
            for part in np.split(x, range(16, frames, 16), axis=-1)
        ],
        axis=-1,
    )
    np.testing.assert_allclose(averages, expected, rtol=1e-6)


def test_a_silent_voice_is_the_same_on_both_sides(sides):
    """Upstream takes silence too: logarithms have floors, and no norm is of 0."""
    state = {name: np.zeros_like(wave) for name, wave in voice("silent", 1.0).items()}
    reference, ours = (side.run(state) for side in sides.values())
    for name in ("prompt_mel", "embedding", "voice"):
        assert np.isfinite(reference[name]).all()
        assert rmse(ours[name], reference[name]) < ROUNDINGS * rms(reference[name])
    assert np.array_equal(reference["flow_prompt_tokens"], ours["flow_prompt_tokens"])
    assert np.array_equal(reference["prompt_mel"], np.full_like(reference["prompt_mel"], np.log(np.float32(1e-5))))


def test_a_clipped_voice_is_taken_as_it_is(sides):
    state = {name: np.clip(8 * wave, -1.5, 1.5) for name, wave in voice("clipped", 1.0).items()}
    reference, ours = (side.run(state) for side in sides.values())
    assert np.array_equal(reference["prompt_tokens"], ours["prompt_tokens"])
    for name in ("prompt_mel", "embedding", "voice"):
        assert rmse(ours[name], reference[name]) < 1e-5 * rms(reference[name])


@pytest.mark.parametrize("name", ["voice_24", "voice_16", "trimmed_16"])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda wave: wave[0], r"shape \(\d+,\), expected \(B, N\)"),
        (lambda wave: wave[:, :0], "expected floating-point samples"),
        (lambda wave: wave[:, :1], "has 1 samples at .* expected at least 45 ms"),
        (lambda wave: (wave * 32767).astype(np.int16), "dtype int16, expected floating-point"),
        (lambda wave: np.where(np.arange(wave.shape[1]) == 7, np.nan, wave), "NaN or infinite"),
        (lambda wave: np.where(np.arange(wave.shape[1]) == 7, np.inf, wave), "NaN or infinite"),
    ],
    ids=["one axis", "empty", "one sample", "integers", "nan", "inf"],
)
def test_unusable_waves_are_refused(side, name, spoil, message):
    state = voice("spoilt", 0.3)
    state[name] = spoil(state[name])
    with pytest.raises(ValueError, match=f"{name} .*{message}"):
        side.run(state)


def test_the_shortest_voice_is_accepted(side):
    state = {"voice_24": (24000, 1080), "voice_16": (16000, 720), "trimmed_16": (16000, 720)}
    waves = voice("shortest", 0.6)
    out = side.run({name: waves[name][:, 4000 : 4000 + samples] for name, (_, samples) in state.items()})
    assert all(np.isfinite(array).all() for array in out.values())
    assert out["flow_prompt_tokens"].shape == (1, 1)
