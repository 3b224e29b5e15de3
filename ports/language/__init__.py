"""mlx-lm's language models against those of transformers, small and with random weights.

architectures.py    configurations, and what of each port is known
reference.py        the model of transformers, its prompt and one more token
port.py             the same of mlx-lm
"""

from __future__ import annotations

from functools import partial

from ports.language.architectures import ARCHITECTURES
from ports.language.sides import sides
from ports.pair import Pair

PAIRS = tuple(
    Pair(
        f"mlx-lm/{name}",
        ("mlx-lm", "transformers"),
        partial(sides, name),
        one.departures,
        partial(sides, name, mended=True) if one.mended else None,
        one.correction,
        one.refused,
        one.reason,
    )
    for name, one in ARCHITECTURES.items()
)
