"""How a program of each language is built: its source beside the file of `writers/` that it uses, as in a port."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
WRITERS = HERE.parents[1] / "writers"


@dataclass(frozen=True)
class Language:
    """`writers` are its files; `command` is the compiler, with options and the sources of a program, named `out`."""

    name: str
    writers: tuple[str, ...]
    main: str
    command: tuple[str, ...]

    @property
    def compiler(self) -> str:
        return self.command[0]

    def program(self, name: str, folder: Path) -> Path:
        """Compile the program of that name, a folder of `programs/`."""
        return self.build((HERE / "programs" / name / self.main).read_text(), folder)

    def build(self, text: str, folder: Path) -> Path:
        """Compile a program of that text in `folder`, with warnings as errors."""
        for writer in self.writers:
            shutil.copy(WRITERS / writer, folder)
        (folder / self.main).write_text(text)
        subprocess.run([*self.command, "-o", "out"], cwd=folder, check=True)
        return folder / "out"


GCC = ("g++", "-std=c++17", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "main.cpp")
RUSTC = ("rustc", "--edition=2021", "-O", "-Dwarnings", "main.rs")
SWIFTC = ("swiftc", "-O", "-warnings-as-errors", "main.swift", "ParityDump.swift", "ParityReduced.swift")
LANGUAGES = {
    language.name: language
    for language in (
        Language("cpp", ("parity_dump.hpp", "parity_reduced.hpp"), "main.cpp", GCC),
        Language("rust", ("parity_dump.rs", "parity_reduced.rs"), "main.rs", RUSTC),
        Language("swift", ("ParityDump.swift", "ParityReduced.swift"), "main.swift", SWIFTC),
    )
}
