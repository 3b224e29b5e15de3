"""What each command does. Every one returns whether it passed and its result as plain data."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from parity import contract as contracts
from parity.base import npy, runtime
from parity.base.errors import InputError, MissingError, UnknownNameError, UsageError
from parity.base.files import write_text
from parity.base.metrics import rms
from parity.base.names import meant, meant_path
from parity.capture import probe
from parity.capture.golden import MANIFEST, Golden
from parity.capture.runner import adapter
from parity.cli.places import require_places
from parity.cli.usage import DEFAULT_CONTRACT
from parity.contract import ACCUMULATED, LOCAL, Segment
from parity.contract.implementation import Case, make_case, resolve
from parity.diagnose.bisect import Bisection
from parity.run import dumps as offline
from parity.run import proof
from parity.run import recordings as recording
from parity.run.both import Both
from parity.run.dumps.bundle import contract_file
from parity.run.exact import Exact
from parity.run.origin import origin
from parity.run.report import DUMPS, GIVEN, WEIGHTS, Report
from parity.run.verify import Verifier
from parity.show import page, terminal
from parity.show.changes import changes, differing, seen
from parity.show.exact import show as show_exact
from parity.show.history import Alike, History, alike
from parity.show.results import benchmarks, exercised, load, read, report_of, with_certificates
from parity.show.status import page as status_page

Result = tuple[bool, dict[str, Any]]


def verify(options: argparse.Namespace, console: Console) -> Result:
    """Run both sides of a contract on a case and judge every tap."""
    if options.exact:
        return _exact(options, console)
    if options.teacher_forced:
        raise UsageError("--teacher-forced without --exact: on a device every block runs that way too; leave it out")
    if options.device:
        raise UsageError("--device without --exact: what runs is judged on the device that MLX has; leave it out")
    _consistent(options)
    contract, case, checkpoint = _inputs(options)
    with progress(console, contract.segments(case.dims, case.segments)) as say:
        if options.recording and options.precision != contracts.FULL.name:
            raise UsageError(f"--precision {options.precision} with --recording: a recording has float32 weights only")
        if options.recording:
            settle = _both(options, contract, case, checkpoint, say).settle
            report = recording.verify(contract, case, checkpoint, options.recording, say, options.informative, settle)
        else:
            precision = contract.precision(options.precision)
            verifier = Verifier(contract, case, checkpoint, say, precision, informative=options.informative)
            report = verifier.run(_both(options, contract, case, checkpoint, say).settle)
    report.command = options.line
    report.environment |= origin(contract.path.parent) | {WEIGHTS: GIVEN if options.checkpoint else case.weights}
    report.subject = proof.subject(contract, case, checkpoint)
    terminal.show(report, contract, console, options.verbose, options.exercise)
    return report.passed, report.as_dict()


def publish(options: argparse.Namespace, result: dict[str, Any]) -> None:
    """Put a result of `verify` into the history and the report that were asked for."""
    if not (options.report or options.history):
        return
    reports = [report_of(result, options.json or Path("the result"))]
    remembered = _remembered(options.history, reports)
    if options.report:
        page.write(reports, options.report, remembered)


def _both(
    options: argparse.Namespace, contract: contracts.Contract, case: Case, checkpoint: Path, say: Callable[[str], None]
) -> Both:
    """The mathematics of a run: proven here, taken from a proof, or not known."""
    if options.device_only:
        known = proof.require(options.proof, contract, case, checkpoint)
        return Both(contract, case, checkpoint, known, strict=options.strict, progress=say)
    if options.informative:
        return Both(contract, case, checkpoint, {}, "an informative run is no verdict")
    if options.recording:
        why = "a recording has no reference to prove by; give what `verify --exact` proved: --device-only --proof FILE"
        return Both(contract, case, checkpoint, {}, why)
    if options.precision != contracts.FULL.name:
        why = f"{options.precision} is judged in noise floors, by what rounding the weights does"
        return Both(contract, case, checkpoint, {}, why)
    return Both.proven(contract, case, checkpoint, options.strict, say)


def _consistent(options: argparse.Namespace) -> None:
    """Raises `InputError` for options of a run on a device that contradict each other."""
    if bool(options.proof) != options.device_only:
        raise UsageError(
            "--device-only and --proof go together: prove the same code, checkpoint, case and contract by "
            "`parity verify --exact --json FILE`, and give that file"
        )
    others = {"--informative": options.informative, "--precision": options.precision != contracts.FULL.name}
    if options.strict and not options.device_only:
        others["--recording"] = options.recording
    given = [name for name, value in others.items() if value]
    for mode, asked in (("--device-only", options.device_only), ("--strict", options.strict)):
        if asked and given:
            raise UsageError(f"{mode} with {', '.join(given)}: there the mathematics has no say; leave one out")


def _exact(options: argparse.Namespace, console: Console) -> Result:
    """Prove the mathematics of a contract's candidate on a case."""
    others = {
        "--precision": options.precision != contracts.FULL.name,
        "--recording": options.recording,
        "--informative": options.informative,
        "--report": options.report,
        "--history": options.history,
        "--device-only": options.device_only,
        "--strict": options.strict,
    }
    if given := [name for name, value in others.items() if value]:
        raise UsageError(f"--exact with {', '.join(given)}: a proof is in double and has no other mode; leave one out")
    runtime.share_cores()
    contract = contracts.load(options.contract)
    case = make_case(contract, options.case)
    checkpoint = options.checkpoint or resolve(contract.checkpoints)(case)
    require_places(options, [checkpoint])
    with ThreadPoolExecutor(1) as beside, progress(console, contract.segments(case.dims, case.segments)) as say:
        subject = beside.submit(proof.subject, contract, case, checkpoint)  # it reads what is loaded next
        report = Exact(contract, case, checkpoint, say, options.teacher_forced, options.device or "gpu").run()
        report.subject = subject.result()
    report.command = options.line
    show_exact(report, console, options.exercise)
    return report.passed, report.as_dict()


def record(options: argparse.Namespace, console: Console) -> Result:
    """Run the reference and store all that verifying a candidate elsewhere needs."""
    contract, case, checkpoint = _inputs(options)
    with progress(console, contract.segments(case.dims, case.segments)) as say:
        about = recording.record(contract, case, checkpoint, options.out, say)
    size = sum(file.stat().st_size for file in options.out.rglob("*") if file.is_file())
    text = f"{options.out}: the reference's run of case {case.name}, {size / 1e6:.1f} MB"
    console.print(text, markup=False, highlight=False)
    return True, about


def capture(options: argparse.Namespace, console: Console) -> Result:
    """Run one side freely and store every tap."""
    contract, case, checkpoint = _inputs(options)
    with progress(console, contract.segments(case.dims, case.segments)) as say:
        about = offline.capture(
            contract, case, checkpoint, options.side, options.out, options.floors, say, float64=options.float64
        )
    text = f"{options.out}: {about['count']} taps of {options.side}, case {case.name}"
    console.print(text, markup=False, highlight=False)
    return True, about


def export(options: argparse.Namespace, console: Console) -> Result:
    """Run the reference, and store what a port in any language needs to be judged."""
    contract, case, checkpoint = _inputs(options)
    with progress(console, contract.segments(case.dims, case.segments)) as say:
        about = offline.capture(
            contract, case, checkpoint, "reference", options.out, say=say, float64=options.float64, bundle=options.axes
        )
    text = f"{options.out}: {about['count']} taps of case {case.name}; README.md there says how a port reads them"
    console.print(text, markup=False, highlight=False)
    return True, about


def compare(options: argparse.Namespace, console: Console) -> Result:
    """Compare two models, or dumps with a bundle: `module:name` and files of graphs say which."""
    if ":" in options.reference and not Path(options.reference).is_dir():
        return _models(options, console)
    of_models = ("inputs", "axes", "call", "draws", "source", "report", "exact", "strict")
    if odd := [f"--{name}" for name in of_models if getattr(options, name)]:
        raise UsageError(
            f"{options.reference} is no 'module:name', so dumps are compared, and {', '.join(odd)} is for two models; "
            "name the reference as 'module:name', or leave the option out"
        )
    golden = Golden(Path(options.reference))
    contract = _contract_of(golden, options.contract)
    report = offline.compare(
        contract,
        golden,
        Path(options.candidate),
        options.layout,
        options.allow_missing,
        LOCAL if options.local else ACCUMULATED,
        options.only,
        options.stage,
        options.map,
        options.checkpoint,
    )
    report.command, report.source = options.line, DUMPS
    own = contract.path.resolve().parent
    report.environment |= origin(None if own == golden.folder.resolve() else own)
    terminal.show(report, contract, console, options.verbose)
    return report.passed, report.as_dict()


def _contract_of(golden: Golden, named: Path | None) -> contracts.Contract:
    """The contract that judges dumps: the one that is named, else the bundle's own, else the default."""
    return contracts.load(named or contract_file(golden) or DEFAULT_CONTRACT)


def _models(options: argparse.Namespace, console: Console) -> Result:
    """Compare two models by their inputs, and write the report where one was asked for."""
    from parity.show.comparison import Comparison

    of_dumps = {
        "allow_missing": False,
        "local": False,
        "only": "*",
        "stage": "",
        "layout": "",
        "map": None,
        "checkpoint": None,
    }
    if odd := [
        f"--{name.replace('_', '-')}"
        for name, left_out in of_dumps.items()
        if getattr(options, name, left_out) != left_out
    ]:
        raise UsageError(f"{options.reference} is a model, and {', '.join(odd)} is for dumps; leave the option out")
    if not options.inputs:
        raise UsageError(f"{options.reference} against {options.candidate}: two models take --inputs FILE.npz")
    with progress(console) as say:
        doing = "proving" if options.exact else "comparing"
        say(f"{doing} {options.candidate} against {options.reference}")
        found = Comparison.of(
            options.reference,
            options.candidate,
            options.inputs,
            options.axes,
            options.source,
            exact=options.exact,
            strict=options.strict,
            call=options.call or None,
            draws=options.draws,
        )
    for line in found.lines():
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if options.report:
        found.save(options.report)
        console.print(f"{options.report / 'index.html'}", markup=False, highlight=False)
    return found.passed, found.as_dict()


def bisect(options: argparse.Namespace, console: Console) -> Result:
    """Search for the tap that makes a stage wrong: with partial runs, or in a folder of dumps."""
    if bool(options.golden) != bool(options.dumps):
        raise UsageError("--golden and --dumps go together: give both to search in dumps, none to run the sides")
    if options.golden:
        golden = Golden(options.golden)
        named = options.contract if options.contract != DEFAULT_CONTRACT else None
        found = offline.bisect(_contract_of(golden, named), golden, options.dumps, options.layout)
    else:
        contract, case, checkpoint = _inputs(options)
        with progress(console, contract.segments(case.dims, case.segments)) as say:
            found = Bisection(contract, case, checkpoint, options.stage, options.end, options.state, say).run()
    terminal.show_found(found, console)
    return not found.culprit, found.as_dict()


def prove(options: argparse.Namespace, console: Console) -> Result:
    """`compare --exact`: prove in double that a port computes what a PyTorch model computes."""
    options.exact, options.strict, options.report = True, False, None
    return _models(options, console)


def report(options: argparse.Namespace, console: Console) -> Result:
    """The results of earlier runs as one report to look at."""
    extras: dict[str, Any] = {"audits": {str(path): read(path, "an audit of weights") for path in options.audit}}
    extras["benchmarks"] = {str(path): benchmarks(read(path, "a benchmark")) for path in options.benchmarks}
    found = load(options.results)
    passed = page.write(found, options.out, extras | _remembered(options.history, found))
    word = "PASS" if passed else "FAIL"
    console.print(f"{options.out / 'index.html'}: {word}, {len(found)} results", markup=False, highlight=False)
    return passed, {"out": str(options.out), "passed": passed, "results": len(found)}


def _remembered(store: Path | None, reports: list[Report]) -> dict[str, Any]:
    """Append reports that are verdicts to the history, and give what it says of runs like them and of those before."""
    if store is None:
        return {}
    history = History(store)
    judged = [report for report in reports if not report.informative]
    for report in judged:
        history.add(report)
    chains = {alike(report): report.chain.get("tap", "") for report in judged}
    since = [None if report.informative else history.since(report) for report in reports]
    return {"trends": [t for like, chain in chains.items() for t in history.trends(like, chain)], "since": since}


def diff(options: argparse.Namespace, console: Console) -> Result:
    """What differs between two results of one case. It fails where a verdict, or the whole run, turned to the worse."""
    old, new = _one(options.old), _one(options.new)
    if old.case != new.case:
        raise UsageError(f"{options.old} is of case {old.case!r}, {options.new} of {new.case!r}; name two of one case")
    found, beside = changes(seen(old), seen(new)), differing(old, new)
    terminal.show_changes(old, new, found, beside, console)
    passed = not found.worse and (new.passed or not old.passed)
    about = {name: {"passed": run.passed, "when": run.when} for name, run in (("old", old), ("new", new))}
    return passed, {"passed": passed} | about | {"differing": beside} | found.as_dict()


def _one(path: Path) -> Report:
    found = load([path])
    if len(found) != 1:
        raise InputError(f"{path}: holds {len(found)} results; name a file that one `parity verify --json` wrote")
    return found[0]


def status(options: argparse.Namespace, console: Console) -> Result:
    """Write what results say is verified, and what is not."""
    found, certificates = with_certificates(options.results)
    exercise, _ = exercised([*options.results, *options.exercise])
    text = status_page(found, contracts.load(options.contract), exercise, certificates)
    write_text(text, options.out)
    count = len(found) + len(certificates)
    console.print(f"{options.out}: of {count} results", markup=False, highlight=False)
    return True, {"out": str(options.out), "results": count}


def history(options: argparse.Namespace, console: Console) -> Result:
    """Append results to a history, and show its runs, the trend of a tap and what has drifted."""
    if not options.add and not options.store.exists():
        advice = f"name another, or results that it is to begin with{meant_path(options.store)}"
        raise MissingError(f"{options.store}: no such history; {advice}")
    # The newest comes last, in whatever order a shell names the files.
    reports = sorted((one for one in load(options.add) if not one.informative), key=lambda report: report.when)
    store = History(options.store)
    added = sum(map(store.add, reports))
    runs = store.runs()
    newest = {Alike(run["case_name"], run["device"], run["kind"]): run for run in runs}
    trends: list[dict[str, Any]] = []
    for like in newest:
        if options.tap:
            for mode in (LOCAL, ACCUMULATED):
                rows = store.series(options.tap, mode, like)
                for name in ("ratio32", "ratio64", "headroom"):
                    points = [row[name] for row in rows if row[name] is not None]
                    if points:
                        series = f"{like} on {like.device}: {options.tap} ({mode}), {name}"
                        trends.append({"series": series, "points": points, "bound": rows[-1]["bound"], "drift": ""})
        else:
            trends += store.trends(like)
    if options.tap and not trends:
        raise UnknownNameError(
            f"{options.store}: no run has the tap {options.tap!r}; {meant(options.tap, store.labels())}"
        )
    terminal.show_trends(trends, len(runs), console)
    failed = [f"{like} on {like.device}" for like, run in newest.items() if not run["passed"]]
    for text in failed:
        console.print(f"its newest run failed, so no drift is judged: {text}", markup=False, highlight=False)
    drifted = sum(bool(trend["drift"]) for trend in trends)
    passed = not options.check or not (failed or drifted)
    if options.check:
        said = f"FAIL: {len(failed)} failed, {drifted} drifted" if not passed else "PASS: nothing has drifted"
        console.print(f"{said}; {terminal.counted(len(runs), 'run')} in the history", markup=False, highlight=False)
    return passed, {"runs": runs, "added": added, "trends": trends, "failed": failed}


def inspect(options: argparse.Namespace, console: Console) -> Result:
    """Header and statistics of an NPY file, or the manifest of a golden folder with every file checked."""
    path: Path = options.path
    if (path / MANIFEST).is_file():
        golden = Golden(path)
        for name in golden:
            golden.load(name)
        for double in golden.doubles.values():
            for name in double:
                double.load(name)
        golden.check_inputs()
        contract_file(golden)
        about = {key: value for key, value in golden.manifest.items() if key != "taps"}
        console.print_json(data=about)
        console.print(f"{path}: {len(golden)} taps, every file as the manifest says", markup=False)
        return True, golden.manifest
    if not path.is_file():
        raise InputError(f"{path}: neither an NPY file nor a golden folder{meant_path(path)}")
    header, array = npy.read_header(path), npy.read(path)
    finite = array[np.isfinite(array)] if array.dtype.kind in "fc" else array
    result = {
        "file": str(path),
        "shape": list(header.shape),
        "dtype": header.dtype.name,
        "byte_order": header.dtype.str[0],
        "fortran_order": header.fortran_order,
        "version": list(header.version),
        "nonfinite": int(array.size - finite.size),
        "rms": rms(finite) if finite.size and array.dtype.kind in "fiu" else None,
        "min": float(finite.min()) if finite.size and array.dtype.kind in "fiu" else None,
        "max": float(finite.max()) if finite.size and array.dtype.kind in "fiu" else None,
        "sha256": npy.canonical_sha256(array),
    }
    console.print_json(data=result)
    return True, result


def doctor(options: argparse.Namespace, console: Console) -> Result:
    """Versions, devices, environment and the precision probe of both frameworks."""
    blas = runtime.prepare()
    result: dict[str, Any] = {"python": platform.python_version(), "platform": platform.platform(), "blas": blas}
    errors: dict[str, dict[str, float]] = {}
    unusable = None
    for framework in ("torch", "mlx"):
        try:
            module = adapter(framework)
        except ModuleNotFoundError:
            result[framework] = f"not installed: pip install {framework}"
            continue
        except InputError as reason:
            result[framework], unusable = "cannot be used", reason
            continue
        result |= module.environment()
        errors[framework] = probe.precision(module)
    table = Table("", "")
    for name, value in result.items():
        table.add_row(name, str(value))
    passed = True
    for framework, figures in errors.items():
        for name, error in figures.items():
            fine = error <= probe.LIMIT
            passed &= fine
            table.add_row(f"{framework} {name}, relative error", f"{error:.1e} {'ok' if fine else 'NOT float32'}")
    console.print(table)
    if unusable:
        raise unusable
    return passed, result | {"probe": errors, "limit": probe.LIMIT, "passed": passed}


def _inputs(options: argparse.Namespace) -> tuple[contracts.Contract, Case, Path]:
    runtime.prepare()
    contract = contracts.load(options.contract)
    case = make_case(contract, options.case)
    checkpoint = options.checkpoint or resolve(contract.checkpoints)(case)
    require_places(options, [checkpoint])
    return contract, case, checkpoint


@contextmanager
def progress(console: Console, segments: Sequence[Segment] = ()) -> Iterator[Callable[[str], None]]:
    """A line that says what is being done, with the time so far; in a log, a line each on standard error.

    What begins with the label of one of `segments` and a colon is told as that of so many.
    """
    numbers = {segment.label: f"{number} of {len(segments)}, " for number, segment in enumerate(segments, 1)}

    def numbered(message: str) -> str:
        return numbers.get(message.partition(": ")[0], "") + message

    if console.quiet:
        yield lambda message: None
        return
    if not console.is_terminal:
        yield lambda message: print(numbered(message), file=sys.stderr, flush=True)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("")
        yield lambda message: bar.update(task, description=escape(numbered(message)))
