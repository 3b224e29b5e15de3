"""Fixtures of the engine's own tests. Costly runs are made once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures import cases
from fixtures.cases import flow
from parity import contract as contracts
from parity.contract import Contract
from parity.contract.implementation import Case
from parity.run.report import Report
from parity.run.verify import Verifier
from tests.meta import toy

ROOT = Path(__file__).resolve().parents[2]
TOY = Path(toy.__file__).with_name("contract.toml")


@pytest.fixture(scope="session")
def toy_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.write_checkpoint(tmp_path_factory.mktemp("toy-checkpoint"))


@pytest.fixture(scope="session")
def toy_contract() -> Contract:
    return contracts.load(TOY)


@pytest.fixture(scope="session")
def verify_toy(toy_contract: Contract, toy_checkpoint: Path) -> Callable[..., Report]:
    """Verifies a case of the toy contract, or of another contract for it."""

    def verify(name: str, contract: Contract = toy_contract) -> Report:
        return Verifier(contract, toy.load(name), toy_checkpoint).run()

    return verify


@pytest.fixture(scope="session")
def flow_contract() -> Contract:
    return contracts.load(ROOT / "fixtures" / "contract.toml")


@pytest.fixture(scope="session")
def short_case() -> Case:
    """The tiny flow with two Euler steps and an item shorter than the other, so that there are masks."""
    return flow.build("short", flow.FlowCase("tiny", prompt=3, tokens=(6, 4), steps=2))


@pytest.fixture(scope="session")
def tiny_checkpoint() -> Path:
    return cases.synthetic_checkpoint(cases.load("tiny-flow"))
