"""Language models of attention without experts."""

from __future__ import annotations

from ports.language.architecture import Architecture, same
from ports.language.departures import (
    APPROXIMATE,
    BIASED,
    EXACT,
    GELU,
    LATENT_EPSILON,
    LONG_AT_ALL,
    ROTATED,
    SHORT_FACTORS,
    TANH,
    UNBIASED,
    UNSCALED,
    WINDOW,
    WINDOWED,
)
from ports.language.drawn import ternary
from ports.language.options import DYNAMIC, GPT2, LATENT, LINEAR, LLAMA3, LONG, SLIDING, THETA, WINDOWS, YARN
from ports.language.published import gemma3n, olmo, packed, renamed, without
from ports.pair import Departure

DENSE = {
    "apertus": same(
        "apertus",
        settings={"rope_parameters": LLAMA3},
        arguments={"mlp_bias": False, "post_norm": False, "qk_norm": True},
    ),
    "apertus-bias": same(
        "apertus",
        settings={"attention_bias": True},
        arguments={"mlp_bias": False, "post_norm": False, "qk_norm": True},
        mended={
            "self.head_dim, bias=False": "self.head_dim, bias=True",
            "args.hidden_size, bias=False": "args.hidden_size, bias=True",
        },
        **UNBIASED,
    ),
    "bitnet": same(
        "bitnet",
        drawn=ternary,
        published=packed,
        mended={
            "_bitlinear_kernel = make_bitlinear_kernel()": (
                "_bitlinear_kernel = lambda inputs, **settings: [inputs[0] @ mx.concatenate("
                "[(inputs[1] // 4**place % 4).astype(mx.float32) - 1 for place in range(4)]).T * inputs[2]]"
            )
        },
        part="bitlinear_layers",
        refused="Metal",
        reason="the port has its products of packed ternary weights in a kernel for Metal alone",
    ),
    "cohere": same("cohere", settings={"use_qk_norm": True, "logit_scale": 0.25}),
    "cohere2": same(
        "cohere2", settings={"num_hidden_layers": 4, "sliding_window": 8}, arguments={"sliding_window_pattern": 4}
    ),
    "ernie4_5": same("ernie4_5", settings={"use_bias": True}),
    "exaone4": same(
        "exaone4",
        settings={"num_hidden_layers": 4, "sliding_window": 8, "sliding_window_pattern": "LG", "layer_types": SLIDING},
    ),
    "gemma": same("gemma", departures=(GELU,), mended=APPROXIMATE),
    "gemma-exact": same("gemma", settings={"hidden_act": "gelu_python"}),
    "gemma2": same("gemma2", settings={"num_hidden_layers": 4}),
    "gemma2-window": same(
        "gemma2",
        settings={"num_hidden_layers": 4, **WINDOWS},
        departures=WINDOW,
        mended={
            "mask = create_attention_mask(h, cache[0], return_array=True)": (
                "mask = create_attention_mask(h, cache[0], return_array=True); "
                "near = create_attention_mask(h, cache[0], window_size=8)"
            ),
            "for layer, c in zip(self.layers, cache):": "for place, (layer, c) in enumerate(zip(self.layers, cache)):",
            "h = layer(h, mask, c)": "h = layer(h, mask if place % 2 else near, c)",
        },
    ),
    "gemma3_text": same(
        "gemma3_text", settings={"num_hidden_layers": 6, "sliding_window": 8}, arguments={"sliding_window_pattern": 6}
    ),
    "gemma3n": Architecture(
        "gemma3n_text",
        "gemma3n",
        settings={
            "num_hidden_layers": 6,
            "layer_types": ["sliding_attention", "full_attention"] * 3,
            "sliding_window": 8,
            "vocab_size_per_layer_input": 256,
            "hidden_size_per_layer_input": 8,
            "num_kv_shared_layers": 2,
            "laurel_rank": 8,
            "activation_sparsity_pattern": [0.95, 0.95, 0.0, 0.0, 0.0, 0.0],
        },
        published=gemma3n,
        nested=True,
    ),
    "gemma4_text": same(
        "gemma4_text",
        settings={
            "num_hidden_layers": 6,
            "layer_types": ["sliding_attention", "full_attention"] * 3,
            "sliding_window": 8,
            "global_head_dim": 32,
            "vocab_size_per_layer_input": 256,
            "hidden_size_per_layer_input": 8,
            "num_kv_shared_layers": 2,
            "use_double_wide_mlp": True,
            "final_logit_softcapping": 30.0,
        },
        arguments={"global_head_dim": 32},
    ),
    "glm": same(
        "glm",
        departures=(ROTATED,),
        mended={"nn.RoPE(dims=self.head_dim,": "nn.RoPE(dims=self.head_dim // 2,"},
    ),
    "glm-whole": same(
        "glm", settings={"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 1.0, **THETA}}
    ),
    "glm4": same("glm4", settings={"attention_bias": True}),
    "gpt2": same("gpt2", settings=GPT2, arguments={"n_ctx": 512}, published=without("transformer.")),
    "gpt_bigcode": same(
        "gpt_bigcode",
        settings={**GPT2, "n_inner": 128},
        arguments={"num_key_value_heads": 1},
        departures=(GELU,),
        mended=APPROXIMATE,
    ),
    "gpt_neox": same(
        "gpt_neox",
        settings={"rotary_pct": 0.5, "intermediate_size": 256},
        arguments={"rotary_pct": 0.5, "rotary_emb_base": 10000},
        departures=(TANH,),
        mended=EXACT,
    ),
    "gpt_neox-sequential": same(
        "gpt_neox",
        settings={
            "rotary_pct": 0.5,
            "intermediate_size": 256,
            "hidden_act": "gelu_fast",
            "use_parallel_residual": False,
        },
        arguments={"rotary_pct": 0.5, "rotary_emb_base": 10000},
    ),
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
    "helium": same("helium"),
    "hunyuan_v1_dense": same("hunyuan_v1_dense", settings={"attention_bias": True}),
    "internlm3": same(
        "internlm3", settings={"qkv_bias": True, "bias": True}, arguments={"qkv_bias": True, "bias": True}
    ),
    "internlm3-dynamic": same("internlm3", settings={"rope_parameters": DYNAMIC, "max_position_embeddings": 8}),
    "llama": same(
        "llama", settings={"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True, "head_dim": 24}
    ),
    "llama-dynamic": same("llama", settings={"rope_parameters": DYNAMIC, "max_position_embeddings": 8}),
    "llama-linear": same("llama", settings={"rope_parameters": LINEAR}),
    "llama-llama3": same("llama", settings={"rope_parameters": LLAMA3}),
    "llama-yarn": same("llama", settings={"rope_parameters": YARN}),
    "minicpm3": same(
        "minicpm3",
        settings={
            **LATENT,
            "rope_parameters": {**LONG, "short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [2.0, 2.5, 3.0, 3.5]},
        },
        departures=(
            LATENT_EPSILON,
            Departure(
                "with tied embeddings the output is not divided by `hidden_size / dim_model_base`",
                "x / 0.25",
                "port: x\n",
            ),
        ),
        mended={
            "lora_rank)": "lora_rank, eps=1e-6)",
            "as_linear(out)": "as_linear(out / (self.args.hidden_size / self.args.dim_model_base))",
        },
    ),
    "minicpm3-unscaled": same(
        "minicpm3",
        settings=LATENT,
        mended={
            "args.rope_scaling.get(": "(args.rope_scaling or {}).get(",
            "lora_rank)": "lora_rank, eps=1e-6)",
            "as_linear(out)": "as_linear(out / (self.args.hidden_size / self.args.dim_model_base))",
        },
        **UNSCALED,
    ),
    "ministral3": same("ministral3"),
    "mistral": Architecture("mistral", "llama", settings={"sliding_window": None}),
    "mistral-window": Architecture(
        "mistral",
        "llama",
        settings=WINDOWS,
        departures=WINDOW,
        mended={"cache[self.fa_idx])": "cache[self.fa_idx], window_size=8)"},
    ),
    "nanochat": same(
        "nanochat",
        published=renamed(
            **{"model.embed_tokens": "transformer.wte", "model.layers": "transformer.h"},
            **{f"self_attn.{part}_proj": f"attn.c_{part}" for part in "qkv"},
            **{"self_attn.o_proj": "attn.c_proj", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"},
        ),
        departures=(
            Departure(
                "norms add 1e-05, where transformers adds the configuration's epsilon of 1e-06", "1e-06", "1e-05"
            ),
        ),
        mended={"mx.fast.rms_norm(x, None, 1e-5)": "mx.fast.rms_norm(x, None, 1e-6)"},
    ),
    "nemotron": same("nemotron", settings={"attention_bias": True, "mlp_bias": True}),
    "olmo": same(
        "olmo",
        settings={"num_key_value_heads": 4},
        arguments={"d_model": 64, "n_layers": 3, "mlp_hidden_size": 256, "n_heads": 4, "embedding_size": 256},
        published=olmo,
        mended={
            "import hf_olmo": "pass",
            "mask = create_attention_mask(h, cache[0])": (
                "mask = create_attention_mask(h, cache[0], return_array=True); "
                "mask = None if mask is None else mx.where(mask, 0.0, -mx.inf)"
            ),
        },
        refused="SystemExit",
        reason="the port ends the process unless `ai2-olmo` is installed, and adds a mask that is a word",
    ),
    "olmo2": same("olmo2", settings={"attention_bias": True}),
    "olmo3": same("olmo3", settings={"num_hidden_layers": 4, "sliding_window": 8}),
    "phi": same("phi", settings={"partial_rotary_factor": 0.5}),
    "phi3": same("phi3"),
    "phi3-longrope": same("phi3", settings={"rope_parameters": LONG, "original_max_position_embeddings": 8}),
    "phi3-longrope-short": same(
        "phi3",
        settings={
            "rope_parameters": {**LONG, "original_max_position_embeddings": 64},
            "original_max_position_embeddings": 64,
            "max_position_embeddings": 64,
        },
        departures=(LONG_AT_ALL,),
        mended=SHORT_FACTORS,
        part="rope_utils",
    ),
    "qwen2": same("qwen2", settings={"tie_word_embeddings": True}),
    "qwen2-window": same(
        "qwen2",
        settings={"use_sliding_window": True, "max_window_layers": 1, **WINDOWS},
        departures=WINDOW,
        mended={
            "mask = create_attention_mask(h, cache[0])": (
                "mask = create_attention_mask(h, cache[0]); near = create_attention_mask(h, cache[0], window_size=8)"
            ),
            "for layer, c in zip(self.pipeline_layers, cache):": (
                "for place, (layer, c) in enumerate(zip(self.pipeline_layers, cache)):"
            ),
            "h = layer(h, mask, c)": "h = layer(h, near if place >= 1 else mask, c)",
        },
    ),
    "qwen2-yarn": same("qwen2", settings={"rope_parameters": YARN}),
    "qwen3": same("qwen3", settings={"head_dim": 24}),
    "qwen3-bias": same("qwen3", settings={"attention_bias": True}, mended=BIASED, **UNBIASED),
    "seed_oss": same("seed_oss", settings={"attention_bias": True, "attention_out_bias": True, "mlp_bias": True}),
    "smollm3": same("smollm3", settings={"num_hidden_layers": 4}),
    "stablelm": same("stablelm", settings={"use_qkv_bias": True, "qk_layernorm": True}),
    "stablelm-parallel": same("stablelm", settings={"use_parallel_residual": True}),
    "starcoder2": same("starcoder2", departures=(GELU,), mended=APPROXIMATE),
    "starcoder2-window": same(
        "starcoder2", settings={"hidden_act": "gelu", **WINDOWS}, departures=WINDOW, mended=WINDOWED
    ),
}
