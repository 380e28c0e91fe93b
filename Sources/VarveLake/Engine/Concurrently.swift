internal import Dispatch
internal import Synchronization

/// Does `work` for 0 to `count` - 1, at most `parallelism` at once, and returns the results in order.
///
/// Of several errors the one with the lowest number is thrown, so that a failure reads the same every time.
func concurrently<Result: Sendable>(
  _ count: Int, parallelism: Int, _ work: @Sendable (Int) throws -> Result
) throws -> [Result] {
  let workers = min(count, max(1, parallelism))
  guard workers > 1 else { return try (0..<count).map(work) }
  let state = Mutex(ConcurrentState<Result>(results: Array(repeating: nil, count: count)))
  DispatchQueue.concurrentPerform(iterations: workers) { _ in
    while let number = state.withLock({ $0.take() }) {
      do {
        let result = try work(number)
        state.withLock { $0.results[number] = result }
      } catch {
        state.withLock { $0.fail(number, error) }
      }
    }
  }
  return try state.withLock { state in
    if let failure = state.failure { throw failure.error }
    return state.results.map { $0! }
  }
}

private struct ConcurrentState<Result: Sendable>: Sendable {
  var results: [Result?]
  var next = 0
  var failure: (number: Int, error: any Error)?

  /// The next number to work on. After a failure there is none, as every lower one was taken before.
  mutating func take() -> Int? {
    guard next < results.count, failure == nil else { return nil }
    defer { next += 1 }
    return next
  }

  mutating func fail(_ number: Int, _ error: any Error) {
    if let failure, failure.number < number { return }
    failure = (number, error)
  }
}
