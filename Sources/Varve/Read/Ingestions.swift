internal import VarveLake
internal import VarveTables

/// One ingestion: a version that it made, as the table's log tells it, or what the ledger knows of one that made none.
public struct IngestionSummary: Sendable {
  /// Where an ingestion stands.
  public enum State: String, Sendable {
    /// Waits to be done.
    case pending
    /// Is being done, or was when its process died.
    case inProgress = "in_progress"
    case done
    /// Did not work, and is tried again at `nextTry`.
    case failed
    /// A dead letter: given up until somebody requeues it.
    case dead
  }

  /// Its id.
  public var id: String
  /// The table's name.
  public var table: String
  /// Where it stands.
  public var state: State
  /// The version that it made or that had its feed already; nil where there is none.
  public var version: Int?
  /// When it ended; before that, when it began.
  public var timestamp: String
  /// What the ingestion did: `append`, `merge`; nil where that is not known.
  public var mode: String?
  /// The run of a schedule that it belongs to.
  public var execution: String?
  /// The names of its files.
  public var sources: [String]
  /// What became of the rows.
  public var rows: IngestReport.Rows
  /// `committed` or `unchanged`, when it is done.
  public var outcome: IngestReport.Outcome?
  /// How often it was tried; nil where the ledger does not know.
  public var attempts: Int?
  /// When it is tried again.
  public var nextTry: String?
  /// Why the last attempt failed.
  public var error: String?
}

extension Warehouse {
  /// Every ingestion, newest first.
  ///
  /// Those that made a version come from the tables' logs, the others from the ledger; without a ledger there are none.
  /// `state`: only these.
  public func ingestions(limit: Int? = nil, state: IngestionSummary.State? = nil) throws -> [IngestionSummary] {
    guard let lake = try lake() else { return [] }
    let noted = try Ledger.openToRead(lake.storage)?.ingestions() ?? []
    var found: [(time: Int64, summary: IngestionSummary)] = []
    if state == nil || state == .done {
      var attempts: [String: Int] = [:]
      for record in noted where record.outcome == IngestReport.Outcome.committed.rawValue {
        if let version = record.version { attempts["\(record.table)@\(version)"] = record.attempts }
      }
      for name in try lake.tableNames() {
        for record in try lake.table(name)?.history(limit: limit) ?? [] where !record.isCreation {
          guard let bookkeeping = record.bookkeeping, !bookkeeping.sources.isEmpty else { continue }
          found.append(
            (
              record.timestamp,
              IngestionSummary(
                id: bookkeeping.ingestion, table: name, state: .done, version: Int(record.version),
                timestamp: timeText(record.timestamp), mode: bookkeeping.mode, execution: bookkeeping.execution,
                sources: bookkeeping.sources.map(\.name), rows: IngestReport.Rows(bookkeeping.rows),
                outcome: .committed, attempts: attempts["\(name)@\(record.version)"])
            ))
        }
      }
    }
    for record in noted where record.outcome != IngestReport.Outcome.committed.rawValue || record.state != .done {
      let summary = IngestionSummary(record)
      if state == nil || state == summary.state { found.append((record.lastTime, summary)) }
    }
    found.sort {
      ($1.time, $0.summary.table, $1.summary.version ?? 0) < ($0.time, $1.summary.table, $0.summary.version ?? 0)
    }
    return found.prefix(limit ?? .max).map(\.summary)
  }
}

extension IngestionSummary {
  init(_ record: IngestionRecord) {
    let request = IngestRequest(text: record.request)
    self.init(
      id: record.id, table: record.table, state: State(rawValue: record.state.rawValue) ?? .failed,
      version: record.state == .done ? record.version.map(Int.init) : nil, timestamp: timeText(record.lastTime),
      mode: request?.mode?.rawValue, execution: request?.execution, sources: record.sources.map(\.name),
      rows: IngestReport.Rows(record.state == .done ? record.rows : RowCounts()),
      outcome: record.state == .done ? record.outcome.flatMap(IngestReport.Outcome.init(rawValue:)) : nil,
      attempts: record.attempts, nextTry: record.state == .failed ? record.nextTry.map(timeText) : nil,
      error: record.state == .done ? nil : record.error)
  }
}

extension IngestionRecord {
  /// Milliseconds since 1970: when it ended or, while it is being done or waits, began or was noted.
  fileprivate var lastTime: Int64 {
    switch state {
    case .pending: noted
    case .inProgress: started ?? noted
    case .done, .failed, .dead: ended ?? noted
    }
  }
}
