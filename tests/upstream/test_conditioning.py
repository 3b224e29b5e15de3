"""The reference's conditioning against upstream's own, on the same checkpoint and voice, at every shared module."""

import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import librosa
import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from fixtures.cases import load, synthetic_checkpoint
from fixtures.voice import synthetic_voice
from parity.base.metrics import rms, rmse
from parity.capture.torch import instrument, to_numpy
from reference.conditioning import tables
from reference.conditioning.resample import Resample
from reference.conditioning.trim import trimmed
from reference.conditioning.voice_encoder import window_starts
from reference.weights import conditioning as weights
from spec import audio, synthetic
from spec.config import CHATTERBOX_SIZES
from spec.files.checkpoint import S3GEN
from spec.files.conditionals import load_conditionals
from tests.upstream.upstream_loader import build_s3gen, build_voice_encoder, double_precision

CONFIG = CHATTERBOX_SIZES["full"]
BOUND = {"float32": 1e-6, "float64": 1e-12}
DTYPES = {"float32": torch.float32, "float64": torch.float64}
RATES = [(24000, 16000), (44100, 16000), (16000, 24000), (8000, 16000)]
VOICE = audio.voice_of(synthetic_voice("upstream", 3.1, 24000), 24000)

# Upstream has these too, but not as a module's output: its final result is compared, or the module after it.
NOT_SHARED = re.compile(
    r"^(prompt_mel(\.\w+)?|resample(\.kernel)?|tokenizer(\.log_mel(\.\w+)?|\.quantizer(\.bound)?)?"
    r"|speaker_encoder(\.filter_bank(\.\w+)*|\.stats)?"
    r"|tokenizer\.encoder\.blocks\.\d+\.attn\.memory|speaker_encoder\.head\.blocks\.\d+\.shortcut"
    r"|speaker_encoder\.blocks\.\d+\.layers\.\d+\.cam\.segment_averages"
    r"|voice_encoder(\.mel(\.powers)?|\.partials|\.encoder|\.encoder\.lstm\.\d+)?)$"
)


@cache
def checkpoint() -> Path:
    """A directory with both files: `s3gen` is that of the cases, `ve` is made for this process."""
    folder = TemporaryDirectory()
    out = Path(folder.name)
    out.joinpath(S3GEN).symlink_to(synthetic_checkpoint(load("full-flow-short")) / S3GEN)
    synthetic.write(out, CONFIG, files=["ve"])
    checkpoint.folder = folder  # removed with the process
    return out


def ours(prefix: str, path: str) -> str:
    """The reference's path of an upstream module."""
    name = {
        "tokenizer": weights.tokenizer_parameter_name,
        "speaker_encoder": weights.speaker_encoder_parameter_name,
        "voice_encoder": weights.voice_encoder_parameter_name,
    }[prefix]
    return f"{prefix}.{name(path + '.').rstrip('.')}"


def observer(seen: dict[str, list[np.ndarray]], prefix: str):
    def observe(path, value):
        first = value[0] if isinstance(value, tuple) else value
        if isinstance(first, torch.Tensor):
            seen[ours(prefix, path) if prefix else path].append(to_numpy(first))
        return value

    return observe


def run_upstream(dtype: str) -> tuple[dict[str, list[np.ndarray]], dict[str, np.ndarray]]:
    """Module outputs of upstream by the reference's path, and the conditions, as `prepare_conditionals` makes them."""
    seen: dict[str, list[np.ndarray]] = defaultdict(list)

    def run() -> dict[str, np.ndarray]:
        s3gen, encoder = build_s3gen(), build_voice_encoder()
        s3gen.load_state_dict(load_file(checkpoint() / S3GEN), strict=True)
        encoder.load_state_dict(load_file(checkpoint() / weights.VE), strict=True)
        s3gen.to(DTYPES[dtype])
        encoder.to(DTYPES[dtype])
        voice_24, voice_16, trimmed = (wave.astype(dtype) for wave in VOICE)
        paths = {
            name: [path for path, _ in getattr(s3gen, name).named_modules() if path]
            for name in ("tokenizer", "speaker_encoder")
        }
        with (
            instrument(s3gen.tokenizer, paths["tokenizer"], observer(seen, "tokenizer")),
            instrument(s3gen.speaker_encoder, paths["speaker_encoder"], observer(seen, "speaker_encoder")),
            instrument(encoder, ["proj"], observer(seen, "voice_encoder")),
            torch.inference_mode(),
        ):
            prompt = s3gen.embed_ref(torch.from_numpy(voice_24), 24000)
            tokens, _ = s3gen.tokenizer.forward([voice_16], max_len=CONFIG.t3.prompt_tokens)
            # The voice comes trimmed: upstream's own trimming is compared apart.
            voice = encoder.embeds_from_wavs([trimmed], sample_rate=16000, trim_top_db=None)
        return {
            "flow_prompt_tokens": prompt["prompt_token"].numpy(),
            "prompt_mel": prompt["prompt_feat"].numpy(),
            "embedding": prompt["embedding"].numpy(),
            "prompt_tokens": tokens.numpy(),
            "voice": voice,
        }

    if dtype == "float64":
        with double_precision():
            return seen, run()
    return seen, run()


def run_reference(dtype: str) -> tuple[dict[str, list[np.ndarray]], dict[str, np.ndarray]]:
    model = weights.load_conditioner(checkpoint(), CONFIG, DTYPES[dtype])
    seen: dict[str, list[np.ndarray]] = defaultdict(list)
    paths = [path for path, _ in model.named_modules() if path]
    voice_24, voice_16, trimmed = (torch.from_numpy(wave.astype(dtype))[None] for wave in VOICE)
    with instrument(model, paths, observer(seen, "")), torch.inference_mode():
        prompt, speaker = model.prompt(voice_24), model.speaker(voice_16, trimmed)
    return seen, {
        "flow_prompt_tokens": prompt.tokens.numpy(),
        "prompt_mel": prompt.mel.numpy(),
        "embedding": prompt.embedding.numpy(),
        "prompt_tokens": speaker.tokens.numpy(),
        "voice": speaker.embedding.numpy(),
    }


@pytest.mark.parametrize("dtype", BOUND)
def test_conditioning_equals_upstream(dtype):
    theirs, their_conditions = run_upstream(dtype)
    mine, my_conditions = run_reference(dtype)
    errors = {}
    for name, value in my_conditions.items():
        expected = their_conditions[name]
        assert value.shape == expected.shape, name
        if "tokens" in name:
            assert np.array_equal(value, expected), name
            assert len(np.unique(value)) > value.size // 3, "the tokens do not vary"
        else:
            errors[name] = rmse(value, expected) / rms(expected)
    for path, values in mine.items():
        if NOT_SHARED.match(path):
            continue
        assert path in theirs, f"upstream has no module for {path}"
        assert len(values) == len(theirs[path]), path
        for call, (value, expected) in enumerate(zip(values, theirs[path], strict=True)):
            assert value.squeeze().shape == expected.squeeze().shape, path
            errors[f"{path}[call={call}]"] = rmse(value.squeeze(), expected.squeeze()) / rms(expected)
    worst = max(errors, key=errors.__getitem__)
    exact = sum(error == 0 for error in errors.values())
    print(f"{len(errors)} shared taps, {dtype}, {exact} equal: worst {worst} {errors[worst]:.1e}")
    assert len(errors) > 500
    assert errors[worst] <= BOUND[dtype], worst


@pytest.mark.parametrize("dtype", BOUND)
def test_tables_equal_the_libraries(dtype):
    """Windows, filters and kernels, to the last bit; Kaldi's filters too, which torchaudio makes at every call."""
    from torchaudio.compliance import kaldi
    from torchaudio.functional.functional import _get_sinc_resample_kernel

    wide = DTYPES[dtype]
    for sample_rate, n_fft, bins, highest in ((24000, 1920, 80, 8000), (16000, 400, 40, 8000), (16000, 400, 128, 8000)):
        expected = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=bins, fmax=highest, dtype=np.dtype(dtype))
        assert np.array_equal(tables.mel_filters(sample_rate, n_fft, bins, highest, wide).numpy(), expected)

    def of_torchaudio():
        banks, _ = kaldi.get_mel_banks(80, 512, 16000.0, 20.0, 0.0, 100.0, -500.0, 1.0)
        window = kaldi._feature_window_function("povey", 400, 0.42, torch.device("cpu"), wide)
        kernels = [_get_sinc_resample_kernel(*rates, np.gcd(*rates))[0] for rates in RATES]
        return banks, window, kernels

    if dtype == "float64":
        with double_precision():
            banks, window, kernels = of_torchaudio()
    else:
        banks, window, kernels = of_torchaudio()
    assert torch.equal(tables.kaldi_mel_filters(16000, 512, 80, 20.0, wide)[:, :-1], banks)
    assert torch.equal(tables.povey_window(400, wide), window)
    for (source, target), kernel in zip(RATES, kernels, strict=True):
        divisor = np.gcd(source, target)
        assert torch.equal(tables.sinc_kernel(source // divisor, target // divisor, wide), kernel)


@pytest.mark.parametrize(("source", "target"), RATES)
def test_resampling_equals_upstream(source, target):
    from torchaudio.transforms import Resample as Theirs

    wave = torch.from_numpy(synthetic_voice("resample", 0.4, source))[None]
    assert torch.equal(Resample(source, target)(wave), Theirs(source, target)(wave))


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000, 48000])
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_files_are_read_as_librosa_reads_them(tmp_path, rate, channels):
    wave = synthetic_voice("file", 1.3, rate)
    recorded = np.stack([wave / (1 + channel) for channel in range(channels)], axis=1)
    soundfile.write(tmp_path / "voice.wav", recorded, rate)
    voice_24, _ = librosa.load(tmp_path / "voice.wav", sr=24000)
    voice_16 = librosa.resample(voice_24, orig_sr=24000, target_sr=16000)
    voice = audio.load_voice(tmp_path / "voice.wav")
    for mine, theirs in zip(voice, (voice_24, voice_16, voice_16), strict=True):
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("rms", [0.1, 1e-4, 0.0])
@pytest.mark.parametrize("seconds", [0.31, 0.6, 1.3, 2.62])
def test_trimming_equals_upstream(seconds, rms):
    """A silent voice is kept whole: librosa takes it to be as loud as its loudest frame."""
    wave = synthetic_voice("trim", seconds, 16000)
    wave *= np.float32(rms / np.sqrt(np.mean(wave**2)))
    theirs, _ = librosa.effects.trim(wave, top_db=20)
    assert np.array_equal(trimmed(torch.from_numpy(wave[None]))[0].numpy(), theirs)
    assert (len(theirs) < len(wave)) == (rms > 0)


def test_window_starts_equal_upstream():
    from chatterbox.models.voice_encoder import VoiceEncConfig
    from chatterbox.models.voice_encoder.voice_encoder import get_frame_step, get_num_wins

    config = VoiceEncConfig()
    step = get_frame_step(0.5, 1.3, config)
    for frames in range(1, 1000):
        count, _ = get_num_wins(frames, step, 0.8, config)
        assert window_starts(frames, CONFIG.voice_encoder) == [step * window for window in range(count)]


def test_conditions_that_upstream_saves_are_read(tmp_path):
    """The file as `Conditionals.save` writes it: the fields of a T3Cond and the flow's dictionary."""
    from chatterbox.models.t3.modules.cond_enc import T3Cond

    speaker, tokens = torch.randn(1, 256), torch.arange(150)[None]
    t3 = T3Cond(speaker_emb=speaker, cond_prompt_speech_tokens=tokens, emotion_adv=0.5 * torch.ones(1, 1, 1))
    prompt = build_s3gen().embed_ref(torch.from_numpy(VOICE.voice_24), 24000)
    torch.save({"t3": t3.__dict__, "gen": prompt}, tmp_path / "conds.pt")
    arrays = load_conditionals(tmp_path / "conds.pt")
    assert np.array_equal(arrays["speaker_emb"], speaker.numpy())
    assert np.array_equal(arrays["cond_prompt_speech_tokens"], tokens.numpy())
    assert np.array_equal(arrays["prompt_tokens"], prompt["prompt_token"].numpy())
    assert np.array_equal(arrays["prompt_mel"], prompt["prompt_feat"].numpy())
    assert np.array_equal(arrays["embedding"], prompt["embedding"].detach().numpy())


@pytest.mark.parametrize("frames", [3000, 3001, 5210, 5900])
def test_long_speech_is_heard_in_the_windows_of_upstream(frames):
    """30 s in one, more in windows. Of 52.1 s upstream loses the end: a last window of 10 frames has none to keep."""
    wave = synthetic_voice("long", frames / 100, 16000)[None]
    s3gen = build_s3gen()
    s3gen.load_state_dict(load_file(checkpoint() / S3GEN), strict=True)
    mine = weights.load_tokenizer(checkpoint(), CONFIG.tokenizer)
    with torch.inference_mode():
        theirs, _ = s3gen.tokenizer(torch.from_numpy(wave))
        assert torch.equal(mine(torch.from_numpy(wave)), theirs)
    assert theirs.shape[1] == {3000: 750, 3001: 751, 5210: 1253, 5900: 1475}[frames]
