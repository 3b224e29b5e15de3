// The flow's encoder, reference/encoder.py, and its projection: embedded tokens at 25 Hz to mu at 50 Hz.
#pragma once

#include "layers.h"

namespace port {

// (B, T, c) -> (B, T, c)
struct LinearEmbedding {
  Linear linear;
  LayerNorm norm;

  explicit LinearEmbedding(const Weights& weights)
      : linear(weights / "out" / "0"), norm(weights / "out" / "1", 1e-5f) {}

  array operator()(const array& x) const {
    return norm(linear(x)) * array(std::sqrt(static_cast<float>(x.shape(2))));
  }
};

// (1, 2T - 1, c): sinusoids of the relative positions T-1 ... -(T-1), sine and cosine interleaved.
inline array relative_positions(int frames, int width) {
  auto position = mx::arange(frames - 1, -frames, -1, mx::float32);
  auto exponent = mx::arange(0, width, 2, mx::float32) * array(-std::log(10000.0f) / width);
  auto angle = mx::expand_dims(position, 1) * mx::exp(exponent);  // (2T - 1, c / 2)
  return mx::reshape(mx::stack(std::vector<array>{mx::sin(angle), mx::cos(angle)}, -1), {1, 2 * frames - 1, width});
}

// (B, T, c) -> (B, T, c): the first convolution sees as many tokens of the future as its kernel is long, less one.
struct PreLookaheadLayer {
  Conv1d conv1, conv2;

  explicit PreLookaheadLayer(const Weights& weights) : conv1(weights / "conv1"), conv2(weights / "conv2") {}

  array operator()(const array& x) const {
    auto h = leaky_relu(conv1(x, 0, conv1.kernel() - 1));
    return conv2(h, conv2.kernel() - 1, 0) + x;
  }
};

// (B, T, c) -> (B, stride * T, c): nearest neighbour, then a causal convolution of 2 * stride + 1 frames.
struct Upsample1D {
  Conv1d conv;

  explicit Upsample1D(const Weights& weights) : conv(weights / "conv") {}

  int stride() const { return (conv.kernel() - 1) / 2; }

  array operator()(const array& x) const { return conv(mx::repeat(x, stride(), 1), conv.kernel() - 1, 0); }
};

// (B, H, T, 2T - 1) -> (B, H, T, T): column j of row i becomes the score of relative position i - j.
inline array relative_shift(const array& scores) {
  int batch = scores.shape(0), heads = scores.shape(1), frames = scores.shape(2), positions = scores.shape(3);
  auto padded = mx::pad(scores, {{0, 0}, {0, 0}, {0, 0}, {1, 0}});
  auto rows = mx::reshape(padded, {batch, heads, positions + 1, frames});
  rows = mx::slice(rows, {0, 0, 1, 0}, {batch, heads, positions + 1, frames});
  auto shifted = mx::reshape(rows, {batch, heads, frames, positions});
  return mx::slice(shifted, {0, 0, 0, 0}, {batch, heads, frames, frames});
}

// (B, T, c) -> (B, T, c): self-attention with relative positions.
struct RelPositionAttention {
  Linear linear_q, linear_k, linear_v, linear_out, linear_pos;
  array pos_bias_u, pos_bias_v;  // (H, D)

  explicit RelPositionAttention(const Weights& weights)
      : linear_q(weights / "linear_q"),
        linear_k(weights / "linear_k"),
        linear_v(weights / "linear_v"),
        linear_out(weights / "linear_out"),
        linear_pos(weights / "linear_pos"),
        pos_bias_u(weights["pos_bias_u"]),
        pos_bias_v(weights["pos_bias_v"]) {}

  array operator()(const array& x, const array& positions, const array& bias) const {
    int heads = pos_bias_u.shape(0);
    auto scale = 1.0f / std::sqrt(static_cast<float>(pos_bias_u.shape(1)));
    auto q = split_heads(linear_q(x), heads);
    auto k = split_heads(linear_k(x), heads);
    auto v = split_heads(linear_v(x), heads);
    auto p = split_heads(linear_pos(positions), heads);  // (1, H, 2T - 1, D)
    auto position = mx::matmul(q + mx::expand_dims(pos_bias_v, 1), mx::swapaxes(p, 2, 3));  // (B, H, T, 2T - 1)
    auto added = relative_shift(position) * array(scale) + bias;
    auto content = q + mx::expand_dims(pos_bias_u, 1);
    return linear_out(join_heads(mx::fast::scaled_dot_product_attention(content, k, v, scale, "", added)));
  }
};

// (B, T, c) -> (B, T, c)
struct PositionwiseFeedForward {
  Linear w_1, w_2;

  explicit PositionwiseFeedForward(const Weights& weights) : w_1(weights / "w_1"), w_2(weights / "w_2") {}

  array operator()(const array& x) const { return w_2(silu(w_1(x))); }
};

// (B, T, c) -> (B, T, c)
struct ConformerLayer {
  LayerNorm norm_mha, norm_ff;
  RelPositionAttention self_attn;
  PositionwiseFeedForward feed_forward;

  explicit ConformerLayer(const Weights& weights)
      : norm_mha(weights / "norm_mha", 1e-12f),
        norm_ff(weights / "norm_ff", 1e-12f),
        self_attn(weights / "self_attn"),
        feed_forward(weights / "feed_forward") {}

  array operator()(const array& x, const array& positions, const array& bias) const {
    auto h = x + self_attn(norm_mha(x), positions, bias);
    return h + feed_forward(norm_ff(h));
  }
};

// x (B, T, c) and the valid tokens of each item -> mu (B, 2T, mel bins)
struct Encoder {
  LinearEmbedding embed, up_embed;
  PreLookaheadLayer pre_lookahead_layer;
  std::vector<ConformerLayer> encoders, up_encoders;
  Upsample1D up_layer;
  LayerNorm after_norm;
  Linear projection;

  // `flow` has the tensors under the checkpoint's `flow.`
  explicit Encoder(const Weights& flow)
      : embed(flow / "encoder" / "embed"),
        up_embed(flow / "encoder" / "up_embed"),
        pre_lookahead_layer(flow / "encoder" / "pre_lookahead_layer"),
        encoders(modules<ConformerLayer>((flow / "encoder").list("encoders"))),
        up_encoders(modules<ConformerLayer>((flow / "encoder").list("up_encoders"))),
        up_layer(flow / "encoder" / "up_layer"),
        after_norm(flow / "encoder" / "after_norm", 1e-5f),
        projection(flow / "encoder_proj") {}

  int width() const { return embed.linear.weight.shape(1); }

  array operator()(const array& x, const std::vector<int>& lengths, const Tap& tap = untapped) const {
    auto mask = padding_mask(lengths, x.shape(1));
    auto h = tap("encoder.embed", embed(x));
    h = tap("encoder.pre_lookahead_layer", pre_lookahead_layer(h));
    h = through("encoder.encoders", encoders, h, mask, tap);
    h = tap("encoder.up_layer", up_layer(h));
    h = tap("encoder.up_embed", up_embed(h));
    h = through("encoder.up_encoders", up_encoders, h, mx::repeat(mask, up_layer.stride(), 1), tap);
    h = tap("encoder.after_norm", after_norm(h));
    return tap("encoder_proj", projection(h));
  }

 private:
  static array through(
      const std::string& name, const std::vector<ConformerLayer>& layers, array x, const array& mask, const Tap& tap) {
    auto positions = relative_positions(x.shape(1), x.shape(2));
    auto bias = attention_bias(mask);
    for (size_t i = 0; i < layers.size(); ++i) x = tap(name + "." + std::to_string(i), layers[i](x, positions, bias));
    return x;
  }
};

}  // namespace port
