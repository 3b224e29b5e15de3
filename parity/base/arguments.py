"""How every program reads its arguments: help with an example and the exit codes, and errors in one sentence."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any, NoReturn

from parity.base.errors import UsageExit, code_of
from parity.base.names import meant

EXIT_CODES = "exit codes: 0 pass, 1 parity failure, 2 anything else that is wrong, 130 interrupted"
CHOICE = re.compile(r"invalid choice: '(.*?)' \(choose from (.*)\)")


class Parser(argparse.ArgumentParser):
    """A parser with an `example`, which its help ends with. A mistyped name is answered with the nearest."""

    def __init__(self, *, example: str = "", **settings: Any):
        ends = [settings.pop("epilog", ""), f"example: {example}" if example else "", EXIT_CODES]
        formatter = argparse.RawDescriptionHelpFormatter
        super().__init__(**settings, epilog="\n".join(filter(None, ends)), formatter_class=formatter)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """What the options are. An argument that is not known ends here, where the options of its command are known."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            options = [option for option in self._option_string_actions if option.startswith("--")]
            mistyped = next((each for each in unknown if each.startswith("-")), None)
            advice = f"; {meant(mistyped.partition('=')[0], options)}" if mistyped else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{advice}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """One sentence; the whole usage is what `--help` is for."""
        if choice := CHOICE.search(message):
            names = [name.strip("' ") for name in choice[2].split(",")]
            message = f"{message[: choice.start()]}{choice[1]!r} is not known; {meant(choice[1], names)}"
        ended = UsageExit(f"{message}; see {self.prog} --help")
        self._print_message(f"{self.prog}: {ended.message} [{code_of(ended)}]\n", sys.stderr)
        raise ended
