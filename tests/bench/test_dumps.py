"""How fast dumps are judged, and in how much memory: `tox -e bench -- -k dumps`, with `--size full` for a tap of 2 GB.

Files lie in the system's cache. What is timed is `parity.run.dumps.compare`, on one thread, and the time in which it
checks the hashes of the goldens is given apart. The sixteen pictures that a result has, a tenth of a second in all, are
not drawn. Bytes are those of the candidate.
"""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from parity.capture.golden import Golden
from parity.contract import Contract
from parity.run import dumps
from tests.meta import synthetic

ROUNDS = 5
TAPS = {"many": (4402, (1, 64, 256)), "some": (64, (1, 64, 16384)), "one": (1, (1, 64, 1 << 20))}
WHOLE = (1, 64, 1 << 23)
"""2 GB."""
OTHERS = ("turned", "half")
"""One big tap in the candidate's order of axes, and one in bfloat16."""
PEAK = """
import sys
from pathlib import Path
from parity.capture.golden import Golden
from parity.contract import load
from parity.run import dumps
from tests.meta.big_dumps import peak
folder = Path(sys.argv[1])
contract, golden, path, layout = load(folder / "contract.toml"), Golden(folder / "golden"), sys.argv[2], sys.argv[3]
assert dumps.compare(contract, golden, Path(path), layout).passed
print(peak())
"""


def made(folder: Path, count: int, shape: tuple[int, ...]) -> tuple[Contract, Golden]:
    """Goldens and dumps of float32 that differ by rounding, written piece by piece."""
    names = [f"tap.{number}" for number in range(count)]
    (folder / "dumps").mkdir()
    golden = np.lib.format.open_memmap(folder / "golden.npy", "w+", np.float32, shape)
    dump = np.lib.format.open_memmap(folder / "dump.npy", "w+", np.float32, shape)
    rng, flat = np.random.Generator(np.random.Philox(key=8)), dump.reshape(-1)
    for start in range(0, flat.size, 1 << 22):
        part = rng.standard_normal(min(1 << 22, flat.size - start), dtype=np.float32)
        golden.reshape(-1)[start : start + part.size] = part
        flat[start : start + part.size] = np.nextafter(part, np.float32(np.inf))
    dump.flush()
    for name in names[1:]:
        shutil.copyfile(folder / "dump.npy", folder / "dumps" / f"{name}.npy")
    (folder / "dump.npy").rename(folder / "dumps" / f"{names[0]}.npy")
    return synthetic.golden(folder, dict.fromkeys(names, "b c t"), lambda name: golden, 1e-7)


def turned(dumps: Path) -> None:
    """The dumps in the candidate's axes."""
    for file in dumps.iterdir():
        np.save(file, np.ascontiguousarray(np.load(file).swapaxes(1, 2)))


def halved(dumps: Path) -> None:
    """The dumps as one safetensors file in bfloat16, rounded towards 0."""
    about, start = {}, 0
    for file in sorted(dumps.iterdir()):
        shape = np.load(file, mmap_mode="r").shape
        end = start + 2 * int(np.prod(shape))
        about[file.stem], start = {"dtype": "BF16", "shape": shape, "data_offsets": [start, end]}, end
    header = json.dumps(about).encode()
    with (dumps / "all.safetensors").open("wb") as out:
        out.write(len(header).to_bytes(8, "little") + header)
        for name in about:
            out.write((np.load(dumps / f"{name}.npy").view(np.uint32) >> 16).astype("<u2").tobytes())


def loading(golden: Golden, known: bool) -> float:
    """Seconds of the processor in which all goldens are loaded, each with the check of its hash unless `known`."""
    began = time.process_time()
    for tap in golden:
        golden.load(tap, mmap=True, known=known)
    return time.process_time() - began


@pytest.mark.parametrize("name", [*TAPS, *OTHERS])
def test_dumps(benchmark, tmp_path, request, name, monkeypatch):
    monkeypatch.setattr(importlib.import_module("parity.run.dumps.compare"), "_pictures", lambda *_: [])
    count, shape = TAPS[name if name in TAPS else "one"]
    if name == "one" and request.config.getoption("--size") == "full":
        shape = WHOLE
    contract, golden = made(tmp_path, count, shape)
    gigabytes = (2e-9 if name == "half" else 4e-9) * count * np.prod(shape)
    dumped, layout = tmp_path / "dumps", "candidate" if name == "turned" else ""
    if name == "turned":
        turned(dumped)
    elif name == "half":
        halved(dumped)
        dumped /= "all.safetensors"
    comparing, hashing, processor = [], [], []

    def judged() -> None:
        began = time.process_time()
        report = dumps.compare(contract, golden, dumped, layout)
        processor.append(time.process_time() - began)
        comparing.append(report.seconds["comparison"])
        hashing.append(report.seconds["hash check"])
        assert report.passed and len(report.verdicts) == count

    benchmark.pedantic(judged, rounds=ROUNDS, warmup_rounds=1)
    checking = median(loading(golden, known=False) - loading(golden, known=True) for _ in range(ROUNDS))
    speeds = {
        "comparison": gigabytes / median(comparing[1:]),
        "comparison, processor time": gigabytes / (median(processor[1:]) - checking),
        "hash check": gigabytes / median(hashing[1:]),
    }
    alone = [sys.executable, "-c", PEAK, str(tmp_path), str(dumped), layout]
    megabytes = float(subprocess.run(alone, capture_output=True, text=True, check=True).stdout)
    benchmark.extra_info |= {"GB/s": speeds, "peak MB": megabytes}
    print(f"{name}: {count} taps of {shape}, {gigabytes:.2f} GB of a candidate, {megabytes:.0f} MB of memory")
    print(", ".join(f"{what}: {speed:.2f} GB/s" for what, speed in speeds.items()))
