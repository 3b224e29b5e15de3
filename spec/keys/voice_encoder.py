"""Keys of the voice encoder: mel to speaker embedding. PyTorch's LSTM stores its four gates stacked, and two biases.

Upstream: `chatterbox/models/voice_encoder/voice_encoder.py`.
"""

from __future__ import annotations

from spec.config import VoiceEncoderConfig
from spec.keys.key import Key, Keys, weight_and_bias


def voice_encoder_keys(config: VoiceEncoderConfig) -> Keys:
    """The 16 keys of `ve.safetensors` (at full size)."""
    gates = 4 * config.width
    yield Key("similarity_weight", (1,))
    yield Key("similarity_bias", (1,))
    for layer in range(config.layers):
        yield Key(f"lstm.weight_ih_l{layer}", (gates, config.mel_bins if layer == 0 else config.width))
        yield Key(f"lstm.weight_hh_l{layer}", (gates, config.width))
        yield Key(f"lstm.bias_ih_l{layer}", (gates,))
        yield Key(f"lstm.bias_hh_l{layer}", (gates,))
    yield from weight_and_bias("proj", config.speaker_width, config.width)
