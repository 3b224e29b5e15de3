"""Whatever becomes of a safetensors header, the file is refused or loads as before: never a wrong tensor."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx.utils import tree_flatten

from mlx_impl.convert.audit import audit
from mlx_impl.convert.conversion import Request, convert
from mlx_impl.weights.conditioning import load_voice_encoder
from spec import synthetic
from spec.config import CHATTERBOX_SIZES
from spec.files.safetensors_file import METADATA, FormatError, parse_header

CONFIG = CHATTERBOX_SIZES["tiny"]
VE = "ve.safetensors"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(width=32) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@pytest.fixture(scope="module", params=["published", "converted"])
def good(request, tmp_path_factory) -> tuple[Path, bytes, dict[str, np.ndarray]]:
    """A folder to write into, a good file's bytes, and what loads from it."""
    folder = tmp_path_factory.mktemp(request.param)
    synthetic.write(folder, CONFIG, files=["ve"])
    if request.param == "converted":
        convert(folder / VE, folder / "out" / VE, Request())
        folder = folder / "out"
    return folder, (folder / VE).read_bytes(), loaded(folder)


def loaded(folder: Path) -> dict[str, np.ndarray]:
    model = load_voice_encoder(folder, CONFIG.voice_encoder)
    return {name: np.array(parameter) for name, parameter in tree_flatten(model.parameters())}


def require_refused_or_equal(good, content: bytes) -> bool:
    """Write a file and load it; whether it was refused. The audit gives a report of any file."""
    folder, _, expected = good
    (folder / VE).write_bytes(content)
    report = audit(folder / VE)
    try:
        found, refusal = loaded(folder), ""
    except ValueError as error:
        found, refusal = {}, str(error)
    if refusal:
        assert str(folder / VE) in refusal
        return True
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected), report.problems
    return False


def parts(content: bytes) -> tuple[bytes, bytes]:
    length = int.from_bytes(content[:8], "little")
    return content[8 : 8 + length], content[8 + length :]


def joined(header: bytes, data: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header + data


@given(st.data())
@settings(max_examples=200)
def test_a_byte_of_the_header(good, data):
    content = bytearray(good[1])
    header, _ = parts(good[1])
    at = data.draw(st.integers(0, 8 + len(header) - 1))
    byte = data.draw(st.integers(0, 255) | st.sampled_from(b'0123456789{}[]",:FIUB'))
    edit = data.draw(st.sampled_from(["replace", "insert", "remove"]))
    content[at : at + (edit != "insert")] = b"" if edit == "remove" else bytes([byte])
    require_refused_or_equal(good, bytes(content))


@given(st.data())
@settings(max_examples=150)
def test_a_field_of_the_header(good, data):
    header, rest = parts(good[1])
    fields = json.loads(header)
    key = data.draw(st.sampled_from(sorted(fields)))
    how = data.draw(st.sampled_from(["remove", "rename", "replace", "replace a field", "remove a field"]))
    if how == "remove":
        del fields[key]
    elif how == "rename":
        fields[data.draw(st.text(max_size=8) | st.sampled_from(sorted(fields)))] = fields.pop(key)
    elif how == "replace":
        fields[key] = data.draw(VALUES)
    else:
        name = data.draw(st.sampled_from(sorted(fields[key])))
        if how == "remove a field":
            del fields[key][name]
        else:
            fields[key][name] = data.draw(VALUES)
    require_refused_or_equal(good, joined(json.dumps(fields).encode(), rest))


@given(st.data())
@settings(max_examples=100)
def test_a_field_in_the_place_of_another_ones(good, data):
    """What two tensors exchange, of equal shape or not. A converted file has checksums, which see it."""
    header, rest = parts(good[1])
    fields = json.loads(header)
    keys = sorted(key for key in fields if key != METADATA)
    first, second = data.draw(st.sampled_from(keys)), data.draw(st.sampled_from(keys))
    names = data.draw(st.sampled_from([["shape"], ["shape", "dtype"]]))
    if METADATA in fields:
        names = data.draw(st.sampled_from([names, ["data_offsets"], ["data_offsets", "shape"]]))
    for name in names:
        fields[first][name], fields[second][name] = fields[second][name], fields[first][name]
    require_refused_or_equal(good, joined(json.dumps(fields).encode(), rest))


def test_the_same_header_in_another_order_loads_as_before(good):
    header, rest = parts(good[1])
    fields = json.loads(header)
    turned = json.dumps(dict(reversed(list(fields.items()))), indent=1).encode()
    assert not require_refused_or_equal(good, joined(turned, rest))
    assert require_refused_or_equal(good, joined(turned, rest[:-1]))


@given(
    st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | VALUES.map(lambda value: json.dumps(value).encode())
)
@settings(max_examples=150)
def test_any_header_is_parsed_or_refused(text):
    try:
        header, problems = parse_header(text, 8 + len(text)), ()
    except FormatError as error:
        header, problems = None, error.problems
    assert (header is None) == bool(problems)
    assert all(problem.kind and problem.text for problem in problems)
    assert header is None or all(entry.size == 0 for entry in header.entries.values())
