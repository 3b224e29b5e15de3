"""Weights accounted for by value: each way in which a tensor may come to a port, and numbers that are others."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.exact.operations import quantization
from parity.match.audit import Audit, Made, Normed, Side, Tensor, audit
from parity.match.audit.tensor import nearest

Weights = dict[str, np.ndarray]


def tensor(name: str, array: np.ndarray, dtype: str = "float32", used: bool = True) -> Tensor:
    return Tensor(name, array.shape, dtype, partial(np.asarray, array), used)


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


REFERENCE: Weights = {
    "q.weight": drawn(8, 6, seed=1),
    "k.weight": drawn(4, 6, seed=2),
    "v.weight": drawn(4, 6, seed=3),
    "conv.weight": drawn(5, 6, 3, seed=4),
    "q.bias": drawn(8, seed=5),
    "k.bias": drawn(4, seed=6),
    "v.bias": drawn(4, seed=7),
    "lstm.bias_ih": drawn(12, seed=8),
    "lstm.bias_hh": drawn(12, seed=9),
    "norm.weight": np.ones(8, np.float32),
    "embed.weight": drawn(40, 64, seed=10),
    "experts.0.weight": drawn(5, 7, seed=11),
    "experts.1.weight": drawn(5, 7, seed=12),
}


def sides(change: Callable[[Weights], Weights], *gone: str, **dtypes: str) -> Audit:
    """The reference against itself, with some tensors replaced and some gone."""
    port = {name: array for name, array in REFERENCE.items() if name not in gone} | change(REFERENCE)
    return audit(
        Side([tensor(name, array) for name, array in REFERENCE.items()]),
        Side([tensor(name, array, dtypes.get(name.replace(".", "_"), "float32")) for name, array in port.items()]),
    )


def row(found: Audit, name: str) -> tuple[tuple[str, ...], str]:
    """How a tensor of the port is found, and the evidence."""
    (one,) = [row for row in found.rows if name in row.candidate]
    return one.how, one.evidence


def changed(array: np.ndarray) -> np.ndarray:
    """The same with one number moved by a little."""
    other = array.copy()
    other.flat[other.size // 2] += 1e-3
    return other


QKV = ("q.weight", "k.weight", "v.weight")
BIASES = ("lstm.bias_ih", "lstm.bias_hh")


def joined(weights: Weights, names: tuple[str, ...] = QKV, axis: int = 0) -> np.ndarray:
    return np.concatenate([weights[name] for name in names], axis)


WAYS = {
    "as it is": ("embed.weight", (), lambda w: w["embed.weight"], ("as it is",), ""),
    "permuted": ("conv.weight", (), lambda w: w["conv.weight"].transpose(0, 2, 1), ("permuted",), "axes 0, 2, 1"),
    "read otherwise": (
        "conv.weight",
        (),
        lambda w: w["conv.weight"].reshape(5, 18),
        ("permuted",),
        "(5, 6, 3) read as",
    ),
    "flipped": ("conv.weight", (), lambda w: w["conv.weight"][:, :, ::-1], ("flipped",), "axis 2 reversed"),
    "turned and flipped": (
        "conv.weight",
        (),
        lambda w: w["conv.weight"].transpose(0, 2, 1)[:, ::-1],
        ("flipped",),
        "axes 0, 2, 1; axis 1 reversed",
    ),
    "entries": ("q.weight", (), lambda w: w["q.weight"][[1, 0, 3, 2, 5, 4, 7, 6]], ("permuted",), "in another order"),
    "fused": ("qkv.weight", QKV, joined, ("fused",), "along axis 0"),
    "fused and turned": ("qkv.weight", QKV, lambda w: joined(w).T, ("fused",), "along axis 1"),
    "fused biases": (
        "qkv.bias",
        ("q.bias", "k.bias", "v.bias"),
        lambda w: joined(w, ("q.bias", "k.bias", "v.bias")),
        ("fused",),
        "along axis 0",
    ),
    "stacked": (
        "experts.weight",
        ("experts.0.weight", "experts.1.weight"),
        lambda w: np.stack([w["experts.0.weight"], w["experts.1.weight"]]),
        ("stacked",),
        "along axis 0",
    ),
    "stacked and turned": (
        "experts.weight",
        ("experts.0.weight", "experts.1.weight"),
        lambda w: np.stack([w["experts.0.weight"].T, w["experts.1.weight"].T]),
        ("stacked",),
        "along axis 0",
    ),
    "summed": ("lstm.bias", BIASES, lambda w: w["lstm.bias_ih"] + w["lstm.bias_hh"], ("folded",), "a sum of two"),
    "scaled": ("q.weight", (), lambda w: w["q.weight"] * np.float32(0.3), ("folded",), "0.3"),
    "negated": ("q.weight", (), lambda w: -w["q.weight"].T, ("folded",), "-1 times it; axes 1, 0"),
    "cast": ("q.weight", (), lambda w: nearest(w["q.weight"], "bfloat16"), ("as it is", "cast"), "to bfloat16"),
    "cast and turned": (
        "conv.weight",
        (),
        lambda w: nearest(w["conv.weight"], "float16").transpose(0, 2, 1),
        ("permuted", "cast"),
        "axes 0, 2, 1; the port's is rounded to float16",
    ),
    "cast and fused": ("qkv.weight", QKV, lambda w: nearest(joined(w), "bfloat16"), ("fused", "cast"), "to bfloat16"),
    "padded": (
        "embed.weight",
        (),
        lambda w: np.concatenate([w["embed.weight"], np.zeros((8, 64), np.float32)]),
        ("split",),
        "8 entries of 0 are added along axis 0",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_tensor_is_found_however_it_came_there(way):
    name, gone, made, how, evidence = WAYS[way]
    found = sides(lambda weights: {name: made(weights)}, *gone)
    assert row(found, name)[0] == how and evidence in row(found, name)[1]
    assert all(row.found for row in found.rows)
    assert found.passed != ("cast" in how)


@pytest.mark.parametrize("way", WAYS)
def test_a_tensor_with_one_other_number_is_not_found(way):
    name, gone, made, _, _ = WAYS[way]
    found = sides(lambda weights: {name: changed(made(weights))}, *gone)
    how, _ = row(found, name)
    assert "differs" in how or "alone" in how, how


def test_a_split_tensor_is_one_row():
    whole = drawn(16, 6, seed=20)
    pieces = {"q": whole[:8], "k": whole[8:12].T, "v": whole[12:]}
    found = audit(Side([tensor("qkv", whole)]), Side([tensor(name, array) for name, array in pieces.items()]))
    (only,) = found.rows
    assert (only.reference, only.candidate, only.how) == (("qkv",), ("q", "k", "v"), ("split",))
    assert "q is entries 0 to 7 of axis 0; k is entries 8 to 11 of axis 0" in only.evidence


def test_entries_of_two_axes_together():
    """Heads of a fused projection, of which each head's first rows are one tensor and its last another."""
    whole = drawn(4, 8, 6, seed=21)
    parts = {"keys": whole[:, :5].swapaxes(1, 2), "values": whole[:, 5:]}
    found = audit(
        Side([tensor("kv", whole.reshape(32, 6))]), Side([tensor(name, array) for name, array in parts.items()])
    )
    assert [row.how for row in found.rows] == [("split",)]


def test_one_tensor_at_two_places_and_two_of_the_same_numbers():
    table = drawn(10, 6)
    one = Tensor("embed", (10, 6), "float32", lambda: table, others=("head",))
    found = audit(Side([one]), Side([tensor("embed", table), tensor("head", table.copy())]))
    (only,) = found.rows
    assert only.how == ("as it is", "tied")
    assert only.evidence == "one tensor at 2 paths of the reference, 2 tensors of the port"
    assert audit(Side([tensor("embed", table)]), Side([tensor("head", table)])).rows[0].how == ("as it is",)


@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8])
def test_quantised_weights_are_within_half_a_step(bits):
    weight = drawn(6, 128, seed=22)
    parts = quantization.quantize(weight, 64, bits)
    names = ("out.weight", "out.scales", "out.biases")

    def judged(other: np.ndarray) -> Audit:
        port = [
            tensor(name, part, "uint32" if part.dtype == np.uint32 else "float32")
            for name, part in zip(names, parts, strict=True)
        ]
        return audit(Side([tensor("out.weight", other)]), Side(port))

    found = judged(weight)
    assert [row.how for row in found.rows] == [("quantised",)] and found.rows[0].candidate == names
    assert f"{bits} bits in groups of 64" in found.rows[0].evidence and not found.passed
    ((one, values),) = found.rows[0].as_reference
    assert one.name == "out.weight"
    np.testing.assert_allclose(values(), quantization.dequantize(*parts, 64, bits))
    wrong = weight.copy()
    wrong[3, 70] += 8 / 2**bits
    assert all(row.how == ("alone",) for row in judged(wrong).rows)


def test_a_batch_norm_that_is_folded_in():
    weight, bias, gain, shift, mean = drawn(5, 6, 3), *(drawn(5, seed=n) for n in range(4))
    variance = drawn(5, seed=5) ** 2 + 1
    factor = gain / np.sqrt(variance + 1e-5)
    ours = {"w": weight, "b": bias, "gain": gain, "shift": shift, "mean": mean, "variance": variance}
    held = {name: tensor(name, array) for name, array in ours.items()}
    norm = Normed(held["w"], 0, held["b"], held["gain"], held["shift"], held["mean"], held["variance"], 1e-5)
    made = {"weight": (weight * factor[:, None, None]).transpose(0, 2, 1), "bias": (bias - mean) * factor + shift}

    def judged(port: Weights) -> Audit:
        return audit(
            Side(list(held.values()), norms=[norm]), Side([tensor(name, array) for name, array in port.items()])
        )

    found = judged(made)
    assert [row.how for row in found.rows] == [("folded",), ("folded",)] and found.passed
    assert row(found, "weight")[1] == "the batch norm is folded in; axes 0, 2, 1"
    assert "folded" not in row(judged(made | {"bias": bias * factor + shift}), "bias")[0]


def test_what_a_program_makes_of_its_weights():
    direction, size = drawn(5, 6), drawn(5, 1, seed=1)
    folded = size * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    ours = Side(
        [tensor("v", direction), tensor("g", size)],
        lambda sizes: [Made(folded, ("v", "g"), ("norm", "multiply"))] if folded.size in sizes else [],
    )
    (only,) = audit(ours, Side([tensor("w", folded.T)])).rows
    assert (only.reference, only.how) == (("v", "g"), ("folded",))
    assert only.evidence == "by norm, multiply; axes 1, 0"
    assert not audit(ours, Side([tensor("w", changed(folded))])).rows[0].found
    (only,) = audit(Side([tensor("w", folded)]), ours).rows
    assert (only.reference, only.candidate) == (("w",), ("v", "g"))


def test_tensors_of_one_number():
    def judged(*fills: float) -> Audit:
        ours = [tensor(f"{n}.weight", np.ones(8, np.float32)) for n in range(2)]
        port = [tensor(f"{n}.weight", np.full(8, fill, np.float32)) for n, fill in enumerate(fills)]
        return audit(Side(ours), Side(port))

    assert [row.evidence for row in judged(1, 1).rows] == ["all 1", "all 1"]
    found = judged(1, 1, 0)
    assert found.passed and row(found, "2.weight") == (("alone",), "all 0")
    assert "of the port alone: 2.weight (all 0)" in found.sentences
    assert not judged(1, 2).passed


def test_a_layer_that_was_never_loaded():
    ours = {f"{n}.weight": drawn(48, 64, seed=n) * np.float32(0.4) for n in range(6)}
    fresh = {
        name: np.random.default_rng(n).uniform(-0.125, 0.125, (48, 64)).astype(np.float32)
        for n, name in enumerate(ours, 50)
    }

    def judged(names: list[str]) -> Audit:
        return audit(
            Side([tensor(name, array) for name, array in ours.items()]),
            Side([tensor(name, fresh[name] if name in names else ours[name]) for name in ours]),
        )

    found = judged(["2.weight"])
    how, evidence = row(found, "2.weight")
    assert how == ("never loaded",) and "drawn evenly within ±0.125, which is 1/√64" in evidence
    assert not found.another and "2.weight" in found.sentences[0]
    found = judged(list(ours))
    assert found.another and found.sentences[0].startswith("weights that were never loaded: 0 of 6 tensors")


def test_another_checkpoint():
    ours = {f"{n}.weight": drawn(6, 4, seed=n) for n in range(12)}

    def judged(same: int) -> Audit:
        port = {name: array if n < same else drawn(6, 4, seed=100 + n) for n, (name, array) in enumerate(ours.items())}
        return audit(*(Side([tensor(name, array) for name, array in side.items()]) for side in (ours, port)))

    found = judged(1)
    assert found.sentences == [
        "another checkpoint's weights: 1 of 12 tensors found by value, of 12 with the same shapes"
    ]
    assert found.departures == found.sentences and not found.passed
    assert not judged(2).another and len(judged(2).departures) == 10
    assert judged(12).sentences == ["12 of 12 tensors of the reference are found in the port by value: 12 as they are"]


def test_a_tensor_that_was_changed_is_said_to_be_which():
    wrong = REFERENCE["embed.weight"].copy()
    wrong[3] *= 1.01
    found = sides(lambda weights: {"embed.weight": wrong})
    assert found.departures == [
        "embed.weight of the port is embed.weight of the reference but for entry 3 of axis 0, of 40: "
        "convert the tensor anew"
    ]
    noisy = REFERENCE["embed.weight"] + drawn(40, 64, seed=99) * np.float32(1e-3)
    assert "apart from it by" in row(sides(lambda weights: {"embed.weight": noisy}), "embed.weight")[1]
    fused = joined(REFERENCE)
    fused[5] += 1
    how, evidence = row(sides(lambda weights: {"qkv.weight": fused}, *QKV), "qkv.weight")
    assert how == ("fused", "differs") and evidence.startswith("but for entry 5 along axis 0, of 16")


@pytest.mark.parametrize("seed", range(8))
def test_an_order_of_axes_is_said_where_it_makes_tensors_near(seed):
    """Square weights that were never loaded are by chance a little nearer to the transposed ones."""
    ours = drawn(16, 16, seed=40)
    fresh = np.random.default_rng(seed).uniform(-0.25, 0.25, (16, 16)).astype(np.float32)

    def given(held: np.ndarray) -> np.ndarray:
        (row,) = audit(Side([tensor("w", ours)]), Side([tensor("w", held)])).rows
        ((_, values),) = row.as_reference
        return values()

    assert np.array_equal(given(fresh), fresh)
    noisy = ours.T + drawn(16, 16, seed=seed) * np.float32(0.01)
    assert np.array_equal(given(noisy), noisy.T)


def test_the_same_checkpoint_with_other_digits():
    ours = {f"{n}.weight": drawn(6, 8, seed=n) for n in range(6)}

    def judged(change: Callable[[np.ndarray], np.ndarray]) -> Audit:
        port = {name: change(array) for name, array in ours.items()}
        return audit(*(Side([tensor(name, array) for name, array in side.items()]) for side in (ours, port)))

    def codes(array: np.ndarray) -> np.ndarray:
        step = np.abs(array).max(1, keepdims=True) / 127
        return (np.round(array / step) * step).astype(np.float32)

    def cut(array: np.ndarray) -> np.ndarray:
        return (array.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)

    for change in (codes, cut):
        found = judged(change)
        assert not found.another and not found.passed and len(found.departures) == 1
        said = "0.weight, 1.weight, 2.weight and 3 more of the port: other digits, apart from the reference's by "
        assert found.sentences[0].startswith(said)
    assert judged(lambda array: array[::-1, ::-1] ** 3).another


EMBEDDING = drawn(100, 16, seed=30)


def rearranged(*moves: tuple[int, int]) -> np.ndarray:
    """The embedding with each first row overwritten by what the second one was."""
    other = EMBEDDING.copy()
    for place, row in moves:
        other[place] = EMBEDDING[row]
    return other


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (rearranged((70, 69)), "but that along axis 0 entry 70 is its entry 69: convert the tensor anew"),
        (rearranged((60, 61), (61, 60)), "with entries 60 and 61 of axis 0 exchanged: exchange them back"),
        (rearranged((1, 2), (2, 3), (3, 1)), "with the entries of axis 0 in another order"),
    ],
)
def test_entries_in_an_order_that_no_layout_has(held, said):
    (only,) = audit(Side([tensor("e", EMBEDDING)]), Side([tensor("e", held)])).rows
    assert only.how == ("differs",) and only.evidence.startswith(said)
    ((_, values),) = only.as_reference
    assert np.array_equal(values(), held)


@pytest.mark.parametrize("order", [np.roll(np.arange(100), 25), np.arange(100).reshape(-1, 4)[:, ::-1].ravel()])
def test_entries_in_an_order_that_a_layout_has(order):
    """Gates as wholes, or the few of each head."""
    (only,) = audit(Side([tensor("e", EMBEDDING)]), Side([tensor("e", EMBEDDING[order])])).rows
    assert only.found and not only.unlike


def test_what_a_program_only_moves_has_the_same_bits():
    ours = drawn(16, 16)
    side = Side([tensor("w", ours)], lambda sizes: [Made(ours.T.astype(np.float64), ("w",), ("transpose",))])
    moved = ours.copy()
    moved[3, 4] += np.float32(1.5e-6)
    for held, said in ((moved, "but for entry 3 of axis 0"), (ours * np.float32(1 + 5e-7), "apart from it by ")):
        (only,) = audit(side, Side([tensor("w", held)])).rows
        assert only.how == ("differs",) and only.evidence.startswith(said)
    (only,) = audit(side, Side([tensor("w", ours)])).rows
    assert only.how == ("as it is",)
    parts = lambda sizes: [Made(ours[:, ::2].astype(np.float64), ("w",), ("slice",))]  # noqa: E731
    assert audit(Side([tensor("w", ours)], parts), Side([tensor("v", ours[:, ::2])])).rows[0].found


def test_a_copy_of_a_tied_tensor_that_was_changed():
    table = drawn(20, 8)
    one = Tensor("embed", (20, 8), "float32", lambda: table, others=("head",))

    def judged(head: np.ndarray) -> Audit:
        return audit(Side([one]), Side([tensor("embed", table), tensor("head", head)]))

    found = judged(changed(table))
    assert row(found, "head")[0] == ("differs",) and "but for entry 10 of axis 0, of 20" in found.departures[0]
    assert not found.passed and judged(table).passed
    assert row(judged(drawn(20, 8, seed=1)), "head")[0] == ("alone",)


def test_integers_are_equal_or_others():
    index = np.arange(6).reshape(2, 3)

    def judged(held: np.ndarray, name: str = "index") -> Audit:
        return audit(Side([tensor("index", index, "int64")]), Side([tensor(name, held, "int32")]))

    assert judged(index.astype(np.int32), "other").rows[0].how == ("as it is",)
    found = judged(index + (index == 4))
    assert found.rows[0].how == ("differs",) and not found.passed
    assert found.departures == ["index of the port is index of the reference with other int64 numbers"]
    assert [row.evidence for row in judged(index + 1, "other").rows] == ["a table", "a table"]


def test_two_tensors_that_hold_each_other_s_values():
    ours = {f"blocks.{n}.{name}.weight": drawn(6, 4, seed=10 * n + k) for n in (0, 1) for k, name in enumerate("ab")}

    def judged(swap: Callable[[str], str]) -> Audit:
        port = {name.replace("blocks", "layers"): ours[swap(name)] for name in ours}
        return audit(*(Side([tensor(name, array) for name, array in side.items()]) for side in (ours, port)))

    def crossing(found: Audit) -> list[str]:
        return [str(row) for row in found.rows if row.crossing]

    swapped = {"blocks.0.a.weight": "blocks.0.b.weight", "blocks.0.b.weight": "blocks.0.a.weight"}
    found = judged(lambda name: swapped.get(name, name))
    said = (
        "layers.0.b.weight of the port is blocks.0.a.weight of the reference, "
        "and layers.0.a.weight is blocks.0.b.weight: exchange the two"
    )
    assert crossing(found) == [said]
    assert found.passed and said in found.sentences
    assert crossing(judged(lambda name: name)) == []
    layers = judged(lambda name: name.translate(str.maketrans("01", "10")))
    assert len(crossing(layers)) == 2
    cycle = {"blocks.0.a.weight": "blocks.1.b.weight"}
    assert crossing(judged(lambda name: cycle.get(name, name))) == []


def test_what_no_output_is_made_of():
    ours, theirs = drawn(6, 4), drawn(6, 4, seed=1)
    found = audit(Side([tensor("a", ours), tensor("b", theirs, used=False)]), Side([tensor("a", ours, used=False)]))
    assert row(found, "a")[0] == ("as it is", "unused") and "no output of the port is made of it" in row(found, "a")[1]
    (alone,) = [row for row in found.rows if not row.candidate]
    assert alone.how == ("alone", "unused") and found.passed
    assert any(text.startswith("a of the port is a of the reference, no output") for text in found.sentences)
    assert found.sentences[-1].endswith("1 more reach no output")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_order_and_direction_of_the_axes_is_found(data):
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4).filter(lambda s: np.prod(s) >= 4))
    array = drawn(*shape, seed=data.draw(st.integers(0, 99)))
    order = data.draw(st.permutations(range(len(shape))))
    axes = data.draw(st.sets(st.integers(0, len(shape) - 1)))
    other = np.flip(array.transpose(order), tuple(axes))
    found = audit(Side([tensor("w", array)]), Side([tensor("w", other)]))
    (only,) = found.rows
    assert only.found and found.passed
    moved = changed(other)
    assert not audit(Side([tensor("w", array)]), Side([tensor("w", moved)])).passed


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_parts_along_any_axis_are_found(data):
    rank, axis = data.draw(st.sampled_from([(n, a) for n in (1, 2, 3) for a in range(n)]))
    shape = data.draw(st.lists(st.integers(3, 6), min_size=rank, max_size=rank))
    counts = data.draw(st.lists(st.integers(3, 6), min_size=2, max_size=4))
    parts = [drawn(*[*shape[:axis], count, *shape[axis + 1 :]], seed=n) for n, count in enumerate(counts)]
    order = data.draw(st.sampled_from(list(permutations(range(rank)))))
    whole = np.concatenate(parts, axis).transpose(order)
    names = [f"{n}.weight" for n in range(len(parts))]
    ours = Side([tensor(name, part) for name, part in zip(names, parts, strict=True)])
    (only,) = audit(ours, Side([tensor("fused", whole)])).rows
    assert only.reference == tuple(names) and only.how == ("fused",)
    (only,) = audit(Side([tensor("fused", whole)]), ours).rows
    assert set(only.candidate) == set(names) and only.how == ("split",)
    assert not all(row.found for row in audit(ours, Side([tensor("fused", changed(whole))])).rows)
