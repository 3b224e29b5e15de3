// `samples FOLDER` dumps the samples, `twice FOLDER TAP` one tap twice, `copy DTYPE FILE FOLDER TAP` what it reads,
// and `record DTYPE FILE FOLDER TAP` the record of what it reads, with one leading axis.
import Foundation

func copy<T: ParityElement>(_ type: T.Type, _ arguments: [String]) throws {
    let (values, shape) = try ParityDump.read(type, arguments[0])
    try ParityDump(arguments[1]).write(arguments[2], values, shape)
}

func record<T: ParityElement & ParityNumber>(_ type: T.Type, _ arguments: [String]) throws {
    let (values, shape) = try ParityDump.read(type, arguments[0])
    try ParityDump(arguments[1]).put(arguments[2], ".json", ParityReduced.record(values, shape, leading: 1))
}

func samples(_ folder: String) throws {
    let dump = try ParityDump(folder)
    let ramp = (0..<24).map { Float($0) / 4 - 1 }
    var byColumns = ramp
    for (i, value) in ramp.enumerated() {
        byColumns[i / 12 + i / 4 % 3 * 2 + i % 4 * 6] = value
    }
    try dump.write("decoder.mid.3.resnet[step=2]", ramp, [2, 3, 4])
    try dump.write("fortran[order=F]", byColumns, [2, 3, 4], order: .fortran)
    try dump.write("float64", [Double(bitPattern: 0x4009_21fb_5444_2d18), -0.0, .infinity], [3])
    try dump.write("float16", [1, -2, 0.5, 65504] as [Float16], [2, 2])
    try dump.write("bfloat16", ParityDump.widened([0x3f80, 0xc000, 0x4049]), [3])
    try dump.write("t3.token[token=0]", [7, -8, 1 << 62] as [Int64], [1, 3])
    try dump.write("int32", [-1, .max] as [Int32], [2])
    try dump.write("bool", [true, false, true], [3, 1])
    try dump.write("scalar", [0.25] as [Float], [])
    try dump.write("empty", [] as [Float], [0, 3])
    try dump.write("twenty.axes", [0] as [UInt8], [Int](repeating: 1, count: 20))
}

func twice(_ folder: String, _ tap: String) throws {
    let dump = try ParityDump(folder)
    try dump.write(tap, [1] as [Float], [])
    try dump.write(tap, [1] as [Float], [])
}

func run(_ arguments: [String]) throws {
    if arguments[0] == "samples" {
        return try samples(arguments[1])
    }
    if arguments[0] == "twice" {
        return try twice(arguments[1], arguments[2])
    }
    let given = Array(arguments[2...])
    switch "\(arguments[0]) \(arguments[1])" {
    case "copy float32": try copy(Float.self, given)
    case "copy float64": try copy(Double.self, given)
    case "copy float16": try copy(Float16.self, given)
    case "copy int64": try copy(Int64.self, given)
    case "copy int32": try copy(Int32.self, given)
    case "copy bool": try copy(Bool.self, given)
    case "record float32": try record(Float.self, given)
    case "record float64": try record(Double.self, given)
    case "record int64": try record(Int64.self, given)
    case "record int32": try record(Int32.self, given)
    case "record bool": try record(Bool.self, given)
    default: throw ParityDumpError(description: "no such command: \(arguments[0]) \(arguments[1])")
    }
}

do {
    try run(Array(CommandLine.arguments.dropFirst()))
} catch {
    FileHandle.standardError.write(Data("\(error)\n".utf8))
    exit(1)
}
