"""Two models that nobody prepared: whether a port computes what the reference computes, proven in double.

    parity prove model:reference port.mlxfn --inputs x.npz
    parity prove model:reference model:candidate --inputs short.npz --inputs long.npz --axes "x: b c t -> b t c"

No contract, no names, no taps: both programs are run in double and matched by value.
"""

from parity.prove.proof import Proof, prove

__all__ = ["Proof", "prove"]
