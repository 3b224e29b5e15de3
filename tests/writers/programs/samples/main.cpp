// `samples FOLDER` dumps the samples, `twice FOLDER TAP` one tap twice, `copy DTYPE FILE FOLDER TAP` what it reads,
// and `record DTYPE FILE FOLDER TAP` the record of what it reads, with one leading axis.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <memory>

#include "parity_dump.hpp"
#include "parity_reduced.hpp"

template <class T>
void copy(const std::string& file, const std::string& folder, const std::string& tap) {
    const parity::Array<T> array = parity::read<T>(file);
    const auto values = std::make_unique<T[]>(array.values.size());
    std::copy(array.values.begin(), array.values.end(), values.get());
    parity::Dump(folder).write(tap, values.get(), array.shape);
}

template <class T>
void record(const std::string& file, const std::string& folder, const std::string& tap) {
    const parity::Array<T> array = parity::read<T>(file);
    const auto values = std::make_unique<T[]>(array.values.size());
    std::copy(array.values.begin(), array.values.end(), values.get());
    parity::Dump(folder).put(tap, ".json", parity::record(values.get(), array.shape, 1));
}

void samples(const std::string& folder) {
    parity::Dump dump(folder);
    std::vector<float> ramp(24), by_columns(24);
    for (std::size_t i = 0; i < 24; ++i) {
        ramp[i] = float(i) / 4 - 1;
        by_columns[i / 12 + i / 4 % 3 * 2 + i % 4 * 6] = ramp[i];
    }
    dump.write("decoder.mid.3.resnet[step=2]", ramp.data(), {2, 3, 4});
    dump.write("fortran[order=F]", by_columns.data(), {2, 3, 4}, parity::Order::Fortran);
    const double doubles[] = {std::acos(-1.0), -0.0, INFINITY};
    dump.write("float64", doubles, {3});
    const parity::float16 halves[] = {{0x3c00}, {0xc000}, {0x3800}, {0x7bff}};
    dump.write("float16", halves, {2, 2});
    const float brains[] = {parity::widened(0x3f80), parity::widened(0xc000), parity::widened(0x4049)};
    dump.write("bfloat16", brains, {3});
    const std::int64_t longs[] = {7, -8, std::int64_t{1} << 62};
    dump.write("t3.token[token=0]", longs, {1, 3});
    const std::int32_t ints[] = {-1, 2147483647};
    dump.write("int32", ints, {2});
    const bool bools[] = {true, false, true};
    dump.write("bool", bools, {3, 1});
    const float quarter = 0.25F;
    dump.write("scalar", &quarter, {});
    dump.write("empty", &quarter, {0, 3});
    const std::uint8_t zero = 0;
    dump.write("twenty.axes", &zero, parity::Shape(20, 1));
}

void twice(const std::string& folder, const std::string& tap) {
    parity::Dump dump(folder);
    const float value = 1;
    dump.write(tap, &value, {});
    dump.write(tap, &value, {});
}

int main(int, char** argv) try {
    if (argv[1] == std::string("samples")) return samples(argv[2]), 0;
    if (argv[1] == std::string("twice")) return twice(argv[2], argv[3]), 0;
    const std::string command = argv[1] + std::string(" ") + argv[2], file = argv[3], folder = argv[4], tap = argv[5];
    if (command == "copy float32") copy<float>(file, folder, tap);
    else if (command == "copy float64") copy<double>(file, folder, tap);
    else if (command == "copy float16") copy<parity::float16>(file, folder, tap);
    else if (command == "copy int64") copy<std::int64_t>(file, folder, tap);
    else if (command == "copy int32") copy<std::int32_t>(file, folder, tap);
    else if (command == "copy bool") copy<bool>(file, folder, tap);
    else if (command == "record float32") record<float>(file, folder, tap);
    else if (command == "record float64") record<double>(file, folder, tap);
    else if (command == "record int64") record<std::int64_t>(file, folder, tap);
    else if (command == "record int32") record<std::int32_t>(file, folder, tap);
    else if (command == "record bool") record<bool>(file, folder, tap);
    else throw std::runtime_error("no such command: " + command);
    return 0;
} catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
