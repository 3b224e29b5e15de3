"""Blocks that a diagnosis computes again: what is other in them is said, with the checkpoint's weights and without."""

from __future__ import annotations

import json

import numpy as np
import pytest

from parity.base import safetensors
from parity.contract.axes import roles
from parity.diagnose import Evidence, Finding, recognise
from parity.diagnose.checkpoint import Weights
from parity.diagnose.evidence import KIND
from parity.diagnose.hypotheses.filters import _bank
from parity.diagnose.hypotheses.gates import _lstm
from parity.diagnose.hypotheses.names import BY_NAME
from parity.diagnose.hypotheses.rotary import rotated
from parity.diagnose.hypotheses.upsampling import repeated, straight, stuffed
from parity.diagnose.hypotheses.windows import windows

ROLES = roles({"batch": "b g", "time": "t n", "channel": "c", "head": "h", "width": "d", "class": "v"}, "")


def noise(key: int, *shape: int) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key=key)).standard_normal(shape)


def first(candidate: np.ndarray, exact: np.ndarray, axes: str, inputs=(), weights=()) -> Finding:
    """The likeliest finding of a value, where its inputs and weights are known."""
    reference = exact.astype(np.float32) if exact.dtype.kind == "f" else exact
    ours = candidate.astype(reference.dtype)
    given = {name: array.astype(np.float32) for name, array in dict(inputs).items()}
    known = {name: array.astype(np.float64) for name, array in dict(weights).items()}
    exact = exact if exact.dtype.kind == "f" else None
    evidence = Evidence("tap", ours, reference, exact, tuple(axes.split()), given, roles=ROLES, weights=known)
    found = recognise(evidence)
    assert found, "nothing known"
    return found[0]


def said(found: Finding, family: str, *words: str) -> None:
    assert found.family == family
    assert found.confidence >= 0.9
    for part in words:
        assert part in found.sentence


HEADS = noise(1, 2, 3, 12, 8)


@pytest.mark.parametrize(
    ("candidate", "words"),
    [
        (rotated(HEADS, "halves", 500.0), "of base 500, expected of base 5e+05"),
        (rotated(HEADS, "neighbours", 5e5), "pairs are 2 i and 2 i + 1, expected i and i + n/2"),
        (rotated(np.pad(HEADS, ((0, 0), (0, 0), (1, 0), (0, 0))), "halves", 5e5)[:, :, 1:], "positions 1 later"),
        (HEADS, "positions are left out"),
    ],
)
def test_rotary_positions_are_told_apart(candidate, words):
    exact = rotated(HEADS, "halves", 5e5)
    flat = HEADS.swapaxes(1, 2).reshape(2, 12, 24)
    said(first(candidate, exact, "g h t d", {"query": flat}), "rotary", words)


def test_a_right_rotation_is_none():
    exact = rotated(HEADS, "halves", 5e5)
    given = {"query": HEADS.astype(np.float32)}
    evidence = Evidence(
        "tap", exact.astype(np.float32), exact.astype(np.float32), exact, ("g", "h", "t", "d"), given, roles=ROLES
    )
    assert "rotary" not in [found.family for found in recognise(evidence)]


def test_a_window_is_named():
    x, known = noise(1, 2, 9, 40), windows(40)
    found = first(x * known["symmetric Hamming"], x * known["symmetric Povey"], "b t w", {"frames": x})
    said(found, "window", "the symmetric Hamming window, expected the symmetric Povey window")


def test_a_fade_is_measured():
    x, rise = noise(1, 1, 600), (1 - np.cos(np.linspace(0, np.pi, 50))) / 2
    short = np.concatenate([np.zeros(50), rise, np.ones(500)])
    long = np.concatenate([np.zeros(100), np.repeat(rise, 2), np.ones(400)])
    said(first(x * long, x * short, "b n", {"wave": x}), "envelope", "expected a fade that is 0 up to position 5")


def test_mel_filters_are_told_apart():
    spectrum = np.abs(noise(1, 1, 6, 257))
    banks = [_bank(40, 257, scale, True, 16000, 0.0, 8000.0) for scale in ("HTK's scale", "Slaney's scale")]
    own, expected = (spectrum @ bank.T for bank in banks)
    said(first(own, expected, "b t c", {"spectrum": spectrum}), "filters", "HTK's scale", "expected Slaney's scale")


def test_the_order_of_digits_is_said():
    digits = np.random.default_rng(1).integers(0, 3, (1, 60, 4))
    own, expected = digits @ 3 ** np.arange(4)[::-1], digits @ 3 ** np.arange(4)
    found = first(own, expected, "b n", {"digits": digits - 1.0})
    said(found, "digits", "weights are 27 9 3 1, expected 1 3 9 27", "the highest digit stands first")


def test_kinds_of_upsampling_are_told_apart():
    x = noise(1, 2, 5, 12)
    for kind, words in ((stuffed, "zeros between"), (straight, "straight lines")):
        said(first(kind(x, 2), repeated(x, 2), "b c t", {"x": x}), "upsampling", words, "each position repeated")


def test_a_term_that_is_wrong_in_some_places_is_said():
    x, drawn, voiced = noise(1, 2, 200), noise(2, 2, 200), noise(3, 2, 200) > 0
    exact = x + np.where(voiced, 0.003, 0.1 / 3) * drawn
    found = first(x + np.where(voiced, 0.003, 0.1) * drawn, exact, "b n", {"the state's noise": drawn})
    said(found, "term", "0.0666667 times the state's noise at")


def test_a_table_is_read_at_other_places():
    tokens, table = noise(1, 50, 16), noise(2, 30, 16)
    ids = np.array([3, 9, 4, 44, 7, 12])
    own, exact = (tokens[ids] + table[np.arange(6) + by] for by in (1, 0))
    found = first(own[None], exact[None], "b t c", weights={"tokens.weight": tokens, "positions.weight": table})
    said(found, "table", "positions.weight", "expected 0 1 2 3 4 5", "each is 1 later")


W, BIAS = noise(5, 24, 16) / 4, noise(6, 24)


@pytest.mark.parametrize(
    ("own", "family", "words"),
    [
        (lambda x, y: y @ W.T + BIAS, "tap", "the layer head.weight of before, expected of x"),
        (lambda x, y: np.tanh(x) @ W.T + BIAS, "activation", "tanh of x"),
        (lambda x, y: x @ W[::-1].T + BIAS, "weights", "by other.weight, expected by head.weight"),
    ],
)
def test_a_layer_is_computed_again(own, family, words):
    x, y = noise(1, 2, 7, 16), noise(2, 2, 7, 16)
    weights = {"head.weight": W, "head.bias": BIAS, "other.weight": W[::-1]}
    said(first(own(x, y), x @ W.T + BIAS, "b t c", {"x": x, "before": y}, weights), family, words)


def test_layers_that_lie_as_gpt_2_has_them_are_computed_again():
    """(in, out), as the length of a bias says, and a square one as its namesake lies."""
    x, up, down, square = noise(1, 2, 7, 8), noise(2, 8, 20), noise(3, 20, 8), noise(4, 8, 8)
    weights = {"h.mlp.c_fc.weight": up, "h.mlp.c_fc.bias": noise(5, 20)}
    weights |= {"h.mlp.c_proj.weight": down, "h.mlp.c_proj.bias": noise(6, 8)}
    weights |= {"h.attn.c_proj.weight": square, "h.attn.c_proj.bias": noise(7, 8)}
    hidden = x @ up + weights["h.mlp.c_fc.bias"]
    exact = np.maximum(hidden, 0) @ down + weights["h.mlp.c_proj.bias"]
    own = hidden / (1 + np.exp(-hidden)) @ down + weights["h.mlp.c_proj.bias"]
    said(first(own, exact, "b t c", {"x": x}, weights), "activation", "the layer h.mlp.c_proj.weight of SiLU of x")
    exact = x @ square + weights["h.attn.c_proj.bias"]
    own = np.tanh(x) @ square + weights["h.attn.c_proj.bias"]
    said(first(own, exact, "b t c", {"x": x}, weights), "activation", "the layer h.attn.c_proj.weight of tanh of x")


def test_gates_in_another_order_are_said():
    x, given, state, bias = noise(1, 2, 6, 5), noise(2, 16, 5), noise(3, 16, 4), noise(4, 16)
    weights = {"lstm.weight_ih": given, "lstm.weight_hh": state, "lstm.bias_ih": bias}
    own, exact = (_lstm(x, given, state, bias, order) for order in ((1, 0, 2, 3), (0, 1, 2, 3)))
    said(first(own, exact, "b t c", {"x": x}, weights), "gates", "forget, input, cell, output")


def test_zeros_and_ones_are_of_no_grid():
    evidence = Evidence(
        "tap", np.round(noise(1, 40) > 0).astype(np.float32), *[noise(2, 40).astype(np.float32)] * 2, ("b",)
    )
    assert "rounding" not in [found.family for found in recognise(evidence)]


def kept(ours: int, theirs: int, *before: int) -> Finding:
    scores = np.log([[0.4, 0.2, 0.15, 0.1, 0.08, 0.04, 0.02, 0.01]]).astype(np.float32)
    inputs = {f"cut {i}": np.array([count]) for i, count in enumerate(before)} | {"scores": scores}
    counts = [np.array([count]) for count in (ours, theirs)]
    return next(each for each in recognise(Evidence("tap", *counts, None, ("b",), inputs)) if each.family == "cut")


def test_the_limit_of_a_cut_is_said():
    assert "share of the highest of 0.1 to 0.2, expected of 0.25 to 0.375" in kept(5, 3).sentence
    assert "total of 0.706 to 0.882, expected of 0.471 to 0.706" in kept(3, 2, 4).sentence


def test_another_random_number_is_named():
    draws = noise(1, 9)
    said(first(draws[3:4], draws[2:3], "b", {"the state's draws": draws}), "draw", "number 3 of", "expected number 2")


def test_a_gate_is_computed_again():
    gate, value = noise(1, 2, 7, 16), noise(2, 2, 7, 16)
    own, exact = (b * a / (1 + np.exp(-a)) for a, b in ((value, gate), (gate, value)))
    found = first(own, exact, "b t c", {"gate": gate, "value": value})
    said(found, "activation", "SiLU of value times gate, expected SiLU of gate times value")


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (lambda x: (x.mean(axis=2), x.std(axis=2, ddof=1)), "the mean of x, expected the mean of ReLU of x"),
        (lambda x: (np.maximum(x, 0).mean(axis=2), np.maximum(x, 0).std(axis=2)), "deviation over n of ReLU of x"),
    ],
)
def test_a_statistic_over_time_is_computed_again(own, words):
    x = noise(1, 2, 6, 40)
    exact = (np.maximum(x, 0).mean(axis=2), np.maximum(x, 0).std(axis=2, ddof=1))
    candidate, reference = (np.concatenate(both, axis=1) for both in (own(x), exact))
    found = first(candidate, reference, "b c", {"x": x})
    said(found, "statistic")
    assert words.replace(" of x", "") in found.sentence.replace(" of x", "")


def test_what_a_convolution_is_given_too_much_of_is_named():
    kernel, h, added = noise(5, 8, 6, 3), noise(1, 2, 6, 12), noise(2, 2, 6)

    def convolved(x):
        wide = np.pad(x, ((0, 0), (0, 0), (2, 0)))
        return sum(kernel[:, :, k] @ wide[:, :, k : k + 12] for k in range(3))

    own, exact = (convolved(h + k * added[:, :, None]) for k in (2, 1))
    found = first(own, exact, "b c t", {"time": added}, {"conv.weight": kernel})
    said(found, "term", "what the convolution conv.weight is given has +1 times time")


def test_weight_norms_are_folded(tmp_path):
    gain, direction = np.float32([[[2.0]], [[3.0]]]), noise(1, 2, 4, 3).astype(np.float32)
    header = "conv.parametrizations.weight.original"
    arrays = {f"{header}0": gain, f"{header}1": direction}
    write(tmp_path / "model.safetensors", arrays)
    folded = Weights(tmp_path)["conv.weight"]
    assert np.allclose(np.sqrt((folded**2).sum(axis=(1, 2))), [2, 3])
    assert len(Weights(tmp_path)) == len([*Weights(tmp_path)]) == 3


def write(file, arrays) -> None:
    entries, data = {}, b""
    for name, array in arrays.items():
        entries[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    header = json.dumps(entries).encode()
    file.write_bytes(len(header).to_bytes(8, "little") + header + data)
    assert safetensors.entries(file)


CHANNELS = noise(60, 2, 6, 9)
BATCH = {
    "running_mean": noise(61, 6),
    "running_var": np.exp(noise(62, 6)),
    "weight": noise(63, 6),
    "bias": noise(64, 6),
}
NORM = {f"norm.{name}": part for name, part in BATCH.items()}


def batch_normed(x: np.ndarray, power: float = 0.5, **others: np.ndarray) -> np.ndarray:
    mean, variance, weight, bias = (np.reshape(part, (6, 1)) for part in (BATCH | others).values())
    return (x - mean) / (variance + 1e-5) ** power * weight + bias


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (batch_normed(CHANNELS, power=1), "by the variance, not its root"),
        (batch_normed(CHANNELS, weight=np.ones(6)), "without its weight"),
        (batch_normed(CHANNELS, running_mean=BATCH["running_var"], running_var=np.abs(noise(65, 6))), ""),
    ],
)
def test_a_batch_norm_is_computed_again(own, words):
    found = first(own, batch_normed(CHANNELS), "b c t", {"x": CHANNELS[..., None]}, NORM)
    assert found.family == "normalisation"
    assert (found.confidence >= 0.9) == bool(words)
    assert words in found.sentence


def test_what_is_stacked_in_the_other_order_before_a_batch_norm_is_said():
    one, other = CHANNELS[:, :2], CHANNELS[:, 2:]
    turned = batch_normed(np.concatenate([other, one], axis=1))
    found = first(turned, batch_normed(CHANNELS), "b c t", {"x": one, "y": other}, NORM)
    said(found, "permutation", "x and y in the other order")


def test_a_computation_is_named_where_its_fault_is_not_known():
    """The candidate is in no way what a batch norm gives; without the weights, the name alone says that it is one."""
    own = batch_normed(CHANNELS) + noise(65, *CHANNELS.shape)
    found = first(own, batch_normed(CHANNELS), "b c t", {"x": CHANNELS}, NORM)
    assert (found.family, found.confidence) == ("normalisation", KIND)
    reference = batch_normed(CHANNELS).astype(np.float32)
    bare = Evidence("block.norm1[step=0]", own.astype(np.float32), reference, None, ("b", "c", "t"), roles=ROLES)
    named = recognise(bare)
    assert [each.family for each in named] == ["normalisation", "weights"]
    assert all(each.confidence < KIND and each.sentence.startswith(BY_NAME) for each in named)


def test_a_layer_that_is_left_out_is_said():
    x, matrix = noise(66, 2, 9, 6), noise(67, 6, 6)
    found = first(x / (1 + np.exp(-x)), x / (1 + np.exp(-x)) @ matrix.T, "b t c", {"x": x}, {"w.weight": matrix})
    said(found, "tap", "SiLU of x alone")


def test_factors_of_no_known_window_are_told():
    x, places = noise(68, 2, 5, 40), np.arange(40)
    known, other = (a - (1 - a) * np.cos(2 * np.pi * places / 40) for a in (0.5, 0.55))
    said(first(x * other, x * known, "b t d", {"x": x}), "window", "x times other factors", "periodic Hann")


@pytest.mark.parametrize(
    ("own", "expected", "family"),
    [(np.log10, np.log, "log base"), (np.sqrt, np.log, "function"), (np.tanh, np.abs, "activation")],
)
def test_a_function_of_an_input_has_a_family_of_its_kind(own, expected, family):
    x = np.exp(noise(69, 2, 9, 6))
    assert family == first(own(x), expected(x), "b t c", {"x": x}).family
