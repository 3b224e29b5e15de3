"""The table of a command's options, as its parser has them."""

from __future__ import annotations

import argparse

from parity.cli.command_line import parser


def commands() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command by name."""
    subparsers = next(action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    return dict(subparsers.choices)


COMMON = ("--json", "--debug", "--quiet")
"""Options that every command takes: they stand once, at the top of the page."""


def table(command: argparse.ArgumentParser, common: bool = False) -> str:
    """Its Markdown: a row for each argument and option but `--help`, with what `--help` says of it.

    Those that every command takes are left out, or with `common` stand alone.
    """
    formatter = command.formatter_class(command.prog)
    rows = ["| argument or option | what it is |", "|---|---|"]
    for action in command._actions:
        if isinstance(action, argparse._HelpAction) or (action.option_strings[-1:] in [[o] for o in COMMON]) != common:
            continue
        value = formatter._format_args(action, formatter._get_default_metavar_for_optional(action))
        name = " ".join([*action.option_strings[-1:], value]).strip() if action.option_strings else value
        text = formatter._expand_help(action)
        required = "; required" if action.required and action.option_strings else ""
        rows.append(f"| `{name}` | {text}{required} |")
    return "\n".join(rows)
