"""Perth's watermark: audio to the same with an inaudible mark, and audio to whether it has one.

Upstream: the package resemble-perth, `perth/perth_net/perth_net_implicit/`, which `chatterbox/tts.py` applies last.
"""

from mlx_impl.watermark.watermark import Watermark

__all__ = ["Watermark"]
