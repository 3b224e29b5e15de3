"""The contract: which taps a run has, in flow order, with their axes, and the tolerance of each.

It is a TOML file; `fixtures/contract.toml` is the one of Chatterbox and shows every part of the format.
"""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from parity.base.errors import ContractError, UnknownNameError
from parity.base.names import meant

ACCUMULATED = "accumulated"
LOCAL = "local"
HANDED = "handed-on."
LONGEST_LOOP = 1_000_000
"""Of the segments of a contract or the blocks in one: a bundle's manifest may say any number."""
"""Begins the name of what a segment hands to the next. No module is called so: an attribute has no hyphen."""


@dataclass(frozen=True)
class Tap:
    """A named tensor in the data flow. `name` carries the index of its segment: `decoder.final_block[step=4]`."""

    name: str
    path: str
    axes: str


@dataclass(frozen=True)
class Segment:
    """A part of the run that starts from a state and ends in one: the encoder, or one step of the ODE.

    Segments of one `stage` follow each other and need the same weights. The taps of a `chained` one are made of more
    than the taps before: of what it carries unseen from one to the next. A teacher-forced run does not reach that, so
    its errors are accumulated, and it has no local ones. The candidate may give the taps of an `unordered` one in any
    order: it computes in another order what does not depend on each other.
    """

    name: str
    index: int | None
    label: str
    taps: tuple[Tap, ...]
    stage: str
    chained: bool = False
    unordered: bool = False

    @property
    def modes(self) -> tuple[str, ...]:
        """The errors that it is judged by."""
        return (ACCUMULATED,) if self.chained else (ACCUMULATED, LOCAL)

    def handed(self, entry: str, axes: str) -> Tap:
        """An entry of the state that the segment ends in, as a tap: `handed-on.x[ode,step=4]`."""
        place = self.label.replace("[", ",").removesuffix("]")
        return Tap(f"{HANDED}{entry}[{place}]", HANDED + entry, axes)

    def inside(self, tap: Tap) -> list[Tap]:
        """The taps inside of a block: their paths go on from its own."""
        return [other for other in self.taps if other.path.startswith(f"{tap.path}.")]

    def holds(self, name: str) -> bool:
        """Whether the tap of that name is one of this segment, or what the segment hands on."""
        handed = name.startswith(HANDED) and name == self.handed(name[len(HANDED) :].partition("[")[0], "").name
        return handed or any(tap.name == name for tap in self.taps)


@dataclass(frozen=True)
class Rule:
    """Bounds of the taps that match `pattern` in `mode`. `why` names the mechanism where a rule is not the default.

    `cases` and `precisions` are patterns of what it is for, all by default. In a pattern `*` stands for anything and
    `?` for one character; brackets are a tap's own, as in `mu[step=4]`. In `parity.compare` the taps are the outputs:
    `output 0` is the first.

    >>> from pathlib import Path
    >>> rule = parity.Rule("output 0", "*", ratio64=1.5, ratio32=1.5, why="a port of few operations")
    >>> found = parity.compare("torch_model:reference", "mlx_model:candidate", Path("short.npz"), rules=[rule])
    >>> found.passed, found.verdicts[0].bound_ratio32
    (True, 1.5)
    """

    pattern: str
    mode: str
    ratio64: float
    ratio32: float
    why: str
    cases: str = "*"
    precisions: str = "*"

    def matches(self, tap: str, mode: str) -> bool:
        return self.mode in (mode, "*") and fits(tap, self.pattern)


@dataclass(frozen=True)
class Decision:
    """Taps of discrete values, matched by `pattern`, and how far each value was from being another.

    `of` names the tap beside it, earlier in the segment, that is decided on. `margin` names, as `package.module:name`,
    what computes the margins: a function of the case, the tap and the reference's values of `of` that gives an array of
    the decision's shape, in the unit of those values.
    """

    pattern: str
    of: str
    margin: str

    def source(self, tap: Tap) -> str:
        """The name of the tap that `tap` is decided on."""
        parent = tap.path.rpartition(".")[0]
        path = f"{parent}.{self.of}" if parent else self.of
        return path + tap.name[len(tap.path) :]


@dataclass(frozen=True)
class NotJudged:
    """Taps, by patterns of their names, that are not judged, and `why`: a part that the candidate does not have yet."""

    patterns: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Precision:
    """How a candidate computes: the dtype of its operations, and the dtype to which its weights are rounded.

    The sides know the names of both.
    """

    name: str
    weights: str
    compute: str


FULL = Precision("float32", "float32", "float32")


@dataclass(frozen=True)
class Contract:
    """A parsed contract file.

    `cases` and `checkpoints` name what makes a case from its name, and what makes a checkpoint directory for a case
    when none is given. All such names are `package.module:name`. `chain` names the tap whose accumulated error sums up
    a run. `precisions` are other ways to compute that a candidate may be judged in, beside `FULL`. `in_turn` names the
    stages that the sides run one after the other, because their weights do not fit beside each other. `swap` names the
    stages that are taken from either side, and what is judged then. `outcome` names what checks the states that a run
    ends in; only a run that reaches the last segment is checked.

    `weights` names what compares the weights of a wrong module. The function takes the reference's root, the
    candidate's root and the module's path (`""`: all of the root), and gives a sentence, or None where the weights are
    equal. In another precision it also takes the root of the reference with rounded weights.

    `names` has the path of the candidate's module, for a tap whose module is called otherwise there. `not_judged` are
    taps that the candidate need not have.

    `roles` says of an axis what it is to a diagnosis (`ROLES`); an axis without a role is looked at as any other.
    `sounds` are the values of the last state that are waves, with their `rate` in Hz. `targets` are the devices that a
    port is for: a name, and what the environment of a run says on it.

    `mutate` is what `parity mutate` takes where its options do not say it. `cases` is a pattern of their names;
    `packages` are those whose files are changed. `leave_out` says of patterns of files why they are not, and of
    functions, classes and values in a file: `port/layers.py: few`. `equivalent` has changes that nobody can notice: the
    file, the text before and after, and why. `random` names a function that makes a random case of a number. `devices`
    are those whose way is tried, `gpu` alone when left out. `half` are patterns
    of the cases that are tried on the ways for half precision, too.

    `adopt` is what `parity adopt` takes: the functions that know a checkpoint's files (`parity/run/adoption.py`), and
    the names of the cases that are run.

    >>> from pathlib import Path
    >>> contract = parity.load_contract(Path("contract.toml"))
    >>> segments = contract.segments({"steps": 2, "depth": 2})
    >>> [segment.label for segment in segments]
    ['encode', 'refine[step=0]', 'refine[step=1]']
    >>> segments[0].taps[1].name, segments[0].taps[1].axes, contract.candidate_axes("b c t")
    ('mu', 'b c t', 'b t c')
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
    decisions: tuple[Decision, ...]
    in_turn: tuple[str, ...]
    swap: Mapping[str, Any]
    outcome: str
    precisions: Mapping[str, Precision]
    weights: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)
    sounds: tuple[Mapping[str, Any], ...] = ()
    targets: tuple[Mapping[str, Any], ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    not_judged: tuple[NotJudged, ...] = ()
    mutate: Mapping[str, Any] = field(default_factory=dict)
    adopt: Mapping[str, Any] = field(default_factory=dict)

    def rules_of(self, case: str, precision: Precision = FULL) -> Contract:
        """The contract with the rules that are for a case of that name, in that precision, alone."""
        rules = (rule for rule in self.rules if fits(case, rule.cases) and fits(precision.name, rule.precisions))
        return replace(self, rules=tuple(rules))

    def precision(self, name: str) -> Precision:
        """Raises `InputError` for an unknown one."""
        known = {FULL.name: FULL} | dict(self.precisions)
        if name not in known:
            raise UnknownNameError(f"{self.path}: no precision {name!r}; {meant(name, known)}")
        return known[name]

    def candidate_axes(self, axes: str) -> str:
        """The axis order in which the candidate keeps a tensor that the reference keeps as `axes`."""
        return self.layouts.get(axes, axes)

    def branches(self, axes: str) -> list[str]:
        """The labels of the parts that a tap of these axes is judged in; one label `""` where it is not split."""
        return next((self.splits[axis] for axis in axes.split() if axis in self.splits), [""])

    def count(self, taps: Iterable[Tap]) -> int:
        """How many verdicts one run gives on these taps: one for each branch of each that is judged."""
        return sum(len(self.branches(tap.axes)) for tap in taps if self.unjudged(tap.name) is None)

    def unjudged(self, tap: str) -> NotJudged | None:
        """What says that a tap is not judged, if anything does."""
        return next((one for one in self.not_judged if any(fits(tap, pattern) for pattern in one.patterns)), None)

    def unported(self, segment: Segment) -> bool:
        """Nothing of a segment is judged, neither taps nor what it hands on: the candidate does not run it."""
        names = [tap.name for tap in segment.taps] + [segment.handed(entry, "").name for entry in self.state]
        return all(self.unjudged(name) is not None for name in names)

    def handed(self, segment: Segment, names: Iterable[str]) -> list[Tap]:
        """Those of the names that are of what the segment hands on, as taps."""
        entries = (name[len(HANDED) :].partition("[")[0] for name in names if name.startswith(HANDED))
        return [segment.handed(entry, self.state[entry]) for entry in entries]

    def segments(self, dims: Mapping[str, int], only: Collection[str] = ()) -> list[Segment]:
        """Every segment of a run with its taps, loops expanded by the case's dimensions; those named in `only`, if any.

        Segments that the contract calls `apart` are no part of the whole: they are there where they are named.

        Raises `InputError` for an unknown dimension, block or segment, and for a tap that occurs twice.
        """
        names = [entry["name"] for entry in self.outline]
        if unknown := [name for name in only if name not in names]:
            raise UnknownNameError(f"{self.path}: no segment {unknown[0]!r}; {meant(unknown[0], names)}")
        segments = []
        for entry in self.outline:
            if entry["name"] not in only if only else entry.get("apart", False):
                continue
            label = entry.get("index", "")
            for index in self._range(entry["each"], dims) if "each" in entry else (None,):
                suffix = entry.get("suffix", "") if index is None else f"[{label}={index}]"
                taps = tuple(
                    Tap(name=path + suffix, path=path, axes=axes)
                    for path, axes in self._expand(entry["taps"], "", dims)
                )
                place = entry["name"] if index is None else entry["name"] + suffix
                stage, chained = entry.get("stage", entry["name"]), entry.get("chained", False)
                unordered = entry.get("unordered", False)
                segments.append(Segment(entry["name"], index, place, taps, stage, chained, unordered))
        counts = Counter(tap.name for segment in segments for tap in segment.taps)
        if repeated := sorted(name for name, count in counts.items() if count > 1):
            raise ContractError(f"{self.path}: taps declared more than once: {', '.join(repeated[:5])}")
        return segments

    @property
    def others(self) -> tuple[str, ...]:
        """What the contract names beside its candidate: the reference, and all that serves both, as dotted names."""
        serving = (self.cases, self.checkpoints, self.outcome, self.weights, self.mutate.get("random", ""))
        names = [self.sides["reference"]["factory"], f"{self.cases.partition(':')[0]}:CASES", *serving]
        return tuple(filter(None, [*names, *(decision.margin for decision in self.decisions)]))

    @property
    def last(self) -> str:
        """The name of the segment in which a whole run ends."""
        return next(str(entry["name"]) for entry in reversed(self.outline) if not entry.get("apart", False))

    def rule(self, tap: str, mode: str) -> Rule:
        """The first rule that matches. A tap that no rule matches is an error, not a pass.

        What a segment hands on need not have a rule: two floors are its bounds then.
        """
        for rule in self.rules:
            if rule.matches(tap, mode):
                return rule
        if tap.startswith(HANDED):
            return Rule(f"{HANDED}*", "*", 2.0, 2.0, "the default: two roundings of one value are sqrt(2) floors apart")
        raise ContractError(f"{self.path}: no rule matches tap {tap} ({mode}); add one, with its reason")

    def check_rules(self, segments: list[Segment]) -> None:
        """Raises `InputError` for a rule that decides on no tap of a whole run: it would guard nothing."""
        names = [tap.name for segment in segments for tap in segment.taps]
        names += [segment.handed(entry, axes).name for segment in segments for entry, axes in self.state.items()]
        used = {self.rule(name, mode) for name in names for mode in (ACCUMULATED, LOCAL)}
        for rule in self.rules:
            if rule in used:
                continue
            if any(rule.matches(name, mode) for name in names for mode in (ACCUMULATED, LOCAL)):
                problem = "decides nothing, earlier rules match all of its taps; move it up or remove it"
            else:
                problem = "matches no tap; correct or remove it"
            raise ContractError(f"{self.path}: rule {rule.pattern!r} ({rule.mode}) {problem}")
        for pattern in (pattern for one in self.not_judged for pattern in one.patterns):
            if not any(fits(name, pattern) for name in names):
                raise ContractError(f"{self.path}: [[not_judged]] {pattern!r} matches no tap; correct or remove it")

    def check_decisions(self, segments: list[Segment]) -> None:
        """Raises `InputError` for a decision on a tap that is not an earlier one of its segment."""
        for segment in segments:
            seen = set()
            for tap in segment.taps:
                decision = self.decision(tap)
                if decision is not None and decision.source(tap) not in seen:
                    raise ContractError(
                        f"{self.path}: {tap.name} is decided on {decision.source(tap)!r}, expected an earlier tap of "
                        f"segment {segment.label}; correct `of` in [[decision]] {decision.pattern!r}"
                    )
                seen.add(tap.name)

    def decision(self, tap: Tap) -> Decision | None:
        """The first decision that a tap matches, if any."""
        return next((decision for decision in self.decisions if fits(tap.path, decision.pattern)), None)

    def _range(self, each: str | list[str], dims: Mapping[str, int]) -> range:
        """What a loop runs over: from 0 to one dimension, or from one to another."""
        names = [each] if isinstance(each, str) else each
        if unknown := [name for name in names if name not in dims]:
            raise ContractError(
                f"{self.path}: unknown dimension {unknown[0]!r}; the case has {', '.join(sorted(dims))}"
            )
        ends = [dims[name] for name in names]
        if any(type(end) is not int or not 0 <= end <= LONGEST_LOOP for end in ends):
            raise ContractError(f"{self.path}: {names} are {ends!r:.80}, expected whole numbers up to {LONGEST_LOOP}")
        return range(*ends)

    def _expand(self, entries: list[Any], prefix: str, dims: Mapping[str, int]) -> Iterator[tuple[str, str]]:
        for entry in entries:
            match entry:
                case [str(path), str(axes)]:
                    yield ".".join(part for part in (prefix, path) if part), axes
                case {"block": block, "at": place}:
                    if block not in self.blocks:
                        known = ", ".join(sorted(self.blocks))
                        raise ContractError(f"{self.path}: unknown block {block!r}; known: {known}")
                    for index in self._range(entry["each"], dims) if "each" in entry else (0,):
                        at = ".".join(part for part in (prefix, place.format(index)) if part)
                        yield from self._expand(self.blocks[block], at, dims)
                case _:
                    expected = '["path", "axes"] or { block = "name", at = "path" }'
                    raise ContractError(f"{self.path}: {entry!r} among the taps, expected {expected}")


@lru_cache(maxsize=1 << 14)
def fits(name: str, pattern: str) -> bool:
    """Whether a name matches a pattern, in which brackets stand for themselves."""
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))
