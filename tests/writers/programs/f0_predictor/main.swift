// Mel to fundamental frequency: the vocoder's f0 predictor in plain loops. Sums are double, dumps are float32.
//
// `WEIGHTS BUNDLE DUMPS` runs twice from the bundle's inputs: freely, and into DUMPS/local with the bundle's value of
// each tap, so that every block has errors of its own alone.
import Foundation

typealias Values = (values: [Float], shape: [Int])

/// (B, in, T) -> (B, out, T). Convolution of width 3 over frames, zeros beside the first and the last.
func convolution(_ x: Values, _ weight: Values, _ bias: Values) -> Values {
    let (batch, width, frames, out) = (x.shape[0], x.shape[1], x.shape[2], weight.shape[0])
    var values = [Float]()
    for b in 0..<batch {
        for o in 0..<out {
            for t in 0..<frames {
                var sum = Double(bias.values[o])
                for i in 0..<width {
                    for k in 0..<3 where (1...frames).contains(t + k) {
                        let seen = x.values[(b * width + i) * frames + t + k - 1]
                        sum += Double(weight.values[(o * width + i) * 3 + k]) * Double(seen)
                    }
                }
                values.append(Float(sum))
            }
        }
    }
    return (values, [batch, out, frames])
}

func elu(_ x: Values) -> Values {
    (x.values.map { $0 > 0 ? $0 : Float(expm1(Double($0))) }, x.shape)
}

/// (B, in, T) -> (B, T, 1).
func classifier(_ x: Values, _ weight: Values, _ bias: Values) -> Values {
    let (batch, width, frames) = (x.shape[0], x.shape[1], x.shape[2])
    var values = [Float]()
    for b in 0..<batch {
        for t in 0..<frames {
            let products = (0..<width).map { i in
                Double(weight.values[i]) * Double(x.values[(b * width + i) * frames + t])
            }
            values.append(Float(products.reduce(Double(bias.values[0]), +)))
        }
    }
    return (values, [batch, frames, 1])
}

func run(_ weights: String, _ bundle: String, _ dumps: String, local: Bool) throws {
    let dump = try ParityDump(dumps)
    func tap(_ name: String, _ value: Values) throws -> Values {
        try dump.write(name, value.values, value.shape)
        return local ? try ParityDump.read(Float.self, "\(bundle)/\(name).npy") : value
    }
    func weight(_ name: String) throws -> Values {
        try ParityDump.read(Float.self, "\(weights)/\(name).npy")
    }
    var x = try ParityDump.read(Float.self, "\(bundle)/inputs/mel.npy")
    for layer in 0..<5 {
        let y = try convolution(x, weight("convs.\(layer).weight"), weight("convs.\(layer).bias"))
        x = try elu(tap("vocoder.f0_predictor.convs.\(layer)", y))
    }
    let scores = try classifier(x, weight("classifier.weight"), weight("classifier.bias"))
    let (signed, shape) = try tap("vocoder.f0_predictor.classifier", scores)
    let f0 = try tap("vocoder.f0_predictor", (signed.map(abs), shape.dropLast()))
    try dump.write("vocoder.voiced", f0.values.map { $0 > 10 }, f0.shape)
}

let arguments = CommandLine.arguments
try run(arguments[1], arguments[2], arguments[3], local: false)
try run(arguments[1], arguments[2], arguments[3] + "/local", local: true)
