"""`python -m mlx_impl speak` turns text and a voice into audio, `convert-voice` speech into another voice's.

`convert` and `audit` work on checkpoint files.
"""

import sys
from pathlib import Path
from typing import Any

from parity.base.gate import guarded
from parity.base.kernels import require_kernel_folder
from parity.base.runtime import prepare
from spec.config import ChatterboxConfig
from spec.turbo import TurboConfig

DTYPES = ("float32", "float16", "bfloat16")
OTHERS = "other commands, each with --help: convert-voice, to another voice; convert and audit, of weights"


def main() -> int:
    """Run a command. What it needs is loaded here, so that it may be interrupted, too."""
    if sys.argv[1:2] in (["convert"], ["audit"]):
        prepare()
        from mlx_impl.convert import command

        return command.main()
    require_kernel_folder()
    if sys.argv[1:2] == ["convert-voice"]:
        from spec.speak.convert_voice import main as convert_voice

        return convert_voice("mlx_impl", load_converter, DTYPES)
    from spec.speak import main as speak

    return speak("mlx_impl", load, DTYPES, others=OTHERS)


def load(checkpoint: Path, config: ChatterboxConfig, dtype: str) -> Any:
    """The side that speaks, with MLX: not loaded before it is needed, because `--help` needs none.

    The process is prepared first: full float32 on a GPU, and on Linux a BLAS forty times as fast as the wheel's own.
    """
    prepare()
    if isinstance(config, TurboConfig):
        from mlx_impl.turbo.speech import ChatterboxTurbo

        return ChatterboxTurbo(checkpoint, config, dtype)
    from mlx_impl.speech import Chatterbox

    return Chatterbox(checkpoint, config, dtype)


def load_converter(*given: Any) -> Any:
    """The side that converts a voice, likewise."""
    prepare()
    from mlx_impl.voice_conversion import VoiceConverter

    return VoiceConverter(*given)


sys.exit(guarded("mlx_impl", main))
