"""parity.diagnose: each family is recognised where it is, and nothing is where there is but rounding."""

from __future__ import annotations

import numpy as np
import pytest

from parity.contract import ACCUMULATED
from parity.contract.axes import roles
from parity.diagnose import Evidence, growth, recognise
from parity.diagnose.evidence import REGISTRY
from parity.judge.verdict import Verdict


def noise(key: int, shape: tuple[int, ...] = (2, 24, 30)) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key=key)).standard_normal(shape)


ROLES = roles({"batch": "b g", "time": "t n", "channel": "c", "head": "h", "feature": "s", "width": "d"}, "")
X = noise(0)
EXACT = noise(1)


def evidence(candidate: np.ndarray, exact: np.ndarray = EXACT, axes: str = "b c t", **given) -> Evidence:
    reference = exact.astype(np.float32)
    ours = candidate.astype(np.float32) if candidate.dtype == np.float64 else candidate
    return Evidence("tap", ours, reference, exact, tuple(axes.split()), roles=ROLES, **given)


def test_an_axis_is_known_by_its_role_and_not_by_its_letter():
    shifted = np.roll(EXACT, 1, 2)
    named = roles({"batch": "x", "channel": "y", "time": "z"}, "")
    of = Evidence("tap", shifted.astype(np.float32), EXACT.astype(np.float32), EXACT, ("x", "y", "z"), roles=named)
    assert recognise(of)[0].family == families(shifted)[0]
    assert (of.axis("time"), of.axis("width"), of.role(0)) == (2, None, "batch")


def families(*args, **given) -> list[str]:
    return [finding.family for finding in recognise(evidence(*args, **given))]


def changed(array: np.ndarray, *where: object, to: float | np.ndarray = 3.0) -> np.ndarray:
    array = array.copy()
    array[tuple(where)] += to
    return array


EVERY = slice(None)
POSITIVE = np.exp(EXACT)


@pytest.mark.parametrize(
    ("family", "candidate", "given"),
    [
        ("gain", 1.0001 * EXACT, {}),
        ("sign", -EXACT, {}),
        ("sign", np.abs(EXACT), {}),
        ("scale", EXACT * np.sqrt(24), {}),
        ("scale", EXACT / 1000, {}),
        ("log base", EXACT / np.log(10), {}),
        ("offset", EXACT + 0.1, {}),
        ("offset", EXACT + noise(2, (1, 24, 1)), {}),
        ("gain and offset", 4 * EXACT - 4, {}),
        ("normalisation", EXACT * noise(2, (1, 24, 1)) + noise(3, (1, 24, 1)), {}),
        ("normalisation", EXACT * noise(2, (2, 1, 30)) + noise(3, (2, 1, 30)), {}),
        ("Bessel", np.concatenate([EXACT[:, :12], EXACT[:, 12:] * np.sqrt(29 / 30)], 1), {"inputs": {"x": X}}),
        ("axis order", EXACT.swapaxes(1, 2), {}),
        ("memory order", EXACT.swapaxes(1, 2).reshape(EXACT.shape), {}),
        ("shift", np.roll(EXACT, 3, axis=2), {}),
        ("permutation", EXACT[:, ::-1], {}),
        ("permutation", EXACT.reshape(2, 2, 12, 30).swapaxes(1, 2).reshape(EXACT.shape), {}),
        ("shape", EXACT[:, :, :-1], {}),
        ("term", EXACT - X, {"inputs": {"x": X}}),
        ("term", X + 0.5 * (EXACT - X), {"inputs": {"x": X}}),
        ("padding", changed(changed(EXACT, 0, EVERY, slice(20, None)), 1, EVERY, slice(25, None)), {}),
        ("few values", changed(EXACT, 0, 3, 5), {}),
        ("limit", np.maximum(EXACT, -0.5), {}),
        ("branches", changed(EXACT, 1), {"axes": "g c t", "labels": {"g": ["one", "two"]}}),
        ("branches", EXACT[::-1], {"axes": "g c t", "labels": {"g": ["one", "two"]}}),
        ("rounding", EXACT.astype(np.float16).astype(np.float64), {}),
        ("rounding", EXACT * (1 + 3e-4 * noise(4)), {}),
        ("function", np.log(POSITIVE), {"exact": POSITIVE}),
        ("power", POSITIVE**0.5, {"exact": POSITIVE}),
        ("phase", EXACT + 2 * np.pi * (noise(5) > 0), {}),
        ("constant", 0 * EXACT, {}),
        ("not finite", np.where(noise(5) > 2, np.nan, EXACT), {}),
    ],
)
def test_a_mistake_is_recognised(family, candidate, given):
    assert family in families(candidate, **given)[:2]


@pytest.mark.parametrize(("factor", "said"), [(1.5, True), (1 + 3e-5, False)])
def test_few_values_that_are_nearly_right_are_off_by_no_factor(factor, said):
    candidate = EXACT.copy()
    candidate[0, 3, 5:7] *= factor
    (found,) = (each for each in recognise(evidence(candidate)) if each.family == "few values")
    assert ("each by a factor of" in found.sentence) == said


def exchanged(*order: int) -> np.ndarray:
    """Channels in another order from number 8 on."""
    return EXACT[:, [*range(8), *(8 + each for each in order), *range(8 + len(order), 24)]]


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (EXACT[:, ::-1], "reversed"),
        (np.roll(EXACT, -3, axis=1), "rotated by 3"),
        (exchanged(2, 1, 0), "8 and 10 are exchanged"),
        (exchanged(3, 4, 5, 0, 1, 2), "8 to 10 and 11 to 13 are exchanged"),
        (exchanged(4, 5, 0, 1, 2, 3), "8 to 11 and 12 to 13 are exchanged"),
        (exchanged(2, 0, 4, 1, 3), "from 8 on 10 8 12 9 11 13 14 15 ..."),
    ],
)
def test_a_permutation_is_said_in_words_or_from_where_it_begins(candidate, words):
    (found,) = (each for each in recognise(evidence(candidate)) if each.family == "permutation")
    assert found.sentence == f"the slices of c are in another order: {words}"


def test_slices_that_repeat_are_no_permutation():
    stuffed = EXACT.copy()
    stuffed[:, 1::2] = 0
    for candidate in (stuffed, EXACT[:, [0, 0, *range(2, 24)]], np.repeat(EXACT[:, ::2], 2, axis=1)):
        assert "permutation" not in families(candidate)


def test_a_branch_just_inside_its_bound_is_not_right():
    """Of two branches with rounding of one size, one has an element beyond what counts as wrong and one has not."""
    given = {"axes": "g c t", "labels": {"g": ["one", "two"]}}
    error = 0.4e-6 * np.clip(noise(2), -2, 2)
    error[0, 0, 0] = 2e-6 * max(abs(EXACT[0, 0, 0]), 1)
    assert "branches" not in families(EXACT + error, **given)
    error[0] *= 20
    (found,) = (each for each in recognise(evidence(EXACT + error, **given)) if each.family == "branches")
    assert found.sentence == "only one is wrong"


def test_where_an_error_is_stands_behind_what_explains_it():
    given = {"axes": "g c t", "labels": {"g": ["one", "two"]}, "inputs": {"x": X}}
    found = recognise(evidence(np.where(np.arange(2)[:, None, None] == 0, EXACT - X, EXACT), **given))
    place = next(each for each in found if each.family == "branches")
    assert place.confidence <= 0.5
    late = changed(changed(EXACT, 0, EVERY, slice(20, None)), 1, EVERY, slice(25, None))
    assert next(each for each in recognise(evidence(late)) if each.family == "padding").confidence <= 0.5


def test_an_activation_is_recognised_behind_padding():
    def leaky(slope: float) -> np.ndarray:
        return np.pad(np.where(X > 0, X, slope * X), ((0, 0), (0, 0), (2, 0)))

    found = recognise(evidence(leaky(0.1), leaky(0.01), inputs={"x": X.astype(np.float32).astype(np.float64)}))
    assert "activation" in [finding.family for finding in found[:2]]


def test_a_phase_that_drifts_and_a_period_are_recognised():
    time = np.arange(4800) / 24000
    exact = np.sin(2 * np.pi * 200 * time)[None, None]
    assert "phase" in families(np.sin(2 * np.pi * 200.05 * time)[None, None], exact, "b h w")[:2]
    steps = noise(7, (1, 1, 4800))
    assert "period" in families(steps * np.where(np.arange(4800) % 8 < 4, 1.2, 1), steps, "b h w")[:2]


def wave(samples: int) -> np.ndarray:
    """A voice-like sum of sines with noise, `(1, n)`."""
    time = np.arange(samples) / 24000
    tones = sum(np.sin(2 * np.pi * 130 * k * time * (1 + 0.3 * time)) / k for k in range(1, 9))
    loudness = 1 + 0.9 * np.sin(2 * np.pi * 7 * time) + 0.3 * np.sin(2 * np.pi * 31 * time)
    return (tones * loudness + 0.05 * noise(20, (samples,)))[None]


@pytest.mark.parametrize("by", [240, -240, 1000])
def test_a_long_shift_of_a_wave_is_recognised(by):
    exact = wave(9600)
    shifted = np.roll(exact, by, axis=1)
    shifted[:, :by] = 0 if by > 0 else shifted[:, :by]
    found = recognise(evidence(shifted, exact, "b n", inputs={"mel": noise(21, (1, 80, 20))}))[0]
    assert (found.family, found.sentence.startswith(f"{abs(by)} positions of n")) == ("shift", True)
    assert ("half a hop of 480 for each frame of mel" in found.sentence) == (abs(by) == 240)


def spectrogram(samples: np.ndarray, late: int, power: int = 1) -> np.ndarray:
    """Sums of 8 bins of the magnitudes or powers of windows of 4 hops of 480, `(1, 30, t)`."""
    frames = np.lib.stride_tricks.sliding_window_view(samples[0], 1920)[480 - late :: 480][:45]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(1920))) ** power
    return spectrum[:, :240].reshape(len(frames), 30, 8).sum(-1).T[None]


@pytest.mark.parametrize("by", [240, -240])
@pytest.mark.parametrize(("power", "logarithm"), [(1, True), (2, True), (2, False)])
def test_windows_half_a_hop_off_are_recognised(by, power, logarithm):
    exact, shifted = (spectrogram(wave(24000), late, power) for late in (0, by))
    if logarithm:
        exact, shifted = np.log(exact + 1e-5), np.log(shifted + 1e-5)
    found = next(f for f in recognise(evidence(shifted, exact)) if f.family == "shift")
    assert f"half a position of t {'late' if by > 0 else 'early'}" in found.sentence


@pytest.mark.parametrize("by", [60, 480])
def test_other_shifts_of_windows_are_not_half_a_hop(by):
    exact, shifted = (np.log(spectrogram(wave(24000), late) + 1e-5) for late in (0, by))
    assert all("half" not in f.sentence for f in recognise(evidence(shifted, exact)) if f.family == "shift")


def test_an_even_grid_is_recognised():
    curved = 1 - np.cos(np.linspace(0, 1, 11) * np.pi / 2)
    assert families(np.linspace(0, 1, 11), curved, "k")[0] == "schedule"


def test_integers_are_recognised():
    tokens = np.arange(12).reshape(3, 4)
    of = [("tap", tokens + 1, tokens, tokens), ("tap", np.where(tokens == 5, 0, tokens), tokens, tokens)]
    assert [recognise(Evidence(*arrays, ("b", "n")))[0].family for arrays in of] == ["offset", "decision"]


@pytest.mark.parametrize("key", range(4))
def test_rounding_alone_looks_like_nothing(key):
    found = recognise(evidence(EXACT * (1 + 1e-7 * noise(10 + key)), inputs={"x": X}))
    assert [finding.family for finding in found if finding.confidence >= 0.5] in ([], ["float32 sums"])


def test_equal_values_look_like_nothing():
    assert [f for f in families(EXACT.astype(np.float32)) if f != "float32 sums"] == []


def test_findings_are_sorted_and_registered():
    found = recognise(evidence(-EXACT))
    assert [f.confidence for f in found] == sorted((f.confidence for f in found), reverse=True)
    assert len({f.family for f in found}) == len(found)
    assert len(REGISTRY) == len(set(REGISTRY)) >= 25


def test_growth_is_followed_part_by_part_in_each_branch():
    def verdict(tap: str, branch: str, rmse: float) -> Verdict:
        return Verdict(tap, branch, ACCUMULATED, False, "", (2,), 2, 2, reference_rms=1.0, rmse=rmse, ratio32=rmse)

    verdicts = [verdict("a.0.x", "", 0.1), verdict("b.0.x[s=0]", "one", 1.0), verdict("b.0.y[s=0]", "one", 2.0)]
    verdicts += [verdict("b.0.y[s=0]", "two", 5.0), verdict("b.0.y[s=1]", "one", 6.0)]
    rows = growth(verdicts, "b.0.x[s=0]")
    assert [row.tap for row in rows] == ["b.0.y[s=0,one]", "b.0.y[s=0,two]", "b.0.y[s=1,one]"]
    assert [row.relative for row in rows] == [2, 5, 6]
    assert rows[-1].factor == 3
