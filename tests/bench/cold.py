"""A cold start: this process imports one side, loads its models, says one sentence and stores the wave.

`python -m tests.bench.cold PACKAGE DEVICE SIZE TOKENS CHECKPOINT OUT`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np


def main(package: str, device: str, size: str, tokens: str, checkpoint: str, out: str) -> None:
    from spec.config import CHATTERBOX_SIZES
    from tests.bench.sides import side_of
    from tests.bench.works import WORKS, Place

    side, config = side_of(package, device), CHATTERBOX_SIZES[size]
    models = {stage: side.load(stage, Path(checkpoint), config, "float32") for stage in ("t3", "flow", "vocoder")}
    task = WORKS["speech"].build(Place(side, models, config, Path(checkpoint), size, int(tokens), "float32"))
    np.save(out, task.result(side.run(task.call))[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
