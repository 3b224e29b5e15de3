"""All architectures, by the names of their pairs."""

from __future__ import annotations

from ports.language.dense import DENSE
from ports.language.mixtures import MIXTURES
from ports.language.recurrent import RECURRENT

ARCHITECTURES = {**DENSE, **MIXTURES, **RECURRENT}
