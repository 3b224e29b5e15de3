"""The contract: which taps a run has, in flow order, with their axes, and the tolerance of each.

It is a TOML file; `fixtures/contract.toml` is the one of Chatterbox and shows every part of the format.
"""

from __future__ import annotations

import fnmatch
import math
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.errors import InputError

INHERITED = "inherited"
CREATED = "created"


@dataclass(frozen=True)
class Tap:
    """A named tensor in the data flow. `name` carries the index of its segment: `decoder.final_block[step=4]`."""

    name: str
    path: str
    axes: str


@dataclass(frozen=True)
class Segment:
    """A part of the run that starts from a state and ends in one: the encoder, or one step of the ODE."""

    name: str
    index: int | None
    label: str
    taps: tuple[Tap, ...]


@dataclass(frozen=True)
class Rule:
    """Bounds of the taps that match `pattern` in `mode`. `why` names the mechanism where a rule is not the default.

    In a pattern `*` stands for anything and `?` for one character; brackets are a tap's own, as in `mu[step=4]`.
    """

    pattern: str
    mode: str
    truth: float
    distance: float
    why: str

    def matches(self, tap: str, mode: str) -> bool:
        return self.mode in (mode, "*") and fnmatch.fnmatchcase(tap, self.pattern.replace("[", "[[]"))


@dataclass(frozen=True)
class Contract:
    """A parsed contract file.

    `cases` and `checkpoints` name, as `package.module:name`, what makes a case from its name and what makes a
    checkpoint directory for a case when none is given. `chain` names the tap whose inherited error sums up a run.
    """

    path: Path
    sides: Mapping[str, Mapping[str, str]]
    cases: str
    checkpoints: str
    chain: Mapping[str, Any]
    layouts: Mapping[str, str]
    splits: Mapping[str, list[str]]
    state: Mapping[str, str]
    blocks: Mapping[str, list[Any]]
    outline: tuple[Mapping[str, Any], ...]
    rules: tuple[Rule, ...]

    def candidate_axes(self, axes: str) -> str:
        """The axis order in which the candidate keeps a tensor that the reference keeps as `axes`."""
        return self.layouts.get(axes, axes)

    def branches(self, axes: str) -> list[str]:
        """The labels of the parts that a tap of these axes is judged in; one label `""` where it is not split."""
        return next((self.splits[axis] for axis in axes.split() if axis in self.splits), [""])

    def segments(self, dims: Mapping[str, int]) -> list[Segment]:
        """Every segment of a run with its taps, loops expanded by the case's dimensions.

        Raises `InputError` for an unknown dimension or block, and for a tap that occurs twice.
        """
        segments = []
        for entry in self.outline:
            label = entry.get("index", "")
            for index in range(self._dim(entry["each"], dims)) if "each" in entry else (None,):
                suffix = "" if index is None else f"[{label}={index}]"
                taps = tuple(
                    Tap(name=path + suffix, path=path, axes=axes)
                    for path, axes in self._expand(entry["taps"], "", dims)
                )
                segments.append(Segment(entry["name"], index, entry["name"] + suffix, taps))
        names = Counter(tap.name for segment in segments for tap in segment.taps)
        if repeated := sorted(name for name, count in names.items() if count > 1):
            raise InputError(f"{self.path}: taps declared more than once: {', '.join(repeated[:5])}")
        return segments

    def rule(self, tap: str, mode: str) -> Rule:
        """The first rule that matches. A tap that no rule matches is an error, not a pass."""
        for rule in self.rules:
            if rule.matches(tap, mode):
                return rule
        raise InputError(f"{self.path}: no rule matches tap {tap} ({mode}); add one, with its reason")

    def check_rules(self, segments: list[Segment]) -> None:
        """Raises `InputError` for a rule that decides on no tap of the run: it would guard nothing."""
        names = [tap.name for segment in segments for tap in segment.taps]
        used = {self.rule(name, mode) for name in names for mode in (INHERITED, CREATED)}
        for rule in self.rules:
            if rule in used:
                continue
            if any(rule.matches(name, mode) for name in names for mode in (INHERITED, CREATED)):
                problem = "decides nothing, earlier rules match all of its taps; move it up or remove it"
            else:
                problem = "matches no tap; correct or remove it"
            raise InputError(f"{self.path}: rule {rule.pattern!r} ({rule.mode}) {problem}")

    def _dim(self, name: str, dims: Mapping[str, int]) -> int:
        if name not in dims:
            raise InputError(f"{self.path}: unknown dimension {name!r}; the case has {', '.join(sorted(dims))}")
        return dims[name]

    def _expand(self, entries: list[Any], prefix: str, dims: Mapping[str, int]) -> Iterator[tuple[str, str]]:
        for entry in entries:
            match entry:
                case [str(path), str(axes)]:
                    yield ".".join(part for part in (prefix, path) if part), axes
                case {"block": block, "at": place}:
                    if block not in self.blocks:
                        known = ", ".join(sorted(self.blocks))
                        raise InputError(f"{self.path}: unknown block {block!r}; known: {known}")
                    for index in range(self._dim(entry["each"], dims)) if "each" in entry else (0,):
                        at = ".".join(part for part in (prefix, place.format(index)) if part)
                        yield from self._expand(self.blocks[block], at, dims)
                case _:
                    expected = '["path", "axes"] or { block = "name", at = "path" }'
                    raise InputError(f"{self.path}: {entry!r} among the taps, expected {expected}")


def load(path: Path) -> Contract:
    """Read a contract file. Raises `InputError` for a missing or malformed one."""
    try:
        data = tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: cannot read the contract ({error.strerror}); name one with --contract") from error
    except ValueError as error:  # TOML, or the UTF-8 under it
        raise InputError(f"{path}: not valid TOML: {error}") from error
    try:
        for segment in data["segment"]:
            _require(path, segment, ("name", "taps", "index") if "each" in segment else ("name", "taps"), "[[segment]]")
        for name in ("reference", "candidate"):
            _require(path, data["sides"][name], ("factory", "framework"), f"[sides.{name}]")
        if "chain" in data:
            _require(path, data["chain"], ("tap", "known", "known_as"), "[chain]")
        return Contract(
            path=path,
            sides=data["sides"],
            cases=data["cases"],
            checkpoints=data["checkpoints"],
            chain=data.get("chain", {}),
            layouts=data.get("layouts", {}),
            splits=data.get("splits", {}),
            state=data["state"],
            blocks=data.get("blocks", {}),
            outline=tuple(data["segment"]),
            rules=tuple(_rule(path, entry) for entry in data["rule"]),
        )
    except KeyError as error:
        raise InputError(f"{path}: the contract lacks {error}; see fixtures/contract.toml for the format") from error


def _require(path: Path, table: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    if missing := [key for key in keys if key not in table]:
        raise InputError(f"{path}: {where} lacks {', '.join(missing)}; see fixtures/contract.toml for the format")


def _rule(path: Path, entry: Mapping[str, Any]) -> Rule:
    _require(path, entry, ("pattern", "mode", "truth", "distance", "why"), "[[rule]]")
    if entry["mode"] not in (INHERITED, CREATED, "*"):
        raise InputError(
            f"{path}: rule {entry['pattern']!r} has mode {entry['mode']!r}, expected {INHERITED!r}, {CREATED!r} or '*'"
        )
    for name in ("truth", "distance"):
        bound = entry[name]
        if type(bound) not in (int, float) or not 0 < bound < math.inf:
            raise InputError(
                f"{path}: rule {entry['pattern']!r} has {name} = {bound!r}, expected a positive, finite number"
            )
    return Rule(entry["pattern"], entry["mode"], float(entry["truth"]), float(entry["distance"]), entry["why"])
