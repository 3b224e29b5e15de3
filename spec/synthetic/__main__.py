"""Command line of `spec.synthetic`."""

from __future__ import annotations

import sys
from pathlib import Path

import spec.synthetic
from parity.base.arguments import Parser
from parity.base.files import require_new
from parity.base.gate import PASS, guarded
from spec.config import CHATTERBOX_SIZES


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(
        prog="python -m spec.synthetic",
        description=(spec.synthetic.__doc__ or "").split("\n")[0],
        example="python -m spec.synthetic checkpoint --size tiny",
    )
    parser.add_argument("out", type=Path, help="directory to write; no file in it is replaced")
    parser.add_argument("--size", choices=CHATTERBOX_SIZES, default="full")
    parser.add_argument("--only", choices=spec.synthetic.NAMES, help="write this file alone (default: the English)")
    parser.add_argument("--debug", action="store_true", help="show where an error that ends the command was raised")
    options = parser.parse_args(arguments)
    names = [options.only] if options.only else spec.synthetic.DEFAULT

    def command() -> int:
        files = [options.out / file for name in names for file in spec.synthetic.file_names(name)]
        require_new(files)
        spec.synthetic.write(options.out, CHATTERBOX_SIZES[options.size], names)
        print(f"{options.out}: synthetic checkpoint, {options.size}")
        return PASS

    return guarded("synthetic", command, options.debug)


if __name__ == "__main__":
    sys.exit(main())
