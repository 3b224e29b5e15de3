"""Runs the blocks of a page one after the other, in a folder of its own, as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.docs.markdown import ROOT, Block

CHECKOUT = ("parity", "spec", "reference", "mlx_impl", "fixtures", "tests", "docs", "README.md", "pyproject.toml")


@dataclass
class Outcome:
    """Exit code and everything that was printed."""

    code: int
    output: str


@dataclass
class Session:
    """The blocks of a page, run in order and each once: a later one may need what an earlier one wrote."""

    blocks: list[Block]
    folder: Path
    outcomes: dict[int, Outcome] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """The folder shows the checkout, and what is written into it stays out of the checkout."""
        for name in CHECKOUT:
            (self.folder / name).symlink_to(ROOT / name)

    def until(self, block: Block) -> Outcome:
        """What a block gave, every one before it having been run."""
        last = self.blocks.index(block)
        for number, earlier in enumerate(self.blocks[: last + 1]):
            if number in self.outcomes:
                continue
            if earlier.mark[0] == "file":
                file = self.folder / earlier.mark[1]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(earlier.text)
                self.outcomes[number] = Outcome(0, "")
            elif earlier.runs:
                self.outcomes[number] = self._run(earlier)
        return self.outcomes[last]

    def _run(self, block: Block) -> Outcome:
        command = ["bash", "-euc", block.text] if block.language == "sh" else [sys.executable, "-c", block.text]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        set_here = {"PATH": path, "PYTHONPATH": str(ROOT), "MLX_ENABLE_TF32": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | set_here,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return Outcome(done.returncode, done.stdout)


def missing(shown: str, output: str) -> list[str]:
    """The lines of a page that a program did not print. `…` stands for anything, and white space for white space."""
    printed = " ".join(output.split())
    wanted = [" ".join(line.split()) for line in shown.splitlines() if line.strip()]
    patterns = [".*?".join(re.escape(part) for part in line.split("…")) for line in wanted]
    return [line for line, pattern in zip(wanted, patterns, strict=True) if not re.search(pattern, printed)]
