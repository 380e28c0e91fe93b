internal import VarveFeeds
internal import VarveJSON
package import VarveLake
internal import VarveTables

/// One attempt at an ingestion, as the ledger tells it.
///
/// The ledger is an account and never a gate: whether a feed is in a table, the table's log alone decides. So where the
/// ledger is missing, locked or damaged, the ingestion goes on without it, and a remark says so. In a directory that
/// holds no table yet nothing is noted before the first commit, so that a failure leaves nothing behind.
package final class Attempt {
  private let warehouse: Warehouse
  private let request: IngestRequest
  /// Whether failures are noted where nothing was committed yet, too.
  private let isAlwaysNoted: Bool
  private let onEvent: (Event) -> Void
  private var ledger: Ledger?
  private var lease: IngestionLease?
  /// What the feeds turned out to be, once that is known.
  var sources: [FeedSource] = []
  /// The version that the table had at first, however often the ingestion begins anew; -1 where there was no table.
  var begunOn: Int64 { seen ?? -1 }
  private var seen: Int64?

  package init(
    _ warehouse: Warehouse, _ request: IngestRequest, ledger: Ledger? = nil, lease: IngestionLease? = nil,
    isAlwaysNoted: Bool = false, onEvent: @escaping (Event) -> Void
  ) {
    self.warehouse = warehouse
    self.request = request
    self.ledger = ledger
    self.lease = lease
    self.isAlwaysNoted = isAlwaysNoted
    self.onEvent = onEvent
  }

  /// What a commit says, so that it can be told later whether this attempt made it.
  var mark: String? { lease.map { Attempt.mark($0.ingestion) } }

  static func mark(_ ingestion: IngestionRecord) -> String { "\(ingestion.id)/\(ingestion.attempts)" }

  /// Takes the ingestion, unless it was taken before or this is a rehearsal.
  func begin() {
    guard lease == nil, !request.dryRun else { return }
    guarded {
      if isAlwaysNoted { return try start(in: VarveLake.Warehouse.create(warehouse.path)) }
      guard let lake = try warehouse.lake(), try lake.isInUse() else { return }
      try start(in: lake)
    }
  }

  func begin(on version: Int64?) { seen = seen ?? version ?? -1 }

  private func start(in lake: VarveLake.Warehouse) throws {
    let ledger = try Ledger.open(lake.storage, clock: warehouse.surroundings.clock)
    self.ledger = ledger
    lease = try ledger.start(request.record(sources: []))
  }

  /// Feeds that came under the same path before, with other content: by path, the version they became.
  func revisions(of sources: [FeedSource]) -> [String: Int64] {
    var found: [String: Int64] = [:]
    guarded {
      guard let ledger else { return }
      for (feed, source) in zip(request.feeds, sources) {
        let path = absolutePath(feed.path)
        found[source.name] = try ledger.version(ofOther: source.sha256, path: path, table: request.table)
      }
    }
    return found
  }

  func finish(_ report: IngestReport) {
    guard report.outcome != .planned else { return }
    guarded {
      if ledger == nil, let lake = try warehouse.lake(), try lake.isInUse() { try start(in: lake) }
      guard let ledger, let lease else { return }
      try ledger.finish(
        lease, outcome: report.outcome.rawValue, version: report.version.map(Int64.init), rows: RowCounts(report.rows),
        sources: request.sourceRecords(sources))
    }
    lease = nil
  }

  /// Notes what went wrong. Wrong usage and an interruption are no attempts.
  func fail(_ error: any Error) {
    guard let ledger, let lease else { return }
    let problem = error as? Problem ?? Problem(.failed, "\(error)")
    guarded {
      switch problem.kind {
      case .usage, .interrupted: try ledger.withdraw(lease)
      case .failed, .refused, .damaged:
        // What is refused or damaged does not mend itself: it waits for a person. A part of a transaction waits for
        // the whole of it.
        try ledger.fail(
          lease, problem.description,
          retry: problem.kind == .failed && request.transaction == nil ? warehouse.retryPolicy : nil,
          chance: warehouse.surroundings.random.chance(), sources: request.sourceRecords(sources))
      }
    }
    self.lease = nil
  }

  private func guarded(_ work: () throws -> Void) {
    do {
      try work()
    } catch {
      ledger = nil
      lease = nil
      onEvent(.remark("the ledger does not tell of this ingestion, which goes on without it: \(error)"))
    }
  }
}

extension IngestRequest {
  /// What the ledger keeps. Content, selector and place make its identity, whatever the other options are.
  package func record(sources: [FeedSource]) -> IngestionRecord {
    var kept = self
    kept.feeds = feeds.map { $0.absolute() }
    var identity: JSONObject = [
      "table": .string(table),
      "feeds": .array(
        kept.feeds.map { feed in
          var object: JSONObject = ["path": .string(feed.path)]
          object["sheet"] = feed.sheet.map(JSONValue.string)
          object["records_at"] = feed.recordsAt.map(JSONValue.string)
          return .object(object)
        }),
    ]
    identity["execution"] = execution.map(JSONValue.string)
    identity["transform"] = (try? Transformation(self)).flatMap { $0 }.map { .string($0.selector) }
    if dynamicPartitionsMax != nil { identity["dynamic"] = true }
    if !partitions.isEmpty { identity["partitions"] = .array(partitions.map(\.json)) }
    let id = Digest.sha256(JSONValue.object(identity).bytes(.canonical)).prefix(32)
    return IngestionRecord(
      id: String(id), table: table, sources: sourceRecords(sources), schemaVersion: schemaVersion,
      request: kept.json.text())
  }

  /// Empty where none is named, or it cannot be read now.
  var schemaVersion: String { (try? SchemaFile.common(of: feeds))?.version ?? "" }

  /// As the ledger keeps them; without content while that is not known.
  func sourceRecords(_ sources: [FeedSource]) -> [IngestionRecord.Source] {
    feeds.enumerated().map { index, feed in
      let source = index < sources.count ? sources[index] : nil
      return IngestionRecord.Source(
        path: absolutePath(feed.path), name: SourceFile.name(ofPath: feed.path), sha256: source?.sha256 ?? "",
        byteCount: source?.byteCount ?? 0, selector: source?.selector ?? "")
    }
  }
}

extension RowCounts {
  init(_ rows: IngestReport.Rows) {
    self.init()
    read = rows.read
    inserted = rows.inserted
    updated = rows.updated
    deleted = rows.deleted
    unchanged = rows.unchanged
    rejected = rows.rejected
  }
}

extension IngestReport.Rows {
  init(_ counts: RowCounts) {
    self.init()
    read = counts.read
    inserted = counts.inserted
    updated = counts.updated
    deleted = counts.deleted
    unchanged = counts.unchanged
    rejected = counts.rejected
  }
}

extension Warehouse {
  /// When failed ingestions are tried again: eight times, after half a minute that doubles up to an hour.
  var retryPolicy: RetryPolicy { RetryPolicy() }
}

extension VarveLake.Warehouse {
  /// Whether anything was ever committed or noted here.
  func isInUse() throws -> Bool {
    if try storage.exists(Layout.ledger) { return true }
    return try !tableNames().isEmpty
  }
}

extension RandomSource {
  /// In 0..<1.
  func chance() -> Double {
    Double(bytes(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }) / 4_294_967_296
  }
}
