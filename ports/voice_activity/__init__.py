"""mlx-audio's voice activity detector against the script that `silero-vad` ships, with the weights of that wheel."""

from ports.voice_activity import silero

PAIRS = silero.PAIRS
