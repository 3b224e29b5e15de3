"""Two models compared in one call: both verdicts, every departure, and the files that keep them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from parity.base.errors import InputError
from parity.base.files import write_text
from parity.base.jsonfile import write_json
from parity.prove.comparison import Compared
from parity.show import proof as show
from parity.show.page import OF_A_COMPARISON
from parity.show.words import within

TEMPLATE = "comparison.html.j2"


class ParityError(AssertionError):
    """Two models are not the same; the message is the whole comparison.

    >>> raise parity.ParityError("output 0: wrong")
    Traceback (most recent call last):
    ...
    parity.show.comparison.ParityError: output 0: wrong
    """


class Comparison(Compared):
    """What `parity.compare` found: the proof in double, and a verdict on each output as the device gives it.

    `verdicts` is empty where the mathematics alone was asked for.

    >>> from pathlib import Path
    >>> import numpy as np
    >>> found = parity.compare("torch_model:reference", "mlx_model:candidate", [Path("short.npz"), Path("long.npz")])
    >>> found.passed, found.first, found.departures
    (True, '', [])
    >>> next(str(row) for row in found.weights.rows if "permuted" in row.how)
    'blocks.0.conv.weight of the port is blocks.0.conv.weight of the reference, permuted, axes 0, 2, 1'

    A departure can be written as a zip, with two scripts that show it:

    >>> import tempfile
    >>> x = np.random.default_rng(0).standard_normal((4, 100), np.float32)
    >>> found = parity.compare(lambda x: x.tanh(), lambda x: x / (1 + abs(x)), {"x": x}, exact=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = found.repro(Path(folder) / "repro.zip")
    >>> written["files"]
    ['README.txt', 'candidate.py', 'expected.npy', 'input_0.npy', 'port.npy', 'reference.py']
    >>> written["difference"] > 0.1
    True
    """

    @cached_property
    def departures(self) -> list[str]:
        """Every place where the port departs: weights first, then operations with both formulas and their lines."""
        if self.proof.proven:
            return self.weights.unseen
        found = self.proof.found
        if found is None:
            return self.weights.departures
        return self.weights.departures + [
            "\n".join(show.departure_lines(found.departures[group.first], found.explanations[group.first]))
            for group in found.groups
        ]

    @property
    def first(self) -> str:
        """The first thing that is wrong, in one line; empty where nothing is."""
        if self.departures:
            return self.departures[0].partition("\n")[0]
        failed = [f"{v.tap}: {v.word}, {v.reason}" for v in self.verdicts if not v.passed]
        if not self.proof.proven:
            failed = [*self.proof.independent, *failed, "the outputs differ in double"]
        return next(iter(failed), "")

    def lines(self) -> Iterator[str]:
        """The verdict first, then the proof, then the device."""
        yield from show.lines(self.proof)
        if not self.verdicts:
            return
        yield ""
        yield "on the device, in noise floors of the reference (two right roundings are 1.4 apart):"
        for verdict in self.verdicts:
            pairs = {
                "ratio32": within(verdict.ratio32, verdict.bound_ratio32),
                "ratio64": within(verdict.ratio64, verdict.bound_ratio64),
            }
            ratios = ", ".join(f"{name} {text}" for name, text in pairs.items() if text)
            reason = f"; {verdict.reason}" if verdict.reason else ""
            yield f"  {verdict.tap}: {verdict.word} {ratios}".rstrip() + reason
        yield "PASS" if self.passed else "FAIL"

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def raise_if_failed(self) -> None:
        """Raise `ParityError`, an `AssertionError`, with the whole comparison as its message, unless it passed."""
        if not self.passed:
            raise ParityError(str(self))

    def as_dict(self) -> dict[str, Any]:
        """The comparison as JSON holds it: the proof, and what the device adds."""
        return show.as_dict(self.proof) | {
            "passed": self.passed,
            "first": self.first,
            "verdicts": [verdict.as_dict() for verdict in self.verdicts],
            "environment": self.environment,
        }

    def repro(self, path: str | Path, number: int = 0, overwrite: bool = False) -> dict[str, Any]:
        """Write a departure of operations, by its number from 0, as a zip that can be attached to an issue.

        It holds inputs and weights of the piece, the expected and the port's value, both formulas, and two scripts that
        show the difference with plain PyTorch and plain MLX. Both are run first. Gives what they printed. Raises
        `InputError` where nothing departs, where the scripts do not show it, and where `path` exists, unless asked to
        `overwrite`.
        """
        from parity.prove import repro

        found = self.proof.found
        if found is None or not found.departures:
            raise InputError(f"no operation departs, so there is none to show: {self.first or 'both are equal'}")
        given = list(self.evidence.references[0].inputs), list(self.evidence.best.sources.inputs[0])
        return repro.write(Path(path), found, number, given, self.evidence.best.exact[0], overwrite)

    def save(self, folder: Path) -> None:
        """Write `comparison.json`, `junit.xml` and the page `index.html` into a folder, which is made."""
        page, junit, data = (folder / name for name in OF_A_COMPARISON)
        write_text(self._page(), page)
        write_text(self._junit(), junit)
        write_json(self.as_dict(), data)

    def _junit(self) -> str:
        """A test case for the mathematics of each output, and one for each verdict on the device."""
        said = str(self)
        cases = [(f"output {place} in double", output.equal, said) for place, output in enumerate(self.proof.outputs)]
        cases += [(f"{verdict.tap} on the device", verdict.passed, verdict.reason) for verdict in self.verdicts]
        cases += [(text, False, text) for text in (*self.weights.unseen, *self.proof.independent)]
        failed = str(sum(not passed for _, passed, _ in cases))
        suite = ElementTree.Element("testsuite", name="parity", tests=str(len(cases)), failures=failed)
        for name, passed, text in cases:
            case = ElementTree.SubElement(suite, "testcase", classname=self.proof.candidate, name=name)
            if not passed:
                ElementTree.SubElement(case, "failure", message=self.first).text = text
        return ElementTree.tostring(suite, "unicode", xml_declaration=True) + "\n"

    def _page(self) -> str:
        from parity.show.page.template import filled

        return filled(TEMPLATE, {}, found=self)
