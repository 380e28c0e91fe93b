internal import VarveLake
internal import VarveTables

/// What became of the rows that one version laid aside.
public struct ReplayReport: Sendable {
  /// The version that laid them aside.
  public var version: Int
  /// The ingestion of those that fit now; its outcome is unchanged where none does.
  public var report: IngestReport
  /// How many rows are still laid aside.
  public var waiting: Int
}

extension Warehouse {
  /// Ingests the rows that are laid aside, each as its feed was ingested, where they fit the table as it is now: after its
  /// columns or expectations were mended. What fits is committed once, a version for each quarantine; the rest stays.
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
      guard rows.mode != .statefulMerge || mode != nil else {
        throw Problem(
          .refused, at: [name], "version \(rows.version) belongs to an execution, and what it laid aside to that too",
          advice: "run the execution again with --reingest, or name a mode")
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
        ReplayReport(version: Int(rows.version), report: report, waiting: left?.waiting.count ?? 0))
    }
    return reports
  }
}
