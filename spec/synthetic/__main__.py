"""Command line of `spec.synthetic`."""

from __future__ import annotations

import sys
from pathlib import Path

import spec.synthetic
from parity.base.arguments import Parser
from parity.base.files import require_new
from parity.base.gate import PASS, guarded
from spec.config import CHATTERBOX_SIZES
from spec.turbo import T3_SIZES, turbo


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(
        prog="python -m spec.synthetic",
        description=(spec.synthetic.__doc__ or "").split("\n")[0],
        example="python -m spec.synthetic checkpoint --size tiny",
    )
    parser.add_argument("out", type=Path, help="directory to write; no file in it is replaced")
    parser.add_argument("--size", choices=CHATTERBOX_SIZES, default="full")
    models = ("chatterbox", *T3_SIZES)
    parser.add_argument("--model", choices=models, default=models[0], help="whose files (%(default)s)")
    parser.add_argument("--only", choices=spec.synthetic.NAMES, help="write this file alone (default: the English)")
    parser.add_argument("--debug", action="store_true", help="show where an error that ends the command was raised")
    options = parser.parse_args(arguments)
    if options.model == "chatterbox":
        config, names = CHATTERBOX_SIZES[options.size], spec.synthetic.DEFAULT
    else:
        config = turbo(options.model, options.size)
        names = spec.synthetic.turbo_names(config)
    if options.only:
        if options.model != "chatterbox":
            parser.error(f"--only {options.only} names a file of Chatterbox's, expected no --model beside it")
        names = (options.only,)

    def command() -> int:
        files = [options.out / file for name in names for file in spec.synthetic.file_names(name)]
        require_new(files)
        spec.synthetic.write(options.out, config, names)
        model = "" if options.model == "chatterbox" else f" of {options.model}"
        print(f"{options.out}: synthetic checkpoint{model}, {options.size}")
        return PASS

    return guarded("synthetic", command, options.debug)


if __name__ == "__main__":
    sys.exit(main())
