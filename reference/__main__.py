"""`python -m reference speak`: text and a voice to audio."""

import sys

from reference.speech import DTYPES, Chatterbox
from spec.speak import main

sys.exit(main("reference", Chatterbox, DTYPES))
