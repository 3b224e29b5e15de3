"""parity.pytest_plugin: a test for every part of every segment, and none that silently tests nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from parity.run.both import Both
from parity.run.verify import Verifier
from tests.docs.markdown import blocks
from tests.meta import toy
from tests.meta.conftest import ROOT, TOY

pytest_plugins = ["pytester"]

PASSES = """
    import pytest

    @pytest.mark.parity("refine")
    def test_part(parity_part, parity_report):
        verdicts = parity_part.verdicts(parity_report)
        assert verdicts
        assert [v.label for v in verdicts if not v.passed] == []
"""


@pytest.fixture(scope="session")
def loaded(toy_contract, toy_checkpoint) -> None:
    """All that a failing run imports. pytester unloads what it imported, and extensions load once in a process."""
    case = toy.load("gain")
    verifier = Verifier(toy_contract, case, toy_checkpoint)
    verifier.run(Both.proven(toy_contract, case, toy_checkpoint, strict=False).settle)


@pytest.fixture
def pytest_run(pytester: pytest.Pytester, toy_checkpoint, loaded):
    """Runs a test file in a project of its own on the toy contract."""

    def pytest_run(text: str, *arguments: str, contract: str = str(TOY)) -> pytest.RunResult:
        pytester.syspathinsert(ROOT)
        pytester.makepyfile(text)
        options = ["-p", "no:cacheprovider", f"--contract={contract}", f"--checkpoint={toy_checkpoint}"]
        return pytester.runpytest_inprocess(*options, *arguments)

    return pytest_run


def test_a_test_for_every_part_segment_and_mode(pytest_run):
    result = pytest_run(PASSES, "-v")
    parts = ["first", "middle.0", "middle.1", "last", "refine.state"]
    result.assert_outcomes(passed=3 * len(parts) * 2)
    result.stdout.fnmatch_lines(
        [
            f"*test_part?refine?step={step}?-{part}-{mode}? PASSED*"
            for step in range(3)
            for part in parts
            for mode in ("local", "accumulated")
        ]
    )


def test_the_size_chooses_the_case(pytest_run):
    pytest_run(PASSES, "--size=full").assert_outcomes(passed=4 * 5 * 2)


def test_another_size_is_refused(pytest_run):
    result = pytest_run(PASSES, "--size=huge")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


def test_a_module_beside_the_contract_is_found(pytest_run, tmp_path):
    (tmp_path / "beside_the_contract.py").write_text("from tests.meta.toy import mlx_candidate\n")
    text = TOY.read_text().replace("tests.meta.toy:mlx_candidate", "beside_the_contract:mlx_candidate")
    (tmp_path / "contract.toml").write_text(text)
    result = pytest_run(PASSES, "-k", "first-local", contract=str(tmp_path / "contract.toml"))
    result.assert_outcomes(passed=3)


def test_a_checkpoint_that_is_not_there_is_one_error_before_any_test(pytest_run, tmp_path):
    result = pytest_run(PASSES, f"--checkpoint={tmp_path / 'none'}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --checkpoint *none: no such folder; name one that holds the weights"])
    assert "refine" not in result.stdout.str()


def test_a_fault_fails_the_tests_of_its_part_and_what_inherits_it(pytest_run):
    text = PASSES.replace("parity_report", "verify_case").replace("(verify_case)", "(verify_case('gain'))")
    result = pytest_run(text)
    result.assert_outcomes(passed=3 * 4 + 2, failed=3 + 3 + 2 * 5)
    failed = re.findall(r"^FAILED .*test_part\[refine\[step=(\d)\]-([\w.]+-\w+)\]", result.stdout.str(), re.MULTILINE)
    assert [step for step, name in failed if name == "middle.1-local"] == ["0", "1", "2"]
    assert sum(name.endswith("local") for _, name in failed) == 3
    accumulated = [name.removesuffix("-accumulated") for step, name in failed if step == "0" and "accumulated" in name]
    assert accumulated == ["middle.1", "last", "refine.state"]


def test_a_failure_says_what_is_wrong_first(pytest_run):
    text = (
        PASSES
        + """
    @pytest.fixture
    def parity_report(verify_case):
        return verify_case("gain")
    """
    )
    result = pytest_run(text, "-k", "middle.1-local")
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["*parity, case gain*", "first wrong: middle.1?step=0,cond?, local; departs: *"])


def test_what_is_off_by_rounding_alone_passes(pytest_run, tmp_path):
    """Bounds that no port holds: the mathematics is proven then, and the port's own floors decide."""
    tight = tmp_path / "contract.toml"
    tight.write_text(TOY.read_text().replace(" = 5.0\n", " = 0.3\n"))
    text = """
        def test_words(verify_case):
            report = verify_case("tiny")
            assert report.passed
            assert set(report.words()) == {"equal", "rounding"}
    """
    pytest_run(text, contract=str(tight)).assert_outcomes(passed=1)


def test_a_case_is_verified_once_a_session(pytest_run):
    text = """
        def test_first(verify_case, parity_report):
            assert verify_case("tiny") is parity_report

        def test_second(verify_case, request):
            assert verify_case("tiny") is request.getfixturevalue("parity_report")
            assert not verify_case("skip").passed
    """
    pytest_run(text).assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('@pytest.mark.parity("refine")', "", "*takes parity_part: mark it with @pytest.mark.parity*"),
        ('parity("refine")', "parity()", "*takes parity_part: mark it with @pytest.mark.parity*"),
        ('parity("refine")', 'parity("decode")', "*no segment 'decode' in *; case tiny has prepare, refine*"),
    ],
)
def test_a_test_that_would_test_nothing_is_refused(pytest_run, old, new, message):
    assert PASSES.count(old) == 1
    result = pytest_run(PASSES.replace(old, new))
    assert result.ret != pytest.ExitCode.OK
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])


@pytest.mark.parametrize("contract", ["none.toml", str(ROOT / "pyproject.toml")])
def test_a_contract_that_cannot_be_read_is_an_error(pytest_run, contract):
    result = pytest_run(PASSES, contract=contract)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ContractError: *"])


COMPARES = """
    import mlx.core as mx
    import numpy as np
    import pytest

    X = {"x": np.random.default_rng(0).standard_normal((4, 100), np.float32)}

    @pytest.mark.parametrize("power", [1, 3 / 2])
    def test_tanh(assert_parity, power):
        assert_parity(lambda x: x.tanh(), lambda x: mx.tanh(x) * power, X)
"""


def test_two_models_in_one_test(pytest_run, tmp_path):
    result = pytest_run(COMPARES, f"--parity-report={tmp_path / 'saved'}")
    result.assert_outcomes(passed=1, failed=1)
    place = tmp_path / "saved" / "test_two_models_in_one_test.py" / "test_tanh[1.5]"
    said = ["*> *assert_parity(*", "E *NOT PROVEN*", "E *departure 1*", "E *reference: *", "E *port: *"]
    result.stdout.fnmatch_lines([*said, f"E *report: {place}/index.html".replace("[", "[[]")])
    assert "raise ParityError" not in result.stdout.str()
    assert {file.name for file in place.iterdir()} == {"comparison.json", "index.html", "junit.xml"}
    assert not json.loads((place / "comparison.json").read_text())["passed"]
    assert [folder.name for folder in place.parent.iterdir()] == ["test_tanh[1.5]"]


def test_without_a_folder_nothing_is_saved(pytest_run, pytester):
    result = pytest_run(COMPARES, "-k", "1.5")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *NOT PROVEN*", "E *departure 1*", "E *FAIL"])
    assert not list(pytester.path.rglob("comparison.json"))


def test_a_report_that_cannot_be_written_is_one_error_before_any_test(pytest_run, tmp_path):
    (tmp_path / "file").write_text("mine")
    result = pytest_run(COMPARES, f"--parity-report={tmp_path / 'file'}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --parity-report *file: *"])


def test_the_example_of_the_page_runs(pytest_run, pytester, monkeypatch):
    """The files of docs/own-model.md, and its test of five lines; once more with the fault of the page."""
    text = (ROOT / "docs" / "own-model.md").read_text()
    files = {block.mark[1]: block.text for block in blocks(text) if block.mark[0] == "file"}
    for name in ("torch_model.py", "mlx_model.py", "make.py"):
        (pytester.path / name).write_text(files[name])
    subprocess.run([sys.executable, "make.py"], cwd=pytester.path, check=True)
    example = next(block.text for block in blocks(text) if "def test_port(assert_parity)" in block.text)
    assert len([line for line in example.splitlines() if line]) <= 5
    pytest_run(example).assert_outcomes(passed=1)
    wrong = files["mlx_model.py"].replace("nn.gelu(", "nn.gelu_approx(")
    (pytester.path / "mlx_model.py").write_text(wrong)
    for name in ("mlx_model", "torch_model"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    result = pytest_run(example, "--parity-report=saved")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *departure 1 in blocks.0*", "E *tanh*", "E *report: saved/*index.html"])


def test_other_tests_need_no_contract(pytest_run):
    pytest_run("def test_plain(): pass", contract="none.toml").assert_outcomes(passed=1)
