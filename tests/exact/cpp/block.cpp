// A port in C++ of one block of the flow's decoder, reference/decoder.py: UNetBlock with one transformer block.
//
//   block WEIGHTS.safetensors FAULT OUT.mlxfn
//
// FAULT is one of: none, gelu (its tanh approximation), epsilon (1e-6 in layer norms), padding (frames padded on the right).
// The exported function takes x (B, M, width_in), mask (B, M) of 0 and 1, t (B, time_width) and gives (B, M, width).
#include <mlx/export.h>
#include <mlx/mlx.h>

#include <cmath>
#include <iostream>
#include <string>
#include <unordered_map>
#include <vector>

namespace mx = mlx::core;
using mx::array;

namespace {

constexpr int kHeads = 2;
constexpr int kFrames = 7;
constexpr int kBatch = 2;

class Block {
 public:
  Block(std::unordered_map<std::string, array> weights, std::string fault)
      : weights_(std::move(weights)), fault_(std::move(fault)) {}

  array operator()(const array& x, const array& mask, const array& t) const {
    auto h = resnet("resnet", x, mx::expand_dims(mask, 2), t);
    return transformer("transformer_blocks.0", h, attention_bias(mask));
  }

  int width_in() const { return weight("resnet.res_conv.weight").shape(2); }
  int time_width() const { return weight("resnet.time_proj.weight").shape(1); }

 private:
  const array& weight(const std::string& name) const { return weights_.at(name); }

  array linear(const std::string& name, const array& x) const {
    auto turned = mx::transpose(weight(name + ".weight"));
    auto bias = weights_.find(name + ".bias");
    return bias == weights_.end() ? mx::matmul(x, turned) : mx::addmm(bias->second, x, turned);
  }

  array layer_norm(const std::string& name, const array& x) const {
    float eps = fault_ == "epsilon" ? 1e-6f : 1e-5f;
    return mx::fast::layer_norm(x, weight(name + ".weight"), weight(name + ".bias"), eps);
  }

  // (B, M, C), the weight (O, K, C): a frame sees itself and those before it.
  array causal_convolution(const std::string& name, const array& x) const {
    const auto& kernel = weight(name + ".weight");
    int behind = kernel.shape(1) - 1;
    std::pair<int, int> frames = fault_ == "padding" ? std::pair{0, behind} : std::pair{behind, 0};
    return mx::conv1d(mx::pad(x, {{0, 0}, frames, {0, 0}}), kernel) + weight(name + ".bias");
  }

  static array mish(const array& x) { return x * mx::tanh(mx::logaddexp(x, array(0.0f))); }

  array gelu(const array& x) const {
    if (fault_ == "gelu") {
      auto inner = array(static_cast<float>(std::sqrt(2.0 / M_PI))) * (x + array(0.044715f) * x * x * x);
      return array(0.5f) * x * (array(1.0f) + mx::tanh(inner));
    }
    return x * (array(1.0f) + mx::erf(x / array(std::sqrt(2.0f)))) / array(2.0f);
  }

  array block(const std::string& name, const array& x, const array& mask) const {
    return mish(layer_norm(name + ".norm", causal_convolution(name + ".conv", x * mask))) * mask;
  }

  array resnet(const std::string& name, const array& x, const array& mask, const array& t) const {
    auto time = mx::expand_dims(linear(name + ".time_proj", mish(t)), 1);
    auto h = block(name + ".block2", block(name + ".block1", x, mask) + time, mask);
    auto shortcut = mx::conv1d(x * mask, weight(name + ".res_conv.weight")) + weight(name + ".res_conv.bias");
    return h + shortcut;
  }

  // (B, M) -> (B, 1, 1, M): 0, or a large negative where a frame is padding.
  static array attention_bias(const array& mask) {
    auto bias = mx::where(mx::equal(mask, array(0.0f)), array(-1e10f), array(0.0f));
    return mx::expand_dims(bias, std::vector<int>{1, 2});
  }

  static array split(const array& x) {
    auto heads = mx::reshape(x, {x.shape(0), x.shape(1), kHeads, -1});
    return mx::swapaxes(heads, 1, 2);  // (B, H, M, D)
  }

  array attention(const std::string& name, const array& x, const array& bias) const {
    auto q = split(linear(name + ".to_q", x));
    auto k = split(linear(name + ".to_k", x));
    auto v = split(linear(name + ".to_v", x));
    float scale = 1.0f / std::sqrt(static_cast<float>(q.shape(3)));
    auto out = mx::fast::scaled_dot_product_attention(q, k, v, scale, "", bias);
    return linear(name + ".to_out", mx::reshape(mx::swapaxes(out, 1, 2), {x.shape(0), x.shape(1), -1}));
  }

  array transformer(const std::string& name, const array& x, const array& bias) const {
    auto h = attention(name + ".attn1", layer_norm(name + ".norm1", x), bias) + x;
    auto inner = gelu(linear(name + ".ff.proj_in", layer_norm(name + ".norm3", h)));
    return linear(name + ".ff.proj_out", inner) + h;
  }

  std::unordered_map<std::string, array> weights_;
  std::string fault_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: block WEIGHTS.safetensors none|gelu|epsilon|padding OUT.mlxfn\n";
    return 2;
  }
  auto weights = mx::load_safetensors(argv[1]).first;
  for (auto& [name, value] : weights) mx::eval(value);
  Block block(std::move(weights), argv[2]);
  auto exported = [&](const std::vector<array>& in) -> std::vector<array> { return {block(in[0], in[1], in[2])}; };
  mx::export_function(
      argv[3],
      exported,
      std::vector<array>{
          mx::ones({kBatch, kFrames, block.width_in()}),
          mx::ones({kBatch, kFrames}),
          mx::ones({kBatch, block.time_width()})});
}
