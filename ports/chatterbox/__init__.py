"""Ports of Chatterbox itself, judged in every stage that they have, at full size, with their own loading.

subject.py      what a stage is: the reference's function of it, and inputs of several lengths
flow.py …       the subjects of a part of the pipeline, each with `SUBJECTS`
port.py         a port's table of stages, and the pairs that it makes with the subjects
models.py       the models that a table names
readings/       what two readers of the ports' sources listed
readings.py     what the run says of each row of these lists
flash.py        chatterbox-flash, which has an engine of PyTorch to be judged against

Of a port there are, as of mlx-audio:

mlx_audio.toml             its models and stages, and what it lacks
mlx_audio.py               the stages that are more than a method of a model
mlx_audio.departures.toml  what was found, and the lines with which each stage is equal
mlx_audio.readings.toml    what the readers listed and no departure names: equal in double, or why no stage shows it
"""

from pathlib import Path

from ports.chatterbox import alignment, blocks, conditioning, defaults, flash, flow, t3, text, vocoder
from ports.chatterbox.port import Port

PARTS = (defaults, text, conditioning, t3, alignment, flow, blocks, vocoder)
SUBJECTS = [subject for part in PARTS for subject in part.SUBJECTS]
PORTS = [Port.read(table) for table in sorted(Path(__file__).parent.glob("[!.]*.toml")) if "." not in table.stem]
PAIRS = [*(pair for port in PORTS for pair in port.pairs(SUBJECTS)), *flash.PAIRS]
