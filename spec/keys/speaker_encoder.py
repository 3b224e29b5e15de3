"""Keys of the speaker encoder, CAM++: filter bank to x-vector.

Upstream: `chatterbox/models/s3gen/xvector.py`. Batch norms store their running statistics and, in int64, a step count.
"""

from __future__ import annotations

from spec.config import SpeakerEncoderConfig
from spec.keys.key import Key, Keys, weight_and_bias


def speaker_encoder_keys(config: SpeakerEncoderConfig) -> Keys:
    """The 937 `speaker_encoder.` keys (at full size)."""
    yield from head_keys("speaker_encoder.head", config)
    at = "speaker_encoder.xvector"
    bands = config.mel_bins // 8  # three strides of two over frequency
    yield Key(f"{at}.tdnn.linear.weight", (config.width, config.head_width * bands, 5))
    yield from batch_norm_keys(f"{at}.tdnn.nonlinear.batchnorm", config.width)
    width = config.width
    for block, layers in enumerate(config.layers, 1):
        for layer in range(1, layers + 1):
            yield from dense_layer_keys(f"{at}.block{block}.tdnnd{layer}", config, width)
            width += config.growth
        yield from batch_norm_keys(f"{at}.transit{block}.nonlinear.batchnorm", width)
        yield Key(f"{at}.transit{block}.linear.weight", (width // 2, width, 1))
        width //= 2
    yield from batch_norm_keys(f"{at}.out_nonlinear.batchnorm", width)
    yield Key(f"{at}.dense.linear.weight", (config.speaker_width, 2 * width, 1))  # mean and deviation over time
    yield from batch_norm_keys(f"{at}.dense.nonlinear.batchnorm", config.speaker_width, affine=False)


def batch_norm_keys(at: str, width: int, affine: bool = True) -> Keys:
    if affine:
        yield from weight_and_bias(at, width)
    yield Key(f"{at}.running_mean", (width,))
    yield Key(f"{at}.running_var", (width,))
    yield Key(f"{at}.num_batches_tracked", (), "int64")


def head_keys(at: str, config: SpeakerEncoderConfig) -> Keys:
    """Two-dimensional residual network over frequency and time."""
    width = config.head_width
    yield Key(f"{at}.conv1.weight", (width, 1, 3, 3))
    yield from batch_norm_keys(f"{at}.bn1", width)
    for layer, blocks in enumerate(config.head_blocks, 1):
        for block in range(blocks):
            part = f"{at}.layer{layer}.{block}"
            for half in ("1", "2"):
                yield Key(f"{part}.conv{half}.weight", (width, width, 3, 3))
                yield from batch_norm_keys(f"{part}.bn{half}", width)
            if block == 0:  # the one that strides, so its shortcut must too
                yield Key(f"{part}.shortcut.0.weight", (width, width, 1, 1))
                yield from batch_norm_keys(f"{part}.shortcut.1", width)
    yield Key(f"{at}.conv2.weight", (width, width, 3, 3))
    yield from batch_norm_keys(f"{at}.bn2", width)


def dense_layer_keys(at: str, config: SpeakerEncoderConfig, width_in: int) -> Keys:
    bottleneck = config.bottleneck
    yield from batch_norm_keys(f"{at}.nonlinear1.batchnorm", width_in)
    yield Key(f"{at}.linear1.weight", (bottleneck, width_in, 1))
    yield from batch_norm_keys(f"{at}.nonlinear2.batchnorm", bottleneck)
    yield Key(f"{at}.cam_layer.linear_local.weight", (config.growth, bottleneck, 3))
    yield from weight_and_bias(f"{at}.cam_layer.linear1", bottleneck // 2, bottleneck, 1)
    yield from weight_and_bias(f"{at}.cam_layer.linear2", config.growth, bottleneck // 2, 1)
