"""How the values of each key are made. Scales keep activations realistic: of order 1, attention neither uniform nor
one-hot, audio unsaturated, f0 up to 200 Hz with a tenth of the frames unvoiced, speech tokens that vary.
"""

from __future__ import annotations

import re
from typing import NamedTuple

FAN_IN = True  # the scale is relative to 1 / sqrt(fan in), which keeps the variance of independent inputs


class Scale(NamedTuple):
    """Normal noise: `offset`, then the deviation `scale`."""

    pattern: str
    offset: float
    scale: float
    fan_in: bool = False


# The first pattern that is found in a key decides.
SCALES = (
    # vocoder
    Scale(r"mel2wav\.ups\..*original0$", 1.6, 0.1),  # transposed: a stride of s drops all but 1 in s taps
    Scale(r"mel2wav\..*convs2\..*original0$", 0.5, 0.05),  # residual additions must not blow up
    Scale(r"condnet\..*original0$", 1.4, 0.1),  # an ELU halves the variance
    Scale(r"conv_post\..*original0$", 0.4, 0.04),
    Scale(r"conv_pre\..*original0$", 0.6, 0.06),  # a real log mel is around -5: the wave must not clip
    Scale(r"original0$", 1.0, 0.1),
    Scale(r"original1$", 0.0, 1.0, FAN_IN),
    Scale(r"\.alpha$", 1.0, 0.1),
    Scale(r"conv_post\.bias$", -0.9, 1.0),
    Scale(r"l_linear\.weight$", 0.0, 1.0),  # nine sines of amplitude 0.1
    Scale(r"classifier\.weight$", 0.0, 40.0, FAN_IN),  # Hz
    Scale(r"classifier\.bias$", 30.0, 1.0),
    # speaker encoder
    Scale(r"running_mean$", 0.0, 0.1),
    Scale(r"running_var$", 1.0, 0.1),
    Scale(r"(bn\d|batchnorm|shortcut\.1)\.weight$", 1.0, 0.1),
    Scale(r"head\.conv1\.weight$", 0.0, 0.5, FAN_IN),
    Scale(r"cam_layer\.linear[12]\.weight$", 0.0, 0.5, FAN_IN),  # into a sigmoid
    Scale(r"speaker_encoder\..*\.weight$", 0.0, 1.4, FAN_IN),
    # tokenizer
    Scale(r"_ln\.weight$", 1.0, 0.1),
    Scale(r"(query|key)\.weight$", 0.0, 1.4, FAN_IN),
    Scale(r"project_down\.weight$", 0.0, 0.5, FAN_IN),  # around the rounding thresholds
    Scale(r"(attn\.out|mlp\.2|fsmn_block)\.weight$", 0.0, 0.5, FAN_IN),
    # Turbo's T3, whose GPT-2 has weights of (in, out): what counts as fan in here are its outputs
    Scale(r"c_attn\.weight$", 0.0, 2.1, FAN_IN),
    Scale(r"c_fc\.weight$", 0.0, 2.0, FAN_IN),
    Scale(r"attn\.c_proj\.weight$", 0.0, 0.5, FAN_IN),
    Scale(r"mlp\.c_proj\.weight$", 0.0, 0.25, FAN_IN),
    Scale(r"\.ln_\w\.weight$", 1.0, 0.1),
    # T3
    Scale(r"^(text|speech)_emb\.|embed_tokens|\.wte\.", 0.0, 1.0),
    Scale(r"pos_emb\.|\.wpe\.", 0.0, 0.2),
    Scale(r"spkr_enc\.weight$", 0.0, 1.0),  # it is given a vector of norm 1
    Scale(r"pre_attention_query$", 0.0, 0.5),
    Scale(r"(q_proj|k_proj)\.weight$", 0.0, 1.4, FAN_IN),
    Scale(r"(o_proj|down_proj|proj_out)\.weight$", 0.0, 0.5, FAN_IN),
    Scale(r"_head\.weight$", 0.0, 3.0, FAN_IN),  # some dozens of tokens are likely
    # voice encoder
    Scale(r"lstm\.weight_ih", 0.0, 4.0, FAN_IN),  # mel power and tanh outputs are small
    Scale(r"lstm\.weight_hh", 0.0, 1.5, FAN_IN),
    Scale(r"lstm\.bias_", 0.0, 0.1),
    Scale(r"similarity_weight$", 10.0, 0.0),  # never trained
    Scale(r"similarity_bias$", -5.0, 0.0),
    # flow
    Scale(r"embed\.out\.1\.weight$", 0.15, 0.015),  # its output is multiplied by sqrt(width), 23 at full size
    Scale(r"embed\.out\.1\.bias$", 0.0, 0.015),
    Scale(r"norm\w*\.weight$|\.block\.2\.weight$", 1.0, 0.1),
    Scale(r"input_embedding\.weight$", 0.0, 1.0),
    Scale(r"(to_q|to_k|linear_q|linear_k|linear_pos)\.weight$", 0.0, 1.4, FAN_IN),  # attention logits of order 2
    Scale(r"(to_out\.0|ff\.net\.2|linear_out|w_2)\.weight$", 0.0, 0.5, FAN_IN),  # 56 residual additions
    Scale(r"pos_bias_[uv]$", 0.0, 0.5),
    # watermark
    Scale(r"^encoder\.layers\.\d+\.conv\.weight$", 0.0, 0.7, FAN_IN),  # the mark is some dB, of a range of 195
    Scale(r"^encoder\.layers\.\d+\.conv\.bias$", 0.0, 0.01),
    Scale(r"^decoder\.\w+_layers\.\d+\.conv\.weight$", 0.0, 2.7, FAN_IN),  # on either side of a half, by loudness
    # the rest
    Scale(r"\.bias$", 0.0, 0.1),
    Scale(r"\.weight$", 0.0, 1.0, FAN_IN),
)


def scale_of(key: str) -> Scale:
    """Raises `ValueError` for a key that no pattern fits."""
    for scale in SCALES:
        if re.search(scale.pattern, key):
            return scale
    raise ValueError(f"{key}: no scale is declared for it; add one to SCALES")
