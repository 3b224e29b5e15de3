"""parity.contract: loops and blocks expand in flow order, rules decide in order, and a wrong contract is refused."""

import re

import pytest

from fixtures import cases
from parity import contract as contracts
from parity.base.errors import InputError
from parity.contract import ACCUMULATED, FULL, LOCAL

TEXT = """
cases = "m:cases"
checkpoints = "m:checkpoints"

[sides.reference]
factory = "m:reference"
framework = "torch"

[sides.candidate]
factory = "m:candidate"
framework = "mlx"

[layouts]
"b c t" = "b t c"

[splits]
g = ["cond", "uncond"]

[state]
x = "b c t"

[blocks]
layer = [["norm", "g c"], ["", "g c"]]
stack = [{ block = "layer", at = "layers.{}", each = "layers" }, ["out", "b c t"]]

[[segment]]
name = "head"
taps = [["embedding", "b c"], { block = "stack", at = "encoder" }]

[[segment]]
name = "loop"
each = "steps"
index = "step"
taps = [{ block = "stack", at = "decoder" }, ["x", "b c t"]]

[[rule]]
pattern = "x*"
mode = "accumulated"
ratio64 = 1.5
ratio32 = 3
why = "chained"

[[rule]]
pattern = "*"
mode = "*"
ratio64 = 2.0
ratio32 = 2.5
why = "default"
"""
DIMS = {"layers": 2, "steps": 3}


@pytest.fixture
def load(tmp_path):
    """Loads TEXT, changed: each pair is a regular expression and what replaces it, in exactly one place."""

    def load(*changes: tuple[str, str]) -> contracts.Contract:
        text = TEXT
        for pattern, replacement in changes:
            text, count = re.subn(pattern, replacement, text, flags=re.DOTALL)
            assert count == 1
        file = tmp_path / "contract.toml"
        file.write_text(text)
        return contracts.load(file)

    return load


def test_taps_come_in_flow_order(load):
    segments = load().segments(DIMS)
    assert [segment.label for segment in segments] == ["head", "loop[step=0]", "loop[step=1]", "loop[step=2]"]
    assert [(segment.name, segment.index) for segment in segments[:2]] == [("head", None), ("loop", 0)]
    assert [(tap.name, tap.axes) for tap in segments[0].taps] == [
        ("embedding", "b c"),
        ("encoder.layers.0.norm", "g c"),
        ("encoder.layers.0", "g c"),
        ("encoder.layers.1.norm", "g c"),
        ("encoder.layers.1", "g c"),
        ("encoder.out", "b c t"),
    ]
    assert [tap.name for tap in segments[3].taps] == [
        "decoder.layers.0.norm[step=2]",
        "decoder.layers.0[step=2]",
        "decoder.layers.1.norm[step=2]",
        "decoder.layers.1[step=2]",
        "decoder.out[step=2]",
        "x[step=2]",
    ]
    assert segments[3].taps[0].path == "decoder.layers.0.norm"


@pytest.mark.parametrize("case", ["tiny-flow", "full-flow"])
def test_the_flow_has_as_many_taps_as_its_dimensions_say(flow_contract, case):
    dims = cases.load(case).dims
    embed, conformer, convolution, transformer = 3, 5, 3, 5
    lookahead, upsampling, positions, results = 3, 2, 1, 8  # results: from the last norm to the time grid
    encoder = 1 + 2 * (embed + positions) + lookahead + upsampling + results
    encoder += conformer * (dims["encoder_blocks"] + dims["encoder_up_blocks"])
    resnet = 2 * convolution + 2 + 1  # two of them, time and residual projections, the sum
    unet = resnet + transformer * dims["transformer_blocks"] + 1
    time, ends = 3, 5  # ends: the last projection, the decoder, the velocity, the guided one, the state
    step = time + (dims["mid_blocks"] + 2) * unet + 2 + convolution + ends
    segments = flow_contract.segments(dims, cases.load(case).segments)
    assert [len(segment.taps) for segment in segments] == [encoder] + [step] * dims["steps"]
    assert encoder + step * dims["steps"] == {"tiny-flow": 42 + 93 * 10, "full-flow": 72 + 433 * 10}[case]


def test_every_rule_of_chatterbox_decides_something(flow_contract):
    used = set()
    precisions = [FULL, *flow_contract.precisions.values()]
    for name, precision in ((name, each) for name in cases.CASES if name.startswith("tiny") for each in precisions):
        case, contract = cases.load(name), flow_contract.rules_of(name, precision)
        taps = [tap.name for segment in contract.segments(case.dims, case.segments) for tap in segment.taps]
        used |= {contract.rule(tap, mode) for tap in taps for mode in (ACCUMULATED, LOCAL)}
    assert used == set(flow_contract.rules)


@pytest.mark.parametrize("case", ["tiny", "full"])
def test_every_rule_decides_something_in_a_whole_run(flow_contract, case):
    contract = flow_contract.rules_of(case)
    contract.check_rules(contract.segments(cases.load(case).dims))


def test_the_first_rule_that_matches_decides(load):
    contract = load()
    assert contract.rule("x[step=1]", ACCUMULATED).why == "chained"
    assert contract.rule("x[step=1]", LOCAL).why == "default"
    assert contract.rule("embedding", ACCUMULATED).why == "default"
    assert (contract.rules[0].ratio64, contract.rules[0].ratio32) == (1.5, 3.0)


def test_brackets_in_a_pattern_are_the_taps_own(load):
    contract = load((r'"x\*"', '"x[step=1]"'))
    contract.check_rules(contract.segments(DIMS))
    assert contract.rule("x[step=1]", ACCUMULATED).why == "chained"
    assert contract.rule("x[step=2]", ACCUMULATED).why == "default"
    assert contract.rule("xs", ACCUMULATED).why == "default"  # a character class would match it


def test_a_tap_without_a_rule_is_refused(load):
    with pytest.raises(InputError, match=r"no rule matches tap embedding \(local\)"):
        load((r'pattern = "\*"', 'pattern = "x*"')).rule("embedding", LOCAL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((r'pattern = "x\*"', 'pattern = "y*"'), "'y[*]' .accumulated. matches no tap"),
        ((r'mode = "\*"', 'mode = "local"'), "no rule matches tap embedding .accumulated."),
        ((r"(\[\[rule\]\].*?)(\[\[rule\]\].*)", r"\2\1"), "'x[*]' .accumulated. decides nothing"),
    ],
    ids=["no such tap", "mode left out", "hidden by an earlier rule"],
)
def test_a_rule_that_guards_nothing_is_refused(load, change, message):
    contract = load(change)
    with pytest.raises(InputError, match=message):
        contract.check_rules(contract.segments(DIMS))


def test_a_segment_that_is_apart_is_run_where_it_is_named(load):
    whole, contract = load(), load((r'name = "loop"', 'name = "loop"\napart = true'))
    assert [segment.name for segment in contract.segments(DIMS)] == ["head"]
    assert [segment.index for segment in contract.segments(DIMS, ["loop"])] == [0, 1, 2]
    assert (contract.last, whole.last) == ("head", "loop")


def test_layouts_and_branches(load):
    contract = load()
    assert (contract.candidate_axes("b c t"), contract.candidate_axes("b c")) == ("b t c", "b c")
    assert (contract.branches("g c"), contract.branches("b c")) == (["cond", "uncond"], [""])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((r'each = "layers"', 'each = "rungs"'), "unknown dimension 'rungs'; the case has layers, steps"),
        ((r'each = "steps"', 'each = "laps"'), "unknown dimension 'laps'"),
        ((r'block = "layer"', 'block = "lair"'), "unknown block 'lair'; known: layer, stack"),
        ((r'\["out", "b c t"\]', '["layers.0", "g c"]'), "declared more than once: .*encoder.layers.0"),
        ((r'"layers.\{\}"', '"layers"'), "declared more than once"),
        ((r'\["out", "b c t"\]', '["out"]'), "among the taps, expected"),
        ((r'at = "layers.\{\}", ', ""), "among the taps, expected"),
    ],
)
def test_an_outline_that_makes_no_sense_is_refused(load, change, message):
    with pytest.raises(InputError, match=message):
        load(change).segments(DIMS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((r"\[blocks\]", "[blocks"), "not valid TOML"),
        ((r'cases = "m:cases"', ""), "lacks 'cases'"),
        ((r'checkpoints = "m:checkpoints"', ""), "lacks 'checkpoints'"),
        ((r'\[state\]\nx = "b c t"', ""), "lacks 'state'"),
        ((r"\[sides.candidate\].*?\n\n", ""), "lacks 'candidate'"),
        ((r"\[\[rule\]\].*", ""), "lacks 'rule'"),
        ((r"\[\[segment\]\].*?\[\[rule\]\]", "[[rule]]"), "lacks 'segment'"),
        ((r'framework = "mlx"', ""), r"\[sides.candidate\] lacks framework"),
        ((r'index = "step"', ""), r"\[\[segment\]\] lacks index"),
        ((r'why = "chained"', ""), r"\[\[rule\]\] lacks why"),
        ((r"ratio32 = 3", ""), r"\[\[rule\]\] lacks ratio32"),
        ((r'mode = "accumulated"', 'mode = "inherent"'), "has mode 'inherent', expected 'accumulated', 'local'"),
        ((r"ratio64 = 1.5", "ratio64 = inf"), "ratio64 = inf, expected a positive, finite number"),
        ((r"ratio64 = 1.5", "ratio64 = nan"), "ratio64 = nan, expected a positive"),
        ((r"ratio32 = 3", "ratio32 = 0"), "ratio32 = 0, expected a positive"),
        ((r"ratio32 = 3", 'ratio32 = "3"'), "ratio32 = '3', expected a positive"),
        ((r"ratio32 = 3", "ratio32 = true"), "ratio32 = True, expected a positive"),
        ((r"\[layouts\]", "[layout]"), "the contract has 'layout', which is not known; is layouts meant"),
        (
            (r"ratio64 = 1.5", "ratio64 = 1.5\nratoi64 = 2.0"),
            r"\[\[rule\]\] has 'ratoi64', which is not known; is ratio64",
        ),
        ((r"ratio64 = 1.5", "truth = 1.5"), r"\[\[rule\]\] has 'truth', which is not known; is ratio64 meant"),
        (
            (r"\[layouts\]", "[[sond]]\nrate = 1\n\n[layouts]"),
            "the contract has 'sond', which is not known; is sound",
        ),
        (
            (r'framework = "mlx"', 'framework = "mlx"\nzzz = 1'),
            r"\[sides.candidate\] has 'zzz', .*expected one of factory, framework",
        ),
        (
            (r'\{\}", each = "layers"', '{}", eahc = "layers"'),
            "the block 'layer' among the taps has 'eahc', which is not known; is each meant",
        ),
        (
            (r'at = "encoder"', 'at = "encoder", ecah = "layers"'),
            "the block 'stack' among the taps has 'ecah', which is not known; is each",
        ),
        ((r"\[layouts\]", '[axes]\ntempo = "t"\n\n[layouts]'), "unknown role 'tempo'; known: batch, time, channel"),
        ((r"\[layouts\]", '[axes]\ntime = "t"\nhead = "t"\n\n[layouts]'), "axis 't' has the roles time and head"),
        ((r"\[layouts\]", '[chain]\ntap = "x"\n\n[layouts]'), r"\[chain\] lacks known, known_as"),
    ],
)
def test_a_malformed_file_is_refused(load, change, message):
    with pytest.raises(InputError, match=message):
        load(change)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.toml: cannot read the contract .*name one with --contract"):
        contracts.load(tmp_path / "none.toml")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    file = tmp_path / "contract.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not valid TOML"):
        contracts.load(file)
