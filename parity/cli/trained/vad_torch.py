"""The reference: silero-vad as its wheel ships it, a TorchScript file with trained weights."""

import torch
from torch import nn
from vad_inputs import CHUNK, HERE, RATE


class Reference(nn.Module):
    """Audio `(1, samples)` -> the probability of speech `(1, chunks)`, and the LSTM's states `(chunks, 2, 1, 128)`."""

    def __init__(self):
        super().__init__()
        self.vad = torch.jit.load(HERE / "silero_vad.jit")

    def forward(self, audio):
        self.vad.reset_states()
        probabilities, states = [], []
        for chunk in audio.split(CHUNK, 1):
            probabilities.append(self.vad(chunk, RATE))
            states.append(self.vad._state)
        return torch.cat(probabilities, 1), torch.stack(states)


def reference():
    return Reference().eval()
