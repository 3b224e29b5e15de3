// Writes a part of the port as a graph, for one set of shapes.
//
//   export CHECKPOINT.safetensors OUT.mlxfn encoder LENGTH...
//   export CHECKPOINT.safetensors OUT.mlxfn decoder_block BLOCK HEADS BATCH FRAMES
//
// encoder: x (B, T, c) -> mu (B, 2T, mel bins), for B items of so many valid tokens each; T is the largest LENGTH.
// decoder_block: x (B, M, in), mask (B, M), t (B, time) -> (B, M, c). BLOCK is its name in the estimator, such as
// mid_blocks.0; the number of its heads is the one dimension that no tensor has.
#include <mlx/export.h>

#include <algorithm>
#include <exception>
#include <iostream>

#include "decoder_block.h"
#include "encoder.h"

namespace {

namespace mx = mlx::core;
using Arrays = std::vector<mx::array>;
using Arguments = std::vector<std::string>;

void export_encoder(const port::Weights& flow, const std::string& file, const Arguments& given) {
  port::Encoder encoder(flow);
  std::vector<int> lengths;
  for (const auto& length : given) lengths.push_back(std::stoi(length));
  int batch = lengths.size(), tokens = *std::max_element(lengths.begin(), lengths.end());
  auto function = [&](const Arrays& in) -> Arrays { return {encoder(in[0], lengths)}; };
  mx::export_function(file, function, Arrays{mx::ones({batch, tokens, encoder.width()})});
}

void export_decoder_block(const port::Weights& flow, const std::string& file, const Arguments& given) {
  port::DecoderBlock block(flow / "decoder" / "estimator" / given.at(0), std::stoi(given.at(1)));
  int batch = std::stoi(given.at(2)), frames = std::stoi(given.at(3));
  auto function = [&](const Arrays& in) -> Arrays { return {block(in[0], in[1], in[2])}; };
  auto x = mx::ones({batch, frames, block.width_in()}), mask = mx::ones({batch, frames});
  mx::export_function(file, function, Arrays{x, mask, mx::ones({batch, block.time_width()})});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::cerr << "usage: export CHECKPOINT.safetensors OUT.mlxfn encoder LENGTH...\n"
                 "       export CHECKPOINT.safetensors OUT.mlxfn decoder_block BLOCK HEADS BATCH FRAMES\n";
    return 2;
  }
  try {
    auto flow = port::Weights(argv[1]) / "flow";
    auto part = std::string(argv[3]) == "encoder" ? export_encoder : export_decoder_block;
    part(flow, argv[2], {argv + 4, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << "export: " << error.what() << "\n";
    return 2;
  }
}
