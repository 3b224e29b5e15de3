"""Files that went wrong in every way known: each is reported by name, none loads silently, none crashes."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from mlx_impl.convert import command
from mlx_impl.convert.audit import audit
from mlx_impl.convert.conversion import Request, convert
from mlx_impl.convert.source import Source
from mlx_impl.weights.conditioning import load_speaker_encoder, load_tokenizer, load_voice_encoder
from mlx_impl.weights.flow import load_flow
from mlx_impl.weights.stored.mapping import MLX, UPSTREAM
from mlx_impl.weights.vocoder import load_vocoder
from spec import synthetic
from spec.config import CHATTERBOX_SIZES
from spec.files.safetensors_file import Entry, read_header, write_file
from tests.weights.corruptions import BYTES, LSTM, METADATA, NORMED, PUBLISHED, SOURCE, TENSORS, UP

TINY = CHATTERBOX_SIZES["tiny"]
S3GEN, VE = "s3gen.safetensors", "ve.safetensors"
LOADERS = {
    "flow": lambda folder: load_flow(folder, TINY.flow),
    "vocoder": lambda folder: load_vocoder(folder, TINY.vocoder),
    "tokenizer": lambda folder: load_tokenizer(folder, TINY.tokenizer),
    "speaker_encoder": lambda folder: load_speaker_encoder(folder, TINY.speaker_encoder),
}
STORED_AS = {"float32": "F32", "int64": "I64", "float16": "F16", "float64": "F64", "int32": "I32", "uint16": "BF16"}


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    synthetic.write(folder, TINY, files=["s3gen", "ve"])
    return folder


@pytest.fixture(scope="module")
def sources(published) -> dict[str, Source]:
    return {name: Source([published / name]) for name in (S3GEN, VE)}


@pytest.fixture(scope="module")
def good(published, tmp_path_factory) -> Path:
    """What is corrupted: both files converted, without a fault."""
    folder = tmp_path_factory.mktemp("good") / "out"
    for name in (S3GEN, VE):
        convert(published / name, folder / name, Request())
    return folder


def arrays_of(file: Path) -> dict[str, np.ndarray]:
    with safe_open(file, "numpy") as handle:
        return {key: handle.get_tensor(key) for key in handle.keys()}  # noqa: SIM118, it is no dict


@pytest.fixture(scope="module")
def arrays(good, published) -> dict[str, dict[str, np.ndarray]]:
    """The tensors of each good file, and those of its source that some changes are made of."""
    found = {name: arrays_of(good / name) for name in (S3GEN, VE)}
    with safe_open(published / S3GEN, "numpy") as handle:
        for key in (NORMED, UP):
            pair = zip("gv", UPSTREAM.keys(MLX.find(key)[0]), strict=True)
            found[S3GEN] |= {f"{SOURCE}{part}.{key}": handle.get_tensor(theirs) for part, theirs in pair}
    with safe_open(published / VE, "numpy") as handle:
        found[VE] |= {SOURCE + part: handle.get_tensor(f"lstm.bias_{part}_l0") for part in ("ih", "hh")}
    return found


def write(file: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> None:
    entries = {Entry(key, STORED_AS[array.dtype.name], array.shape): array for key, array in arrays.items()}
    write_file(file, entries, lambda entry: entries[entry], metadata)


def require_reported(file: Path, corruption, source: Source) -> None:
    """The audit gives a problem of that kind that names the key, and no problem is without words."""
    report = audit(file, source)
    found = [problem for problem in report.problems if problem.kind == corruption.kind]
    assert found, f"{corruption.kind} is not among {sorted({problem.kind for problem in report.problems})}"
    assert any(corruption.key in problem.text for problem in found), [problem.text for problem in found][:5]
    assert not report.passed
    assert report.as_dict()["counts"][corruption.kind] == len(found)


def stage_of(key: str) -> str:
    """The stage that a corruption of S3Gen is in."""
    for start in ("vocoder", "tokenizer", "speaker_encoder"):
        if start in key:
            return start
    return "flow"


@pytest.mark.parametrize("what", TENSORS)
def test_corrupted_tensors_of_s3gen(good, arrays, sources, tmp_path, what):
    changed = dict(arrays[S3GEN])
    TENSORS[what].change(changed)
    touched = {key for key in changed | arrays[S3GEN] if changed.get(key) is not arrays[S3GEN].get(key)}
    assert touched
    changed = {key: array for key, array in changed.items() if not key.startswith(SOURCE)}
    write(tmp_path / S3GEN, changed, read_header(good / S3GEN).metadata)
    require_reported(tmp_path / S3GEN, TENSORS[what], sources[S3GEN])
    stages = {MLX.find(key)[0].stage for key in touched if MLX.find(key) is not None} or {"flow"}
    for stage in stages:
        with pytest.raises(ValueError, match=str(tmp_path / S3GEN)):
            LOADERS[stage](tmp_path)


@pytest.mark.parametrize("what", PUBLISHED)
def test_corrupted_tensors_of_the_published_s3gen(published, sources, tmp_path, what):
    changed = arrays_of(published / S3GEN)
    PUBLISHED[what].change(changed)
    write(tmp_path / S3GEN, changed, {})
    require_reported(tmp_path / S3GEN, PUBLISHED[what], sources[S3GEN])
    with pytest.raises(ValueError, match=S3GEN):
        convert(tmp_path / S3GEN, tmp_path / "out" / S3GEN, Request())
    assert not (tmp_path / "out").exists()
    if PUBLISHED[what].kind != "dtype":  # step counts are of no use, and not read
        stage = "vocoder" if "mel2wav" in PUBLISHED[what].key or "vocoder" in PUBLISHED[what].key else "flow"
        with pytest.raises(ValueError, match=str(tmp_path / S3GEN)):
            LOADERS[stage](tmp_path)


@pytest.mark.parametrize("what", LSTM)
def test_corrupted_tensors_of_the_voice_encoder(good, arrays, sources, tmp_path, what):
    changed = dict(arrays[VE])
    LSTM[what].change(changed)
    changed = {key: array for key, array in changed.items() if not key.startswith(SOURCE)}
    write(tmp_path / VE, changed, read_header(good / VE).metadata)
    require_reported(tmp_path / VE, LSTM[what], sources[VE])
    with pytest.raises(ValueError, match=str(tmp_path / VE)):
        load_voice_encoder(tmp_path, TINY.voice_encoder)


@pytest.mark.parametrize("what", METADATA)
def test_corrupted_metadata(good, arrays, sources, tmp_path, what):
    kept = {key: array for key, array in arrays[VE].items() if not key.startswith(SOURCE)}
    write(tmp_path / VE, kept, METADATA[what].change(read_header(good / VE).metadata))
    require_reported(tmp_path / VE, METADATA[what], sources[VE])
    if METADATA[what].kind in ("mapping version", "source hash"):  # the tensors are right, and loading reads no source
        assert load_voice_encoder(tmp_path, TINY.voice_encoder) is not None
        return
    with pytest.raises(ValueError, match=str(tmp_path / VE)):
        load_voice_encoder(tmp_path, TINY.voice_encoder)


@pytest.mark.parametrize("what", BYTES)
def test_corrupted_bytes(good, sources, tmp_path, what):
    (tmp_path / VE).write_bytes(BYTES[what].change((good / VE).read_bytes()))
    require_reported(tmp_path / VE, BYTES[what], sources[VE])
    with pytest.raises(ValueError, match=str(tmp_path / VE)):
        load_voice_encoder(tmp_path, TINY.voice_encoder)


def test_truncation_at_every_structural_boundary(good, sources, tmp_path):
    """Before, at and behind the end of each part: the length, the header, and every tensor."""
    content = (good / VE).read_bytes()
    data = 8 + int.from_bytes(content[:8], "little")
    entries = read_header(good / VE).entries.values()
    ends = {0, 8, 8 + (data - 8) // 2, data, *(entry.start + entry.size for entry in entries)}
    lengths = sorted({end + step for end in ends for step in (-1, 0, 1) if 0 <= end + step < len(content)})
    assert len(lengths) > 3 * 11
    for length in lengths:
        (tmp_path / VE).write_bytes(content[:length])
        report = audit(tmp_path / VE)
        assert [problem.kind for problem in report.problems] == ["truncated"], length
        with pytest.raises(ValueError, match="not a whole safetensors file"):
            load_voice_encoder(tmp_path, TINY.voice_encoder)


def test_at_least_forty_kinds_are_made():
    groups = (TENSORS, PUBLISHED, LSTM, METADATA, BYTES)
    assert len({name for group in groups for name in group}) == sum(map(len, groups)) >= 130


def test_the_good_files_are_good(good, published, sources):
    for name in (S3GEN, VE):
        assert audit(good / name, sources[name]).problems == []
        assert audit(published / name, sources[name]).problems == []
    assert all(load(good) is not None for load in LOADERS.values())
    assert load_voice_encoder(good, TINY.voice_encoder) is not None


def test_a_file_of_another_naming_that_does_not_say_how_it_was_made_does_not_load(arrays, tmp_path):
    kept = {key: array for key, array in arrays[VE].items() if not key.startswith(SOURCE)}
    write(tmp_path / VE, kept, {})
    assert audit(tmp_path / VE).passed  # for all that can be seen without a source
    with pytest.raises(ValueError, match="has the naming mlx and does not say how it was made; check and convert it"):
        load_voice_encoder(tmp_path, TINY.voice_encoder)
    convert(tmp_path / VE, tmp_path / "out" / VE, Request())
    assert load_voice_encoder(tmp_path / "out", TINY.voice_encoder) is not None


def test_command_line(good, published, tmp_path, capsys):
    assert command.main(["audit", str(good / VE), "--against", str(published)]) == 0
    shown = capsys.readouterr().out
    assert "11 tensors, naming mlx, layout mlx, weights F32, 11 compared with their source" in shown
    assert "PASS" in shown
    shutil.copy(good / VE, tmp_path / VE)
    content = bytearray((tmp_path / VE).read_bytes())
    content[-3] ^= 1
    (tmp_path / VE).write_bytes(content)
    assert command.main(["audit", str(tmp_path / VE), "--json", str(tmp_path / "report.json")]) == 1
    assert "FAIL 1 problems" in capsys.readouterr().out
    assert '"checksum": 1' in (tmp_path / "report.json").read_text()
    assert command.main(["audit", str(tmp_path / VE), "--json", "-"]) == 1
    assert capsys.readouterr().out.startswith("{")
    for wrong in (
        ["absent"],
        [str(good / VE), "--against", "absent"],
        [str(good / VE), "--against", str(tmp_path / VE)],
    ):
        assert command.main(["audit", *wrong]) == 2
        assert "mlx_impl: " in capsys.readouterr().err


def test_a_report_shows_some_of_many_problems(good, arrays, tmp_path, capsys):
    kept = {key: array for key, array in arrays[S3GEN].items() if not key.startswith((SOURCE, "flow."))}
    write(tmp_path / S3GEN, kept, read_header(good / S3GEN).metadata)
    assert command.main(["audit", str(tmp_path / S3GEN)]) == 1
    assert "... and 243 more, all in the JSON report" in capsys.readouterr().out
