"""`python -m reference speak`: text and a voice to audio."""

import sys

from parity.base.gate import guarded


def main() -> int:
    """Run the command. What it needs is loaded here, so that it may be interrupted, too."""
    from reference.speech import DTYPES, Chatterbox
    from spec.speak import main as speak

    return speak("reference", Chatterbox, DTYPES)


sys.exit(guarded("reference", main))
