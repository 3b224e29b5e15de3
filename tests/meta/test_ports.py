"""The frame of `ports/`, on pairs of a few lines: every verdict, the rows that are kept, shards and the page."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import partial

import mlx.core as mx
import mlx.nn as mlx_nn
import numpy as np
import pytest
import torch

import parity
from parity.base.errors import InputError
from ports import __main__ as command
from ports import page, pairs
from ports.chatterbox.port import Port, Stage
from ports.chatterbox.subject import Subject
from ports.confirmed import false_matches, unseen
from ports.corrected import corrected
from ports.language import drawn, published
from ports.pair import Departure, Pair, Sides, judge
from ports.row import load, row, save

GELU = Departure("the GELU is another", "tanh", "erf")


class Reference(torch.nn.Module):
    def forward(self, x):
        return torch.tanh(torch.nn.functional.gelu(2 * x, approximate="tanh"))


def port(x):
    return mx.tanh(mlx_nn.gelu_approx(2 * x))


def departing(x):
    return mx.tanh(mlx_nn.gelu(2 * x))


def failing(x):
    raise KeyError("weights")


def sides(candidate, folder):
    inputs = [{"x": np.random.default_rng(n).standard_normal((2, n)).astype(np.float32)} for n in (5, 8)]
    return Sides(Reference(), candidate, inputs)


def made(candidate, **known):
    return Pair("toy/tanh", ("numpy",), partial(sides, candidate), **known)


@pytest.mark.parametrize(
    ("pair", "word"),
    [
        (made(port), "equal"),
        (made(port, departures=(GELU,)), "unexplained"),
        (made(departing), "unexplained"),
        (made(departing, departures=(replace(GELU, candidate="sin"),)), "unexplained"),
        (made(departing, departures=(GELU,)), "departs"),
        (made(departing, departures=(GELU,), mended=partial(sides, port)), "departs"),
        (
            made(departing, departures=(GELU,), mended=partial(sides, departing)),
            "unexplained",
        ),
        (made(failing), "failed"),
        (made(failing, refused="weights", reason="it has no weights"), "cannot run"),
        (made(failing, refused="another cause"), "failed"),
        (made(failing, refused="weights", mended=partial(sides, port)), "cannot run"),
        (made(failing, refused="weights", mended=partial(sides, departing)), "failed"),
    ],
    ids=[
        "equal",
        "expected in vain",
        "unknown",
        "known otherwise",
        "healed",
        "mended",
        "mended in vain",
        "failed",
        "refused",
        "refused otherwise",
        "refused and mended",
        "refused and mended in vain",
    ],
)
def test_the_word_of_a_pair(pair, word):
    assert judge(pair).word == word


def test_values_are_matched_by_no_accident():
    judged = judge(made(port))
    assert judged.matches is not None
    assert judged.matches[0] > 3
    assert judged.matches[1] == 0


def test_a_match_that_other_inputs_refuse_is_counted():
    """A port with a bound that is the least of its inputs, which it reaches on the first ones by their order alone."""
    rising = np.sort(np.random.default_rng(0).standard_normal((2, 9)).astype(np.float32))

    class Exponential(torch.nn.Module):
        def forward(self, x):
            return torch.exp(x)

    def bounded(x):
        return mx.exp(mx.maximum(x, x[:, :1]))

    found = parity.compare(Exponential(), bounded, {"x": rising}, exact=True)
    assert found.proof.proven
    assert false_matches(found, Exponential(), bounded) != []
    given = unseen({"x": rising, "mask": np.array([True, False])})
    assert (np.sort(given["x"]) == rising).all()
    assert (given["x"] != rising).any()
    assert given["mask"].tolist() == [True, False]


def test_rows_are_kept_and_read_again(tmp_path):
    rows = [row(judge(replace(made(port), name=name))) for name in ("toy/b", "toy/a")]
    for one in rows:
        save([one], tmp_path / f"{one.name[-1]}.json")
    files = sorted(tmp_path.iterdir(), reverse=True)
    assert load(files) == rows[::-1]
    with pytest.raises(InputError, match="toy/a is in another file as well"):
        load([files[1], files[1]])


@pytest.mark.parametrize("text", ["[", "[3]", '[{"name": "a"}]', "{}x"])
def test_a_file_without_rows_is_refused(tmp_path, text):
    (tmp_path / "rows.json").write_text(text)
    with pytest.raises(InputError, match="expected a file that `python -m ports --json` wrote"):
        load([tmp_path / "rows.json"])


def test_shards_have_every_pair_once():
    assert sorted(one for n in (1, 2, 3) for one in pairs.shard(f"{n}/3", range(8))) == list(range(8))


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "a/b", "1/2/3", "-1/2"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(InputError, match="expected i/n with i from 1 to n"):
        pairs.shard(text, [])


def test_a_name_that_is_no_pair_is_refused(monkeypatch):
    monkeypatch.setattr(pairs, "every", lambda peers: [made(port)])
    with pytest.raises(InputError, match="there is no pair 'toy/none'; expected one of toy/tanh"):
        pairs.named("toy/none")


def test_a_package_that_is_missing_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "ports.language", None)
    with pytest.raises(InputError, match=r"install what ports/requirements\.txt names"):
        pairs.every()


def test_the_command_judges_keeps_and_writes(tmp_path, monkeypatch, capsys):
    several = [made(port), replace(made(departing, departures=(GELU,)), name="toy/other, 16 Hz")]
    monkeypatch.setattr(pairs, "every", lambda peers: several)
    kept = [tmp_path / "one.json", tmp_path / "two.json"]
    for number, file in enumerate(kept, 1):
        monkeypatch.setattr(sys, "argv", ["ports", "--shard", f"{number}/2", "--json", str(file)])
        assert command.main() == 0
    assert "equal        toy/tanh: equal; " in capsys.readouterr().out
    assert len(json.loads(kept[0].read_text())) == 1

    monkeypatch.setattr(sys, "argv", ["ports", "--read", *map(str, kept), "--write", str(tmp_path / "page.md")])
    assert command.main() == 0
    text = (tmp_path / "page.md").read_text()
    assert "2 pairs; by verdict: " in text
    assert "| toy/tanh | " in text
    assert "[toy/other, 16 Hz](page/toy.md#toyother-16-hz)" in text
    section = (tmp_path / "page" / "toy.md").read_text()
    assert "## toy/other, 16 Hz" in section
    assert "- the GELU is another" in section
    assert "  reference: " in section and "  port: " in section
    assert "proven: with the reference's values in the places of all departures" in section
    assert "toy/tanh" not in section
    assert "2 run in double as they are installed (100.0%), 0 more with lines corrected." in text
    assert str(tmp_path.parent) not in text + section
    for one in load(kept):
        assert f"| {' | '.join(page.cells(one, 'page'))} |" in text

    monkeypatch.setattr(pairs, "every", lambda peers: [made(failing)])
    monkeypatch.setattr(sys, "argv", ["ports"])
    assert command.main() == 1
    assert "KeyError" in capsys.readouterr().out


def test_lines_of_a_module_are_corrected_in_a_copy():
    changed = corrected("ports.corrected", {'"""Modules of a port': '"""Another'})
    assert changed.__doc__.startswith("Another")
    assert not sys.modules["ports.corrected"].__doc__.startswith("Another")
    with pytest.raises(InputError, match=r"ports\.corrected has no 'nothing like it'"):
        corrected("ports.corrected", {"nothing like it": ""})


def test_lines_are_corrected_of_a_module_that_another_imports_from():
    before = sys.modules["ports.pair"]
    changed = corrected("ports.row", {'EXPECTED = ("equal",': 'EXPECTED = ("alike",'}, part="ports.pair")
    assert changed.Judged is not before.Judged
    assert sys.modules["ports.pair"] is before
    with pytest.raises(InputError, match=r"ports\.pair has no 'nothing like it'"):
        corrected("ports.row", {"nothing like it": ""}, part="ports.pair")


def test_published_checkpoints_have_their_names_and_layouts():
    numbers = lambda *shape: torch.arange(float(np.prod(shape))).reshape(shape)  # noqa: E731
    weights = {"model.a.weight": numbers(2)}
    assert list(published.without("model.")(weights)) == ["a.weight"]
    assert list(published.under("language_")(weights)) == ["language_model.a.weight"]
    assert list(published.renamed(**{"a.": "b.", "b.weight": "c"})(weights)) == ["model.c"]
    assert published.dropped(".a.")(weights) == {}
    parts = {"gate": numbers(3, 2), "up": numbers(3, 2) + 6, "down": numbers(2, 3)}
    experts = {f"m.experts.{n}.{part}_proj.weight": value + n for n in (0, 1) for part, value in parts.items()}
    joint = published.joined({**experts, **weights})
    assert {name: tuple(value.shape) for name, value in joint.items()} == {
        "model.a.weight": (2,),
        "m.experts.gate_up_proj": (2, 6, 2),
        "m.experts.down_proj": (2, 2, 3),
    }
    assert (joint["m.experts.gate_up_proj"][1] == torch.cat([parts["gate"], parts["up"]]) + 1).all()
    fused = published.gpt_oss(
        {"m.experts.gate_up_proj": numbers(1, 2, 6), "m.experts.gate_up_proj_bias": numbers(1, 6)}
    )
    assert (fused["m.experts.up_proj.weight"] == numbers(1, 2, 6)[..., 1::2].mT).all()
    assert fused["m.experts.gate_proj.bias"].tolist() == [[0.0, 2.0, 4.0]]
    weights = drawn.ternary("m.q_proj.weight", 0.1 * torch.randn(8, 3, generator=torch.Generator().manual_seed(0)))
    bytes_ = published.packed({"m.q_proj.weight": weights})
    assert {name: tuple(value.shape) for name, value in bytes_.items()} == {
        "m.q_proj.weight": (2, 3),
        "m.q_proj.weight_scale": (1,),
    }
    rows = torch.cat([bytes_["m.q_proj.weight"] // 4**place % 4 for place in range(4)]).float() - 1
    assert (rows * bytes_["m.q_proj.weight_scale"] == weights).all()
    assert set(rows.unique().tolist()) == {-1.0, 0.0, 1.0}


def test_a_pair_that_runs_with_lines_corrected_has_a_section():
    mended = made(failing, refused="weights", reason="no weights", mended=partial(sides, port), correction="weights")
    assert "proven: with weights, all of it is equal in double." in list(page.PORTS.section(row(judge(mended))))
    assert list(page.PORTS.section(row(judge(made(failing, refused="weights"))))) == []


BLOCK = Subject("flow/block", Reference, None, [], within=("flow/encoder", "flow/decoder"))


def test_a_stage_within_others_needs_no_line_of_its_own():
    stages = {"flow/encoder": Stage(make="encoder"), "flow/decoder": Stage(make="decoder")}
    table = Port("toy", "ports.toy", ("numpy",), stages)
    (pair,) = table.pairs([BLOCK])
    assert pair.absent == "it is judged in flow/encoder, flow/decoder"
    assert judge(pair).word == "absent"
    (pair,) = replace(table, stages={**stages, "flow/block": Stage(make="block")}).pairs([BLOCK])
    assert not pair.absent


@pytest.mark.parametrize(
    ("within", "decoder"),
    [
        ((), {"flow/decoder": Stage(make="decoder")}),
        (BLOCK.within, {}),
        (BLOCK.within, {"flow/decoder": Stage(absent="it has none")}),
    ],
)
def test_a_stage_that_nothing_is_said_of_is_refused(within, decoder):
    table = Port("toy", "ports.toy", ("numpy",), {"flow/encoder": Stage(make="encoder"), **decoder})
    with pytest.raises(InputError, match=r"toy\.toml has no flow/block; expected how it is had, or why it is absent"):
        list(table.pairs([replace(BLOCK, within=within)]))
