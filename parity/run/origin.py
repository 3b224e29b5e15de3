"""Where a result was made, and of which commit: what a reader of an old result asks first. No verdict rests on it."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path


def origin(folder: Path) -> dict[str, str]:
    """The host, and the commit of the checkout that `folder` is in: `-dirty` where files differ from it.

    Without git, or outside of a checkout, there is no commit.
    """
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    found = {"host": platform.node()}
    try:
        commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return found
    return found | {"commit": commit}
