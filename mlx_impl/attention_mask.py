"""Padding masks, made once per run. Upstream: `s3gen/utils/mask.py` and `mask_to_bias` in `s3gen/decoder.py`."""

from __future__ import annotations

from collections.abc import Sequence

import mlx.core as mx


def padding_mask(lengths: Sequence[int], frames: int, like: mx.array) -> mx.array | None:
    """1 where a frame is real, 0 where it is padding: `(B, frames)`, in the dtype of `like`.

    None when nothing is padded, so that nothing is masked and fused attention can be used.
    """
    if all(length == frames for length in lengths):
        return None
    limits = mx.array(list(lengths))[:, None]  # (B, 1)
    return (mx.arange(frames)[None, :] < limits).astype(like.dtype)


def attention_bias(mask: mx.array | None) -> mx.array | None:
    """Additive bias of a 0/1 padding mask over keys: `(B, frames)` -> `(B, 1, 1, frames)`, 0 or a large negative.

    The large value is finite in every dtype (1e10 as upstream, less in half precision): a row with no valid key then
    has a uniform softmax, and no product of it and 0 is NaN.
    """
    if mask is None:
        return None
    large = min(1e10, mx.finfo(mask.dtype).max / 2)
    return ((mask - 1) * large)[:, None, None, :]
