internal import Glibc
package import VarveLake
internal import VarveTables

/// How long a push tries, and how it waits.
package struct Patience: Sendable {
  /// Per chunk, in one run.
  package var policy = RetryPolicy(attemptsMax: 8, firstSeconds: 0.5, secondsMax: 30)
  /// A target that looked at a chunk and refused it so often will not take it.
  package var refusalsMax = 3
  /// In one run.
  package var rewindsMax = 10
  /// A target that asks for a longer pause stops the delivery until then.
  package var pauseSecondsMax = 300.0
  /// In 0..<1, for waits that do not coincide.
  package var chance: @Sendable () -> Double
  package var wait: @Sendable (Double) throws -> Void

  package init(chance: @escaping @Sendable () -> Double, wait: @escaping @Sendable (Double) throws -> Void) {
    self.chance = chance
    self.wait = wait
  }

  /// Jitter from this randomness, waits in real time; `isInterrupted` ends a wait.
  package init(_ random: RandomSource, isInterrupted: @escaping @Sendable () -> Bool) {
    self.init(
      chance: { random.bytes(4).reduce(0) { ($0 + Double($1)) / 256 } },
      wait: { seconds in
        var rest = seconds
        while rest > 0 {
          if isInterrupted() { throw Problem(.interrupted, "interrupted") }
          let step = min(rest, 0.1)
          usleep(UInt32(step * 1_000_000))
          rest -= step
        }
      })
  }

  /// Seconds until the next attempt after so many; nil when there have been enough.
  func pause(attempts: Int) -> Double? {
    policy.nextTry(attempts: attempts, now: 0, chance: chance()).map { Double($0) / 1000 }
  }
}
