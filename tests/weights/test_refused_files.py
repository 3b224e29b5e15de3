"""Whatever a checkpoint file may be other than what is expected, both sides refuse it by name and write nothing."""

import re
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from spec.config import TINY

FILE = "s3gen.safetensors"
LINEAR = "flow.encoder_proj.weight"
CONV = "flow.encoder.pre_lookahead_layer.conv1.weight"
TIME = "flow.decoder.estimator.down_blocks.0.0.mlp.1.weight"


def with_value(tensor: torch.Tensor, value: float) -> torch.Tensor:
    changed = tensor.clone()
    changed.view(-1)[-1] = value
    return changed


# What is wrong: the tensors that replace or join those of a good file (None removes), and what the error must say.
WRONG = {
    "missing": (lambda t: {LINEAR: None}, r"missing: the key that fills encoder_proj\.weight"),
    "unknown": (lambda t: {"flow.encoder.extra": torch.ones(2)}, r"unknown: flow\.encoder\.extra"),
    "transposed": (
        lambda t: {LINEAR: t[LINEAR].T.contiguous()},
        rf"{LINEAR} has shape \(32, 80\), expected \(80, 32\)",
    ),
    "flat": (lambda t: {LINEAR: t[LINEAR].reshape(-1)}, rf"{LINEAR} has shape \(2560,\), expected \(80, 32\)"),
    "conv flat": (lambda t: {CONV: t[CONV].reshape(-1)}, rf"{CONV} has shape \(4096,\), expected \(32, 32, 4\)"),
    "conv of four axes": (lambda t: {CONV: t[CONV][None]}, rf"{CONV} has shape \(1, 32, 32, 4\), expected"),
    "conv in MLX's layout": (
        lambda t: {CONV: t[CONV].transpose(1, 2).contiguous()},
        rf"{CONV} has shape \(32, 4, 32\), expected \(32, 32, 4\)",
    ),
    "float16": (lambda t: {LINEAR: t[LINEAR].half()}, rf"{LINEAR} has dtype F16, expected F32"),
    "bfloat16": (lambda t: {LINEAR: t[LINEAR].bfloat16()}, rf"{LINEAR} has dtype BF16, expected F32"),
    "float64": (lambda t: {LINEAR: t[LINEAR].double()}, rf"{LINEAR} has dtype F64, expected F32"),
    "integers": (lambda t: {LINEAR: t[LINEAR].int()}, rf"{LINEAR} has dtype I32, expected F32"),
    "NaN": (lambda t: {LINEAR: with_value(t[LINEAR], float("nan"))}, rf"{LINEAR} holds NaN or infinite"),
    "infinity": (lambda t: {LINEAR: with_value(t[LINEAR], float("-inf"))}, rf"{LINEAR} holds NaN or infinite"),
    "two keys of one parameter": (
        lambda t: {"flow.decoder.down_blocks.0.resnet.time_proj.weight": t[TIME].clone()},
        rf"two keys fill decoder\.down_blocks\.0\.resnet\.time_proj\.weight: .*{TIME}",
    ),
    "nothing of the flow": (lambda t: dict.fromkeys(t) | {"mel2wav.x": torch.ones(1)}, r"263 problems"),
}


def refused(weights, folder: Path, message: str) -> None:
    """Loading raises a `ValueError` that names the file and says `message`, and changes nothing in the folder."""
    before = {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}
    with pytest.raises(ValueError, match=message) as error:
        weights.load_flow(folder, TINY)
    assert str(folder / FILE) in str(error.value)
    assert {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")} == before


@pytest.mark.parametrize("what", WRONG)
def test_wrong_tensors_are_refused_by_name(weights, tmp_path, tensors, what):
    change, message = WRONG[what]
    changed = {key: tensor for key, tensor in (tensors | change(tensors)).items() if tensor is not None}
    save_file(changed, tmp_path / FILE)
    refused(weights, tmp_path, message.replace("flow.", r"flow\."))


def test_another_size_is_refused(weights, square):
    refused(weights, square, r"problems\), is it of another size\?")


@pytest.fixture(scope="module")
def content(tensors, tmp_path_factory) -> bytes:
    file = tmp_path_factory.mktemp("whole") / FILE
    save_file(tensors, file)
    return file.read_bytes()


def boundaries(content: bytes) -> dict[str, int]:
    """Lengths at which a file may end: around each of its parts."""
    (header,) = struct.unpack("<Q", content[:8])
    data = 8 + header
    return {
        "empty": 0,
        "in the length": 7,
        "after the length": 8,
        "in the header": 8 + header // 2,
        "before the last of the header": data - 1,
        "after the header": data,
        "in a tensor": data + 6,
        "a tensor too short": len(content) - 4,
        "a byte too short": len(content) - 1,
    }


BOUNDARIES = list(boundaries(struct.pack("<Q", 2) + b"{}"))


@pytest.mark.parametrize("where", BOUNDARIES)
def test_a_file_that_ends_early_is_refused(weights, tmp_path, content, where):
    (tmp_path / FILE).write_bytes(content[: boundaries(content)[where]])
    refused(weights, tmp_path, r"not a whole safetensors file .*; fetch or make it again")


@pytest.mark.parametrize("other", [b"<!DOCTYPE html>", b"\xff" * 64, b"PK\x03\x04 a zip file"])
def test_a_file_of_another_kind_is_refused(weights, tmp_path, other):
    (tmp_path / FILE).write_bytes(other)
    refused(weights, tmp_path, "not a whole safetensors file")


def test_a_file_with_a_byte_too_many_is_refused(weights, tmp_path, content):
    (tmp_path / FILE).write_bytes(content + b"\0")
    refused(weights, tmp_path, "not a whole safetensors file")


def test_a_whole_file_is_not_refused(weights, tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    assert weights.load_flow(tmp_path, TINY) is not None


@pytest.mark.parametrize("folder", ["absent", ""])
def test_a_missing_file_is_refused(weights, tmp_path, folder):
    refused(weights, tmp_path / folder, re.escape("no such file; expected a checkpoint directory as published"))


def test_a_folder_in_the_place_of_the_file_is_refused(weights, tmp_path):
    (tmp_path / FILE).mkdir()
    refused(weights, tmp_path, "no such file")
