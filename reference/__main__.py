"""`python -m reference speak`: text and a voice to audio."""

import sys

from reference.speak import main
from reference.speech import DTYPES, Chatterbox

sys.exit(main("reference", Chatterbox, DTYPES))
