"""The right values times a number, plus a number: of the whole, or of each slice along one axis."""

from __future__ import annotations

import math

import numpy as np

from parity.base.metrics import dot
from parity.diagnose.evidence import Evidence, Finding, finding, hypothesis, likeliest

SEVERAL = 0.85
"""Confidence in a model that has two numbers for each slice: it may fit what has another reason."""

FEWEST = 6
"""Values that each fitted slice must have, for two numbers a slice."""


@hypothesis
def gain(e: Evidence) -> Finding | None:
    """The reference times one number."""
    if not e.comparable:
        return None
    square = dot(e.r.ravel(), e.r.ravel())
    k = dot(e.c.ravel(), e.r.ravel()) / square if square else 1.0
    family, words = named_gain(e, k)
    return finding(family, e.left(k * e.r), 0.97, f"{k:.6g} times the reference{words}")


@hypothesis
def offset(e: Evidence) -> Finding | None:
    """The reference plus one number, or one number for each position of an axis (a bias)."""
    if not e.comparable:
        return None
    b = float(e.error.mean())
    whole = finding("offset", e.left(e.r + b), 0.97, f"the reference plus {b:.6g} everywhere")
    each = _bias(e) if e.r.ndim > 1 else None
    return likeliest([whole, each])


def _bias(e: Evidence) -> Finding | None:
    for position, axis in enumerate(e.axes):
        others = tuple(i for i in range(e.r.ndim) if i != position)
        if (
            e.role(position) == "batch"
            or e.error.size // e.error.shape[position] < FEWEST
            or e.error.shape[position] < 2
        ):
            continue
        b = e.error.mean(axis=others, keepdims=True)
        text = f"the reference plus a constant for each {axis}, from {b.min():.4g} to {b.max():.4g}: a bias"
        if found := finding("offset", e.left(e.r + b), 0.94, text, most=0.1):
            return found
    return None


@hypothesis
def affine(e: Evidence) -> Finding | None:
    """The reference times one number plus another."""
    if not e.comparable or e.r.size < FEWEST:
        return None
    k, b = _fit(e.c.reshape(1, -1), e.r.reshape(1, -1))
    text = f"{k[0]:.6g} times the reference plus {b[0]:.6g}: another normalisation or unit"
    return finding("gain and offset", e.left(k[0] * e.r + b[0]), 0.93, text, most=0.1)


@hypothesis
def sliced(e: Evidence) -> Finding | None:
    """Each slice along one axis has a gain and an offset of its own: a norm, its statistics, or a filter's scale."""
    if not e.comparable or e.r.ndim < 2:
        return None
    found = []
    for position, axis in enumerate(e.axes):
        c, r = (np.moveaxis(array, position, 0).reshape(array.shape[position], -1) for array in (e.c, e.r))
        if r.shape[0] < 2 or r.shape[1] < FEWEST:
            continue
        k, b = _fit(c, r)
        shape = [-1 if i == position else 1 for i in range(e.r.ndim)]
        model = k.reshape(shape) * e.r + b.reshape(shape)
        text = f"each {axis} has a gain ({k.min():.4g} to {k.max():.4g}) and an offset ({b.min():.3g} to {b.max():.3g})"
        found.append(finding("normalisation", e.left(model), SEVERAL, text + " of its own", most=0.1))
    return likeliest(found)


@hypothesis
def each_position(e: Evidence) -> Finding | None:
    """A gain and an offset for each vector along the channel axis: a layer norm too many, or its epsilon."""
    channel = e.axis("channel", "feature", "width")
    if not e.comparable or channel is None or e.r.shape[channel] < FEWEST or e.r.size == e.r.shape[channel]:
        return None
    c, r = (np.moveaxis(array, channel, -1) for array in (e.c, e.r))
    k, b = _fit(c.reshape(-1, c.shape[-1]), r.reshape(-1, r.shape[-1]))
    model = k[:, None] * r.reshape(-1, r.shape[-1]) + b[:, None]
    left = e.left(np.moveaxis(model.reshape(r.shape), -1, channel))
    text = f"each position has a gain ({k.min():.6g} to {k.max():.6g}) and an offset of its own over its channels"
    return finding("normalisation", left, SEVERAL, text, most=0.1)


@hypothesis
def sign(e: Evidence) -> Finding | None:
    """The right sizes with some signs turned."""
    if not e.comparable:
        return None
    turned = (np.sign(e.c) != np.sign(e.r)) & e.wrong
    model = np.where(turned, -e.r, e.r)
    return finding(
        "sign", e.left(model), 0.96, f"{turned.sum()} of {turned.size} values have the other sign", most=0.05
    )


@hypothesis
def bessel(e: Evidence) -> Finding | None:
    """Some of the values times sqrt((n - 1) / n) or its inverse, n a length of an input: a variance over n or n - 1."""
    if not e.comparable or not e.wrong.any():
        return None
    r, c = e.r[e.wrong], e.c[e.wrong]
    k = dot(c, r) / max(dot(r, r), 1e-300)
    lengths = sorted({n for array in e.inputs.values() for n in array.shape if n > 1})
    for n in lengths:
        for factor, over in (
            (math.sqrt((n - 1) / n), f"{n}, not {n - 1}"),
            (math.sqrt(n / (n - 1)), f"{n - 1}, not {n}"),
        ):
            for power in (1, 2):
                model = np.where(e.wrong, e.r * factor**power, e.r)
                if abs(k / factor**power - 1) < 1e-4 and e.left(model) < 0.05:
                    sure = 0.8 if e.wrong.all() else 0.95  # any gain may be near one of these
                    return Finding(
                        "Bessel", sure, f"{int(e.wrong.sum())} values divided by {over}: Bessel's correction"
                    )
    return None


def named_gain(e: Evidence, k: float) -> tuple[str, str]:
    """The family of a gain, and what it may be: a root of a width, a logarithm's base, a thousand."""
    if k == 0 or abs(k - 1) < 1e-9:
        return "gain", ""
    widths = {n for array in (e.r, *e.inputs.values()) for n in array.shape if n > 1}
    known = {"the logarithm's base (10 for e)": 1 / math.log(10), "the logarithm's base (2 for e)": 1 / math.log(2)}
    known |= {"decibels for nepers": 20 / math.log(10)}
    for family, table in (
        ("log base", known),
        ("scale", {"a thousand": 1000.0}),
        ("scale", {f"the root of the length {n}": math.sqrt(n) for n in sorted(widths)}),
        ("scale", {f"the length {n}": float(n) for n in sorted(widths)}),
    ):
        for words, value in table.items():
            for candidate, how in ((value, ""), (1 / value, "the inverse of ")):
                if abs(abs(k) / candidate - 1) < 1e-3:
                    return family, f": {how}{words}"
    return ("sign", ": the sign") if k < 0 and abs(k + 1) < 1e-3 else ("gain", "")


def _fit(c: np.ndarray, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least squares `c = k r + b` in each row."""
    centred, mean = r - r.mean(axis=1, keepdims=True), c.mean(axis=1)
    square = (centred * centred).sum(axis=1)
    k = np.where(square > 0, (centred * c).sum(axis=1) / np.where(square > 0, square, 1), 1.0)
    return k, mean - k * r.mean(axis=1)
