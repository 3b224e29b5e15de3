"""Proves, block by block, that a port of a model computes what its reference computes, and says where it does not.

`verify` judges two sides that a contract describes, `compare` two models that nobody prepared. Each name is loaded
when it is first used, so that importing the package needs NumPy alone. `docs/concepts.md` explains the words.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parity.base.errors import InputError as InputError
    from parity.capture.runner import Runner as Runner
    from parity.contract import Contract as Contract
    from parity.contract import Rule as Rule
    from parity.contract import load as load_contract
    from parity.contract.implementation import Case as Case
    from parity.contract.implementation import Side as Side
    from parity.contract.implementation import make_case as make_case
    from parity.exact.program import NoProgram as NoProgram
    from parity.judge.verdict import Verdict as Verdict
    from parity.prove import prove as prove_port
    from parity.public import assert_parity as assert_parity
    from parity.public import bisect as bisect
    from parity.public import capture_trace as capture_trace
    from parity.public import compare as compare
    from parity.public import discover as discover
    from parity.public import judge_tap as judge_tap
    from parity.public import noise_floor as noise_floor
    from parity.public import verify as verify
    from parity.run.report import Report as Report
    from parity.show.comparison import Comparison as Comparison
    from parity.show.comparison import ParityError as ParityError
    from parity.show.discovery import Discovery as Discovery

__all__ = [
    "Case",
    "Comparison",
    "Contract",
    "Discovery",
    "InputError",
    "NoProgram",
    "ParityError",
    "Report",
    "Rule",
    "Runner",
    "Side",
    "Verdict",
    "assert_parity",
    "bisect",
    "capture_trace",
    "compare",
    "discover",
    "judge_tap",
    "load_contract",
    "make_case",
    "noise_floor",
    "prove_port",
    "verify",
]

_HOMES = {
    "Case": "parity.contract.implementation:Case",
    "Comparison": "parity.show.comparison:Comparison",
    "Contract": "parity.contract:Contract",
    "Discovery": "parity.show.discovery:Discovery",
    "InputError": "parity.base.errors:InputError",
    "NoProgram": "parity.exact.program:NoProgram",
    "ParityError": "parity.show.comparison:ParityError",
    "Report": "parity.run.report:Report",
    "Rule": "parity.contract:Rule",
    "Runner": "parity.capture.runner:Runner",
    "Side": "parity.contract.implementation:Side",
    "Verdict": "parity.judge.verdict:Verdict",
    "assert_parity": "parity.public:assert_parity",
    "bisect": "parity.public:bisect",
    "capture_trace": "parity.public:capture_trace",
    "compare": "parity.public:compare",
    "discover": "parity.public:discover",
    "judge_tap": "parity.public:judge_tap",
    "load_contract": "parity.contract:load",
    "make_case": "parity.contract.implementation:make_case",
    "noise_floor": "parity.public:noise_floor",
    "prove_port": "parity.prove:prove",
    "verify": "parity.public:verify",
}


def __getattr__(name: str) -> Any:
    """The public name, loaded from where it is defined."""
    if name not in _HOMES:
        raise AttributeError(f"module 'parity' has no attribute {name!r}; it offers {', '.join(__all__)}")
    module, _, attribute = _HOMES[name].partition(":")
    found = globals()[name] = getattr(importlib.import_module(module), attribute)
    return found


def __dir__() -> list[str]:
    return __all__
