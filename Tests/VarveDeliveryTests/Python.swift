import Foundation
import Testing

/// The interpreter that tests may use: `VARVE_PYTHON`, or `.venv` in the repository.
enum Python {
  static let path: String? = {
    let environment = ProcessInfo.processInfo.environment
    let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let path = environment["VARVE_PYTHON"] ?? repository.appendingPathComponent(".venv/bin/python").path
    return FileManager.default.isExecutableFile(atPath: path) ? path : nil
  }()

  /// What the program prints, given a file as its standard input.
  static func output(_ program: String, _ input: Data) throws -> String {
    let file = NSTemporaryDirectory() + "varve-delivery-\(UUID())"
    try input.write(to: URL(fileURLWithPath: file))
    defer { unlink(file) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(path))
    process.arguments = ["-X", "utf8", "-c", program]
    process.standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return String(decoding: data, as: UTF8.self)
  }
}

/// SplitMix64. The seed comes from `VARVE_TEST_SEED`, else from the clock, and is printed.
struct SeededRandom: RandomNumberGenerator {
  private var state: UInt64

  init() {
    let given = ProcessInfo.processInfo.environment["VARVE_TEST_SEED"].flatMap { UInt64($0) }
    state = given ?? UInt64.random(in: 0...9_999_999)
    print("VARVE_TEST_SEED=\(state)")
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }

  /// Text of all kinds of scalars, control characters, quotes and characters beyond the basic plane among them.
  mutating func text() -> String {
    var text = String.UnicodeScalarView()
    for _ in 0..<below(below(4) == 0 ? 60 : 6) {
      let ranges: [ClosedRange<UInt32>] = [
        0...0x1F, 0x20...0x7F, 0x61...0x7A, 0x61...0x7A, 0x22...0x22, 0x5C...0x5C, 0x80...0x7FF, 0x800...0xD7FF,
        0xE000...0xFFFF, 0x10000...0x10FFFF,
      ]
      text.append(Unicode.Scalar(UInt32.random(in: ranges.randomElement(using: &self)!, using: &self))!)
    }
    return String(text)
  }

  /// A finite double: of any bits, or a short decimal, or near a power of ten.
  mutating func double() -> Double {
    while true {
      let value: Double =
        switch below(4) {
        case 0: Double(bitPattern: next())
        case 1:
          Double(Int64(bitPattern: next()) >> Int64(below(64))) / [1, 10, 100, 1e4, 1e9].randomElement(using: &self)!
        case 2:
          (Double("1e\(below(40) - 20)")! * Double(below(1000))).nextUp * (below(2) == 0 ? 1 : -1)
        default: Double(below(2_000_000) - 1_000_000) / [1, 10, 100, 1e5, 1e-12].randomElement(using: &self)!
        }
      if value.isFinite { return value }
    }
  }
}
