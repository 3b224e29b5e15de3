"""`python -m mlx_impl speak` turns text and a voice into audio; `convert` and `audit` work on checkpoint files."""

import sys
from typing import Any

from parity.base.gate import guarded

DTYPES = ("float32", "float16", "bfloat16")
OTHERS = "other commands, each with --help: convert and audit, of weights"


def main() -> int:
    """Run a command. What it needs is loaded here, so that it may be interrupted, too."""
    from parity.base.kernels import require_kernel_folder
    from parity.base.runtime import prepare

    prepare()  # full float32 on a GPU, and on Linux a BLAS that is forty times as fast as the wheel's own
    if sys.argv[1:2] in (["convert"], ["audit"]):
        from mlx_impl.convert import command

        return command.main()
    require_kernel_folder()
    from spec.speak import main as speak

    return speak("mlx_impl", load, DTYPES, others=OTHERS)


def load(*given: Any) -> Any:
    """The side that speaks, with MLX: not loaded before it is needed, because `--help` needs none."""
    from mlx_impl.speech import Chatterbox

    return Chatterbox(*given)


sys.exit(guarded("mlx_impl", main))
