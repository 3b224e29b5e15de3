"""Text tokens to speech tokens at 25 Hz: a Llama that is conditioned on a voice and sampled under guidance."""

from mlx_impl.t3.generation import decode, each_token, prefill, speech_only
from mlx_impl.t3.model import T3
from mlx_impl.t3.sampling import sample
from mlx_impl.t3.stage import run_prefill, run_rest, run_step

__all__ = ["T3", "decode", "each_token", "prefill", "run_prefill", "run_rest", "run_step", "sample", "speech_only"]
