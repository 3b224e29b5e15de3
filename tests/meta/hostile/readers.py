"""What reads files that others wrote, by the kind of file; and a process whose memory is bounded, which runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SPARE = 160 << 20
"""Bytes that reading may take beside what the process has when it begins: less than any of the files claims."""

READERS = {
    "pt": "spec.files.torch_file:read_torch_file",
    "checkpoint": "spec.files.safetensors_file:read_header",
    "safetensors": "parity.base.safetensors:entries",
    "npy": "parity.base.npy:read",
    "npz": "parity.prove.inputs:read",
    "mlxfn": "parity.exact.mlxfn:read",
    "bundle": "parity.capture.golden:Golden",
    "record": "parity.base.reduced:load",
    "result": "parity.show.results:read",
    "contract": "parity.contract.reading:load",
    "map": "parity.run.dumps.names:Names",
    "history": "parity.show.history:History",
    "recording": "spec.files.audio_file:decoded",
}
"""Of each kind of file the function that reads it."""

PROGRAM = """
import importlib, json, resource, sys
from pathlib import Path

def reader(name):
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)

def used():
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmData"))

readers, files, spare = json.loads(sys.stdin.read())
read = {kind: reader(name) for kind, name in readers.items()}
if "recording" in read:
    import soundfile
if spare and sys.platform == "linux":
    resource.setrlimit(resource.RLIMIT_DATA, (used() + spare,) * 2)
for kind, file in files:
    try:
        found = read[kind](Path(file))
        said = ["", ""]
    except BaseException as error:
        said = [type(error).__name__, str(error)]
    found = None
    print(json.dumps(said), flush=True)
"""


def read(files: Iterable[tuple[str, Path]], spare: int = SPARE) -> list[tuple[str, str]]:
    """Read files, each of its kind, in one process: of each the kind of error and what it says, empty for none."""
    files = [(kind, str(file)) for kind, file in files]
    readers = {kind: READERS[kind] for kind, _ in files}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([readers, files, spare]),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    lines = done.stdout.splitlines()
    assert (done.returncode, len(lines)) == (0, len(files)), (done.returncode, files[len(lines) :][:1], done.stderr)
    return [tuple(json.loads(line)) for line in lines]
