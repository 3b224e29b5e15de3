"""Plots as SVG to stand inside a page: text and lines take the page's colours, light or dark."""

from __future__ import annotations

import base64
import io
import re
from html import escape
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from parity.base.names import printable
from parity.contract import ACCUMULATED, LOCAL
from parity.judge.snapshots import BINS, DECADES, Picture
from parity.judge.verdict import Verdict
from parity.run.report import Report

matplotlib.rcParams |= {
    "svg.fonttype": "none",
    "svg.hashsalt": "parity",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
TEXT = "#010101"
# Drawn in colours that stand for names of the page's style. Okabe and Ito's, which the colour-blind tell apart.
NAMES = {TEXT: "currentColor", "#010102": "var(--local)", "#010103": "var(--accumulated)", "#010104": "var(--floor)"}
NAMES |= {"#010105": "var(--known)"}
SPECTRUM, HOP, DECIBELS = 1024, 256, 80.0
for _name in ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"):
    matplotlib.rcParams[_name] = TEXT


def svg(figure: Figure, title: str) -> str:
    """The figure as an `svg` element with a title for those who do not see it."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    for color, name in NAMES.items():
        text = text.replace(color, name)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, count=1, flags=re.S)
    text = re.sub(r'font: ([\d.]+)px[^;"]*', r"font: \1px system-ui, sans-serif", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(title)}" class="plot"', 1)


def chain(report: Report) -> str:
    """Local and accumulated error and the floor of the chain's tap by step, on a log axis; beside it, each branch."""
    about = report.chain
    panels: list[tuple[str, str]] = [(about["tap"], "")] if about else []
    if about.get("beside"):
        taps = [v for v in report.verdicts if v.tap.partition("[")[0] == about["beside"]]
        panels += [(about["beside"], branch) for branch in dict.fromkeys(v.branch for v in taps)]
    drawn = [(tap, branch, rows) for tap, branch in panels if (rows := _steps(report, tap, branch))]
    if not drawn:
        return ""
    figure = Figure(figsize=(3.6 * len(drawn), 3.1), layout="constrained")
    shared = None
    for place, (tap, branch, rows) in enumerate(drawn):
        shared = axes = figure.add_subplot(1, len(drawn), place + 1, sharey=shared)
        for mode, color, marker in ((ACCUMULATED, "#010103", "o"), (LOCAL, "#010102", "s")):
            points = [(i, v.rmse) for i, v in enumerate(rows[mode]) if v.rmse > 0]
            if points:
                axes.plot(*zip(*points, strict=True), color=color, marker=marker, ms=4, label=mode)
            if zeros := [i for i, v in enumerate(rows[mode]) if v.rmse == 0]:
                foot = axes.get_xaxis_transform()
                style = {"color": color, "ls": "", "marker": "v", "ms": 4, "label": f"{mode}, exactly 0"}
                axes.plot(zeros, [0.0] * len(zeros), transform=foot, clip_on=False, **style)  # type: ignore[arg-type]
        floors = [(i, v.floor) for i, v in enumerate(rows[ACCUMULATED]) if v.floor > 0]
        if floors:
            axes.plot(*zip(*floors, strict=True), color="#010104", ls="--", label="floor")
        if "known" in about:
            axes.axhline(about["known"], color="#010105", ls=":", label=f"{about['known']:.3g}")
        axes.set_yscale("log")
        axes.set_title(printable(f"{tap}, {branch}" if branch else tap), fontsize=9, parse_math=False)
        axes.set_xlabel("step")
        if not place:
            axes.set_ylabel("RMSE")
        axes.grid(True, which="major", color=TEXT, alpha=0.15)
    legend: dict[str, Any] = {}
    for axes in figure.axes:
        handles, names = axes.get_legend_handles_labels()
        legend |= dict(zip(names, handles, strict=True))
    figure.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=5, frameon=False)
    return svg(figure, f"Local and accumulated error of {about['tap']} by step, on a log axis, against the floor")


def _steps(report: Report, tap: str, branch: str) -> dict[str, list[Verdict]]:
    found: dict[str, list[Verdict]] = {LOCAL: [], ACCUMULATED: []}
    for verdict in report.verdicts:
        if verdict.tap.partition("[")[0] == tap and verdict.branch == branch:
            found[verdict.mode].append(verdict)
    return found if any(found.values()) else {}


def error(picture: Picture) -> str:
    """The map of one error and its histogram."""
    levels = np.frombuffer(base64.b64decode(picture.map), np.uint8).reshape(picture.rows, picture.columns)
    decades = np.where(levels == 0, DECADES[0], DECADES[0] + (levels - 1.0) / 253 * (DECADES[1] - DECADES[0]))
    figure = Figure(figsize=(7.6, 2.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 1.4))
    high = max(1.0, float(decades.max()))
    names, lengths = ["", *picture.axes][-2:], [1, 1, *picture.lengths][-2:]
    extent = (0, lengths[1], lengths[0], 0)
    image = left.imshow(decades, cmap="cividis", vmin=-2, vmax=high, aspect="auto", extent=extent, interpolation="none")
    left.set_xlabel(printable(names[1]), parse_math=False)
    left.set_ylabel(printable(names[0]), parse_math=False)
    left.set_title("largest error of each place, in noise floors", fontsize=9)
    bar = figure.colorbar(image, ax=left, pad=0.01)
    ticks = list(range(-2, int(high) + 1))
    bar.set_ticks(ticks, labels=[f"{10.0**tick:g}" for tick in ticks])
    edges = np.linspace(-picture.limit, picture.limit, BINS + 1)
    right.stairs(picture.counts, edges, color="#010103", fill=True)
    right.set_yscale("symlog")
    right.xaxis.set_major_locator(MaxNLocator(3))
    right.set_xlabel("signed error, in noise floors")
    right.set_title("how many values", fontsize=9)
    return svg(figure, f"Error of {picture.key[0]}: a map of its size, and a histogram")


def spectra(theirs: np.ndarray, ours: np.ndarray, rate: int) -> str:
    """Spectrograms of both waves and of their difference, one scale for the waves and one for the difference."""
    figure = Figure(figsize=(10, 2.9), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    loud = _decibels(theirs).max()
    for axes, (title, wave) in zip(
        panels, (("reference", theirs), ("candidate", ours), ("difference", ours - theirs)), strict=True
    ):
        values = _decibels(wave)
        top = values.max() if title == "difference" else loud
        seconds = wave.size / rate
        image = axes.imshow(
            values, cmap="cividis", origin="lower", aspect="auto", vmin=top - DECIBELS, vmax=top,
            extent=(0, seconds, 0, rate / 2000),
        )  # fmt: skip
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("s")
        figure.colorbar(image, ax=axes, label="dB", pad=0.01)
    panels[0].set_ylabel("kHz")
    return svg(figure, "Spectrograms of the reference, the candidate and their difference")


def _decibels(wave: np.ndarray) -> np.ndarray:
    """Power spectra, `(frequencies, frames)`, thinned to what can be seen."""
    padded = np.pad(np.asarray(wave, np.float64), (0, max(0, SPECTRUM - wave.size)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, SPECTRUM)[:: max(HOP, padded.size // 600)]
    power = np.abs(np.fft.rfft(frames * np.hanning(SPECTRUM))) ** 2
    pooled = power[:, : SPECTRUM // 2].reshape(len(power), -1, 4).max(axis=2)
    values: np.ndarray = 10 * np.log10(pooled.T + 1e-24)
    return values
