internal import VarveTables

/// How much a query may use.
package struct QueryLimits: Sendable {
  /// Rows of the answer beyond which it is cut.
  package var rowsMax: Int?
  package var secondsMax: Double?
  /// Memory for the tables that a join looks at again and again.
  package var joinBytesMax: Int
  /// Looked at often, from the thread that asks for rows; once true, the query ends.
  package var isInterrupted: @Sendable () -> Bool

  package init(
    rowsMax: Int? = nil, secondsMax: Double? = nil, joinBytesMax: Int = 1 << 30,
    isInterrupted: @escaping @Sendable () -> Bool = { false }
  ) {
    self.rowsMax = rowsMax
    self.secondsMax = secondsMax
    self.joinBytesMax = joinBytesMax
    self.isInterrupted = isInterrupted
  }
}

/// What a session's query has used so far, against its limits.
final class QueryBudget {
  let limits: QueryLimits
  private var deadline: ContinuousClock.Instant?
  private var keptBytes = 0
  private var planCount: Int32 = 0

  init(_ limits: QueryLimits) { self.limits = limits }

  /// A query begins.
  func start() {
    deadline = limits.secondsMax.map { ContinuousClock.now + .seconds($0) }
    keptBytes = 0
  }

  /// Called often: every few thousand rows or steps of SQLite's machine.
  func check() throws(Problem) {
    if limits.isInterrupted() { throw Problem(.interrupted, "the query was interrupted") }
    if let deadline, ContinuousClock.now > deadline {
      throw Problem(
        .failed, "the query took longer than \(limits.secondsMax ?? 0) seconds",
        advice: "ask for less, or allow more time")
    }
  }

  func checkKept(_ byteCount: Int, _ table: String) throws(Problem) {
    guard keptBytes + byteCount > limits.joinBytesMax else { return }
    throw Problem(
      .failed, at: ["table \"\(table)\""],
      "joining it needs more than the \(limits.joinBytesMax >> 20) MB of memory that a query may use",
      advice: "select fewer of its columns or rows before joining")
  }

  func keep(_ byteCount: Int) { keptBytes += byteCount }

  /// Unique in the session and never 0.
  func nextPlanNumber() -> Int32 {
    planCount += 1
    return planCount
  }
}
