"""The picture of a cause: what its page's program computes on both sides, drawn while the site is built.

A page asks for it by `<!-- picture: WORDS -->`. Its first block of Python leaves `reference` and `candidate`: two
arrays, or two functions, of PyTorch and MLX, that are called with its `inputs`.
"""

from __future__ import annotations

import contextlib
import io
import linecache
import re
from collections.abc import Mapping
from html import escape
from typing import Any
from xml.etree import ElementTree

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from manual.outside import DOCS
from parity.show.page.plots import svg

WANTED = re.compile(r"^<!-- picture: (.+?) -->$", flags=re.MULTILINE)
DRAWING = re.compile(r"!\[([^]]+)\]\(([^)\s]+\.svg)\)")
PROGRAM = re.compile(r"^```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
OURS, THEIRS = "#010103", "#010102"
"""Colours that stand for those of the page: of the candidate, of the reference."""

LARGEST = 64
"""Rows and columns up to which the places of an error are drawn."""


def drawn(text: str) -> str:
    """A page's text with its picture, if it asks for one."""
    wanted = WANTED.search(text)
    if wanted is None:
        return text
    words = wanted[1]
    return WANTED.sub(
        lambda _: f"<figure>{picture(text, words)}<figcaption>{escape(words)}</figcaption></figure>", text
    )


def inline(text: str) -> str:
    """A page's text with its drawings in it: as a part of the page a drawing takes the colours of its scheme."""

    def drawing(found: re.Match[str]) -> str:
        image = ElementTree.fromstring((DOCS / found[2].lstrip("./")).read_text(encoding="utf-8"))
        for style in image.findall("{*}style"):
            image.remove(style)  # of the drawing by itself: in a page it would colour all others
        image.set("aria-label", found[1])
        ElementTree.register_namespace("", "http://www.w3.org/2000/svg")
        return f"<figure>{ElementTree.tostring(image, encoding='unicode')}</figure>"

    return DRAWING.sub(drawing, text)


def picture(text: str, words: str) -> str:
    """The picture of a page, as SVG in the page's colours."""
    names, _ = ran(text)
    return svg(_figure(*values(names)), words)


def ran(text: str, path: str = "<page>") -> tuple[dict[str, Any], str]:
    """The names that the first program of a page leaves, and what it prints. Its lines can be shown by their number."""
    program = PROGRAM.search(text)
    if program is None:
        raise ValueError(f"{path} has no program to draw: expected a block of Python")
    source = program[1]
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    names: dict[str, Any] = {"__name__": "page"}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(source, path, "exec"), names)
    return names, printed.getvalue()


def values(names: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """What both sides compute: `reference`, then `candidate`."""
    reference, candidate = names["reference"], names["candidate"]
    if not callable(reference):
        return np.asarray(reference), np.asarray(candidate)
    import mlx.core as mx
    import torch

    inputs: Mapping[str, np.ndarray] = names["inputs"]
    theirs = _called(reference, {name: torch.tensor(array) for name, array in inputs.items()}).detach().numpy()
    return theirs, np.array(_called(candidate, {name: mx.array(array) for name, array in inputs.items()}))


def _called(side: Any, arrays: Mapping[str, Any]) -> Any:
    return side(*arrays.values())


def _figure(reference: np.ndarray, candidate: np.ndarray) -> Figure:
    """Both sides in the row that is most wrong, and the places of the error, or its size along the row."""
    theirs, ours = (np.atleast_2d(array.reshape(-1, array.shape[-1])) for array in (reference, candidate))
    same = reference.shape == candidate.shape
    error = np.abs(ours.astype(float) - theirs) if same else np.zeros((1, 1))
    row = int(np.nanargmax(np.nan_to_num(error).max(axis=1))) if same else 0
    figure = Figure(figsize=(7.6, 2.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    left.plot(theirs[row], color=THEIRS, lw=1.6, label="reference")
    left.plot(ours[row], color=OURS, lw=1.2, ls="--", marker="." if ours.shape[1] <= LARGEST else "", label="port")
    left.set_xlabel("last axis")
    left.set_title(f"row {row} of {len(theirs)}" if len(theirs) > 1 else "both sides", fontsize=9)
    left.legend(frameon=False, fontsize=8)
    if same and 1 < len(theirs) <= LARGEST and theirs.shape[1] <= LARGEST:
        _places(right, error)
    else:
        _sizes(right, error[row] if same else None, reference, candidate)
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return figure


def _places(axes: Any, error: np.ndarray) -> None:
    """A mark where the two differ, as large as the difference."""
    finite = np.nan_to_num(error, nan=float(np.nanmax(error)) if np.isfinite(error).any() else 1.0)
    rows, columns = np.nonzero(finite > 1e-6 * max(float(finite.max()), 1e-300))
    sizes = 3 + 22 * finite[rows, columns] / finite.max() if len(rows) else []
    axes.scatter(columns, rows, s=sizes, color=OURS, lw=0)
    axes.set(xlim=(-1, error.shape[1]), ylim=(error.shape[0], -1), xlabel="last axis", ylabel="row")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_title("where they differ", fontsize=9)


def _sizes(axes: Any, error: np.ndarray | None, reference: np.ndarray, candidate: np.ndarray) -> None:
    """The difference along the row, or in words that there is none to draw."""
    if error is None:
        axes.text(0.5, 0.5, f"shape {candidate.shape},\nexpected {reference.shape}", ha="center", va="center")
        axes.set_axis_off()
        return
    axes.plot(error, color=OURS, lw=1.2, marker="." if len(error) <= LARGEST else "")
    axes.set(xlabel="last axis", ylim=(0, None))
    axes.set_title("size of the difference", fontsize=9)
