"""`python -m reference speak` turns text and a voice into audio, `convert-voice` speech into another voice's."""

import sys
from pathlib import Path
from typing import Any

from parity.base.gate import guarded
from spec.config import ChatterboxConfig
from spec.turbo import TurboConfig

DTYPES = ("float32", "float64")
OTHERS = "another command, with --help: convert-voice, speech to the same speech in another voice"


def main() -> int:
    """Run the command. What it needs is loaded here, so that it may be interrupted, too."""
    if sys.argv[1:2] == ["convert-voice"]:
        from spec.speak.convert_voice import main as convert_voice

        return convert_voice("reference", load_converter, DTYPES)
    from spec.speak import main as speak

    return speak("reference", load, DTYPES, others=OTHERS)


def load(checkpoint: Path, config: ChatterboxConfig, dtype: str) -> Any:
    """The side that speaks, with PyTorch: not loaded before it is needed, because `--help` needs none."""
    if isinstance(config, TurboConfig):
        from reference.turbo.speech import ChatterboxTurbo

        return ChatterboxTurbo(checkpoint, config, dtype)
    from reference.speech import Chatterbox

    return Chatterbox(checkpoint, config, dtype)


def load_converter(*given: Any) -> Any:
    """The side that converts a voice, likewise."""
    from reference.voice_conversion import VoiceConverter

    return VoiceConverter(*given)


sys.exit(guarded("reference", main))
