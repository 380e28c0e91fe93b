internal import Glibc
package import VarveLake
internal import VarveTables

/// What a warehouse takes from outside beside files: the time, ids that must be unique, and the wish to stop.
///
/// Injected, so that a run can be repeated to the byte.
public struct Surroundings: Sendable {
  package var clock: WallClock
  package var random: RandomSource
  /// Asked now and then by long work, on any thread; when it says yes, the work throws a `Problem` of kind `interrupted`
  /// and leaves nothing behind. What is committed stays.
  public var isInterrupted: @Sendable () -> Bool = { false }

  /// The machine's own clock and randomness.
  public static let system = Surroundings(clock: .system, random: .system)

  /// A clock that starts at `milliseconds` since 1970 and gains one with each look, and ids from a seed: for rehearsals
  /// and tests.
  public static func rehearsed(startingAt milliseconds: Int64, seed: UInt64) -> Surroundings {
    Surroundings(clock: .stepping(from: milliseconds), random: .seeded(seed))
  }
}

extension Surroundings {
  /// The time, in milliseconds since 1970.
  package func milliseconds() -> Int64 { clock.milliseconds() }

  func checkInterrupted(_ outcome: String = "nothing was committed") throws {
    if isInterrupted() { throw Problem(.interrupted, "interrupted; \(outcome)") }
  }
}

extension Warehouse {
  /// Processors that this process may use.
  public static var processorCount: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
}
