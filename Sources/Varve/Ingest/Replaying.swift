internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// What became of the rows that one version laid aside.
public struct ReplayReport: Sendable {
  /// The version that laid them aside.
  public var version: Int
  /// How many rows waited.
  public var rows: Int
  /// The ingestion of those that fit now; its outcome is unchanged where none does.
  public var report: IngestReport
  /// How many rows are still laid aside.
  public var waiting: Int
}

extension Warehouse {
  /// Ingests the rows that are laid aside, each as its feed was ingested, where they fit the table as it is now: after its
  /// columns or expectations were mended. What fits is committed once, a version for each quarantine; the rest stays.
  ///
  /// What an execution of a stateful merge laid aside belongs to its input: it runs again from its feed, looked for by its
  /// content, with the later ones replayed and what was done by other means done again.
  ///
  /// `mode` says how rows are ingested, if not as their feeds were.
  public func replay(
    _ name: String, mode: IngestMode? = nil, onEvent: @escaping (Event) -> Void = { _ in }
  ) throws -> [ReplayReport] {
    _ = try writable()
    let table = try table(name)
    var reports: [ReplayReport] = []
    for rows in try QuarantinedRows.all(of: table, upTo: table.snapshot(at: .head).version) {
      let waiting = rows.waiting
      guard !waiting.isEmpty else { continue }
      if rows.mode == .statefulMerge, mode == nil {
        reports.append(try runAgain(rows, of: table, onEvent: onEvent))
        continue
      }
      var feed = FeedRequest(path: Layout.join(table.storage.path, rows.path))
      feed.name = "quarantine of version \(rows.version)"
      feed.format = .ndjson
      feed.replayed = FeedRequest.Replayed(path: rows.path, lines: waiting)
      var request = IngestRequest([feed], into: name)
      // Rows of what was overwritten come to those that were written then.
      request.mode = mode ?? (rows.mode == .overwrite ? .append : rows.mode)
      request.badRows = .quarantine
      let attempt = Attempt(self, request, onEvent: onEvent)
      let report = try ingest(
        request, files: [SourceFile(path: feed.path, name: feed.name)], into: table, attempt, onEvent)
      let left = try QuarantinedRows.all(of: table, upTo: table.snapshot(at: .head).version)
        .first { $0.path == rows.path }
      reports.append(
        ReplayReport(
          version: Int(rows.version), rows: waiting.count, report: report, waiting: left?.waiting.count ?? 0))
    }
    return reports
  }

  /// Runs the execution again that laid rows aside, unless as many would be laid aside again.
  private func runAgain(
    _ rows: QuarantinedRows, of table: Table, onEvent: @escaping (Event) -> Void
  ) throws -> ReplayReport {
    let execution = rows.bookkeeping.execution ?? ""
    func refusal(_ why: String) -> Problem {
      let names = rows.bookkeeping.sources.map(\.name).joined(separator: " ")
      return Problem(
        .refused, at: [table.name],
        "what version \(rows.version) laid aside belongs to execution \(execution), which cannot run again: \(why)",
        advice: "run it by hand: varve ingest \(names) --into \(table.name) --mode stateful-merge "
          + "--execution \(execution) --reingest --reapply --on-bad-row quarantine")
    }
    let inbox = Layout.join(path, Layout.inbox)
    let feeds = KeptFeeds(
      try Storage.open(inbox) == nil ? [] : [inbox], ledger: try lake().flatMap { try? Ledger.openToRead($0.storage) })
    let paths = try rows.bookkeeping.sources.map { source in
      guard case .file(let path) = try feeds.find(source) else {
        throw refusal("\(source.name) lies neither where it was nor in the inbox as it was")
      }
      return path
    }
    let kept = rows.bookkeeping.details["request"] ?? .null
    let again = try IngestRequest(lasting: kept, table: table.name, paths: paths) { _ in
      throw refusal("it was read by a schema file, which the table may have left behind")
    }
    guard var request = again else { throw refusal("it was transformed by a program, or a newer Varve made it") }
    (request.mode, request.execution) = (.statefulMerge, execution)
    (request.reingest, request.badRows, request.rowsLaidAside) = (true, .quarantine, rows.waiting.count)
    (request.discardsInterposed, request.reappliesInterposed, request.cascades) = (false, true, true)
    let report = try ingest(request, onEvent: onEvent)
    let isAgain = report.outcome == .committed
    return ReplayReport(
      version: Int(rows.version), rows: rows.waiting.count, report: report,
      waiting: isAgain ? report.rows.rejected : rows.waiting.count)
  }
}
