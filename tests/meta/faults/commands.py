"""The commands that are hurt: how each is called in a folder of its own, what it reads and what it writes there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import soundfile

from fixtures import quality, regenerate
from fixtures.voice import synthetic_voice
from parity.cli import main as parity
from spec import speak
from spec.speak import convert_voice
from spec.synthetic.__main__ import main as synthetic
from spec.synthetic.cache import cached
from tests.bench.__main__ import main as bench
from tests.meta.conftest import TOY
from tests.mutate.test_survey import CONTRACT as SURVEYED

FILE, FOLDER, GOLDENS, PAGES, STORE = "file", "new folder", "folder of goldens", "folder of pages", "SQLite file"
NOTHING = "standard output alone"
CASE = "tiny-vocoder"
TOY_RUN = f"--contract {TOY} --checkpoint weights"
SPOKEN = "--checkpoint checkpoint --size tiny --max-tokens 6 --steps 2"
CONVERTED = "--voice b.wav --checkpoint checkpoint --size tiny --steps 2"
SURVEY = "mutate --contract contract.toml --cases small --files */constants.py --random 0 --jobs 1 --state survey"
WEIGHTS, S3GEN = "weights/weights.npy", "checkpoint/s3gen.safetensors"


@dataclass(frozen=True)
class Command:
    """`words` with `{out}` for what is written, of a kind. `source` is the file that is hurt, "" where none is read.

    `event` is what Python's audit calls the moment at which the command is interrupted, amid its writing.
    """

    name: str
    run: Callable[[list[str]], int]
    words: str
    kind: str = FILE
    source: str = ""
    event: str = "os.rename"

    @property
    def out(self) -> str:
        """What it writes when nothing is wrong; a WAV where it says one."""
        return "out.wav" if "speak" in self.name or "voice" in self.name else "out"

    @property
    def says(self) -> str:
        """What its sentence of an error begins with."""
        return "b.wav against a.wav: " if self.kind is NOTHING else f"{self.name.split()[0].rpartition('.')[2]}: "


def speaking(side: str) -> Callable[[list[str]], int]:
    """`python -m SIDE` in this process."""

    def run(words: list[str]) -> int:
        speech, synthesis = (import_module(f"{side}.{name}") for name in ("speech", "synthesis"))
        return speak.main(side, speech.Chatterbox, synthesis.DTYPES, words)

    return run


def converting(words: list[str]) -> int:
    """`python -m mlx_impl convert-voice` in this process."""
    from mlx_impl.synthesis import DTYPES
    from mlx_impl.voice_conversion import VoiceConverter

    return convert_voice.main("mlx_impl", VoiceConverter, DTYPES, words)


def weights(words: list[str]) -> int:
    from mlx_impl.convert import command

    return command.main(words)


COMMANDS = [
    Command("parity verify --json", parity, f"verify {TOY_RUN} --json {{out}}", FILE, WEIGHTS),
    Command("parity verify --report", parity, f"verify {TOY_RUN} --report {{out}}", PAGES, WEIGHTS),
    Command(
        "parity verify --history", parity, f"verify {TOY_RUN} --history {{out}}", STORE, WEIGHTS, "sqlite3.connect"
    ),
    Command(
        "parity prove",
        parity,
        "prove tests.meta.faults.models:reference tests.meta.faults.models:candidate --inputs in.npz --json {out}",
        FILE,
        "in.npz",
    ),
    Command("parity adopt", parity, f"adopt weights --contract {TOY} --out {{out}}", FOLDER, WEIGHTS),
    Command("parity record", parity, f"record {TOY_RUN} --out {{out}}", FOLDER, WEIGHTS),
    Command("parity capture", parity, f"capture {TOY_RUN} --out {{out}}", FOLDER, WEIGHTS),
    Command("parity export", parity, f"export {TOY_RUN} --out {{out}}", FOLDER, WEIGHTS),
    Command("parity compare", parity, f"compare --contract {TOY} golden dumps --json {{out}}", FILE, "dumps/mu.npy"),
    Command(
        "parity discover",
        parity,
        "discover tests.meta.faults.models:TorchScale tests.meta.faults.models:MlxScale --inputs in.npz --out {out}",
        FOLDER,
        "in.npz",
    ),
    Command(
        "parity repro",
        parity,
        "repro tests.meta.faults.models:reference tests.meta.faults.models:departing --inputs in.npz --out {out}",
        FILE,
        "in.npz",
    ),
    Command("parity bisect", parity, f"bisect {TOY_RUN} --state {{out}}", FILE, WEIGHTS),
    Command("parity report", parity, "report result.json --out {out}", PAGES, "result.json"),
    Command("parity history", parity, "history {out} --add result.json", STORE, "result.json", "sqlite3.connect"),
    Command("parity diff", parity, "diff result.json result.json --json {out}", FILE, "result.json"),
    Command("parity status", parity, f"status result.json --contract {TOY} --out {{out}}", FILE, "result.json"),
    Command("parity exercise", parity, f"exercise result.json --contract {TOY} --json {{out}}", FILE, "result.json"),
    Command("parity inspect", parity, "inspect golden/mu.npy --json {out}", FILE, "golden/mu.npy"),
    Command("parity mutate --json", parity, f"{SURVEY} --json {{out}}", FILE, "contract.toml"),
    Command("parity mutate --report", parity, f"{SURVEY} --report {{out}}", PAGES, "contract.toml"),
    Command("parity cases", parity, f"cases --contract {TOY} --json {{out}}"),
    Command("parity stages", parity, f"stages --contract {TOY} --json {{out}}"),
    Command("parity taps", parity, f"taps --contract {TOY} --json {{out}}"),
    Command("parity demo", parity, "demo --out {out}", FOLDER),
    Command("parity doctor", parity, "doctor --json {out}"),
    Command("mlx_impl speak", speaking("mlx_impl"), f"speak hello {SPOKEN} -o {{out}}", FILE, S3GEN),
    Command(
        "mlx_impl speak --stream",
        speaking("mlx_impl"),
        f"speak hello {SPOKEN} --stream -o {{out}}",
        FILE,
        S3GEN,
        "open",
    ),
    Command("mlx_impl convert-voice", converting, f"convert-voice a.wav {CONVERTED} -o {{out}}", FILE, S3GEN),
    Command("mlx_impl convert", weights, "convert checkpoint {out}", FOLDER, S3GEN),
    Command("mlx_impl audit", weights, f"audit {S3GEN} --json {{out}}", FILE, S3GEN),
    Command("reference speak", speaking("reference"), f"speak hello {SPOKEN} -o {{out}}", FILE, S3GEN),
    Command("spec.synthetic", synthetic, "{out} --size tiny", FOLDER),
    Command(
        "fixtures.regenerate",
        regenerate.main,
        f"{CASE} --checkpoint checkpoint --out {{out}} --accept",
        GOLDENS,
        S3GEN,
    ),
    Command("fixtures.quality", quality.main, "a.wav b.wav", NOTHING, "b.wav", "compare"),
    Command(
        "tests.bench",
        bench,
        "--work x-vector --device cpu --dtype float32 --seconds 0.01 --checkpoint checkpoint --json {out}",
        FILE,
        S3GEN,
    ),
]


def prepare(folder: Path) -> None:
    """Make what the commands read, once."""
    from tests.meta import toy

    toy.write_checkpoint(folder / "weights")
    shutil.copytree(cached("tiny"), folder / "checkpoint")
    shutil.copyfile(SURVEYED, folder / "contract.toml")
    np.savez(folder / "in.npz", x=np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4))
    for name in ("a.wav", "b.wav"):
        soundfile.write(folder / name, synthetic_voice("faults", 0.5, 24000), 24000)
    for words in (
        f"verify {TOY_RUN} --json result.json",
        f"capture {TOY_RUN} --floors --out golden",
        f"capture {TOY_RUN} --side candidate --out dumps",
        SURVEY,
    ):
        assert parity(words.split()) == 0
    result = json.loads((folder / "result.json").read_text())  # the report's pictures take seconds
    (folder / "result.json").write_text(json.dumps(result | {"pictures": [], "sounds": []}))
