// Runs the encoder on a golden folder's inputs and dumps its taps.
//
//   dump CHECKPOINT.safetensors GOLDEN DUMPS accumulated|local
//
// DUMPS is a folder that is there. `local` puts the golden folder's value in the place of each tap, so that each block
// is given the reference's.
#include <mlx/mlx.h>

#include <exception>
#include <iostream>

#include "encoder.h"

namespace {

namespace mx = mlx::core;

void run(const std::string& checkpoint, const std::string& golden, const std::string& dumps, bool local) {
  auto flow = port::Weights(checkpoint) / "flow";
  auto tap = [&](const std::string& name, const mx::array& value) {
    mx::save(dumps + "/" + name + ".npy", value);
    return local ? mx::load(golden + "/" + name + ".npy") : value;
  };
  auto tokens = mx::load(golden + "/inputs/tokens.npy"), lengths = mx::load(golden + "/inputs/lengths.npy");
  lengths.eval();
  std::vector<int> valid(lengths.data<int64_t>(), lengths.data<int64_t>() + lengths.size());
  auto mask = mx::expand_dims(port::padding_mask(valid, tokens.shape(1)), 2);
  auto x = tap("input_embedding", mx::take((flow / "input_embedding")["weight"], tokens, 0));
  port::Encoder encoder(flow);
  mx::eval(encoder(x * mask, valid, tap));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: dump CHECKPOINT.safetensors GOLDEN DUMPS accumulated|local\n";
    return 2;
  }
  try {
    run(argv[1], argv[2], argv[3], std::string(argv[4]) == "local");
  } catch (const std::exception& error) {
    std::cerr << "dump: " << error.what() << "\n";
    return 2;
  }
}
