internal import VarveJSON
internal import VarveTables

/// What the executions of a table have done to it, told by its own log alone: no scheduler's memory is asked.
package struct ExecutionState: Sendable {
  package static let mode = "stateful-merge"

  /// One run that a version was made by.
  package struct Run: Sendable {
    package var key: ExecutionKey
    package var record: HistoryRecord
    package var status: Status
    /// The version whose content it was merged into.
    package var base: Int64 { record.bookkeeping?.base ?? 0 }
    package var fingerprint: String { record.bookkeeping?.fingerprint ?? "" }
    /// Under which its change set is kept.
    package var changeSet: String { record.bookkeeping?.changeSet ?? "" }
  }

  package enum Status: String, Sendable {
    /// Its rows are in the table.
    case active
    /// It ran again, or was replayed, as a later version.
    case superseded
    /// An execution before it was corrected, and it has not been replayed since.
    case stale
  }

  /// Every run, in the order of versions.
  package private(set) var runs: [Run] = []

  /// `history` in any order; runs of other modes are no executions of the table.
  package init(_ history: [HistoryRecord]) throws {
    for record in history.sorted(by: { $0.version < $1.version }) {
      guard let bookkeeping = record.bookkeeping, bookkeeping.mode == ExecutionState.mode,
        !bookkeeping.awaitsFirstFeed, let text = bookkeeping.execution
      else { continue }
      let key = try ExecutionKey(parsing: text)
      for index in runs.indices where runs[index].status != .superseded {
        if runs[index].key == key {
          runs[index].status = .superseded
        } else if runs[index].key > key {
          // An execution that later ones exist for is merged onto a content without them.
          runs[index].status = .stale
        }
      }
      runs.append(Run(key: key, record: record, status: .active))
    }
  }

  /// The run that counts for each execution, active or stale, in order.
  package var current: [Run] { runs.filter { $0.status != .superseded }.sorted { $0.key < $1.key } }

  package var stale: [Run] { current.filter { $0.status == .stale } }

  /// The run that brought the input of this one: itself, or the one that it replays.
  package func input(of run: Run) -> Run {
    guard let version = run.record.bookkeeping?.details["replayed_from"]?.int64,
      let before = runs.first(where: { $0.record.version == version })
    else { return run }
    return input(of: before)
  }

  package func current(_ key: ExecutionKey) -> Run? { current.first { $0.key == key } }
}

/// How an execution is to be run, by what has run before it (the cases of a stateful merge).
package enum ExecutionCase: Sendable {
  /// The next one in order: onto the head.
  case normal
  /// Has run with the same inputs.
  case unchanged(ExecutionState.Run)
  /// Onto the content of `base`; `later` executions are replayed behind it, or become stale.
  case again(base: Int64, later: [ExecutionState.Run])
  /// Stale, and the first of them: onto the head.
  case replay(staleAfter: [ExecutionState.Run])

  /// Throws `refused` for a forward run while executions are stale.
  package init(
    _ key: ExecutionKey, fingerprint: String, in state: ExecutionState, isForced: Bool, table: String
  ) throws {
    let current = state.current
    for run in current {
      switch (run.key, key) {
      case (.number, .number), (.time, .time): continue
      default:
        throw Problem(
          .refused, at: [table], "its executions are \(run.key) and the like, and \(key) cannot be ordered among them",
          advice: "name executions in one way")
      }
    }
    let stale = state.stale
    if let run = state.current(key) {
      if run.status == .stale {
        guard stale.first?.key == key else { throw ExecutionCase.stale(stale, table) }
        self = .replay(staleAfter: Array(stale.dropFirst()))
        return
      }
      if run.fingerprint == fingerprint, !isForced {
        self = .unchanged(run)
        return
      }
      self = .again(base: run.base, later: current.filter { $0.key > key })
      return
    }
    let later = current.filter { $0.key > key }
    if let next = later.first {
      self = .again(base: next.status == .stale ? try ExecutionCase.base(before: next, state) : next.base, later: later)
      return
    }
    guard stale.isEmpty else { throw ExecutionCase.stale(stale, table) }
    self = .normal
  }

  private static func base(before run: ExecutionState.Run, _ state: ExecutionState) throws -> Int64 {
    // Stale: the newest run that is not is what the table holds now.
    state.current.last { $0.status == .active }?.record.version ?? run.base
  }

  private static func stale(_ stale: [ExecutionState.Run], _ table: String) -> Problem {
    Problem(
      .refused, at: [table],
      "the execution\(stale.count == 1 ? "" : "s") \(stale.map(\.key.description).joined(separator: ", ")) "
        + "\(stale.count == 1 ? "is" : "are") stale since an earlier one was corrected",
      advice: "run \(stale[0].key) again first")
  }
}
