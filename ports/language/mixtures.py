"""Language models of attention with experts."""

from __future__ import annotations

from ports.language.architecture import Architecture, same
from ports.language.departures import (
    BIASED,
    LATENT_EPSILON,
    LONG_AT_ALL,
    LONG_SCALE,
    SHORT,
    SHORT_FACTORS,
    UNBIASED,
    UNSCALED,
    WINDOW,
    WINDOWED,
)
from ports.language.drawn import scaled
from ports.language.options import (
    ERNIE,
    EXPERTS,
    FACTORS,
    INDEXED,
    INDEXED_BY,
    LATENT,
    PHIMOE,
    ROUTED,
    SLIDING,
    WINDOWS,
    YARN,
)
from ports.language.published import dropped, gpt_oss, under
from ports.pair import Departure

MIXTURES = {
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
    "deepseek_v2-unscaled": same(
        "deepseek_v2",
        settings={**LATENT, **ROUTED},
        mended={
            "= self.config.rope_scaling.get(": "= (self.config.rope_scaling or {}).get(",
            'self.config.rope_scaling["factor"]': '(self.config.rope_scaling or {"factor": 1.0})["factor"]',
            "if key in self.config.rope_scaling": "if key in (self.config.rope_scaling or {})",
        },
        **UNSCALED,
    ),
    "deepseek_v3": same("deepseek_v3", settings={**LATENT, **ROUTED}),
    "deepseek_v3-yarn": same(
        "deepseek_v3", settings={**LATENT, **ROUTED, "rope_parameters": {**YARN, "mscale": 1.0, "mscale_all_dim": 1.0}}
    ),
    "dots1": same("dots1", settings={**ROUTED, "n_group": 1, "topk_group": 1}, arguments={"scoring_func": "noaux_tc"}),
    "dots1-bias": same(
        "dots1",
        settings={**ROUTED, "attention_bias": True, "n_group": 1, "topk_group": 1},
        arguments={"scoring_func": "noaux_tc"},
        mended=BIASED,
        **UNBIASED,
    ),
    "ernie4_5_moe": same("ernie4_5_moe", settings=ERNIE, drawn=scaled("e_score_correction_bias", 0.0)),
    "ernie4_5_moe-bias": same(
        "ernie4_5_moe",
        settings=ERNIE,
        departures=(
            Departure(
                "the correction of the router, dropped from the checkpoint, has no part in the choice of experts",
                "e_score_correction_bias",
                "argpartition(-x",
            ),
            Departure("the experts that follow are those of the other choice", "index_add", "gathermm"),
        ),
        mended={
            "moe_num_experts, bias=False)": (
                "moe_num_experts, bias=False); self.moe_statics = nn.Module(); "
                "self.moe_statics.e_score_correction_bias = mx.zeros((1, args.moe_num_experts))"
            ),
            "argpartition(-gates,": "argpartition(-(gates + self.moe_statics.e_score_correction_bias),",
            '"e_score_correction_bias",': "",
        },
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
    "glm4_moe": same("glm4_moe", settings={**ROUTED, "use_qk_norm": True, "attention_bias": True}),
    "glm4_moe_lite": same(
        "glm4_moe_lite",
        settings={**LATENT, **ROUTED},
        departures=(LATENT_EPSILON,),
        mended={"lora_rank, eps=config.rms_norm_eps)": "lora_rank, eps=1e-6)"},
    ),
    "glm_moe_dsa": same("glm_moe_dsa", settings=INDEXED, arguments=INDEXED_BY),
    "glm_moe_dsa-epsilon": same(
        "glm_moe_dsa",
        settings=INDEXED,
        arguments=INDEXED_BY,
        drawn=scaled("indexer.wk.weight", 0.01),
        departures=(
            Departure("the norm of the indexer's keys adds 1e-05, where transformers adds 1e-06", "1e-06", "1e-05"),
        ),
        mended={"self.k_norm = nn.LayerNorm(self.head_dim)": "self.k_norm = nn.LayerNorm(self.head_dim, eps=1e-6)"},
        part="deepseek_v32",
    ),
    "gpt_oss": same(
        "gpt_oss",
        settings={**EXPERTS, "num_hidden_layers": 4, "sliding_window": 8, "layer_types": SLIDING},
        published=gpt_oss,
        departures=(
            Departure(
                "YaRN's range of dimensions is rounded to whole ones, where the configuration says `truncate: false`",
                "inv_freq",
                "150000^(arange",
            ),
        ),
        mended={"math.floor(yarn_find": "(yarn_find", "math.ceil(yarn_find": "(yarn_find"},
        part="rope_utils",
    ),
    "gpt_oss-truncated": same(
        "gpt_oss",
        settings={
            **EXPERTS,
            "num_hidden_layers": 4,
            "sliding_window": 8,
            "layer_types": SLIDING,
            "rope_parameters": {**YARN, "truncate": True},
        },
        published=gpt_oss,
    ),
    "granitemoe": same("granitemoe", settings={**EXPERTS, "embedding_multiplier": 3.0, "residual_multiplier": 0.5}),
    "llama4": Architecture(
        "llama4_text",
        "llama4",
        settings={
            "num_local_experts": 4,
            "num_experts_per_tok": 1,
            "num_hidden_layers": 4,
            "intermediate_size_mlp": 128,
            "interleave_moe_layer_step": 2,
            "attention_chunk_size": 8,
            "floor_scale": 4,
        },
        departures=(
            Departure(
                "norms of queries and keys add 1e-06, where transformers adds the configuration's epsilon of 1e-05",
                "x + 1e-05",
                "x + 1e-06",
            ),
        ),
        mended={"weight=None, eps=1e-6)": "weight=None, eps=1e-5)"},
        nested=True,
        published=under("language_model."),
    ),
    "longcat_flash": same(
        "longcat_flash",
        settings={
            **LATENT,
            "num_hidden_layers": 4,
            "num_layers": 2,
            "ffn_hidden_size": 128,
            "expert_ffn_hidden_size": 32,
            "n_routed_experts": 4,
            "zero_expert_num": 2,
            "moe_topk": 3,
            "routed_scaling_factor": 1.5,
        },
        arguments={
            "attention_method": "MLA",
            "zero_expert_type": "identity",
            "mla_scale_q_lora": True,
            "mla_scale_kv_lora": True,
        },
        published=dropped(".experts.4.", ".experts.5."),
        departures=(LATENT_EPSILON,),
        mended={
            "RMSNorm(self.q_lora_rank)": "RMSNorm(self.q_lora_rank, eps=1e-6)",
            "RMSNorm(self.kv_lora_rank)": "RMSNorm(self.kv_lora_rank, eps=1e-6)",
        },
    ),
    "mellum": same(
        "mellum",
        settings={**EXPERTS, "num_hidden_layers": 4, "layer_types": SLIDING, **WINDOWS},
        arguments={"num_experts": 4},
    ),
    "mimo_v2_flash": same(
        "mimo_v2_flash",
        settings={
            **ROUTED,
            "num_hidden_layers": 4,
            "num_key_value_heads": 1,
            "v_head_dim": 12,
            "layer_types": SLIDING,
            "sliding_window": 9,
            "rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": 5000000.0, "partial_rotary_factor": 0.5},
                "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
            },
        },
        arguments={
            "hybrid_layer_pattern": [1, 0, 1, 0],
            "moe_layer_freq": [0, 1, 1, 1],
            "add_swa_attention_sink_bias": True,
            "add_full_attention_sink_bias": False,
            "sliding_window_size": 8,
            "n_shared_experts": None,
            "topk_method": "noaux_tc",
            "scoring_func": "sigmoid",
            "layernorm_epsilon": 1e-5,
            "swa_rope_theta": 10000.0,
            "swa_num_attention_heads": 4,
            "swa_num_key_value_heads": 2,
            "swa_head_dim": 16,
            "swa_v_head_dim": 12,
        },
        departures=(
            Departure(
                "8 tokens are seen through a window, where transformers sees 8 and the query",
                "- 9)",
                "which the reference has let through",
            ),
            Departure("the cache keeps 8 tokens, where transformers keeps 8 and the query's", "sinks", "sinks"),
        ),
        mended={
            "= config.sliding_window_size": "= config.sliding_window_size + 1",
            "max_size=self.args.sliding_window_size": "max_size=self.args.sliding_window_size + 1",
        },
    ),
    "minimax_m2": Architecture(
        "minimax_m2", "minimax", settings=EXPERTS, arguments={"shared_intermediate_size": 128, "rotary_dim": 16}
    ),
    "mixtral": same("mixtral", settings=EXPERTS),
    "mixtral-window": same("mixtral", settings={**EXPERTS, **WINDOWS}, departures=WINDOW, mended=WINDOWED),
    "olmoe": same("olmoe", settings=EXPERTS),
    "phimoe": same(
        "phimoe",
        settings={**PHIMOE, "rope_parameters": {**FACTORS, "long_mscale": 1.0}},
        departures=(SHORT,),
        amended={
            "inv_freq, attention_scaling = self.rope_init_fn(self.config)": (
                "inv_freq, attention_scaling = self.rope_init_fn(self.config, seq_len=seq_len)"
            )
        },
    ),
    "phimoe-scale": same(
        "phimoe", settings={**PHIMOE, "rope_parameters": {**FACTORS, "long_factor": FACTORS["short_factor"]}}
    ),
    "phimoe-short": same(
        "phimoe",
        settings={
            **PHIMOE,
            "num_hidden_layers": 2,
            "rope_parameters": {**FACTORS, "original_max_position_embeddings": 64},
            "original_max_position_embeddings": 64,
        },
        departures=(LONG_AT_ALL, LONG_SCALE),
        mended={**SHORT_FACTORS, "self._scale = long_mscale or": "self._scale = short_mscale or"},
        part="rope_utils",
    ),
    "qwen2_moe": same("qwen2_moe", settings={**EXPERTS, "shared_expert_intermediate_size": 32}),
    "qwen3_moe": same("qwen3_moe", settings=EXPERTS, arguments={"num_experts": 4}),
    "solar_open": same(
        "solar_open",
        settings={**ROUTED, "n_group": 1, "topk_group": 1},
        arguments={"first_k_dense_replace": 0, "partial_rotary_factor": 1.0},
    ),
}
