"""Dumps of more memory than may be used: `make FOLDER` writes them, and `judge FOLDER` prints what judging them took.

Two processes, because the peak of one would count for the other.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import numpy as np

from parity.base.reduced import reduced
from parity.capture.golden import Golden
from parity.contract import load
from parity.run import dumps
from tests.meta import synthetic

SHAPE = (1, 64, 400_000)
CODES = "codes"
FILES = ("right.npy", "turned.npy", "half.safetensors", "codes.npy", "record.json", "wrong.npy")
ERROR, FLOOR = 1e-7, 1e-7


def make(folder: Path) -> None:
    rng = np.random.Generator(np.random.Philox(key=7))
    values = rng.standard_normal(SHAPE, dtype=np.float32)
    arrays = {"x": values, CODES: (values * 1000).astype(np.int32)}
    synthetic.golden(folder, dict.fromkeys(arrays, "b c t"), arrays.__getitem__, FLOOR)
    right = values + np.float32(ERROR) * rng.choice(np.float32([-1, 1]), SHAPE)
    np.save(folder / "right.npy", right)
    np.save(folder / "turned.npy", np.ascontiguousarray(right.swapaxes(1, 2)))
    np.save(folder / "codes.npy", arrays[CODES])
    reduced(right).save(folder / "record.json")
    bits = ((right.view(np.uint32) + np.uint32(1 << 15)) >> 16).astype(np.uint16)
    header = json.dumps({"x": {"dtype": "BF16", "shape": SHAPE, "data_offsets": [0, bits.nbytes]}}).encode()
    (folder / "half.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bits.tobytes())
    right[0, 5] *= np.float32(1.01)
    np.save(folder / "wrong.npy", right)


def judge(folder: Path) -> None:
    contract, golden = load(folder / "contract.toml"), Golden(folder / "golden")
    passed, peaks = {}, {}
    for file in [folder / name for name in FILES]:
        name, tap, source = file.stem, CODES if file.stem == CODES else "x", file
        if file.suffix != ".safetensors":
            source = folder / f"dumps of {name}"
            source.mkdir()
            file.rename(source / f"{tap}{file.suffix}")
        report = dumps.compare(contract, golden, source, "candidate" if name == "turned" else "", only=tap)
        passed[name] = report.passed
        peaks[name] = peak()
    both = 2 * (folder / "golden" / "x.npy").stat().st_size / 1e6
    print(json.dumps({"passed": passed, "peaks": peaks, "megabytes": both}))


def peak() -> float:
    """The most memory that this process has had, in megabytes: `ru_maxrss` counts that of who started it, on Linux."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1000
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    {"make": make, "judge": judge}[sys.argv[1]](Path(sys.argv[2]))
