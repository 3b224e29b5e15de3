"""`python -m mlx_impl speak`: text and a voice to audio."""

import sys

from parity.runtime import prepare

prepare()  # full float32 on a GPU, and on Linux a BLAS that is forty times as fast as the wheel's own

from mlx_impl.speech import DTYPES, Chatterbox  # noqa: E402 - the process must be prepared first
from reference.speak import main  # noqa: E402

sys.exit(main("mlx_impl", Chatterbox, DTYPES))
