// The flow's decoder, reference/decoder.py: the velocity of a mel at a time, by a U-Net of one level.
#pragma once

#include "decoder_block.h"

namespace port {

// t (B) -> (B, width): sines, then cosines, of 1000 t f; the frequencies f fall geometrically from 1 to 1/10000.
inline array time_sinusoids(const array& t, int width) {
  int half = width / 2;
  auto exponent = mx::arange(0, half, 1, mx::float32) * array(-std::log(10000.0f) / (half - 1));
  auto angle = mx::expand_dims(array(1000.0f) * t, 1) * mx::exp(exponent);
  return mx::concatenate({mx::sin(angle), mx::cos(angle)}, 1);
}

// (B, c) -> (B, c)
struct TimestepEmbedding {
  Linear linear_1, linear_2;

  explicit TimestepEmbedding(const Weights& weights)
      : linear_1(weights / "linear_1"), linear_2(weights / "linear_2") {}

  array operator()(const array& x) const { return linear_2(silu(linear_1(x))); }
};

// x, mu and cond (B, M, mel bins), a mask of frames (B, M), t (B) and speaker (B, mel bins) -> (B, M, mel bins)
struct Decoder {
  TimestepEmbedding time_mlp;
  DecoderBlock down, up;
  Conv1d down_conv, up_conv;
  std::vector<DecoderBlock> mid_blocks;
  CausalBlock1D final_block;
  Conv1d final_proj;

  // `estimator` has the tensors under the checkpoint's `flow.decoder.estimator.`
  Decoder(const Weights& estimator, int heads)
      : time_mlp(estimator / "time_mlp"),
        down(estimator / "down_blocks" / "0", heads),
        up(estimator / "up_blocks" / "0", heads),
        down_conv(estimator / "down_blocks" / "0" / "2"),
        up_conv(estimator / "up_blocks" / "0" / "2"),
        mid_blocks(modules<DecoderBlock>(estimator.list("mid_blocks"), heads)),
        final_block(estimator / "final_block"),
        final_proj(estimator / "final_proj") {}

  int mel_bins() const { return final_proj.weight.shape(0); }

  array operator()(
      const array& x,
      const array& mask,
      const array& mu,
      const array& t,
      const array& speaker,
      const array& cond) const {
    auto time = time_mlp(time_sinusoids(t, down.width_in()));
    auto real = mx::expand_dims(mask, 2);
    auto voice = mx::broadcast_to(mx::expand_dims(speaker, 1), x.shape());
    auto skip = down(mx::concatenate({x, mu, voice, cond}, 2), mask, time);
    auto h = down_conv(skip * real, down_conv.kernel() - 1, 0);
    for (const auto& block : mid_blocks) h = block(h, mask, time);
    h = up(mx::concatenate({h, skip}, 2), mask, time);
    h = up_conv(h * real, up_conv.kernel() - 1, 0);
    return final_proj(final_block(h, real) * real) * real;
  }
};

}  // namespace port
