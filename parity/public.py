"""The functions that `parity` offers: each puts together what the layers below do for one question of a user.

Their examples run beside the files of `docs/own-model.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from parity.base import runtime
from parity.base.errors import InputError
from parity.contract import LOCAL, Contract, Rule
from parity.contract.implementation import Case, resolve
from parity.diagnose.bisect import Bisection, Found
from parity.judge import floor, verdict
from parity.judge.verdict import Verdict
from parity.prove.calls import Calls
from parity.prove.inputs import Given
from parity.run import dumps
from parity.run.both import Both
from parity.run.report import Report
from parity.run.verify import Verifier
from parity.show.comparison import Comparison
from parity.show.discovery import Discovery

Progress = Callable[[str], None]
"""Called with a line that says what is being done."""


def silent(message: str) -> None:
    """Says nothing of the progress."""


def verify(
    contract: Contract,
    case: Case,
    checkpoint: Path | None = None,
    *,
    strict: bool = False,
    progress: Progress = silent,
) -> Report:
    """Run both sides of a contract on a case and judge every tap: its mathematics in double, its arithmetic in floors.

    The contract makes the checkpoint directory where none is given. With `strict` a tap that is beyond its bounds by
    rounding alone fails. Raises `InputError` for a contract, case or checkpoint that cannot be used.

    >>> from pathlib import Path
    >>> contract = parity.load_contract(Path("contract.toml"))
    >>> report = parity.verify(contract, parity.make_case(contract, "short"))
    >>> report.passed, len(report.verdicts), report.words()
    (True, 60, {'equal': 60})
    """
    runtime.prepare()
    folder = _checkpoint(contract, case, checkpoint)
    verifier = Verifier(contract, case, folder, progress)
    return verifier.run(Both.proven(contract, case, folder, strict, progress).settle)


def bisect(
    contract: Contract,
    case: Case,
    checkpoint: Path | None = None,
    *,
    stage: str = "",
    end: str = "",
    progress: Progress = silent,
) -> Found:
    """Search for the tap that makes a stage wrong, with at most log2(taps) + 2 partial runs of the candidate.

    `stage` is the whole case when left out, and `end`, the tap whose error is followed, the last tap of numbers in it.
    Raises `InputError` for a stage or an end that the case does not have.

    >>> from pathlib import Path
    >>> contract = parity.load_contract(Path("contract.toml"))
    >>> found = parity.bisect(contract, parity.make_case(contract, "short"), stage="refine")
    >>> found.culprit, found.end, found.taps
    ('', 'x[step=2]', 24)
    """
    runtime.prepare()
    return Bisection(contract, case, _checkpoint(contract, case, checkpoint), stage, end, say=progress).run()


def capture_trace(
    contract: Contract,
    case: Case,
    out: Path,
    checkpoint: Path | None = None,
    *,
    side: str = "reference",
    floors: bool = False,
    float64: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Run one side freely and write its trace to the new folder `out`: one NPY file a tap, and a manifest.

    The arrays have the reference's axes, and `inputs/` has those of the case. With `floors` the manifest holds each
    tap's noise floors, for which the side runs in float64 too. With `float64` the folder also holds that trace. Returns
    what the manifest says of the run. Raises `InputError` when `out` exists.

    >>> import tempfile
    >>> from pathlib import Path
    >>> contract = parity.load_contract(Path("contract.toml"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     about = parity.capture_trace(contract, parity.make_case(contract, "short"), Path(folder) / "golden")
    >>> about["count"], about["side"]
    (26, 'reference')
    """
    runtime.prepare()
    folder = _checkpoint(contract, case, checkpoint)
    return dumps.capture(contract, case, folder, side, out, floors, progress, float64=float64)


def compare(
    reference: Any,
    candidate: Any,
    inputs: Given | Sequence[Given],
    *,
    axes: Sequence[str] = (),
    source: str | None = None,
    exact: bool = False,
    strict: bool = False,
    rules: Sequence[Rule] = (),
    call: Calls = None,
    draws: Sequence[str] = (),
) -> Comparison:
    """Compare any two models: the mathematics in double, the arithmetic of every output as the device gives it.

    `reference` is a torch module, a function, a factory of one, or a name `module:name` of these; a function may be of
    NumPy's arrays. `candidate` is the same in MLX or in PyTorch, or a `.mlxfn` file. `inputs` are arrays in the
    reference's layout, by the names of its arguments, or a `.npz` file of such; several of other lengths prove more.
    Layouts of the candidate are found by value; `axes` declares one: `x: b c t -> b t c`. `source` is how the
    candidate's program is had: `graph`, `standin` or `torch`; found by itself when left out. `exact` leaves the device
    out. With `strict` rounding beyond the bounds does not pass: two noise floors, or those of the first of `rules`
    whose pattern is the output's.

    `call` is the method of both that is called, or a function of the model and its arrays by name, which returns
    arrays; a pair is the reference's and the candidate's. `draws` are the inputs that stand for what random calls give,
    in their order: normal numbers of deviation 1, uniform ones in [0, 1). Raises `InputError` for what cannot be
    judged.

    >>> import numpy as np
    >>> from mlx_model import candidate
    >>> from torch_model import reference
    >>> inputs = [dict(np.load(name)) for name in ("short.npz", "long.npz")]
    >>> found = parity.compare(reference, candidate, inputs)
    >>> found.passed, [verdict.word for verdict in found.verdicts]
    (True, ['equal', 'equal'])
    >>> parity.compare(reference, candidate, {"tokens": inputs[0]["tokens"]}, call="encode").passed
    True
    >>> parity.compare(reference, candidate, inputs, axes=["x: b c t -> b c t"])
    Traceback (most recent call last):
    ...
    parity.base.errors.InputError: ...
    """
    return Comparison.of(reference, candidate, inputs, axes, source, exact, strict, rules, call, draws)


def assert_parity(reference: Any, candidate: Any, inputs: Given | Sequence[Given], **options: Any) -> Comparison:
    """`compare`, and `parity.ParityError`, an `AssertionError`, unless it passes; the message says where and why.

    >>> from pathlib import Path
    >>> found = parity.assert_parity("torch_model:reference", "mlx_model:candidate", Path("short.npz"))
    >>> found.passed
    True
    """
    __tracebackhide__ = True  # the failure is the test's line
    try:
        found = compare(reference, candidate, inputs, **options)
    except InputError as error:
        raise error.with_traceback(None) from None
    found.raise_if_failed()
    return found


def discover(
    reference: Any, candidate: Any, inputs: Given | Sequence[Given], *, source: str | None = None
) -> Discovery:
    """Match two models that nobody prepared, module by module, and say what is which: `.save(folder)` is a contract.

    Both are given as `parity.compare` takes them, by name or as what makes them, and have modules. `candidate` may be a
    part: what it lacks is not judged. Each set of inputs becomes a case. Raises `InputError` for what cannot be judged.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from mlx_model import candidate
    >>> from torch_model import reference
    >>> found = parity.discover(reference, candidate, [Path("short.npz"), Path("long.npz")])
    >>> found.share, found.names
    (1.0, ['short', 'long'])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found.save(Path(folder))
    ...     sorted(file.name for file in Path(folder).iterdir())
    ['contract.toml', 'discovered_sides.py', 'inputs']
    """
    return Discovery.of_models(reference, candidate, inputs, source)


def noise_floor(reference32: np.ndarray, reference64: np.ndarray) -> float:
    """RMSE of the reference in float32 against the reference in float64, in the unit of the values.

    It is never less than what rounding each value once to float32 costs. Both arrays have one shape, whichever it is.
    NaN where `reference64` is not of finite real numbers. Raises `ValueError` where their shapes differ.

    >>> import numpy as np
    >>> exact = np.array([0.1, 0.2, 0.7])
    >>> print(f"{parity.noise_floor(exact.astype(np.float32), exact):.2g}")
    1.5e-08
    """
    if reference32.shape != reference64.shape:
        raise ValueError(f"a noise floor of shapes {reference32.shape} and {reference64.shape}; expected equal ones")
    return floor.noise_floor(reference32, reference64)


def judge_tap(
    candidate: np.ndarray,
    reference32: np.ndarray,
    reference64: np.ndarray,
    *,
    ratio32: float = 2.0,
    ratio64: float = 2.0,
    name: str = "tap",
) -> Verdict:
    """Judge one array by its two ratios, in noise floors; integers must be equal.

    All three arrays are in the reference's axes. Another shape, an empty array and a value that is not finite fail.
    `ratio32` and `ratio64` are the bounds. For few values the bounds are wider, by what chance explains.

    >>> import numpy as np
    >>> exact = np.random.default_rng(0).standard_normal((2, 500))
    >>> reference = exact.astype(np.float32)
    >>> parity.judge_tap(reference, reference, exact).passed
    True
    >>> parity.judge_tap(reference * np.float32(1.001), reference, exact).passed
    False
    >>> parity.judge_tap(reference.T, reference, exact).reason
    'shape (500, 2), expected (2, 500); is the axis order declared in [layouts] right?'
    """
    rule = Rule(name, "*", ratio64, ratio32, "given by the caller")
    return verdict.judge(name, "", LOCAL, rule, candidate, reference32, reference64)


def _checkpoint(contract: Contract, case: Case, given: Path | None) -> Path:
    if given is not None:
        return given
    made: Path = resolve(contract.checkpoints)(case)
    return made
