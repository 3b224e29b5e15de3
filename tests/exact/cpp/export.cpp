// Writes a part of the port as a graph, for one set of shapes.
//
//   export CHECKPOINT.safetensors OUT.mlxfn encoder LENGTH...
//   export CHECKPOINT.safetensors OUT.mlxfn decoder_block BLOCK HEADS BATCH FRAMES
//   export CHECKPOINT.safetensors OUT.mlxfn decoder HEADS BATCH FRAMES
//
// encoder: x (B, T, c) -> mu (B, 2T, mel bins), for B items of so many valid tokens each; T is the largest LENGTH.
// decoder_block: x (B, M, in), mask (B, M), t (B, time) -> (B, M, c). BLOCK is its name in the estimator, such as
// mid_blocks.0; the number of its heads is the one dimension that no tensor has.
// decoder: x (B, M, mel bins), mask (B, M), mu as x, t (B), speaker (B, mel bins), cond as x -> (B, M, mel bins).
#include <mlx/export.h>

#include <algorithm>
#include <exception>
#include <iostream>

#include "decoder.h"
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

void export_decoder(const port::Weights& flow, const std::string& file, const Arguments& given) {
  port::Decoder decoder(flow / "decoder" / "estimator", std::stoi(given.at(0)));
  int batch = std::stoi(given.at(1)), frames = std::stoi(given.at(2));
  auto function = [&](const Arrays& in) -> Arrays { return {decoder(in[0], in[1], in[2], in[3], in[4], in[5])}; };
  auto mel = mx::ones({batch, frames, decoder.mel_bins()}), mask = mx::ones({batch, frames});
  auto t = mx::ones({batch}), speaker = mx::ones({batch, decoder.mel_bins()});
  mx::export_function(file, function, Arrays{mel, mask, mel, t, speaker, mel});
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Arguments given(argv + 1, argv + argc);
    std::map<std::string, decltype(&export_encoder)> parts{
        {"encoder", export_encoder}, {"decoder_block", export_decoder_block}, {"decoder", export_decoder}};
    auto part = given.size() > 3 ? parts.find(given[2]) : parts.end();
    if (part == parts.end()) throw std::runtime_error("expected CHECKPOINT OUT encoder|decoder_block|decoder SHAPE...");
    part->second(port::Weights(given[0]) / "flow", given[1], {given.begin() + 3, given.end()});
  } catch (const std::exception& error) {
    std::cerr << "export: " << error.what() << "\n";
    return 2;
  }
}
