"""`python -m mlx_impl speak` turns text and a voice into audio; `convert` and `audit` work on checkpoint files."""

import sys

from parity.base.gate import guarded
from parity.base.kernels import require_kernel_folder
from parity.base.runtime import prepare

OTHERS = "other commands, each with --help: convert and audit, of weights"


def main() -> int:
    """Run a command. What it needs is loaded here, so that it may be interrupted, too."""
    prepare()  # full float32 on a GPU, and on Linux a BLAS that is forty times as fast as the wheel's own
    from mlx_impl.convert import command

    if sys.argv[1:2] and sys.argv[1] in command.COMMANDS:
        return command.main()
    require_kernel_folder()
    from mlx_impl.speech import DTYPES, Chatterbox
    from spec.speak import main as speak

    return speak("mlx_impl", Chatterbox, DTYPES, others=OTHERS)


sys.exit(guarded("mlx_impl", main))
