"""Options of configurations that several architectures share."""

from __future__ import annotations

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
INDEXED = {**LATENT, **ROUTED, "index_head_dim": 16, "index_n_heads": 8, "index_topk": 4}
INDEXED_BY = {"topk_method": "noaux_tc", "scoring_func": "sigmoid", "moe_layer_freq": 1}
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
HYBRID = {
    **EXPERTS,
    **MAMBA,
    "shared_intermediate_size": 32,
    "num_hidden_layers": 4,
    "layer_types": ["mamba", "attention"] * 2,
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
WINDOWS = {"sliding_window": 8}
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
PHIMOE = {**EXPERTS, "attention_bias": True, "lm_head_bias": True, "original_max_position_embeddings": 8}
