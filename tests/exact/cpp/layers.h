// Layers of a port in C++: torch.nn's, channels-last, with the weights of a checkpoint as PyTorch stores them.
#pragma once

#include <mlx/mlx.h>

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace port {

namespace mx = mlx::core;
using mx::array;

// The tensors of a safetensors file whose names begin alike: weights / "encoder" / "embed" has those of encoder.embed.
class Weights {
 public:
  explicit Weights(const std::string& file) {
    auto loaded = mx::load_safetensors(file).first;
    tensors_ = std::make_shared<const Tensors>(loaded.begin(), loaded.end());
  }

  Weights operator/(const std::string& name) const { return {tensors_, prefix_ + name + "."}; }

  // As it is stored, in memory of its own: a function that is exported holds no view and nothing yet to be computed.
  array operator[](const std::string& name) const { return turned(name, {}); }

  // With its axes in that order.
  array turned(const std::string& name, const std::vector<int>& axes) const {
    auto found = tensors_->find(prefix_ + name);
    if (found == tensors_->end()) throw std::runtime_error("the file has no tensor " + prefix_ + name);
    auto tensor = mx::contiguous(axes.empty() ? found->second : mx::transpose(found->second, axes));
    tensor.eval();
    return tensor;
  }

  // Whether there is a tensor of that name, or any under it.
  bool has(const std::string& name) const {
    auto found = tensors_->lower_bound(prefix_ + name);
    return found != tensors_->end() && found->first.starts_with(prefix_ + name);
  }

  // Those of a list of modules: name.0, name.1 and so on, as many as the file has.
  std::vector<Weights> list(const std::string& name) const {
    std::vector<Weights> modules;
    while (has(name + "." + std::to_string(modules.size()) + "."))
      modules.push_back(*this / name / std::to_string(modules.size()));
    return modules;
  }

 private:
  using Tensors = std::map<std::string, array>;
  Weights(std::shared_ptr<const Tensors> tensors, std::string prefix)
      : tensors_(std::move(tensors)), prefix_(std::move(prefix)) {}

  std::shared_ptr<const Tensors> tensors_;
  std::string prefix_;
};

// A module for each of a list's weights.
template <typename Module, typename... Options>
std::vector<Module> modules(const std::vector<Weights>& weights, const Options&... options) {
  std::vector<Module> made;
  for (const auto& of_one : weights) made.emplace_back(of_one, options...);
  return made;
}

// Every block's value goes through one: it is looked at, and returned as it is or with another in its place.
using Tap = std::function<array(const std::string& name, const array& value)>;

inline array untapped(const std::string&, const array& value) { return value; }

struct Linear {
  array weight;  // (out, in)
  std::optional<array> bias;

  explicit Linear(const Weights& weights) : weight(weights["weight"]) {
    if (weights.has("bias")) bias = weights["bias"];
  }

  array operator()(const array& x) const {
    auto turned = mx::transpose(weight);
    return bias ? mx::addmm(*bias, x, turned) : mx::matmul(x, turned);
  }
};

struct LayerNorm {
  array weight, bias;
  float eps;

  LayerNorm(const Weights& weights, float eps) : weight(weights["weight"]), bias(weights["bias"]), eps(eps) {}

  array operator()(const array& x) const { return mx::fast::layer_norm(x, weight, bias, eps); }
};

// (B, T, in) -> (B, T, out), with so many zeros before the first frame and after the last.
struct Conv1d {
  array weight;  // (out, k, in), turned from PyTorch's (out, in, k)
  array bias;

  explicit Conv1d(const Weights& weights) : weight(weights.turned("weight", {0, 2, 1})), bias(weights["bias"]) {}

  int kernel() const { return weight.shape(1); }

  array operator()(const array& x, int before = 0, int after = 0) const {
    return mx::conv1d(mx::pad(x, {{0, 0}, {before, after}, {0, 0}}), weight) + bias;
  }
};

inline array silu(const array& x) { return x * mx::sigmoid(x); }

inline array mish(const array& x) { return x * mx::tanh(mx::logaddexp(x, array(0.0f))); }

inline array gelu(const array& x) { return x * (array(1.0f) + mx::erf(x / array(std::sqrt(2.0f)))) / array(2.0f); }

inline array leaky_relu(const array& x) { return mx::maximum(x, array(0.01f) * x); }

// (B, T, H * D) -> (B, H, T, D)
inline array split_heads(const array& x, int heads) {
  return mx::swapaxes(mx::reshape(x, {x.shape(0), x.shape(1), heads, -1}), 1, 2);
}

// (B, H, T, D) -> (B, T, H * D)
inline array join_heads(const array& x) {
  return mx::reshape(mx::swapaxes(x, 1, 2), {x.shape(0), x.shape(2), -1});
}

// (B, T): 1 where a frame is real, 0 where it is padding.
inline array padding_mask(const std::vector<int>& lengths, int frames) {
  auto limits = array(lengths.data(), {static_cast<int>(lengths.size()), 1});
  return mx::astype(mx::less(mx::arange(frames), limits), mx::float32);
}

// A mask (B, T) of 0 and 1 -> what is added to scores (B, 1, 1, T): 0, or a large negative where a frame is padding.
inline array attention_bias(const array& mask) {
  auto bias = mx::where(mx::equal(mask, array(0.0f)), array(-1e10f), array(0.0f));
  return mx::expand_dims(bias, std::vector<int>{1, 2});
}

}  // namespace port
