"""The watermark's file is loaded strictly, waves that cannot be marked are refused, and rates are brought together."""

from __future__ import annotations

import importlib
from itertools import product

import numpy as np
import pytest

from fixtures import cases, margins
from parity.base.metrics import rms, rmse
from parity.contract import Tap
from spec.config import CHATTERBOX_SIZES
from spec.files.torch_file import read_torch_file
from spec.files.torch_writer import write_torch_file
from spec.watermark.config import WatermarkConfig, check_marked_wave
from spec.watermark.rates import marked_at, resampled, resampled_to_hear
from spec.watermark.weights import FILE, TABLES, read_watermark

CONFIG = CHATTERBOX_SIZES["tiny"].watermark
CASE = cases.load("tiny-watermark")
KEY = "decoder.slow_layers.0.conv.weight"


@pytest.fixture(params=["reference", "mlx_impl"])
def load(request):
    return importlib.import_module(f"{request.param}.weights.watermark").load_watermark


@pytest.fixture
def written(tmp_path):
    """The tiny weights, changed, as a file."""

    def write(change):
        tensors = dict(read_torch_file(cases.synthetic_checkpoint(CASE) / FILE)["model"])
        change(tensors)
        write_torch_file(tmp_path / FILE, {"model": tensors, "step": 1})
        return tmp_path / FILE

    return write


def nothing(tensors):
    pass


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda tensors: tensors.pop(KEY),
            r"missing: the key that fills decoder\.branches\.0\.layers\.0\.conv\.weight",
        ),
        (lambda tensors: tensors.update(other=np.zeros(3, np.float32)), "unknown: .*other"),
        (lambda tensors: tensors.update({KEY: tensors[KEY][:, 1:].copy()}), r"has shape .*, expected \(16, 1"),
        (lambda tensors: tensors.update({KEY: tensors[KEY] * np.float32("nan")}), f"{KEY} .* no finite number"),
    ],
)
def test_a_file_of_anything_else_is_refused(load, written, change, message):
    load(written(nothing), CONFIG)
    with pytest.raises(ValueError, match=message):
        load(written(change), CONFIG)


def test_tables_of_the_file_are_passed_over(load, written):
    load(written(lambda tensors: tensors.update({name: np.zeros(4, np.float32) for name in TABLES})), CONFIG)


@pytest.mark.parametrize("whole", [[1], {"model": 3}, {"model": {"a": 1}}, {"step": 2}])
def test_a_file_without_a_model_is_refused(tmp_path, whole):
    write_torch_file(tmp_path / FILE, whole if isinstance(whole, dict) else {"other": 1})
    with pytest.raises(ValueError, match=r"holds no 'model' of tensors by name, expected perth_net_250000\.pth\.tar"):
        read_watermark(tmp_path / FILE)


@pytest.mark.parametrize(
    ("wave", "message"),
    [
        (np.ones(2000, np.float32), r"shape \(2000,\) .* expected floating-point \(B, N\)"),
        (np.ones((1, 2000), np.int16), "dtype int16, expected floating-point"),
        (np.ones((0, 2000), np.float32), r"shape \(0, 2000\)"),
        (np.ones((1, 1024), np.float32), "1024 samples at 32000 Hz, expected at least 1025"),
        (np.full((1, 2000), np.inf, np.float32), "NaN or infinite"),
        (np.stack([np.ones(2000), np.zeros(2000)]), "the wave of item 1 is silent"),
    ],
)
def test_a_wave_that_cannot_be_marked_is_refused(wave, message):
    check_marked_wave(CONFIG, np.ones((1, 1025), np.float32))
    with pytest.raises(ValueError, match=message):
        check_marked_wave(CONFIG, wave)


def test_the_sizes_are_those_of_perth():
    config = WatermarkConfig()
    assert (config.band, config.bins, config.lowest_level, config.level_range) == (128, 1025, -180.0, 195.0)


@pytest.mark.parametrize("rate", [24000, 32000, 44100])
def test_a_wave_comes_back_at_its_rate_without_the_last_part_of_a_hop(rate):
    time = np.arange(rate) / rate
    wave = (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    given = []

    def mark(own):
        given.append(own)
        return own[: len(own) // 320 * 320]

    back = marked_at(rate, 32000, wave, mark)
    assert len(given[0]) == 32000 and back.dtype == wave.dtype
    assert 0 <= len(wave) - len(back) <= rate // 100
    middle = slice(rate // 10, len(back) - rate // 10)
    assert rmse(back[middle], wave[middle]) / rms(wave) < 1e-4
    heard = resampled_to_hear(wave, rate, 32000)
    assert heard.dtype == wave.dtype and abs(len(heard) - 32000) <= 1
    assert rmse(heard[3200:-3200], resampled(wave, rate, 32000)[3200:-3200]) / rms(wave) < 1e-2


def test_margins_of_the_bit_and_of_silence():
    tap = Tap("watermark.bit", "watermark.bit", "b")
    assert margins.bit(CASE, tap, np.array([0.2, 1.5])) == pytest.approx([0.3, 1.0])
    sums = np.array([[100.0, 5.0, 4.0]])
    margin = margins.loud_enough(CASE, tap, sums)
    assert margin == pytest.approx(np.array([[95, 0, 1]]) / 1.05)
    for place, signs in product(range(3), product((-0.99, 0.99), repeat=3)):  # of its own value, and of the highest
        moved = sums + margin[0, place] * np.array(signs)
        assert (moved[0, place] > 0.05 * moved.max()) == (sums[0, place] > 5.0)
    worst = sums + 1.01 * margin[0, 2] * np.array([-1, 0, 1])
    assert worst[0, 2] > 0.05 * worst.max()
