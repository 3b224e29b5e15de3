// The record of a tensor that is too big to be dumped: a hash, RMS, extremes, and projections of each slice.
//
//     dump.put("decoder[step=9]", ".json", parity::record(x.data(), {2, 80, 4000}, 1));  // slices along the first axis
//
// C++17 and its standard library alone: copy this file beside parity_dump.hpp. MIT licence, as all of chatterbox-parity.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <iomanip>
#include <limits>
#include <locale>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace parity {

inline std::uint64_t mix(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
}

template <class T>
std::string dtype() {
    if (std::is_same_v<T, bool>) return "bool";
    return (std::is_unsigned_v<T> ? "uint" : std::is_integral_v<T> ? "int" : "float") + std::to_string(8 * sizeof(T));
}

// The record of float, double, bool or integers in C order, as JSON. The first `leading` axes are kept: each slice along
// them has sums of its own. Half precision is given as float, with "float16" or "bfloat16" as `stored`.
template <class T>
std::string record(const T* values, const std::vector<std::size_t>& shape, std::size_t leading,
                   const std::string& stored = dtype<T>()) {
    constexpr bool whole = std::is_integral_v<T>;
    constexpr std::size_t projections = 16;
    static_assert(whole || sizeof(T) == 4 || sizeof(T) == 8, "float, double, bool or an integer");
    if (leading > shape.size()) throw std::runtime_error("more leading axes than the shape has");
    std::size_t slices = 1, length = 1, finite = 0;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) (axis < leading ? slices : length) *= shape[axis];
    std::vector<double> sums(whole ? 0 : slices * projections);
    std::uint64_t hash = 0;
    double square = 0, low = std::numeric_limits<double>::infinity(), high = -low;
    for (std::size_t i = 0; i < slices * length; ++i) {
        std::uint64_t bits = 0;
        if constexpr (whole) bits = std::uint64_t(std::int64_t(values[i]));
        else std::memcpy(&bits, &values[i], sizeof(T));
        const std::uint64_t u = mix((i + 1) * 0x9E3779B97F4A7C15);
        hash += mix(u ^ bits);
        const double x = double(values[i]);
        if (!std::isfinite(x)) continue;
        ++finite;
        square += x * x;
        low = std::min(low, x);
        high = std::max(high, x);
        if (whole) continue;
        for (std::size_t j = 0; j < projections; ++j) sums[i / length * projections + j] += u >> j & 1 ? -x : x;
    }
    std::ostringstream out;
    out.imbue(std::locale::classic());
    out.precision(17);
    const auto list = [&](const auto& numbers) {
        out << '[';
        for (std::size_t i = 0; i < numbers.size(); ++i) out << (i ? ", " : "") << numbers[i];
        out << ']';
    };
    out << "{\"reduced\": 1, \"shape\": ";
    list(shape);
    out << ", \"dtype\": \"" << stored << "\", \"leading\": " << leading << ", \"projections\": " << projections
        << ", \"hash\": \"" << std::hex << std::setfill('0') << std::setw(16) << hash << std::dec
        << "\", \"rms\": " << (finite ? std::sqrt(square / double(finite)) : 0) << ", \"min\": " << (finite ? low : 0)
        << ", \"max\": " << (finite ? high : 0) << ", \"nonfinite\": " << slices * length - finite << ", \"values\": ";
    list(sums);
    out << "}\n";
    return out.str();
}

}  // namespace parity
