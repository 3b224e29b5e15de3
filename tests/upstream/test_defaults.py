"""What upstream's calls take where nothing is said, read from their source: both sides state the same."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from pathlib import Path

import pytest

from spec.config import CHATTERBOX_SIZES, multilingual

CONFIG = CHATTERBOX_SIZES["tiny"]
PACKAGE = Path(importlib.util.find_spec("chatterbox").submodule_search_locations[0])
NAMES = ("exaggeration", "cfg_weight", "repetition_penalty", "temperature", "min_p", "top_p")


def function(file: str, name: str) -> ast.FunctionDef:
    """The one function or method of that name in a file of upstream's."""
    nodes = ast.walk(ast.parse((PACKAGE / file).read_text(encoding="utf-8")))
    (found,) = (node for node in nodes if isinstance(node, ast.FunctionDef) and node.name == name)
    return found


def defaults(node: ast.FunctionDef) -> dict[str, object]:
    """The defaults of its arguments, by name, where they are constants."""
    given = node.args.args[len(node.args.args) - len(node.args.defaults) :]
    pairs = zip(given, node.args.defaults, strict=True)
    return {argument.arg: value.value for argument, value in pairs if isinstance(value, ast.Constant)}


def tokens(node: ast.FunctionDef) -> object:
    """The number of tokens that it lets T3 say."""
    keywords = (each for each in ast.walk(node) if isinstance(each, ast.keyword) and each.arg == "max_new_tokens")
    (number,) = {keyword.value.value for keyword in keywords}
    return number


@pytest.mark.parametrize("side", ["reference", "mlx_impl"])
@pytest.mark.parametrize(("file", "config"), [("tts.py", CONFIG), ("mtl_tts.py", multilingual(CONFIG))])
def test_defaults_equal_upstream(side, file, config):
    generate = function(file, "generate")
    steps = defaults(function("models/s3gen/flow.py", "inference"))["n_timesteps"]
    theirs = [*(defaults(generate)[name] for name in NAMES), tokens(generate), steps]
    assert importlib.import_module(f"{side}.defaults").values(config.t3).tolist() == theirs
