"""An example of each command, where its function is, and what a shell completes. Nothing is loaded for it."""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEFAULT_CONTRACT = Path("fixtures/contract.toml")
HOMES = dict.fromkeys(("cases", "stages", "taps"), "names") | {
    name: name for name in ("adopt", "demo", "discover", "exercise", "mutate", "repro")
}
"""The module of this folder in which a command's function has its name; of a command that is not here, `commands`."""
EXAMPLES = {
    "demo": "parity demo --fault 1",
    "verify": "parity verify --case tiny-vocoder --json results/vocoder.json --report report",
    "record": "parity record --case tiny-vocoder --out recording",
    "adopt": "parity adopt checkpoint --case tiny-vocoder --out adopted",
    "capture": "parity capture --case tiny-vocoder --float64 --out golden",
    "export": "parity export --case tiny-vocoder --axes candidate -o bundle",
    "compare": "parity compare my_torch:reference my_mlx:candidate --inputs short.npz --inputs long.npz",
    "bisect": "parity bisect --golden golden --dumps dumps",
    "report": "parity report results --out site",
    "history": "parity history history.sqlite --add results/vocoder.json --check",
    "diff": "parity diff results/vocoder.json results/vocoder.json",
    "status": "parity status results --out status.md",
    "exercise": 'parity exercise proof.json --case "tiny-vocoder*" --json exercise.json',
    "prove": "parity prove my_torch:reference my_mlx:candidate --inputs short.npz --inputs long.npz",
    "repro": "parity repro my_torch:reference my_mlx:candidate --inputs short.npz -o repro.zip",
    "discover": "parity discover my_torch:reference my_mlx:candidate --inputs short.npz -o contract",
    "mutate": "parity mutate --cases tiny-vocoder --files mlx_impl/vocoder/stft.py --sample 5 --report mutants",
    "cases": "parity cases",
    "stages": "parity stages --case tiny",
    "taps": "parity taps --case tiny-vocoder --stage vocoder",
    "inspect": "parity inspect golden",
    "doctor": "parity doctor",
}


def function(command: str) -> Callable[[argparse.Namespace, Any], tuple[bool, dict[str, Any]]]:
    """What does a command, of its options and the console; whatever it needs is loaded with it."""
    home = importlib.import_module(f"parity.cli.{HOMES.get(command, 'commands')}")
    return getattr(home, command)  # type: ignore[no-any-return]


def complete(top: argparse.ArgumentParser) -> None:
    """Answer a shell that asks what may follow, and end; returns where none asks. Needs the extra `completion`.

    Cases, stages, taps and sides are those of the contract.
    """
    if "_ARGCOMPLETE" not in os.environ:
        return
    import argcomplete

    for command in _commands(top).values():
        for action in command._actions:
            if action.dest in ("case", "stage", "end", "side"):
                action.completer = _of_contract(action.dest)  # type: ignore[attr-defined]
    argcomplete.autocomplete(top)


def _commands(top: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    return next(dict(action.choices or {}) for action in top._actions if action.dest == "command")


def _of_contract(what: str) -> Any:
    """What an option may be, by the contract that the line names so far."""

    def completer(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
        from parity import contract as contracts
        from parity.contract.implementation import case_names, make_case

        contract = contracts.load(Path(parsed_args.contract))
        if what == "case":
            return case_names(contract)
        if what == "side":
            return list(contract.sides)
        case = make_case(contract, parsed_args.case)
        segments = contract.segments(case.dims, case.segments)
        if what == "stage":
            return list(dict.fromkeys(segment.stage for segment in segments))
        return [tap.name for segment in segments for tap in segment.taps]

    return completer
