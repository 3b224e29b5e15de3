"""`parity discover` on a public pair: mlx-lm's Llama against transformers', verified as it was written."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from parity.cli import main
from parity.match.discover import GRAPH, MODULE
from parity.prove.written import CONTRACT, SIDES


@pytest.fixture
def verified(tmp_path, monkeypatch):
    """What was found, and what verifying each case of the contract gives."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    for length in (11, 16):
        tokens = np.random.default_rng(length).integers(3, 255, (1, length))
        np.savez(tmp_path / f"tokens-{length}.npz", ids=tokens)
    inputs = [word for file in sorted(tmp_path.glob("*.npz")) for word in ("--inputs", str(file))]
    models = ["tests.ports.llama:reference", "tests.ports.llama:candidate"]
    out, found = tmp_path / "contract", tmp_path / "found.json"
    assert main(["discover", *models, *inputs, "-o", str(out), "--json", str(found)]) == 0
    results = []
    for case in ("tokens-11", "tokens-16"):
        result = tmp_path / f"{case}.json"
        code = main(["verify", "--contract", str(out / CONTRACT), "--case", case, "--json", str(result)])
        results.append((code, json.loads(result.read_text())))
    sys.modules.pop(SIDES.removesuffix(".py"), None)
    return json.loads(found.read_text()), results


def test_llama_is_discovered_and_verified_without_an_edit(verified):
    found, results = verified
    how = [one["how"] for one in found["modules"]]
    print(f"{found['share']:.1%} of {len(how)} modules found, {how.count(MODULE)} of them as modules")
    assert found["share"] >= 0.98
    assert how.count(GRAPH) == 4  # the rotary table, and an activation in each of three layers
    assert found["not_judged"] == {}
    for code, result in results:
        assert code == 0
        assert set(result["words"]) <= {"equal", "rounding"}
        assert result["expected_verdicts"] == 2 * (how.count(MODULE) + 2)  # the output is observed and handed on
