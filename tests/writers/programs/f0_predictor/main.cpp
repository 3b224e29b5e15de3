// Mel to fundamental frequency: the vocoder's f0 predictor in plain loops. Sums are double, dumps are float32.
//
// `WEIGHTS BUNDLE DUMPS` runs twice from the bundle's inputs: freely, and into DUMPS/local with the bundle's value of
// each tap, so that every block has errors of its own alone.
#include <cmath>
#include <functional>
#include <iostream>
#include <memory>

#include "parity_dump.hpp"

using Values = parity::Array<float>;

// (B, in, T) -> (B, out, T). Convolution of width 3 over frames, zeros beside the first and the last.
Values convolution(const Values& x, const Values& weight, const Values& bias) {
    const std::size_t in = x.shape[1], frames = x.shape[2], out = weight.shape[0];
    Values y{{x.shape[0], out, frames}, {}};
    for (std::size_t b = 0; b < x.shape[0]; ++b) {
        for (std::size_t o = 0; o < out; ++o) {
            for (std::size_t t = 0; t < frames; ++t) {
                double sum = bias.values[o];
                for (std::size_t i = 0; i < in; ++i) {
                    for (std::size_t k = 0; k < 3; ++k) {
                        if (t + k < 1 || t + k > frames) continue;
                        const double seen = x.values[(b * in + i) * frames + t + k - 1];
                        sum += seen * weight.values[(o * in + i) * 3 + k];
                    }
                }
                y.values.push_back(float(sum));
            }
        }
    }
    return y;
}

Values elu(Values x) {
    for (float& value : x.values) value = value > 0 ? value : float(std::expm1(double(value)));
    return x;
}

// (B, in, T) -> (B, T, 1).
Values classifier(const Values& x, const Values& weight, const Values& bias) {
    const std::size_t in = x.shape[1], frames = x.shape[2];
    Values y{{x.shape[0], frames, 1}, {}};
    for (std::size_t b = 0; b < x.shape[0]; ++b) {
        for (std::size_t t = 0; t < frames; ++t) {
            double sum = bias.values[0];
            for (std::size_t i = 0; i < in; ++i) sum += double(weight.values[i]) * x.values[(b * in + i) * frames + t];
            y.values.push_back(float(sum));
        }
    }
    return y;
}

void run(const std::string& weights, const std::string& bundle, const std::string& dumps, bool local) {
    const std::string predictor = "vocoder.f0_predictor";
    parity::Dump dump(dumps);
    const auto tap = [&](const std::string& name, const Values& value) {
        dump.write(name, value.values.data(), value.shape);
        return local ? parity::read<float>(bundle + "/" + name + ".npy") : value;
    };
    const auto weight = [&](const std::string& name) { return parity::read<float>(weights + "/" + name + ".npy"); };
    Values x = parity::read<float>(bundle + "/inputs/mel.npy");
    for (int layer = 0; layer < 5; ++layer) {
        const std::string name = "convs." + std::to_string(layer);
        x = elu(tap(predictor + "." + name, convolution(x, weight(name + ".weight"), weight(name + ".bias"))));
    }
    x = tap(predictor + ".classifier", classifier(x, weight("classifier.weight"), weight("classifier.bias")));
    for (float& value : x.values) value = std::abs(value);
    x.shape.pop_back();
    x = tap(predictor, x);
    const auto voiced = std::make_unique<bool[]>(x.values.size());
    for (std::size_t i = 0; i < x.values.size(); ++i) voiced[i] = x.values[i] > 10;
    dump.write("vocoder.voiced", voiced.get(), x.shape);
}

int main(int, char** arguments) try {
    const std::string weights = arguments[1], bundle = arguments[2], dumps = arguments[3];
    run(weights, bundle, dumps, false);
    run(weights, bundle, dumps + "/local", true);
    return 0;
} catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
