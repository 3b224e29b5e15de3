"""Which families are right to be named for a mutant of `parity mutate`: by what was changed, and by where it stands.

Both tables say what a change is, not what is said of it. A family that only says where an error lies, such as 'few
values' or 'period', is right nowhere that its value does not say as well what is wrong.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

NUMBER = ("term", "gain", "scale", "offset", "gain and offset", "sign")
READ = ("shift", "shape", "permutation", "memory order", "axis order", "tap")
EVERY = ".*"


class Changed(Protocol):
    """What a mutant says of itself."""

    operator: str
    function: str
    before: str
    after: str


class Row(NamedTuple):
    """Families that are right where a pattern fits, and why."""

    of: str
    pattern: str
    families: tuple[str, ...]
    why: str


CHANGES = [
    Row("operator", EVERY, NUMBER, "a term or a factor of a formula is another one, or lost"),
    Row("operator", r"//|%|<<|>>|shape|length|frames|start|count|width|hop", READ, "a length or a place is computed"),
    Row("operator", r"\*\*", ("power", "statistic", "function", "Bessel"), "a power is a product"),
    Row("operator", r"@", READ, "a product of the two the other way round"),
    Row("operator", r"mask", ("padding",), "a factor of 0 and 1 is lost"),
    Row("assignment", EVERY, (*NUMBER, *READ), "a term or factor is lost, or a place is another one"),
    Row("constant", EVERY, NUMBER, "a number is a term or a factor"),
    Row("constant", r"^\d+$", (*READ, "padding", "arithmetic"), "a whole number is a length, a place or a distance"),
    Row("constant", r"True|False", (*READ, "padding", "offset", "term"), "what an option switches is on or off"),
    Row("constant", r"[\"']", (*READ, "padding", "function"), "what an option names is another of its kind"),
    Row("default", EVERY, (*NUMBER, *READ, "arithmetic"), "as of a constant"),
    Row("exchange", EVERY, (*READ, "sign", "term", "weights"), "one value, axis or weight is taken for another"),
    Row("return", EVERY, (*READ, "sign", "term", "weights"), "one value is taken for another"),
    Row("axis", EVERY, (*READ, "statistic", "normalisation"), "an axis is taken for another"),
    Row("slice", EVERY, (*READ, "padding", "term"), "a value of a position is lost, or another one is read"),
    Row("pad", EVERY, ("shift", "shape", "padding"), "positions are added on another side"),
    Row("loop", EVERY, ("term", "shape", "taps", "tap", "padding"), "one of several is not computed, or not added"),
    Row("condition", EVERY, (*READ, "padding", "term"), "what a condition leads to is done always, or never"),
    Row("comparison", EVERY, ("padding", "limit", "decision", "mixing"), "which values are chosen is another"),
    Row("comparison", r"count|length|frames|shape|start|end", READ, "a length or a place is computed"),
    Row("condition", r"order", ("float32 sums",), "sums are made in another order"),
    Row("argument", r"\baxis=", (*READ, "statistic"), "an axis is taken for another"),
    Row("argument", r"padding=", ("padding", "shift", "shape"), "positions are not added"),
    Row("argument", r"stride=|dilation=|groups=", ("arithmetic", "shape", "shift"), "positions are read elsewhere"),
    Row("argument", r"eps=", ("normalisation", "gain"), "an epsilon is another one"),
    Row("argument", r"scale=", ("scale", "gain", "mixing"), "a factor is another one"),
    Row("argument", r"mask=|bias=", ("mixing", "offset", "padding"), "what is added is not"),
    Row("argument", r"start=|offset=|before=", (*READ, "offset"), "a place is another one"),
    Row("argument", EVERY, ("shape",), "what it says is not known"),
    Row("call", EVERY, ("tap", "term", "gain", "offset", "shape"), "a value stands where a function of it is expected"),
    Row("call", r"pad|reflected", ("padding", "shift"), "positions are not added"),
    Row("call", r"swapaxes|transpose|moveaxis|split\(", ("memory order", "axis order", "mixing"), "axes are not moved"),
    Row("dtype", EVERY, ("rounding", "float32 sums"), "values are of another precision"),
]
"""By the operator's word and the texts before and after. All rows that fit count."""

FUNCTIONS = r"(exp|log|log10|sin|cos|sqrt|square|tanh|abs|round|power_spectrum)\("
ACTIVATIONS = r"relu|gelu|silu|mish|sigmoid|snake|tanh|elu|activation|slope"

PLACES = [
    Row(EVERY, FUNCTIONS, ("function", "power", "log base", "activation", "sign"), "a function of one value"),
    Row(EVERY, ACTIVATIONS, ("activation", "function"), "an activation"),
    Row("functional.*", EVERY, ("activation", "function"), "an activation"),
    Row(EVERY, r"\b(max|maximum|min|minimum|clip|floor|limit)\b", ("limit", "activation"), "a limit"),
    Row(EVERY, r"mask", ("padding", "mixing"), "a mask"),
    Row(EVERY, r"\b(mean|mean_over_time|var|std|blocked_sum|sum)\b", ("statistic", "Bessel", "gain"), "a statistic"),
    Row(EVERY, r"norm|eps", ("normalisation", "gain and offset"), "a norm"),
    Row(EVERY, r"conv|kernel|dilation|stride|lookahead", ("arithmetic", "weights", "tap"), "a convolution"),
    Row(EVERY, r"repeat|upsample", ("upsampling",), "an upsampling"),
    Row(EVERY, r"window", ("window", "filters"), "a window"),
    Row(EVERY, r"guidance|conditional|zeros_like", ("branches",), "a branch of guidance"),
    Row(EVERY, r"positions|embed", ("table",), "rows of a table"),
    Row("speaker_encoder.*|mel.*|tables.*", r"mel|filter|hz|corners", ("filters",), "filters"),
    Row(
        "tables.(kaldi|mel|sinc).*|mel.*(Filtered|MelSpectrogram).*", EVERY, ("filters", "window"), "a bank of filters"
    ),
    Row(".*(hann|povey|sinc).*", EVERY, ("window", "filters"), "a window"),
    Row(
        ".*spectrum.*|.*STFT.*|.*Powers.*|.*Magnitudes.*", EVERY, ("window", "padding", "shift", "power"), "a transform"
    ),
    Row("spectrum.*istft.*|stft.*", EVERY, ("window", "gain", "sign"), "an inverse transform"),
    Row(".*(rotary|rotate|Rotary|RelativePositions).*", EVERY, ("rotary", "mixing", "scale"), "positions as angles"),
    Row(".*(ttention|relative_shift|skewed|FSMN).*", EVERY, ("mixing", "rotary"), "an attention"),
    Row(".*(Memory|FSMN).*", EVERY, ("arithmetic", "term"), "a memory: a convolution with a residual"),
    Row(".*(Norm|norm).*", EVERY, ("normalisation", "gain and offset", "gain", "offset"), "a norm"),
    Row(".*(Conv|taps).*", EVERY, ("arithmetic", "weights", "shift", "padding"), "a convolution"),
    Row(".*(lstm|LSTM).*", EVERY, ("gates", "weights"), "the gates of an LSTM"),
    Row("sampling.*|generation.*", EVERY, ("cut", "draw", "decision", "few values", "branches"), "a sampler"),
    Row(".*FSQ.*", EVERY, ("digits", "decision"), "digits"),
    Row("trim.*", EVERY, ("decision",), "what is trimmed is decided"),
    Row(".*(SineGenerator|SourceModule).*", EVERY, ("phase", "decision", "upsampling"), "sines of a running phase"),
    Row(".*(fade).*", EVERY, ("envelope",), "a fade"),
    Row(".*(euler|guide|guided|branches).*", EVERY, ("branches", "term"), "branches of guidance, and a step"),
    Row(".*time_grid.*", EVERY, ("schedule",), "times of steps"),
    Row(".*SinusoidalPosEmb.*|.*RelativePositions.*", EVERY, ("scale", "rotary"), "sines of numbers"),
    Row(".*(embed|Embed|prompt).*", EVERY, ("table", "tap", "scale"), "rows of a table"),
    Row(
        ".*(MLP|FeedForward|TimestepEmbedding).*",
        EVERY,
        ("activation", "tap", "term"),
        "two layers",
    ),
    Row(".*(Partials|window_starts|Segment).*", EVERY, ("arithmetic", "statistic"), "parts of a whole"),
    Row(
        "weights.*|stored.*|mapping.*|layout.*|fold.*|rule.*|reader.*|template.*", EVERY, ("weights",), "stored weights"
    ),
]
"""By the module and function that the change is in, and the texts before and after. All rows that fit count."""


def families(mutant: Changed, module: str) -> frozenset[str]:
    """The families that are right for a mutant of the module of that dotted name."""
    texts = f"{mutant.before}\n{mutant.after}"
    where = f"{module.rpartition('.')[2]}.{mutant.function}"
    rows = [row for row in CHANGES if row.of == mutant.operator and re.search(row.pattern, texts, re.M)]
    rows += [row for row in PLACES if re.fullmatch(row.of, where) and re.search(row.pattern, texts, re.M)]
    return frozenset(family for row in rows for family in row.families)
