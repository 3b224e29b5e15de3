"""The commands, and the command line that reads what they are given."""

from parity.cli.command_line import BROKEN, FAILURE, PASS, main

__all__ = ["BROKEN", "FAILURE", "PASS", "main"]
