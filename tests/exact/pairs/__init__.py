"""Ten small models in PyTorch and their ports to MLX, as users write both, with faults and rewrites of the ports.

Each folder holds `torch_side.py` (`reference`, `inputs`), `mlx_side.py` (`candidate`), and `faults.py`.
"""

PAIRS = (
    "decoder", "encoder", "image", "vocoder", "unet", "recurrent", "experts", "mel", "conformer", "state_space",
)  # fmt: skip
