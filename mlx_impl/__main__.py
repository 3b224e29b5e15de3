"""`python -m mlx_impl speak`: text and a voice to audio."""

import sys

from mlx_impl.speech import Chatterbox
from reference.speak import main

sys.exit(main("mlx_impl", Chatterbox))
