"""The port: mlx-audio's, of its wheel, with the reference's weights under the port's names."""

import sys
import types

import mlx.core as mx
import torch
from vad_inputs import CHUNK, HERE, RATE


def port():
    """The port's module alone. Its packages import more than a network needs; of that nothing is run here."""
    for name in ("mlx_audio", "mlx_audio.vad", "mlx_audio.vad.models"):
        package = sys.modules.setdefault(name, types.ModuleType(name))
        package.__path__ = [str(HERE.joinpath(*name.split(".")))]
    for name, function in (("mlx_audio.audio_io", "read"), ("mlx_audio.utils", "resample_audio")):
        module = sys.modules.setdefault(name, types.ModuleType(name))
        setattr(module, function, None)
    from mlx_audio.vad.models import silero_vad

    return silero_vad


def weights():
    """Of both rates, by the port's names: convolutions with channels last, the LSTM's two biases added up."""
    stored = {name: value.numpy() for name, value in torch.jit.load(HERE / "silero_vad.jit").state_dict().items()}
    named = {}
    for ours, theirs in (("_model", "vad_16k"), ("_model_8k", "vad_8k")):
        named[f"{theirs}.stft_conv.weight"] = stored[f"{ours}.stft.forward_basis_buffer"]
        for leaf in ("weight", "bias"):
            for layer in range(4):
                named[f"{theirs}.conv{layer + 1}.{leaf}"] = stored[f"{ours}.encoder.{layer}.reparam_conv.{leaf}"]
            named[f"{theirs}.final_conv.{leaf}"] = stored[f"{ours}.decoder.decoder.2.{leaf}"]
        lstm = f"{ours}.decoder.rnn"
        named[f"{theirs}.lstm.Wx"] = stored[f"{lstm}.weight_ih"]
        named[f"{theirs}.lstm.Wh"] = stored[f"{lstm}.weight_hh"]
        named[f"{theirs}.lstm.bias"] = stored[f"{lstm}.bias_ih"] + stored[f"{lstm}.bias_hh"]
    return {name: value.swapaxes(1, 2) if value.ndim == 3 else value for name, value in named.items()}


def candidate():
    silero_vad = port()
    model = silero_vad.Model(silero_vad.ModelConfig())
    model.load_weights([(name, mx.array(value)) for name, value in weights().items()], strict=True)
    model.eval()

    def call(audio):
        state, probabilities, states = model.initial_state(1, RATE), [], []
        for start in range(0, audio.shape[1], CHUNK):
            probability, state = model.feed(audio[:, start : start + CHUNK], state, RATE)
            probabilities.append(probability)
            states.append(state.state)
        return mx.concatenate(probabilities, 1), mx.stack(states)

    return call
