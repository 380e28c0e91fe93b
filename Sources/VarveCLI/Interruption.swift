import Glibc
import Synchronization

/// What Ctrl-C and a termination ask for: the first one that the work stop where that is clean, the second one that the
/// process end at once. What is on disk is sound either way.
package enum Interruption {
  private static let requested = Atomic<Bool>(false)

  package static var isRequested: Bool { requested.load(ordering: .relaxed) }

  /// To be called once, before any work.
  package static func listen() {
    // The first use of a global may take a lock, which a signal handler must not.
    _ = isRequested
    for number in [SIGINT, SIGTERM] {
      signal(number) { _ in
        if Interruption.requested.exchange(true, ordering: .relaxed) { _exit(130) }
      }
    }
  }
}
