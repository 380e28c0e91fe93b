internal import Synchronization

/// The state of `RandomSource.seeded`, shared by whoever draws from it.
final class SeededState: Sendable {
  private let state: Mutex<UInt64>

  init(_ seed: UInt64) { state = Mutex(seed) }

  func bytes(_ count: Int) -> [UInt8] {
    state.withLock { state in
      var bytes: [UInt8] = []
      while bytes.count < count {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        word ^= word >> 31
        withUnsafeBytes(of: word.littleEndian) { bytes.append(contentsOf: $0) }
      }
      return Array(bytes.prefix(count))
    }
  }
}

/// The state of `WallClock.stepping`, shared by whoever looks at it.
final class SteppingTime: Sendable {
  private let next: Atomic<Int64>

  init(_ first: Int64) { next = Atomic(first) }

  func look() -> Int64 { next.wrappingAdd(1, ordering: .relaxed).oldValue }
}
