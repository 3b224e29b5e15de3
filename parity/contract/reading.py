"""A contract read from its TOML files, with every key of every table checked: none that is not known is ignored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.base.errors import ContractError
from parity.base.names import meant
from parity.contract import toml_files
from parity.contract.axes import roles
from parity.contract.contract import ACCUMULATED, LOCAL, Contract, Decision, NotJudged, Precision, Rule

TOP = [
    toml_files.KEY,
    "cases",
    "checkpoints",
    "sides",
    "segment",
    "rule",
    "state",
    "chain",
    "layouts",
    "splits",
    "axes",
    "blocks",
    "decision",
    "in_turn",
    "swap",
    "outcome",
    "precision",
    "weights",
    "sound",
    "target",
    "names",
    "not_judged",
    "mutate",
    "adopt",
]
TABLES = {
    "chain": "tap known known_as beside",
    "swap": "stages tap state",
    "segment": "name stage each index suffix chained unordered apart taps",
    "rule": "pattern mode ratio64 ratio32 why cases precisions",
    "decision": "pattern of margin",
    "sound": "state rate",
    "target": "name environment",
    "not_judged": "patterns why",
    "mutate": "cases packages leave_out equivalent random devices half",
    "adopt": "audit convert check about cases",
}
"""The keys of a table, or of each table of an array."""
BLOCK = "block at each"
"""The keys of a block among the taps of a segment, or of another block."""
NAMED = {"sides": "factory framework", "precision": "weights compute"}
"""The keys of each table in a table of tables by name."""
RENAMED = {"truth": "ratio64", "distance": "ratio32", "mix": "swap"}
"""Keys of contracts written before, and what they are called now."""


def load(path: Path) -> Contract:
    """Read a contract file. Raises `InputError` for a missing or malformed one.

    >>> from pathlib import Path
    >>> contract = parity.load_contract(Path("contract.toml"))
    >>> contract.sides["candidate"]["framework"]
    'mlx'
    """
    data = toml_files.read(path)
    try:
        _check(path, data)
        for segment in data["segment"]:
            _require(path, segment, ("name", "taps", "index") if "each" in segment else ("name", "taps"), "[[segment]]")
        for name in ("reference", "candidate"):
            _require(path, data["sides"][name], ("factory", "framework"), f"[sides.{name}]")
        if "chain" in data:
            _require(path, data["chain"], ("tap", "known", "known_as"), "[chain]")
        if "swap" in data:
            _require(path, data["swap"], ("stages", "tap", "state"), "[swap]")
        if "adopt" in data:
            _require(path, data["adopt"], tuple(TABLES["adopt"].split()), "[adopt]")
        for entry in data.get("sound", ()):
            _require(path, entry, ("state", "rate"), "[[sound]]")
        for entry in data.get("target", ()):
            _require(path, entry, ("name", "environment"), "[[target]]")
        for entry in data.get("not_judged", ()):
            _require(path, entry, ("patterns", "why"), "[[not_judged]]")
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
            decisions=tuple(_decision(path, entry) for entry in data.get("decision", ())),
            roles=roles(data.get("axes", {}), f"{path}: [axes]"),
            in_turn=tuple(data.get("in_turn", ())),
            swap=data.get("swap", {}),
            outcome=data.get("outcome", ""),
            precisions={name: _precision(path, name, entry) for name, entry in data.get("precision", {}).items()},
            weights=data.get("weights", ""),
            sounds=tuple(data.get("sound", ())),
            targets=tuple(data.get("target", ())),
            names=data.get("names", {}),
            not_judged=tuple(NotJudged(tuple(each["patterns"]), each["why"]) for each in data.get("not_judged", ())),
            mutate=data.get("mutate", {}),
            adopt=data.get("adopt", {}),
        )
    except KeyError as error:
        raise ContractError(f"{path}: the contract lacks {error}; see fixtures/contract.toml for the format") from error


def _check(path: Path, data: Mapping[str, Any]) -> None:
    """Raises `InputError` for a key that is not known."""
    _known(path, data, TOP, "the contract")
    for name, keys in TABLES.items():
        entries = data.get(name, [])
        for entry in entries if isinstance(entries, list) else [entries]:
            _known(path, entry, keys.split(), f"[[{name}]]" if isinstance(entries, list) else f"[{name}]")
    for name, keys in NAMED.items():
        for part, entry in data.get(name, {}).items():
            _known(path, entry, keys.split(), f"[{name}.{part}]")
    for taps in (*data.get("blocks", {}).values(), *(segment.get("taps", ()) for segment in data.get("segment", ()))):
        for entry in taps:
            if isinstance(entry, dict):
                _known(path, entry, BLOCK.split(), f"the block {entry.get('block')!r} among the taps")


def _known(path: Path, table: Mapping[str, Any], keys: list[str], where: str) -> None:
    for key in table:
        if key in keys:
            continue
        advice = f"is {RENAMED[key]} meant?" if RENAMED.get(key) in keys else meant(key, keys)
        raise ContractError(f"{path}: {where} has {key!r}, which is not known; {advice}")


def _require(path: Path, table: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    if missing := [key for key in keys if key not in table]:
        raise ContractError(f"{path}: {where} lacks {', '.join(missing)}; see fixtures/contract.toml for the format")


def _rule(path: Path, entry: Mapping[str, Any]) -> Rule:
    _require(path, entry, ("pattern", "mode", "ratio64", "ratio32", "why"), "[[rule]]")
    if entry["mode"] not in (ACCUMULATED, LOCAL, "*"):
        raise ContractError(
            f"{path}: rule {entry['pattern']!r} has mode {entry['mode']!r}, expected {ACCUMULATED!r}, {LOCAL!r} or '*'"
        )
    for name in ("ratio64", "ratio32"):
        bound = entry[name]
        if type(bound) not in (int, float) or not 0 < bound < math.inf:
            raise ContractError(
                f"{path}: rule {entry['pattern']!r} has {name} = {bound!r}, expected a positive, finite number"
            )
    return Rule(
        entry["pattern"],
        entry["mode"],
        float(entry["ratio64"]),
        float(entry["ratio32"]),
        entry["why"],
        entry.get("cases", "*"),
        entry.get("precisions", "*"),
    )


def _precision(path: Path, name: str, entry: Mapping[str, Any]) -> Precision:
    _require(path, entry, ("weights", "compute"), f"[precision.{name}]")
    return Precision(name, entry["weights"], entry["compute"])


def _decision(path: Path, entry: Mapping[str, Any]) -> Decision:
    _require(path, entry, ("pattern", "of", "margin"), "[[decision]]")
    return Decision(entry["pattern"], entry["of"], entry["margin"])
