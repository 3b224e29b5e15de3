// Dumps a port's tensors under the names of taps, and reads the inputs that a bundle holds.
//
//     let mel = try ParityDump.read(Float.self, "bundle/inputs/mel.npy")  // in C order, whatever the file's order is
//     let dump = try ParityDump("dumps")
//     try dump.write("vocoder.f0_predictor", f0, [1, frames])
//
// Files are NPY 1.0, little-endian. A file appears whole or not at all. Whatever is wrong throws.
// Foundation alone: copy this file into the port. MIT licence, as all of chatterbox-parity.

import Foundation

/// A number that an NPY file holds. Swift's machines are little-endian: its bytes are those in memory.
public protocol ParityElement {
    static var descr: String { get }
}

extension Float: ParityElement { public static var descr: String { "<f4" } }
extension Double: ParityElement { public static var descr: String { "<f8" } }
extension Int8: ParityElement { public static var descr: String { "|i1" } }
extension Int16: ParityElement { public static var descr: String { "<i2" } }
extension Int32: ParityElement { public static var descr: String { "<i4" } }
extension Int64: ParityElement { public static var descr: String { "<i8" } }
extension UInt8: ParityElement { public static var descr: String { "|u1" } }
extension UInt32: ParityElement { public static var descr: String { "<u4" } }
extension Bool: ParityElement { public static var descr: String { "|b1" } }
#if !(os(macOS) && arch(x86_64))
extension Float16: ParityElement { public static var descr: String { "<f2" } }
#endif

/// What is wrong with a file, a name or a shape.
public struct ParityDumpError: Error, CustomStringConvertible {
    public let description: String
}

/// A folder of dumps.
public final class ParityDump {
    /// The order of values in memory. A shape is that of the axes from first to last: `ne` of ggml backwards, in C order.
    public enum Order {
        case c, fortran
    }

    private let folder: URL
    private var written = Set<String>()

    /// The folder is made where it is not there.
    public init(_ path: String) throws {
        folder = URL(fileURLWithPath: path, isDirectory: true)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    /// The values of a tap. A loop numbers its taps: "ode.state[step=3]".
    public func write<T: ParityElement>(_ tap: String, _ values: [T], _ shape: [Int], order: Order = .c) throws {
        if Self.count(shape) != values.count {
            throw ParityDumpError(description: "tap '\(tap)': \(values.count) values for the shape \(shape)")
        }
        var bytes = try Self.header(T.descr, shape, order)
        values.withUnsafeBytes { bytes.append(contentsOf: $0) }
        try put(tap, ".npy", bytes)
    }

    /// A file of a tap, whole or not at all.
    public func put(_ tap: String, _ ending: String, _ bytes: Data) throws {
        if tap.isEmpty || tap.hasPrefix(".") || tap.contains(where: { "/\\\0".contains($0) }) {
            throw ParityDumpError(description: "tap '\(tap)': a name begins with no dot and has no / and no \\")
        }
        if !written.insert(tap).inserted {
            throw ParityDumpError(description: "tap '\(tap)' is dumped twice: number it, as in \(tap)[step=1]")
        }
        try bytes.write(to: folder.appendingPathComponent(tap + ending, isDirectory: false), options: .atomic)
    }

    /// Bfloat16 numbers as floats of the same values, for NPY has no bfloat16.
    public static func widened(_ bfloat16: [UInt16]) -> [Float] {
        bfloat16.map { Float(bitPattern: UInt32($0) << 16) }
    }

    /// The array in a file, whose dtype must be `T`: its values in C order, and its shape.
    public static func read<T: ParityElement>(_ type: T.Type, _ path: String) throws -> (values: [T], shape: [Int]) {
        func refusal(_ why: String) -> ParityDumpError { ParityDumpError(description: "\(path): \(why)") }
        guard let data = FileManager.default.contents(atPath: path) else { throw refusal("cannot be read") }
        let file = [UInt8](data)
        guard file.starts(with: magic) else { throw refusal("not an NPY file of version 1.0") }
        guard file.count >= 10 else { throw refusal("truncated") }
        let start = 10 + Int(file[8]) + 256 * Int(file[9])
        guard file.count >= start else { throw refusal("truncated") }
        let text = String(decoding: file[10..<start], as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        let order = text.contains("'fortran_order': True") ? Order.fortran : .c
        let lengths = text.components(separatedBy: CharacterSet(charactersIn: "()")).dropFirst().first ?? ""
        let shape = lengths.components(separatedBy: ",").compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
        let expected = dictionary(T.descr, shape, order)
        guard text == expected else { throw refusal("got \(text); expected \(expected)") }
        let width = MemoryLayout<T>.size, size = count(shape)
        guard let size, (file.count - start) % width == 0, (file.count - start) / width == size else {
            throw refusal("truncated or over-long")
        }
        if T.self == Bool.self && file[start...].contains(where: { $0 > 1 }) {
            throw refusal("bools other than 0 and 1")
        }
        let values = file.withUnsafeBytes { bytes in
            (0..<size).map { index in
                let at = place(index, shape, size, order)
                return bytes.loadUnaligned(fromByteOffset: start + at * width, as: T.self)
            }
        }
        return (values, shape)
    }

    /// Where the value stands in memory that is the `index`-th in C order.
    public static func place(_ index: Int, _ shape: [Int], _ size: Int, _ order: Order) -> Int {
        if order == .c {
            return index
        }
        var (rest, step, at) = (index, size, 0)
        for length in shape.reversed() {
            step /= length
            at += rest % length * step
            rest /= length
        }
        return at
    }

    private static let magic: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0]

    /// How many numbers a shape has; nil where an axis is negative or no memory could hold them.
    static func count(_ shape: [Int]) -> Int? {
        shape.reduce(1) { product, length in
            guard let product, length >= 0 else { return nil }
            let (result, overflow) = product.multipliedReportingOverflow(by: length)
            return overflow ? nil : result
        }
    }

    /// What a header says, as numpy.save spells it.
    private static func dictionary(_ descr: String, _ shape: [Int], _ order: Order) -> String {
        let lengths = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
        return "{'descr': '\(descr)', 'fortran_order': \(order == .c ? "False" : "True"), 'shape': (\(lengths)), }"
    }

    /// The bytes before the values, as numpy.save pads them: one axis has room to grow, and values begin at 64 bytes.
    private static func header(_ descr: String, _ shape: [Int], _ order: Order) throws -> Data {
        var text = dictionary(descr, shape, order)
        if let grows = order == .c ? shape.first : shape.last {
            text += String(repeating: " ", count: 21 - String(grows).count)
        }
        text += String(repeating: " ", count: 64 - (11 + text.utf8.count) % 64) + "\n"
        guard let length = UInt16(exactly: text.utf8.count) else {
            throw ParityDumpError(description: "a shape of more axes than NPY 1.0 has room for")
        }
        return Data(magic + [UInt8(length & 0xff), UInt8(length >> 8)] + Array(text.utf8))
    }
}
