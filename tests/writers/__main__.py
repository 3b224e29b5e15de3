"""`python -m tests.writers [LANGUAGE...]`: the tests of the files in `writers/` that need a compiler; all by default.

Exit 0 if all pass, 1 if one fails, 2 without a compiler or for a language that there is none of.
"""

from __future__ import annotations

import shutil
import sys

import pytest

from tests.writers.languages import HERE, LANGUAGES


def main(names: list[str]) -> int:
    if unknown := [name for name in names if name not in LANGUAGES]:
        print(f"no language {unknown[0]!r}; expected some of {', '.join(LANGUAGES)}", file=sys.stderr)
        return 2
    names = names or list(LANGUAGES)
    compilers = [LANGUAGES[name].compiler for name in names]
    if missing := [compiler for compiler in compilers if shutil.which(compiler) is None]:
        there = [name for name in LANGUAGES if shutil.which(LANGUAGES[name].compiler)]
        others = f", or test what there is: `tox -e writers -- {' '.join(there)}`" if there else ""
        print(f"there is no {' and no '.join(missing)}: install {', '.join(missing)}{others}", file=sys.stderr)
        return 2
    files = [str(file) for file in sorted(HERE.glob("compiled_*.py"))]
    return int(pytest.main([*files, "-k", " or ".join(names)]) != 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
