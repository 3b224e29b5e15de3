"""Text tokens to speech tokens at 25 Hz: a Llama that is conditioned on a voice and sampled under guidance."""

from mlx_impl.t3.generation import decode, generate, prefill, speech_only
from mlx_impl.t3.model import T3
from mlx_impl.t3.sampling import Decision, sample
from mlx_impl.t3.stage import run_prefill, run_step

__all__ = ["T3", "Decision", "decode", "generate", "prefill", "run_prefill", "run_step", "sample", "speech_only"]
