"""A twin in double of any torch module, and its run as a program: every ATen operation, every module's output.

    model = Model(config).eval()                       # float32, with its weights
    exact = twin(lambda: Model(config), model)         # the same in double, tables computed anew
    run = recording(exact, [tokens])                   # run.program, run.values
    assert single(run) == []                           # nothing was computed in less than double

In this package `import torch` is PyTorch: imports are absolute.
"""

from parity.exact.program import Recording
from parity.exact.torch.check import narrowing, single
from parity.exact.torch.recorder import observe, record, recording
from parity.exact.torch.twins import copied, twin
from parity.exact.torch.widening import widened

__all__ = ["Recording", "copied", "narrowing", "observe", "record", "recording", "single", "twin", "widened"]
