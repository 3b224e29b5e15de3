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
    """`command` is the compiler with its options; a program named `out` is made of the files named `sources`."""

    name: str
    writer: str
    main: str
    command: tuple[str, ...]
    sources: tuple[str, ...]

    @property
    def compiler(self) -> str:
        return self.command[0]

    def program(self, name: str, folder: Path) -> Path:
        """Compile the program of that name, a folder of `programs/`."""
        return self.build((HERE / "programs" / name / self.main).read_text(), folder)

    def build(self, text: str, folder: Path) -> Path:
        """Compile a program of that text in `folder`, with warnings as errors."""
        shutil.copy(WRITERS / self.writer, folder)
        (folder / self.main).write_text(text)
        subprocess.run([*self.command, *self.sources, "-o", "out"], cwd=folder, check=True)
        return folder / "out"


GCC = ("g++", "-std=c++17", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
RUSTC = ("rustc", "--edition=2021", "-O", "-Dwarnings")
SWIFTC = ("swiftc", "-O", "-warnings-as-errors")
LANGUAGES = {
    language.name: language
    for language in (
        Language("cpp", "parity_dump.hpp", "main.cpp", GCC, ("main.cpp",)),
        Language("rust", "parity_dump.rs", "main.rs", RUSTC, ("main.rs",)),
        Language("swift", "ParityDump.swift", "main.swift", SWIFTC, ("main.swift", "ParityDump.swift")),
    )
}
