"""Mel to wave: f0 predictor, harmonic source and HiFT generator (a neural source filter that ends in an iSTFT).

Upstream: `chatterbox/models/s3gen/hifigan.py`, `f0_predictor.py`, and the fade of `s3gen.py`.
"""

from mlx_impl.vocoder.vocoder import Vocoder

__all__ = ["Vocoder"]
