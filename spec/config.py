"""Every hyperparameter of the pipeline, and the constants both sides must hold bit for bit. Imports no framework.

Upstream: `chatterbox/models/s3gen/s3gen.py`, `flow.py`, `configs.py`, `hifigan.py`, `f0_predictor.py`, `xvector.py`;
`models/s3tokenizer/s3tokenizer.py` over `s3tokenizer/model_v2.py`; `models/t3/llama_configs.py`,
`modules/t3_config.py`, `perceiver.py`; `models/voice_encoder/config.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from spec.watermark.config import WatermarkConfig

S3GEN = "s3gen.safetensors"  # of a checkpoint: the file of all stages but T3 and the voice encoder


@dataclass(frozen=True)
class EncoderConfig:
    """Speech tokens (25 Hz) to mu (50 Hz)."""

    vocab_size: int = 6561
    width: int = 512
    heads: int = 8
    linear_units: int = 2048
    blocks: int = 6
    up_blocks: int = 4
    lookahead: int = 3  # tokens the encoder sees ahead; a stream's last ones are withheld until they are complete
    stride: int = 2  # mel frames a token


@dataclass(frozen=True)
class DecoderConfig:
    """The velocity estimator: a 1-D U-Net of one level."""

    width: int = 256
    heads: int = 8
    head_width: int = 64
    transformer_blocks: int = 4
    mid_blocks: int = 12

    @property
    def time_width(self) -> int:
        return 4 * self.width


@dataclass(frozen=True)
class FlowConfig:
    """Speech tokens to mel. `guidance` is the classifier-free guidance rate, `steps` the Euler steps of the ODE.

    `file` is that of the checkpoint which holds it, here and below. A `meanflow` is told where a step ends as well as
    where it begins, and was trained to need no guidance.
    """

    mel_bins: int = 80
    speaker_width: int = 192
    steps: int = 10
    guidance: float = 0.7
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    meanflow: bool = False
    file: str = S3GEN

    @property
    def decoder_in(self) -> int:
        """Channels of the decoder's input: state, mu, speaker and condition, stacked."""
        return 4 * self.mel_bins


FULL = FlowConfig()
TINY = FlowConfig(
    encoder=EncoderConfig(width=32, heads=2, linear_units=64, blocks=2, up_blocks=2),
    decoder=DecoderConfig(width=32, heads=2, head_width=16, transformer_blocks=2, mid_blocks=2),
)
SIZES = {"tiny": TINY, "full": FULL}


@dataclass(frozen=True)
class VocoderConfig:
    """Mel to f0 to source to wave. `threshold` is the f0 in Hz above which a frame counts as voiced."""

    mel_bins: int = 80
    width: int = 512  # before the first upsampling; each one halves it
    upsample_rates: tuple[int, ...] = (8, 5, 3)
    upsample_kernels: tuple[int, ...] = (16, 11, 7)
    resblock_kernels: tuple[int, ...] = (3, 7, 11)
    source_kernels: tuple[int, ...] = (7, 7, 11)  # one source block an upsampling
    dilations: tuple[int, ...] = (1, 3, 5)  # of every residual block
    n_fft: int = 16
    hop: int = 4
    slope: float = 0.1  # of the leaky ReLU before an upsampling
    last_slope: float = 0.01  # of the one before the last convolution: upstream leaves it at PyTorch's default
    magnitude_limit: float = 100.0
    audio_limit: float = 0.99
    f0_width: int = 512
    f0_layers: int = 5
    sample_rate: int = 24000
    harmonics: int = 9  # the fundamental included
    sine_amplitude: float = 0.1
    noise_deviation: float = 0.003  # of voiced samples; that of unvoiced ones is a third of the sine's amplitude
    threshold: float = 10.0
    file: str = S3GEN

    @property
    def frame_samples(self) -> int:
        """Samples of a mel frame."""
        return self.hop * math.prod(self.upsample_rates)


@dataclass(frozen=True)
class TokenizerConfig:
    """S3 tokenizer v2: 16 kHz voice to 128 mel bins at 100 Hz to speech tokens at 25 Hz."""

    mel_bins: int = 128
    n_fft: int = 400
    hop: int = 160
    sample_rate: int = 16000
    width: int = 1280
    head_width: int = 64
    blocks: int = 6
    memory_kernel: int = 31  # taps of the FSMN's depthwise convolution
    digits: int = 8  # of a token, each of three levels: 3 ** 8 tokens
    window: int = 3000  # mel frames that are tokenized in one go, 30 s
    overlap: int = 400  # mel frames that two windows of a longer recording share, 4 s
    file: str = S3GEN

    @property
    def heads(self) -> int:
        return self.width // self.head_width


@dataclass(frozen=True)
class SpeakerEncoderConfig:
    """CAM++: filter bank to x-vector. Dense blocks: each layer sees the outputs of all before it."""

    mel_bins: int = 80
    head_width: int = 32
    head_blocks: tuple[int, ...] = (2, 2)
    width: int = 128  # out of the first time-delay layer
    growth: int = 32  # channels a dense layer adds
    bottleneck: int = 128
    layers: tuple[int, ...] = (12, 24, 16)
    dilations: tuple[int, ...] = (1, 2, 2)
    segment: int = 100  # frames of one context average
    speaker_width: int = 192
    file: str = S3GEN


MULTILINGUAL_TEXT_TOKENS = 2454
ENGLISH_T3, MULTILINGUAL_T3 = "t3_cfg.safetensors", "t3_mtl23ls_v2.safetensors"  # of a checkpoint


@dataclass(frozen=True)
class T3Config:
    """Text tokens to speech tokens: a Llama of 520 M parameters. The multilingual model has 2454 text tokens.

    `file` is that of the checkpoint which holds it. `watched_heads` are the (layer, head) pairs whose attention follows
    the text: those of upstream's `alignment_stream_analyzer.py`. Only the multilingual model is watched, and none later
    than its second release: upstream has since taken the analyzer away.
    """

    file: str = ENGLISH_T3
    text_vocab_size: int = 704
    speech_vocab_size: int = 8194
    start_text: int = 255
    stop_text: int = 0
    start_speech: int = 6561
    stop_speech: int = 6562
    text_positions: int = 2048 + 2
    speech_positions: int = 4096 + 4
    prompt_tokens: int = 150  # speech tokens of the reference voice that the perceiver resamples
    speaker_width: int = 256
    width: int = 1024
    heads: int = 16
    mlp_width: int = 4096
    blocks: int = 30
    norm_eps: float = 1e-5
    unused_vocab_size: int = 8  # of the Llama's own embedding, which is stored and never read
    perceiver_queries: int = 32
    perceiver_heads: int = 4
    rope_theta: float = 500_000.0
    rope_factor: float = 8.0
    rope_low: float = 1.0
    rope_high: float = 4.0
    rope_context: int = 8192
    watched_heads: tuple[tuple[int, int], ...] = ((12, 15), (13, 11), (9, 2))

    def __post_init__(self) -> None:
        for layer, head in self.watched:
            if not (0 <= layer < self.blocks and 0 <= head < self.heads):
                raise ValueError(
                    f"watched_heads have head {head} of layer {layer}, expected one of {self.heads} heads in "
                    f"{self.blocks} layers; name heads that this size has"
                )

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    @property
    def watched(self) -> tuple[tuple[int, int], ...]:
        """The heads whose attention decides with the logits where speech ends; none in the English model."""
        return self.watched_heads if self.multilingual else ()

    @property
    def condition_positions(self) -> int:
        """Positions before the text: voice, resampled prompt, emotion."""
        return 1 + self.perceiver_queries + 1

    @property
    def multilingual(self) -> bool:
        return self.text_vocab_size == MULTILINGUAL_TEXT_TOKENS


@dataclass(frozen=True)
class SamplingConfig:
    """How T3 chooses a token. What a call takes where nothing is said is in each side's `defaults.py`.

    `guidance` is the classifier-free guidance rate of the logits. With `top_p` 1 and `min_p` 0 nothing is cut.
    """

    guidance: float = 0.5
    repetition_penalty: float = 1.2
    temperature: float = 0.8
    min_p: float = 0.05
    top_p: float = 1.0
    max_tokens: int = 1000

    def __post_init__(self) -> None:
        ranges = {
            "guidance": 0 <= self.guidance < np.inf,
            "repetition_penalty": 0 < self.repetition_penalty < np.inf,
            "temperature": 0 < self.temperature < np.inf,
            "min_p": 0 <= self.min_p <= 1,
            "top_p": 0 <= self.top_p <= 1,
            "max_tokens": self.max_tokens >= 1,
        }
        for name, right in ranges.items():
            if not right:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; expected min_p and top_p from 0 to 1, guidance from 0, the "
                    "others above 0 (greedy choice takes no temperature: give no uniforms)"
                )


@dataclass(frozen=True)
class VoiceEncoderConfig:
    """16 kHz voice to 40 mel bins to a speaker embedding for T3: a stack of LSTMs over windows of `frames`."""

    mel_bins: int = 40
    n_fft: int = 400
    hop: int = 160
    sample_rate: int = 16000
    frames: int = 160
    width: int = 256
    layers: int = 3
    speaker_width: int = 256


@dataclass(frozen=True)
class ChatterboxConfig:
    """The whole pipeline, one configuration a stage."""

    flow: FlowConfig = field(default_factory=FlowConfig)
    vocoder: VocoderConfig = field(default_factory=VocoderConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    speaker_encoder: SpeakerEncoderConfig = field(default_factory=SpeakerEncoderConfig)
    t3: T3Config = field(default_factory=T3Config)
    voice_encoder: VoiceEncoderConfig = field(default_factory=VoiceEncoderConfig)
    watermark: WatermarkConfig = field(default_factory=WatermarkConfig)

    def __post_init__(self) -> None:
        joints = {
            "mel bins of flow and vocoder": (self.flow.mel_bins, self.vocoder.mel_bins),
            "speaker width of speaker encoder and flow": (self.speaker_encoder.speaker_width, self.flow.speaker_width),
            "speaker width of voice encoder and T3": (self.voice_encoder.speaker_width, self.t3.speaker_width),
            "tokens of tokenizer and flow": (3**self.tokenizer.digits, self.flow.encoder.vocab_size),
        }
        for what, (left, right) in joints.items():
            if left != right:
                raise ValueError(f"{what}: got {left} and {right}, expected them to be equal")


# The tiny sizes keep the structure, the vocabularies and the sizes of signals; only widths and repeats shrink.
CHATTERBOX_SIZES = {
    "tiny": ChatterboxConfig(
        flow=TINY,
        vocoder=VocoderConfig(width=64, f0_width=32),
        tokenizer=TokenizerConfig(width=128, blocks=2),
        speaker_encoder=SpeakerEncoderConfig(
            head_width=8, width=32, growth=8, bottleneck=32, layers=(2, 3, 2), segment=16
        ),
        t3=T3Config(
            width=64, heads=4, mlp_width=128, blocks=2, speaker_width=32, watched_heads=((1, 3), (1, 1), (0, 2))
        ),
        voice_encoder=VoiceEncoderConfig(width=32, speaker_width=32),
        watermark=WatermarkConfig(width=16, middle_layers=2),
    ),
    "full": ChatterboxConfig(),
}


def multilingual(config: ChatterboxConfig, file: str = MULTILINGUAL_T3) -> ChatterboxConfig:
    """The same pipeline with a multilingual T3, from its file: the other stages are the same files in all models."""
    watched = config.t3.watched_heads if file == MULTILINGUAL_T3 else ()
    t3 = replace(config.t3, file=file, text_vocab_size=MULTILINGUAL_TEXT_TOKENS, watched_heads=watched)
    return replace(config, t3=t3)


def time_grid(steps: int, dtype: type[np.floating] = np.float32) -> np.ndarray:
    """Cosine time grid of the ODE, `(steps + 1,)`, from 0 to 1, increasing.

    Follows `s3gen/flow_matching.py`, `1 - cos(linspace(0, 1) * pi / 2)`, operation by operation in `dtype`, the cosine
    rounded once from double, because frameworks' own cosines differ in the last bit from machine to machine. Every
    float32 point is a multiple of 2**-24, so that differences of neighbours, the steps, are exact. The grid equals
    PyTorch's bit for bit at the default 10 steps, and lies within 2**-24 of it elsewhere.
    """
    if steps < 1:
        raise ValueError(f"the ODE needs at least 1 step, got {steps}")
    step = dtype(1) / dtype(steps)
    index = np.arange(steps + 1)
    # PyTorch's linspace counts from the nearer end, so that both ends are exact.
    ramp = np.where(index < (steps + 1) // 2, dtype(0) + step * index, dtype(1) - step * (steps - index)).astype(dtype)
    angle = (ramp * dtype(0.5)) * dtype(np.pi)
    return dtype(1) - np.cos(angle.astype(np.float64)).astype(dtype)


def rope_frequencies(config: T3Config, dtype: type[np.floating] = np.float32) -> np.ndarray:
    """Radians a position of T3's rotary embedding, `(head_width / 2,)`: Llama 3's, slow ones made slower by a factor.

    Follows `_compute_llama3_parameters` of transformers' `modeling_rope_utils.py`, operation by operation in `dtype`,
    the power rounded once from double: equal to PyTorch's bit for bit. One function for both sides, because an angle is
    a frequency times a position, so that the last bit of one is many of the other.
    """
    one, factor, low, high = dtype(1), dtype(config.rope_factor), dtype(config.rope_low), dtype(config.rope_high)
    exponent = np.arange(0, config.head_width, 2).astype(dtype) / dtype(config.head_width)
    frequency = one / np.power(config.rope_theta, exponent.astype(np.float64)).astype(dtype)
    wavelength = one / frequency * dtype(2 * np.pi)
    slow = wavelength > dtype(config.rope_context / config.rope_low)
    fast = wavelength < dtype(config.rope_context / config.rope_high)
    # Between the two, from `low` to `high` turns in the context that the factor is for, the mean of both.
    smooth = (one / wavelength * dtype(config.rope_context) - low) / (high - low)
    mean = (one - smooth) * frequency / factor + smooth * frequency
    return np.where(slow, frequency / factor, np.where(fast, frequency, mean)).astype(dtype)


def check_t3_inputs(config: T3Config, inputs: Mapping[str, np.ndarray]) -> None:
    """Raises `ValueError` for inputs that T3 cannot take: text and prompt tokens, voice and emotion of one item."""
    limits = {
        "text_tokens": (config.text_vocab_size, config.text_positions, "split the text"),
        "prompt_tokens": (config.speech_vocab_size, config.speech_positions, "cut the reference voice"),
    }
    for name, (vocabulary, longest, advice) in limits.items():
        tokens = inputs[name]
        if tokens.ndim != 2 or len(tokens) != 1 or not 1 <= tokens.shape[1] <= longest:
            raise ValueError(f"{name} have shape {tokens.shape}, expected (1, 1 ... {longest}); if too long, {advice}")
        if tokens.dtype.kind not in "iu" or tokens.min() < 0 or tokens.max() >= vocabulary:
            wrong = tokens.min() if tokens.min() < 0 else tokens.max()
            raise ValueError(
                f"{name} hold {wrong} ({tokens.dtype}), expected integers from 0 to {vocabulary - 1}; is the tokenizer "
                "that of the model?"
            )
    for name, token in (("start", config.start_text), ("stop", config.stop_text)):
        if token not in inputs["text_tokens"]:
            raise ValueError(f"text_tokens lack the {name} token {token}, expected it at the {name} of the text")
    for name, shape in (("voice", (1, config.speaker_width)), ("emotion", (1,))):
        if inputs[name].shape != shape or not np.isfinite(inputs[name]).all():
            raise ValueError(f"{name} has shape {inputs[name].shape}, expected {shape} of finite values; make it again")


SHORTEST_VOICE = 0.045  # s; of less the speaker encoder has no two frames to take a deviation of


def check_wave(what: str, wave: np.ndarray, rate: int) -> None:
    """Raises `ValueError` for a wave `(..., N)` that conditioning cannot take."""
    if wave.ndim == 0 or wave.size == 0 or not np.issubdtype(wave.dtype, np.floating):
        raise ValueError(f"{what} has shape {wave.shape} and dtype {wave.dtype}, expected floating-point samples")
    if rate <= 0:
        raise ValueError(f"{what} has a rate of {rate} Hz, expected more than 0")
    if wave.shape[-1] < SHORTEST_VOICE * rate:
        raise ValueError(
            f"{what} has {wave.shape[-1]} samples at {rate} Hz, expected at least {SHORTEST_VOICE * 1000:.0f} ms: "
            "some seconds of speech make a usable voice"
        )
    if not np.isfinite(wave).all():
        raise ValueError(f"{what} holds NaN or infinite samples; record or convert it again")


def check_flow_inputs(config: FlowConfig, inputs: Mapping[str, np.ndarray], finalize: bool = True) -> None:
    """Raises `ValueError` for inputs that the flow cannot take, in the words of whoever made them.

    With `finalize` False the last `lookahead` tokens of each item are withheld: they do not count as frames here.
    """
    tokens, lengths = inputs["tokens"], inputs["lengths"]
    if tokens.ndim != 2 or tokens.size == 0:
        raise ValueError(
            f"tokens have shape {tokens.shape}, expected (B, T) with at least one token: is the text empty?"
        )
    if lengths.shape != tokens.shape[:1] or lengths.min() < 1 or lengths.max() > tokens.shape[1]:
        raise ValueError(f"lengths are {lengths.tolist()}, expected one per item, each from 1 to {tokens.shape[1]}")
    withheld = 0 if finalize else config.encoder.lookahead
    if lengths.min() <= withheld:
        raise ValueError(
            f"lengths are {lengths.tolist()}, expected more than the {withheld} tokens that finalize=False withholds; "
            "wait for more tokens"
        )
    vocabulary = config.encoder.vocab_size
    if tokens.min() < 0 or tokens.max() >= vocabulary:
        wrong = int(tokens.min() if tokens.min() < 0 else tokens.max())
        raise ValueError(f"token {wrong} is outside the vocabulary 0 ... {vocabulary - 1}; drop special tokens first")
    frames = config.encoder.stride * (tokens.shape[1] - withheld)
    expected = {
        "prompt_mel": (len(tokens), None, config.mel_bins),
        "embedding": (len(tokens), config.speaker_width),
        "x": (len(tokens), config.mel_bins, frames),
    }
    for name, shape in expected.items():
        got = inputs[name].shape
        if len(got) != len(shape) or any(want not in (None, have) for have, want in zip(got, shape, strict=True)):
            raise ValueError(f"{name} has shape {got}, expected {shape}")
        if not np.isfinite(inputs[name]).all():
            raise ValueError(f"{name} holds NaN or infinite values; make it again")
    if inputs["prompt_mel"].shape[1] > frames:
        raise ValueError(
            f"prompt_mel has {inputs['prompt_mel'].shape[1]} frames, expected at most the {frames} of the whole mel: "
            "put the prompt's own tokens in front of the tokens"
        )


def check_vocoder_inputs(config: VocoderConfig, inputs: Mapping[str, np.ndarray]) -> None:
    """Raises `ValueError` for inputs that the vocoder cannot take: `mel`, `phase`, `noise` and, if given, `cache`."""
    mel = inputs["mel"]
    if mel.ndim != 3 or mel.shape[1] != config.mel_bins or mel.shape[0] < 1 or mel.shape[2] < 2:
        raise ValueError(
            f"mel has shape {mel.shape}, expected (B, {config.mel_bins}, M) with at least 2 frames, which are faded in"
        )
    samples = config.frame_samples * mel.shape[2]
    expected = {"phase": (len(mel), config.harmonics), "noise": (len(mel), config.harmonics, samples)}
    for name, shape in expected.items():
        if inputs[name].shape != shape:
            raise ValueError(f"{name} has shape {inputs[name].shape}, expected {shape}; draw it for this mel")
    if "cache" in inputs:
        shape = inputs["cache"].shape
        if len(shape) != 3 or shape[:2] != (len(mel), 1) or shape[2] > samples:
            raise ValueError(
                f"cache has shape {shape}, expected ({len(mel)}, 1, K) with K at most the {samples} samples of the mel"
            )
    for name in inputs:
        if not np.isfinite(inputs[name]).all():
            raise ValueError(f"{name} holds NaN or infinite values; make it again")
