"""What a value's name says that it is: where nothing else is known, what a fault there is likely to be.

Names are what people call such blocks in any model. A name explains nothing, so all that does stands before.
"""

from __future__ import annotations

import re

from parity.diagnose.evidence import Evidence, Finding, hypothesis

NAMED, STEP = 0.32, 0.04
"""Confidence in the family that a name suggests, little more than in one that only says where an error is; and less for
each further family."""

BY_NAME = "by its name"
"""How what is said of a name begins."""

KINDS = (
    (
        r"norm\d*|.*_norm|.*layernorm|.*_ln|ln_?\d*",
        ("normalisation", "weights"),
        "a norm: its epsilon or weights",
    ),
    (r"attn\d*|.*_attn|attention", ("mixing", "rotary"), "an attention: its scale, mask, positions or heads"),
    (r".*conv\d*|conv_.*", ("arithmetic", "weights"), "a convolution: its padding, stride, dilation or weights"),
    (r"mlp|ff|ffn|feed_forward|activation\d*", ("activation", "tap"), "an activation, or what it is taken of"),
    (r"lstm|gru|rnn", ("gates", "weights"), "a recurrent layer: the order of its gates, or its weights"),
    (r"rotary.*|rope|.*positions", ("rotary", "scale"), "positions as angles"),
    (r".*embed.*", ("table", "scale"), "an embedding: its rows, or its scale"),
    (r"i?stft|.*powers|.*magnitudes|frames", ("window", "power"), "a transform: its window, padding or power"),
    (r".*kernel|.*window|.*filters", ("filters", "window"), "a window or filters"),
    (r"filtered|.*mel", ("filters", "window"), "a mel spectrogram: its filters or window"),
    (r"stats|pool.*|.*averages", ("statistic", "Bessel"), "a statistic"),
    (
        r".*proj.*|linear.*|query|key|value|[qkv]_.*|to_[qkv]",
        ("weights", "tap"),
        "a layer: its weights or input",
    ),
)


@hypothesis
def name(e: Evidence) -> tuple[Finding, ...]:
    """The name's last part is what such blocks are called: `norm1`, `self_attn`, `stft`. Where a run is looked into, as
    it is where the reference is known in double, what was right before says more."""
    if e.exact is not None:
        return ()
    path = re.sub(r"[\[ ].*", "", e.name)
    parts = [part for part in path.split(".") if not part.isdigit()][-1:]
    for pattern, families, text in KINDS:
        if parts and re.fullmatch(pattern, parts[0]):
            return tuple(Finding(each, NAMED - STEP * at, f"{BY_NAME}, {text}") for at, each in enumerate(families))
    return ()
