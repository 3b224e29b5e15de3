"""Ports of Chatterbox itself, judged in every stage that they have, at full size, with their own loading.

subject.py      what a stage is: the reference's function of it, and inputs of several lengths
flow.py …       the subjects of a part of the pipeline, each with `SUBJECTS`
port.py         a port's table of stages, and the pairs that it makes with the subjects
mlx_audio.toml  … a port: its stages, what it lacks, and its known departures with their corrections
mlx_audio.py    … its models, made and loaded as its own pipeline does
"""

from pathlib import Path

from ports.chatterbox import conditioning, flow, t3, vocoder
from ports.chatterbox.port import Port

SUBJECTS = (*conditioning.SUBJECTS, *flow.SUBJECTS, *vocoder.SUBJECTS, *t3.SUBJECTS)
PORTS = [Port.read(table) for table in sorted(Path(__file__).parent.glob("[!.]*.toml")) if "." not in table.stem]
PAIRS = [pair for port in PORTS for pair in port.pairs(SUBJECTS)]
