"""`python -m reference speak`: text and a voice to audio."""

import sys
from typing import Any

from parity.base.gate import guarded

DTYPES = ("float32", "float64")


def main() -> int:
    """Run the command. What it needs is loaded here, so that it may be interrupted, too."""
    from spec.speak import main as speak

    return speak("reference", load, DTYPES)


def load(*given: Any) -> Any:
    """The side that speaks, with PyTorch: not loaded before it is needed, because `--help` needs none."""
    from reference.speech import Chatterbox

    return Chatterbox(*given)


sys.exit(guarded("reference", main))
