"""Configurations of language models, each of which exercises what its architecture has, and what of each is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ports.pair import Departure

COMMON: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "vocab_size": 256,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
"""What every configuration says, unless it says otherwise."""


@dataclass(frozen=True)
class Architecture:
    """`reference` is the model type of transformers, `port` the module of mlx-lm.

    `settings` are what the configuration says beyond `COMMON`; `arguments` what mlx-lm reads under another name or
    expects to find. `mended` are lines of the port with which it is equal, and `correction` says so. `refused` is a
    part of the sentence with which a pair cannot run, and `reason` the cause.
    Parameters whose names end with one of `zeroed` are zeros. Without `cached` the token is another prompt.
    """

    reference: str
    port: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    departures: tuple[Departure, ...] = ()
    mended: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""
    reason: str = ""
    zeroed: tuple[str, ...] = ()
    cached: bool = True
    lengths: tuple[int, ...] = (11, 16)
    batch: int = 2

    @property
    def correction(self) -> str:
        return "; ".join(f"`{old.strip()}` read as `{new.strip()}`" for old, new in self.mended.items())


def same(name: str, **options: Any) -> Architecture:
    """An architecture of one name on both sides."""
    return Architecture(name, name, **options)


GELU = Departure("the exact GELU, where the configuration asks for the one with tanh", "approximate=tanh", "erf")
APPROXIMATE = {"nn.gelu(": "nn.gelu_approx("}

THETA = {"rope_theta": 10000.0}
LINEAR = {"rope_type": "linear", "factor": 2.0, **THETA}
DYNAMIC = {"rope_type": "dynamic", "factor": 2.0, **THETA}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
    **THETA,
}
YARN = {
    "rope_type": "yarn",
    "factor": 4.0,
    "original_max_position_embeddings": 64,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    **THETA,
}
LONG = {
    "rope_type": "longrope",
    "short_factor": [1.0 + 0.1 * place for place in range(8)],
    "long_factor": [2.0 + 0.5 * place for place in range(8)],
    "original_max_position_embeddings": 8,
    **THETA,
}
LATENT = {
    "kv_lora_rank": 16,
    "q_lora_rank": 24,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16,
    "v_head_dim": 16,
    "head_dim": 8,
    "num_key_value_heads": 4,
}
ROUTED = {
    "n_routed_experts": 8,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "first_k_dense_replace": 1,
    "routed_scaling_factor": 1.5,
    "n_group": 4,
    "topk_group": 2,
}
EXPERTS = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
SLIDING = ["sliding_attention", "full_attention"] * 2
MAMBA = {
    "mamba_n_heads": 8,
    "mamba_d_head": 16,
    "mamba_d_ssm": 128,
    "mamba_d_state": 16,
    "mamba_n_groups": 2,
    "mamba_expand": 2,
    "mamba_d_conv": 4,
    "mamba_chunk_size": 8,
}
JAMBA = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "num_hidden_layers": 4,
    "attn_layer_period": 2,
    "attn_layer_offset": 1,
    "expert_layer_period": 2,
    "expert_layer_offset": 1,
    "mamba_d_state": 16,
    "use_mamba_kernels": False,
}
UNLIMITED = {"time_step_limit": [0.0, float("inf")]}
"""transformers 5 writes infinity as `{"__float__": "Infinity"}`; published configurations have the number."""

GPT2 = {"n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 512}
DELTA = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "linear_conv_kernel_dim": 4,
    "layer_types": ["linear_attention", "full_attention"] * 2,
    "full_attention_interval": 2,
    "num_hidden_layers": 4,
}

WINDOW = (
    Departure(
        "every token attends to all before it, where the configuration says 8", "- 8)", "which the reference has masked"
    ),
    Departure("the cache keeps all tokens, where the configuration says 8", "start=-7", "sliceupdate"),
)
WINDOWS = {"sliding_window": 8}
ROTATED = Departure("a whole head is rotated, where the configuration says a half of it", "dim=3", "start=[0, 0, 0, ")
ROUTED_AFTER = Departure(
    "the chosen experts' weights are made to sum to 1, where the configuration leaves them as they are",
    "topk(softmax(x",
    "softmax(gatheraxis(x",
)
ONE_GROUP = Departure(
    "one norm over all channels, where the reference has one over each of two groups", "mean(y, dim=[-1]", "0.0078125"
)
SHORT = Departure(
    "rotary frequencies: transformers takes the short factors at every length, the port the long ones",
    "constant(8,)",
    "constant(8,)",
)
STATE = {"num_heads": 8, "head_dim": 16, "state_size": 16, "chunk_size": 8, "expand": 2}
ERNIE = {
    "num_hidden_layers": 2,
    "moe_num_experts": 4,
    "moe_k": 2,
    "moe_intermediate_size": 32,
    "moe_num_shared_experts": 2,
    "moe_layer_start_index": 1,
}
FACTORS = {**LONG, "short_mscale": 1.0, "long_mscale": 1.7320508075688772}
NAMES = "parameters not in model"

ARCHITECTURES = {
    "afmoe": same(
        "afmoe",
        settings={
            **EXPERTS,
            "num_hidden_layers": 4,
            "layer_types": SLIDING,
            "sliding_window": 8,
            "num_dense_layers": 1,
            "num_shared_experts": 1,
        },
    ),
    "cohere": same("cohere", settings={"use_qk_norm": True, "logit_scale": 0.25}),
    "cohere2": same(
        "cohere2", settings={"num_hidden_layers": 4, "sliding_window": 8}, arguments={"sliding_window_pattern": 4}
    ),
    "dbrx": same(
        "dbrx",
        settings={
            "d_model": 64,
            "n_heads": 4,
            "n_layers": 2,
            "attn_config": {"kv_n_heads": 2, "clip_qkv": 1.0, "rope_theta": 10000.0},
            "ffn_config": {"ffn_hidden_size": 64, "moe_num_experts": 4, "moe_top_k": 2},
        },
    ),
    "deepseek_v2": same(
        "deepseek_v2",
        settings={
            **LATENT,
            **ROUTED,
            "topk_method": "greedy",
            "n_group": 1,
            "topk_group": 1,
            "rope_parameters": {**YARN, "mscale": 1.0, "mscale_all_dim": 1.0},
        },
    ),
    "deepseek_v2-grouped": same(
        "deepseek_v2",
        settings={
            **LATENT,
            **ROUTED,
            "topk_method": "group_limited_greedy",
            "rope_parameters": {**YARN, "mscale": 1.0, "mscale_all_dim": 1.0},
        },
    ),
    "deepseek_v3": same("deepseek_v3", settings={**LATENT, **ROUTED}),
    "deepseek_v3-yarn": same(
        "deepseek_v3", settings={**LATENT, **ROUTED, "rope_parameters": {**YARN, "mscale": 1.0, "mscale_all_dim": 1.0}}
    ),
    "dots1": same("dots1", settings={**ROUTED, "n_group": 1, "topk_group": 1}, arguments={"scoring_func": "noaux_tc"}),
    "ernie4_5": same("ernie4_5", settings={"use_bias": True}),
    "exaone4": same(
        "exaone4",
        settings={"num_hidden_layers": 4, "sliding_window": 8, "sliding_window_pattern": "LG", "layer_types": SLIDING},
    ),
    "exaone_moe": same(
        "exaone_moe",
        settings={
            **EXPERTS,
            "num_hidden_layers": 4,
            "layer_types": SLIDING,
            "sliding_window": 8,
            "num_shared_experts": 1,
            "n_group": 1,
            "topk_group": 1,
            "is_moe_layer": [False, True, True, True],
        },
    ),
    "falcon_h1": same("falcon_h1", settings=MAMBA),
    "falcon_mamba": Architecture("falcon_mamba", "mamba", settings={"state_size": 16}),
    "gemma2": same("gemma2", settings={"num_hidden_layers": 4}),
    "gemma3_text": same(
        "gemma3_text", settings={"num_hidden_layers": 6, "sliding_window": 8}, arguments={"sliding_window_pattern": 6}
    ),
    "glm4": same("glm4", settings={"attention_bias": True}),
    "gptj": same("gptj", settings={**GPT2, "rotary_dim": 8}),
    "granite": same(
        "granite",
        settings={
            "attention_bias": True,
            "mlp_bias": True,
            "embedding_multiplier": 3.0,
            "logits_scaling": 4.0,
            "residual_multiplier": 0.5,
            "attention_multiplier": 0.1,
        },
    ),
    "granitemoe": same("granitemoe", settings={**EXPERTS, "embedding_multiplier": 3.0, "residual_multiplier": 0.5}),
    "helium": same("helium"),
    "hunyuan_v1_dense": same("hunyuan_v1_dense", settings={"attention_bias": True}),
    "internlm3": same(
        "internlm3", settings={"qkv_bias": True, "bias": True}, arguments={"qkv_bias": True, "bias": True}
    ),
    "internlm3-dynamic": same("internlm3", settings={"rope_parameters": DYNAMIC, "max_position_embeddings": 8}),
    "lfm2": same(
        "lfm2",
        settings={"num_hidden_layers": 4, "layer_types": ["conv", "full_attention"] * 2},
        arguments={"block_dim": 64, "block_ff_dim": 128},
    ),
    "lfm2_moe": same(
        "lfm2_moe",
        settings={
            **EXPERTS,
            "num_hidden_layers": 4,
            "num_dense_layers": 1,
            "layer_types": ["conv", "full_attention"] * 2,
        },
    ),
    "llama": same(
        "llama", settings={"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True, "head_dim": 24}
    ),
    "llama-linear": same("llama", settings={"rope_parameters": LINEAR}),
    "llama-llama3": same("llama", settings={"rope_parameters": LLAMA3}),
    "llama-yarn": same("llama", settings={"rope_parameters": YARN}),
    "llama-dynamic": same("llama", settings={"rope_parameters": DYNAMIC, "max_position_embeddings": 8}),
    "mamba": same("mamba", settings={"state_size": 16}),
    "ministral3": same("ministral3"),
    "mistral": Architecture("mistral", "llama", settings={"sliding_window": None}),
    "mixtral": same("mixtral", settings=EXPERTS),
    "nemotron": same("nemotron", settings={"attention_bias": True, "mlp_bias": True}),
    "nemotron_h": same(
        "nemotron_h",
        settings={
            "num_hidden_layers": 4,
            "layers_block_type": ["mamba", "attention", "mamba", "mlp"],
            "mamba_num_heads": 8,
            "mamba_head_dim": 16,
            "ssm_state_size": 16,
            "n_groups": 2,
            "chunk_size": 8,
            "expand": 2,
        },
        arguments=UNLIMITED,
    ),
    "olmo2": same("olmo2", settings={"attention_bias": True}),
    "olmo3": same("olmo3", settings={"num_hidden_layers": 4, "sliding_window": 8}),
    "olmoe": same("olmoe", settings=EXPERTS),
    "phi": same("phi", settings={"partial_rotary_factor": 0.5}),
    "phi3": same("phi3"),
    "phi3-longrope": same("phi3", settings={"rope_parameters": LONG, "original_max_position_embeddings": 8}),
    "qwen2": same("qwen2", settings={"tie_word_embeddings": True}),
    "qwen2-yarn": same("qwen2", settings={"rope_parameters": YARN}),
    "qwen2_moe": same("qwen2_moe", settings={**EXPERTS, "shared_expert_intermediate_size": 32}),
    "qwen3": same("qwen3", settings={"head_dim": 24}),
    "qwen3_5": Architecture("qwen3_5_text", "qwen3_5", settings=DELTA),
    "qwen3_moe": same("qwen3_moe", settings=EXPERTS, arguments={"num_experts": 4}),
    "qwen3_next": same(
        "qwen3_next", settings={**DELTA, **EXPERTS, "shared_expert_intermediate_size": 32, "partial_rotary_factor": 0.5}
    ),
    "seed_oss": same("seed_oss", settings={"attention_bias": True, "attention_out_bias": True, "mlp_bias": True}),
    "smollm3": same("smollm3", settings={"num_hidden_layers": 4}),
    "stablelm": same("stablelm", settings={"use_qkv_bias": True, "qk_layernorm": True}),
    "stablelm-parallel": same("stablelm", settings={"use_parallel_residual": True}),
    "apertus": same(
        "apertus",
        settings={"rope_parameters": LLAMA3},
        arguments={"mlp_bias": False, "post_norm": False, "qk_norm": True},
    ),
    "apertus-bias": same(
        "apertus",
        settings={"attention_bias": True},
        arguments={"mlp_bias": False, "post_norm": False, "qk_norm": True},
        refused=NAMES,
        reason="the port has no biases of attention, where the configuration asks for them",
    ),
    "bitnet": same(
        "bitnet",
        refused="weight_scale",
        reason="the port holds packed ternary weights for a Metal kernel; the reference's are not packed",
    ),
    "deepseek_v2-unscaled": same(
        "deepseek_v2",
        settings={**LATENT, **ROUTED},
        refused="'NoneType' object has no attribute 'get'",
        reason="the port needs `rope_scaling`, which a configuration without rotary scaling does not have",
    ),
    "dots1-bias": same(
        "dots1",
        settings={**ROUTED, "attention_bias": True, "n_group": 1, "topk_group": 1},
        arguments={"scoring_func": "noaux_tc"},
        refused=NAMES,
        reason="the port has no biases of attention, where the configuration asks for them",
    ),
    "ernie4_5_moe": same("ernie4_5_moe", settings=ERNIE, zeroed=("e_score_correction_bias",)),
    "gemma": same("gemma", departures=(GELU,), mended=APPROXIMATE),
    "gemma2-window": same("gemma2", settings={"num_hidden_layers": 4, **WINDOWS}, departures=WINDOW),
    "glm": same(
        "glm",
        departures=(ROTATED,),
        mended={"nn.RoPE(dims=self.head_dim,": "nn.RoPE(dims=self.head_dim // 2,"},
    ),
    "glm-whole": same(
        "glm", settings={"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 1.0, **THETA}}
    ),
    "gpt_bigcode": same(
        "gpt_bigcode",
        settings={**GPT2, "n_inner": 128},
        arguments={"num_key_value_heads": 1},
        departures=(GELU,),
        mended=APPROXIMATE,
    ),
    "jamba": same(
        "jamba",
        settings=JAMBA,
        departures=(ROUTED_AFTER,),
        mended={
            "scores = mx.take_along_axis(gates, inds, axis=-1)": "scores = mx.softmax(gates, axis=-1, precise=True)",
            "scores = mx.softmax(scores, axis=-1, precise=True)": "scores = mx.take_along_axis(scores, inds, axis=-1)",
        },
    ),
    "mamba2": same("mamba2", settings={**STATE, "n_groups": 1}, arguments=UNLIMITED),
    "mamba2-groups": same("mamba2", settings={**STATE, "n_groups": 2}, arguments=UNLIMITED, departures=(ONE_GROUP,)),
    "mamba2-unlimited": same(
        "mamba2",
        settings=STATE,
        refused="Invalid type dict",
        reason='transformers writes an infinite limit as `{"__float__": "Infinity"}`, which the port takes as it is',
    ),
    "mellum": same(
        "mellum",
        settings={**EXPERTS, "num_hidden_layers": 4, "layer_types": SLIDING, **WINDOWS},
        arguments={"num_experts": 4},
    ),
    "minicpm3-unscaled": same(
        "minicpm3",
        settings=LATENT,
        refused="'NoneType' object has no attribute 'get'",
        reason="the port needs `rope_scaling`, which a configuration without rotary scaling does not have",
    ),
    "minimax_m2": Architecture(
        "minimax_m2", "minimax", settings=EXPERTS, arguments={"shared_intermediate_size": 128, "rotary_dim": 16}
    ),
    "mistral-window": Architecture("mistral", "llama", settings=WINDOWS, departures=WINDOW),
    "mixtral-window": same("mixtral", settings={**EXPERTS, **WINDOWS}, departures=WINDOW),
    "nanochat": same(
        "nanochat",
        refused=NAMES,
        reason="the port reads the names of the original checkpoint, transformers writes its own",
    ),
    "olmo": same("olmo", refused="SystemExit", reason="the port ends the process unless `ai2-olmo` is installed"),
    "olmo_hybrid": same(
        "olmo_hybrid",
        settings=DELTA,
        refused=NAMES,
        reason="transformers writes other names of its norms than the port reads",
    ),
    "phimoe": same(
        "phimoe",
        settings={
            **EXPERTS,
            "attention_bias": True,
            "lm_head_bias": True,
            "rope_parameters": FACTORS,
            "original_max_position_embeddings": 8,
        },
        departures=(SHORT,),
    ),
    "qwen2-window": same(
        "qwen2",
        settings={"use_sliding_window": True, "max_window_layers": 1, **WINDOWS},
        departures=WINDOW,
    ),
    "qwen3-bias": same(
        "qwen3",
        settings={"attention_bias": True},
        refused=NAMES,
        reason="the port has no biases of attention, where the configuration asks for them",
    ),
    "qwen3_5_moe": Architecture(
        "qwen3_5_moe_text",
        "qwen3_5_moe",
        settings={**DELTA, **EXPERTS, "shared_expert_intermediate_size": 32},
        refused=NAMES,
        reason="transformers writes the weights of each expert, the port reads those of all joined",
    ),
    "starcoder2": same("starcoder2", departures=(GELU,), mended=APPROXIMATE),
    "starcoder2-window": same("starcoder2", settings={"hidden_act": "gelu", **WINDOWS}, departures=WINDOW),
}
