internal import Glibc
package import VarveLake

/// What a warehouse takes from outside beside files: the time, and ids that must be unique.
///
/// Injected, so that a run can be repeated to the byte.
public struct Surroundings: Sendable {
  package var clock: WallClock
  package var random: RandomSource

  /// The machine's own clock and randomness.
  public static let system = Surroundings(clock: .system, random: .system)

  /// A clock that starts at `milliseconds` since 1970 and gains one with each look, and ids from a seed: for rehearsals
  /// and tests.
  public static func rehearsed(startingAt milliseconds: Int64, seed: UInt64) -> Surroundings {
    Surroundings(clock: .stepping(from: milliseconds), random: .seeded(seed))
  }
}

extension Warehouse {
  /// Processors that this process may use.
  public static var processorCount: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
}
