"""Where a result was made, and of which commit: what a reader of an old result asks first. No verdict rests on it."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path


def origin(folder: Path | None) -> dict[str, str]:
    """The host, and the commit of the checkout that `folder` is in: `-dirty` where files differ from it.

    Without git, or outside of a checkout, there is no commit. There is none either where a folder came from others,
    as a bundle does, and None is given in its place: git runs the programs that the settings of a checkout name.
    """
    if folder is None:
        return {"host": platform.node()}
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    found = {"host": platform.node()}
    try:
        commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return found
    return found | {"commit": commit}
