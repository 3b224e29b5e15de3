"""Mel to fundamental frequency: the vocoder's f0 predictor. Sums are in double, what is dumped is float32.

`WEIGHTS BUNDLE DUMPS` runs twice from the bundle's inputs: freely, and into DUMPS/local with the bundle's value of each
tap, so that every block has errors of its own alone.
"""

import sys

import numpy as np
from parity_dump import Dump, read


def run(weights: str, bundle: str, dumps: str, local: bool) -> None:
    dump = Dump(dumps)

    def tap(name: str, value: np.ndarray) -> np.ndarray:
        dump.write(name, value.astype(np.float32))
        return (read(f"{bundle}/{name}.npy", np.float32) if local else value.astype(np.float32)).astype(np.float64)

    def weight(name: str) -> np.ndarray:
        return read(f"{weights}/{name}.npy", np.float32).astype(np.float64)

    x = read(f"{bundle}/inputs/mel.npy", np.float32).astype(np.float64)
    for layer in range(5):
        frames = np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), (0, 0), (1, 1))), 3, axis=2)
        y = np.einsum("bitk,oik->bot", frames, weight(f"convs.{layer}.weight")) + weight(f"convs.{layer}.bias")[:, None]
        y = tap(f"vocoder.f0_predictor.convs.{layer}", y)
        x = np.where(y > 0, y, np.expm1(np.minimum(y, 0))).astype(np.float32).astype(np.float64)
    scores = np.einsum("bit,oi->bto", x, weight("classifier.weight")) + weight("classifier.bias")
    f0 = tap("vocoder.f0_predictor", np.abs(tap("vocoder.f0_predictor.classifier", scores))[:, :, 0])
    dump.write("vocoder.voiced", f0 > 10)


run(*sys.argv[1:], local=False)
run(*sys.argv[1:3], f"{sys.argv[3]}/local", local=True)
