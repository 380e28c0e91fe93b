internal import CCrypto
internal import CSystem

/// What time it is, as the lake is told: injected, so that a run can be repeated to the byte.
package struct WallClock: Sendable {
  /// Milliseconds since 1970-01-01T00:00:00Z.
  package var milliseconds: @Sendable () -> Int64

  package init(_ milliseconds: @escaping @Sendable () -> Int64) { self.milliseconds = milliseconds }

  package static let system = WallClock { varve_clock_milliseconds() }
}

extension WallClock {
  /// A clock that starts there and gains a millisecond with each look, for rehearsals and tests.
  package static func stepping(from milliseconds: Int64) -> WallClock {
    let next = SteppingTime(milliseconds)
    return WallClock { next.look() }
  }
}

/// Where ids that must be unique come from: injected, as the clock is.
package struct RandomSource: Sendable {
  /// That many bytes.
  package var bytes: @Sendable (Int) -> [UInt8]

  package init(_ bytes: @escaping @Sendable (Int) -> [UInt8]) { self.bytes = bytes }

  package static let system = RandomSource { count in
    var bytes = [UInt8](repeating: 0, count: count)
    guard RAND_bytes(&bytes, Int32(count)) == 1 else { preconditionFailure("the system has no randomness to give") }
    return bytes
  }

  /// The same ids for the same seed (splitmix64), for rehearsals and tests.
  package static func seeded(_ seed: UInt64) -> RandomSource {
    let state = SeededState(seed)
    return RandomSource { state.bytes($0) }
  }

  /// 32 hexadecimal digits.
  package func identifier() -> String { hexadecimal(bytes(16)) }

  /// A version 4 UUID (RFC 9562, section 5.4).
  package func uuid() -> String {
    var id = bytes(16)
    id[6] = id[6] & 0x0F | 0x40
    id[8] = id[8] & 0x3F | 0x80
    let digits = Array(hexadecimal(id).utf8)
    let groups = [digits[0..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20..<32]]
    return groups.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "-")
  }
}
