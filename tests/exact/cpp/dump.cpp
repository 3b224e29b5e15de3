// Runs the encoder on a bundle's inputs and dumps its taps: freely, then with the bundle's value in the place of each.
//
//   dump CHECKPOINT.safetensors BUNDLE DUMPS
#include <mlx/mlx.h>

#include <exception>
#include <filesystem>
#include <iostream>

#include "encoder.h"

namespace {

namespace mx = mlx::core;

using Path = std::filesystem::path;

void run(const port::Weights& flow, const Path& bundle, const Path& dumps, bool local) {
  std::filesystem::create_directories(dumps);
  auto tap = [&](const std::string& name, const mx::array& value) {
    mx::save(dumps / (name + ".npy"), value);
    return local ? mx::load(bundle / (name + ".npy")) : value;
  };
  auto tokens = mx::load(bundle / "inputs/tokens.npy"), lengths = mx::load(bundle / "inputs/lengths.npy");
  lengths.eval();
  std::vector<int> valid(lengths.data<int64_t>(), lengths.data<int64_t>() + lengths.size());
  auto mask = mx::expand_dims(port::padding_mask(valid, tokens.shape(1)), 2);
  auto x = tap("input_embedding", mx::take((flow / "input_embedding")["weight"], tokens, 0));
  port::Encoder encoder(flow);
  encoder(x * mask, valid, tap);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: dump CHECKPOINT.safetensors BUNDLE DUMPS\n";
    return 2;
  }
  try {
    auto flow = port::Weights(argv[1]) / "flow";
    run(flow, argv[2], argv[3], false);
    run(flow, argv[2], Path(argv[3]) / "local", true);
  } catch (const std::exception& error) {
    std::cerr << "dump: " << error.what() << "\n";
    return 2;
  }
}
