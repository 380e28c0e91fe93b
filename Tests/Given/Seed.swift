internal import Foundation

/// Random numbers that can be had again (SplitMix64): the seed is printed, and read from VARVE_TEST_SEED.
package struct Seed: RandomNumberGenerator {
  /// What the numbers follow from.
  package let number: UInt64
  private var state: UInt64

  package init(_ test: String = #function) {
    let given = ProcessInfo.processInfo.environment["VARVE_TEST_SEED"].flatMap { UInt64($0) }
    self.init(number: given ?? .random(in: 0 ... .max))
    print("\(test): VARVE_TEST_SEED=\(number)")
  }

  /// The same numbers in each run.
  package init(number: UInt64) {
    self.number = number
    state = number
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = state
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return bits ^ (bits >> 31)
  }

  /// From 0 up to, and without, that.
  package mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }

  package mutating func chance(_ percent: Int) -> Bool { below(100) < percent }

  /// Text of all kinds of scalars, control characters, quotes and characters beyond the basic plane among them.
  package mutating func text() -> String {
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
}
