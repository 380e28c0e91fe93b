internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// How one ingestion ended that was tried again.
public struct RetryReport: Sendable {
  /// The ledger's id of it.
  public var id: String
  /// The table's name.
  public var table: String
  /// The names of the files that were ingested.
  public var sources: [String]
  /// Nil where it failed again.
  public var report: IngestReport?
  /// Why it failed.
  public var error: String?
  /// As it stands now.
  public var state: IngestionSummary.State
  /// When it is tried next.
  public var nextTry: String?
}

extension Warehouse {
  /// Does again what failed and is due, what waits, and what a process that died left behind.
  ///
  /// With ids, or the beginnings of some, does these, due or not. A commit that a dead process did make is found in the table's log and is not made
  /// again.
  public func retry(
    _ ids: [String] = [], onEvent: @escaping (Event) -> Void = { _ in }
  ) throws -> [RetryReport] {
    guard let ledger = try writableLedger(), let lake = try lake() else {
      if let id = ids.first { throw unknownIngestion(id) }
      return []
    }
    try committer.carryOutPending(in: lake)
    try settleAbandoned(ledger)
    var reports: [RetryReport] = []
    if ids.isEmpty {
      while let lease = try ledger.takeNextDue() {
        reports.append(try retry(lease, ledger, isDue: true, onEvent))
        try surroundings.checkInterrupted()
      }
    }
    for start in ids {
      let id = try known(start, ledger)
      if try ledger.ingestion(id)?.worker == .service {
        throw Problem(
          .refused, "the ingestion \(id) is the service's, which also pushes it",
          advice: "start varve serve, and POST /api/v1/ingestions/\(id)/requeue")
      }
      if let transaction = try ledger.ingestion(id).flatMap({ IngestRequest(text: $0.request)?.transaction }),
        try ledger.ingestion(id)?.state != .done
      {
        throw Problem(
          .refused, "the ingestion \(id) is part of the transaction \(transaction), which is done whole or not at all",
          advice: "run `varve transaction` again")
      }
      guard let lease = try ledger.take(id) else {
        let state = try ledger.ingestion(id)?.state
        throw Problem(
          .refused, "the ingestion \(id) is \(state?.rawValue ?? "gone")",
          advice: state == .dead ? "requeue it with `varve dead-letters requeue \(id)`" : nil)
      }
      reports.append(try retry(lease, ledger, isDue: false, onEvent))
    }
    return reports
  }

  /// What was given up.
  public func deadLetters() throws -> [IngestionSummary] { try ingestions(state: .dead) }

  /// Gives dead letters their attempts back, so that the next `retry` does them; all of them where none is named.
  public func requeueDeadLetters(_ ids: [String] = []) throws -> [String] {
    try eachDeadLetter(ids) { try $0.requeue($1) }
  }

  /// Forgets dead letters; all of them where none is named. The files stay where they are.
  public func purgeDeadLetters(_ ids: [String] = []) throws -> [String] {
    try eachDeadLetter(ids) { try $0.purge($1) }
  }

  private func eachDeadLetter(_ ids: [String], _ act: (Ledger, String) throws -> Bool) throws -> [String] {
    guard let ledger = try writableLedger() else {
      if let id = ids.first { throw unknownIngestion(id) }
      return []
    }
    let dead = try ledger.ingestions(state: .dead).reversed().map(\.id)
    let ids = try ids.map { try known($0, ledger) }
    for id in ids where !dead.contains(id) { throw unknownIngestion(id) }
    return try (ids.isEmpty ? Array(dead) : ids).filter { try act(ledger, $0) }
  }

  /// The id of which this is the beginning, or the whole.
  private func known(_ start: String, _ ledger: Ledger) throws -> String {
    let found = try start.isEmpty ? [] : ledger.ingestionIDs(beginning: start)
    guard let id = found.first else { throw unknownIngestion(start) }
    guard id == start || found.count == 1 else {
      throw Problem(.failed, "more than one ingestion begins with \(start)", advice: "write more of its id")
    }
    return id
  }

  private func unknownIngestion(_ id: String) -> Problem {
    Problem(.failed, "there is no such dead letter or ingestion: \(id)", advice: "`varve ingestions` lists them")
  }

  /// The ledger, where there is one.
  func writableLedger() throws -> Ledger? {
    guard let lake = try lake(), try lake.storage.exists(Layout.ledger) else { return nil }
    return try Ledger.open(lake.storage, clock: surroundings.clock)
  }

  private func retry(
    _ lease: IngestionLease, _ ledger: Ledger, isDue: Bool, _ onEvent: @escaping (Event) -> Void
  ) throws -> RetryReport {
    let id = lease.ingestion.id
    var reached: IngestReport?
    do {
      guard let request = IngestRequest(text: lease.ingestion.request) else {
        let problem = Problem(
          .refused, "a newer Varve noted the ingestion \(id)", advice: "retry it with that Varve")
        try ledger.fail(lease, problem.description, retry: nil)
        throw problem
      }
      if isDue { try refuseOutdated(request, lease, ledger) }
      let attempt = Attempt(self, request, ledger: ledger, lease: lease, onEvent: onEvent)
      reached = try ingest(request, attempt, onEvent: onEvent)
    } catch let problem as Problem where problem.kind == .interrupted {
      throw problem
    } catch {
      onEvent(.remark("\(error)"))
    }
    let record = try ledger.ingestion(id).map(IngestionSummary.init)
    return RetryReport(
      id: id, table: lease.ingestion.table, sources: lease.ingestion.sources.map(\.name), report: reached,
      error: reached == nil ? record?.error : nil, state: record?.state ?? .failed, nextTry: record?.nextTry)
  }

  /// An overwrite that comes late would replace what was committed since with what is older.
  private func refuseOutdated(_ request: IngestRequest, _ lease: IngestionLease, _ ledger: Ledger) throws {
    guard let table = try lake()?.table(request.table), let head = try table.history(limit: 1).first,
      let metadata = try? table.snapshot(at: .head).metadata,
      request.mode ?? metadata[.mode].flatMap(IngestMode.init(rawValue:)) == .overwrite,
      let tried = lease.before?.started, head.timestamp > tried
    else { return }
    let problem = Problem(
      .refused, at: [request.table], "was changed since this overwrite was tried, by version \(head.version)",
      advice: "`varve retry \(lease.ingestion.id)` overwrites it all the same")
    try ledger.fail(lease, problem.description, retry: nil)
    throw problem
  }

  /// Ends what dead processes had begun: done where the log says that their commit was made, else due at once.
  func settleAbandoned(_ ledger: Ledger) throws {
    for lease in try ledger.takeAbandoned() {
      if let record = try committed(by: lease.ingestion) {
        try ledger.finish(
          lease, outcome: IngestReport.Outcome.committed.rawValue, version: record.version,
          rows: record.bookkeeping?.rows ?? RowCounts())
      } else {
        let isAlone = IngestRequest(text: lease.ingestion.request)?.transaction == nil
        try ledger.fail(
          lease, "the process that did it died", retry: isAlone ? RetryPolicy(firstSeconds: 0) : nil, chance: 0)
      }
    }
  }

  private func committed(by ingestion: IngestionRecord) throws -> HistoryRecord? {
    guard let table = try lake()?.table(ingestion.table), let head = try table.head() else { return nil }
    let mark = Attempt.mark(ingestion)
    return try table.log.newest(upTo: head, holding: mark) { record in
      record.bookkeeping?.details["attempt"]?.string == mark
    }
  }
}

extension IngestRequest {
  package init?(text: String) {
    guard let json = try? JSONValue(parsing: text) else { return nil }
    self.init(json: json)
  }
}
