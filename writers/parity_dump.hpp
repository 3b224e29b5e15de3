// Dumps a port's tensors under the names of taps, and reads the inputs that a bundle holds.
//
//     const auto mel = parity::read<float>("bundle/inputs/mel.npy");  // in C order, whatever the file's order is
//     parity::Dump dump("dumps");
//     dump.write("vocoder.f0_predictor", f0.data(), {1, frames});
//
// Files are NPY 1.0, little-endian. A file appears whole or not at all. Whatever is wrong throws std::runtime_error.
// C++17 and its standard library alone: copy this file into the port. MIT licence, as all of chatterbox-parity.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "parity_dump.hpp copies the bytes of numbers, and needs a little-endian machine"
#endif

namespace parity {

// The order of values in memory. A shape is that of the axes from first to last: `ne` of ggml backwards, in C order.
enum class Order { C, Fortran };
using Shape = std::vector<std::size_t>;

struct float16 { std::uint16_t bits; };  // as _Float16, __fp16 and ggml_fp16_t hold it

// A bfloat16 as the float of the same value, for NPY has no bfloat16.
inline float widened(std::uint16_t bfloat16) {
    const std::uint32_t bits = std::uint32_t{bfloat16} << 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

template <class T>
std::string descr() {
    static_assert(std::is_same_v<T, float16> || (std::is_arithmetic_v<T> && sizeof(T) <= 8), "NPY has no such number");
    const char kind = std::is_same_v<T, bool> ? 'b' : std::is_unsigned_v<T> ? 'u' : std::is_integral_v<T> ? 'i' : 'f';
    return (sizeof(T) == 1 ? "|" : "<") + (kind + std::to_string(sizeof(T)));
}

inline std::size_t count(const Shape& shape) {
    std::size_t product = 1;
    for (const std::size_t length : shape) {
        if (length > std::size_t(-1) / 16 / (product + 1)) throw std::runtime_error("a shape beyond any memory");
        product *= length;
    }
    return product;
}

// Where the value stands in memory that is the i-th in C order.
inline std::size_t place(std::size_t i, const Shape& shape, std::size_t size, Order order) {
    if (order == Order::C) return i;
    std::size_t at = 0;
    for (std::size_t axis = shape.size(), step = size; axis-- > 0; i /= shape[axis]) {
        step /= shape[axis];
        at += i % shape[axis] * step;
    }
    return at;
}

// What a header says, as numpy.save spells it.
inline std::string dictionary(const std::string& descr, const Shape& shape, Order order) {
    std::string lengths;
    for (const std::size_t length : shape) lengths += (lengths.empty() ? "" : ", ") + std::to_string(length);
    return "{'descr': '" + descr + "', 'fortran_order': " + (order == Order::C ? "False" : "True") + ", 'shape': (" +
           lengths + (shape.size() == 1 ? ",), }" : "), }");
}

// The bytes before the values, as numpy.save pads them: one axis has room to grow, and values begin at 64 bytes.
inline std::string header(const std::string& descr, const Shape& shape, Order order) {
    std::string text = dictionary(descr, shape, order);
    if (!shape.empty()) text.append(21 - std::to_string(order == Order::C ? shape.front() : shape.back()).size(), ' ');
    text.append(64 - (11 + text.size()) % 64, ' ').push_back('\n');
    if (text.size() > 0xffff) throw std::runtime_error("a shape of more axes than NPY 1.0 has room for");
    return std::string("\x93NUMPY\1\0", 8) + char(text.size() & 0xff) + char(text.size() >> 8) + text;
}

// A folder of dumps, made where it is not there.
class Dump {
public:
    explicit Dump(std::filesystem::path folder) : folder_(std::move(folder)) {
        std::filesystem::create_directories(folder_);
    }

    // The values of a tap, as many as `shape` says. A loop numbers its taps: "ode.state[step=3]".
    template <class T>
    void write(const std::string& tap, const T* values, const Shape& shape, Order order = Order::C) {
        put(tap, ".npy", header(descr<T>(), shape, order), values, count(shape) * sizeof(T));
    }

    // A file of a tap, whole or not at all: `head`, and `size` bytes of `data`.
    void put(const std::string& tap, const std::string& ending, const std::string& head, const void* data = nullptr,
             std::size_t size = 0) {
        if (tap.empty() || tap[0] == '.' || tap.find_first_of(std::string("/\\\0", 3)) != std::string::npos) {
            throw std::runtime_error("tap '" + tap + "': a name begins with no dot and has no / and no \\");
        }
        if (!written_.insert(tap).second) {
            throw std::runtime_error("tap '" + tap + "' is dumped twice: number it, as in " + tap + "[step=1]");
        }
        const auto file = folder_ / (tap + ending), partial = folder_ / ("." + tap + ending + ".partial");
        std::ofstream out(partial, std::ios::binary);
        out << head;
        out.write(static_cast<const char*>(data), std::streamsize(size));
        out.close();
        std::error_code failed, ignored;
        if (out) std::filesystem::rename(partial, file, failed);
        if (out && !failed) return;
        std::filesystem::remove(partial, ignored);
        throw std::runtime_error(file.string() + ": cannot be written");
    }

private:
    std::filesystem::path folder_;
    std::set<std::string> written_;
};

template <class T>
struct Array {
    Shape shape;
    std::vector<T> values;  // in C order
};

// The array in a file, whose dtype must be T.
template <class T>
Array<T> read(const std::filesystem::path& path) {
    const auto refusal = [&](const std::string& why) { return std::runtime_error(path.string() + ": " + why); };
    std::ifstream in(path, std::ios::binary);
    const std::string file{std::istreambuf_iterator<char>(in), {}};
    if (!in.is_open()) throw refusal("cannot be opened");
    if (file.compare(0, 8, std::string("\x93NUMPY\1\0", 8)) != 0) throw refusal("not an NPY file of version 1.0");
    const std::size_t start = file.size() < 10 ? 10 : 10 + std::uint8_t(file[8]) + 256 * std::uint8_t(file[9]);
    if (file.size() < start) throw refusal("truncated");
    std::string text = file.substr(10, start - 10);
    text.erase(text.find_last_not_of(" \n") + 1);
    Array<T> array;
    const Order order = text.find("'fortran_order': True") == std::string::npos ? Order::C : Order::Fortran;
    char* end = nullptr;
    for (const char* at = std::strchr(text.c_str(), '('); at && *at != ')'; at = end) {
        const auto length = std::strtoull(at + 1, &end, 10);
        if (end == at + 1) break;
        array.shape.push_back(length);
    }
    const std::string expected = dictionary(descr<T>(), array.shape, order);
    if (text != expected) throw refusal("got " + text + "; expected " + expected);
    const std::size_t size = count(array.shape);
    if (file.size() != start + size * sizeof(T)) throw refusal("truncated or over-long");
    for (std::size_t i = 0; i < size; ++i) {
        const char* from = file.data() + start + place(i, array.shape, size, order) * sizeof(T);
        if (std::is_same_v<T, bool> && std::uint8_t(*from) > 1) throw refusal("bools other than 0 and 1");
        T value;
        std::memcpy(&value, from, sizeof value);
        array.values.push_back(value);
    }
    return array;
}

}  // namespace parity
