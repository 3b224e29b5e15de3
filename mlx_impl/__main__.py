"""`python -m mlx_impl speak` turns text and a voice into audio; `convert` and `audit` work on checkpoint files."""

import sys

from parity.base.runtime import prepare

prepare()  # full float32 on a GPU, and on Linux a BLAS that is forty times as fast as the wheel's own

from mlx_impl.convert import command  # noqa: E402 - the process must be prepared first
from mlx_impl.speech import DTYPES, Chatterbox  # noqa: E402
from spec.speak import main  # noqa: E402

if sys.argv[1:2] and sys.argv[1] in command.COMMANDS:
    sys.exit(command.main())
OTHERS = "other commands, each with --help: convert and audit, of weights"
sys.exit(main("mlx_impl", Chatterbox, DTYPES, others=OTHERS))
