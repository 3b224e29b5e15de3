// A block of the flow's decoder, reference/decoder.py: a resnet that takes the time embedding, then transformer blocks.
#pragma once

#include "layers.h"

namespace port {

// (B, M, in) -> (B, M, out): convolution, layer norm over channels, Mish; a frame sees itself and those before it.
struct CausalBlock1D {
  Conv1d conv;
  LayerNorm norm;

  explicit CausalBlock1D(const Weights& weights)
      : conv(weights / "block" / "0"), norm(weights / "block" / "2", 1e-5f) {}

  array operator()(const array& x, const array& mask) const {
    return mish(norm(conv(x * mask, conv.kernel() - 1, 0))) * mask;
  }
};

// (B, M, in) -> (B, M, out)
struct CausalResnetBlock1D {
  CausalBlock1D block1, block2;
  Linear time_proj;
  Conv1d res_conv;

  explicit CausalResnetBlock1D(const Weights& weights)
      : block1(weights / "block1"),
        block2(weights / "block2"),
        time_proj(weights / "mlp" / "1"),
        res_conv(weights / "res_conv") {}

  array operator()(const array& x, const array& mask, const array& t) const {
    auto h = block1(x, mask) + mx::expand_dims(time_proj(mish(t)), 1);
    return block2(h, mask) + res_conv(x * mask);
  }
};

// (B, M, c) -> (B, M, c)
struct Attention {
  Linear to_q, to_k, to_v, to_out;
  int heads;

  Attention(const Weights& weights, int heads)
      : to_q(weights / "to_q"),
        to_k(weights / "to_k"),
        to_v(weights / "to_v"),
        to_out(weights / "to_out" / "0"),
        heads(heads) {}

  array operator()(const array& x, const array& bias) const {
    auto q = split_heads(to_q(x), heads);
    auto k = split_heads(to_k(x), heads);
    auto v = split_heads(to_v(x), heads);
    auto scale = 1.0f / std::sqrt(static_cast<float>(q.shape(3)));
    return to_out(join_heads(mx::fast::scaled_dot_product_attention(q, k, v, scale, "", bias)));
  }
};

// (B, M, c) -> (B, M, c)
struct FeedForward {
  Linear proj_in, proj_out;

  explicit FeedForward(const Weights& weights)
      : proj_in(weights / "net" / "0" / "proj"), proj_out(weights / "net" / "2") {}

  array operator()(const array& x) const { return proj_out(gelu(proj_in(x))); }
};

// (B, M, c) -> (B, M, c)
struct BasicTransformerBlock {
  LayerNorm norm1, norm3;
  Attention attn1;
  FeedForward ff;

  BasicTransformerBlock(const Weights& weights, int heads)
      : norm1(weights / "norm1", 1e-5f),
        norm3(weights / "norm3", 1e-5f),
        attn1(weights / "attn1", heads),
        ff(weights / "ff") {}

  array operator()(const array& x, const array& bias) const {
    auto h = attn1(norm1(x), bias) + x;
    return ff(norm3(h)) + h;
  }
};

// x (B, M, in), a mask of frames (B, M) and the time embedding t (B, time) -> (B, M, c)
struct DecoderBlock {
  CausalResnetBlock1D resnet;
  std::vector<BasicTransformerBlock> transformer_blocks;

  // `block` has the tensors of one, such as `flow.decoder.estimator.mid_blocks.0`
  DecoderBlock(const Weights& block, int heads)
      : resnet(block / "0"), transformer_blocks(modules<BasicTransformerBlock>(block.list("1"), heads)) {}

  int width_in() const { return resnet.res_conv.weight.shape(2); }
  int time_width() const { return resnet.time_proj.weight.shape(1); }

  array operator()(const array& x, const array& mask, const array& t) const {
    auto h = resnet(x, mx::expand_dims(mask, 2), t);
    auto bias = attention_bias(mask);
    for (const auto& block : transformer_blocks) h = block(h, bias);
    return h;
  }
};

}  // namespace port
