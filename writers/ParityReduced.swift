// The record of a tensor that is too big to be dumped: a hash, RMS, extremes, and projections of each slice.
//
//     try dump.put("decoder[step=9]", ".json", ParityReduced.record(x, [2, 80, 4000], leading: 1))  // slices along axis 0
//
// Foundation alone: copy this file beside ParityDump.swift. MIT licence, as all of chatterbox-parity.

import Foundation

/// A number of which records are made: its dtype, its bits as a record hashes them, and its value.
public protocol ParityNumber {
    static var dtype: String { get }
    static var isWhole: Bool { get }
    var recordBits: UInt64 { get }
    var recordValue: Double { get }
}

extension ParityNumber where Self: BinaryInteger {
    public static var isWhole: Bool { true }
    public var recordBits: UInt64 { UInt64(bitPattern: Int64(truncatingIfNeeded: self)) }
    public var recordValue: Double { Double(self) }
}

extension Int8: ParityNumber { public static var dtype: String { "int8" } }
extension Int16: ParityNumber { public static var dtype: String { "int16" } }
extension Int32: ParityNumber { public static var dtype: String { "int32" } }
extension Int64: ParityNumber { public static var dtype: String { "int64" } }
extension UInt8: ParityNumber { public static var dtype: String { "uint8" } }
extension Bool: ParityNumber {
    public static var dtype: String { "bool" }
    public static var isWhole: Bool { true }
    public var recordBits: UInt64 { self ? 1 : 0 }
    public var recordValue: Double { self ? 1 : 0 }
}
extension Float: ParityNumber {
    public static var dtype: String { "float32" }
    public static var isWhole: Bool { false }
    public var recordBits: UInt64 { UInt64(bitPattern) }
    public var recordValue: Double { Double(self) }
}
extension Double: ParityNumber {
    public static var dtype: String { "float64" }
    public static var isWhole: Bool { false }
    public var recordBits: UInt64 { bitPattern }
    public var recordValue: Double { self }
}

public enum ParityReduced {
    private static let projections = 16

    private static func mix(_ number: UInt64) -> UInt64 {
        var z = (number ^ (number >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// The record of values in C order, as JSON. The first `leading` axes are kept: each slice along them has sums of its
    /// own. Half precision is given as Float, with "float16" or "bfloat16" as `stored`.
    public static func record<T: ParityNumber>(
        _ values: [T], _ shape: [Int], leading: Int, stored: String = T.dtype
    ) throws -> Data {
        guard (0...shape.count).contains(leading), shape.reduce(1, *) == values.count else {
            let why = "\(values.count) values and \(leading) leading axes for the shape \(shape)"
            throw CocoaError(.coderInvalidValue, userInfo: [NSLocalizedDescriptionKey: why])
        }
        let slices = shape.prefix(leading).reduce(1, *)
        var sums = [Double](repeating: 0, count: T.isWhole ? 0 : slices * projections)
        var hash: UInt64 = 0
        var (finite, square, low, high) = (0, 0.0, Double.infinity, -Double.infinity)
        for (i, value) in values.enumerated() {
            let u = mix(UInt64(i + 1) &* 0x9E37_79B9_7F4A_7C15)
            hash &+= mix(u ^ value.recordBits)
            let x = value.recordValue
            if !x.isFinite {
                continue
            }
            finite += 1
            square += x * x
            low = min(low, x)
            high = max(high, x)
            let slice = i / (values.count / slices) * projections
            for j in 0..<(T.isWhole ? 0 : projections) {
                sums[slice + j] += u >> UInt64(j) & 1 == 1 ? -x : x
            }
        }
        let (rms, least, most) = finite == 0 ? (0, 0, 0) : ((square / Double(finite)).squareRoot(), low, high)
        let digits = String(hash, radix: 16)
        let record = """
            {"reduced": 1, "shape": \(shape), "dtype": "\(stored)", "leading": \(leading), \
            "projections": \(projections), "hash": "\(String(repeating: "0", count: 16 - digits.count) + digits)", \
            "rms": \(rms), "min": \(least), "max": \(most), "nonfinite": \(values.count - finite), "values": \(sums)}

            """
        return Data(record.utf8)
    }
}
