"""mlx-lm's language models against those of transformers, small and with random weights.

architecture.py     a configuration, and what is known of its port
architectures.py    all of them: dense.py, mixtures.py and recurrent.py, of what options.py and departures.py share
drawn.py            what becomes of random weights
published.py        names and layouts of published checkpoints
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
        partial(sides, name, mended=True) if one.correction else None,
        one.correction,
        one.refused,
        one.reason,
    )
    for name, one in ARCHITECTURES.items()
)
