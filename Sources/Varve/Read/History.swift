internal import VarveLake
internal import VarveTables

/// One version of a table, as its history shows it.
public struct HistoryEntry: Sendable {
  /// The version's number.
  public var version: Int
  /// When it was committed: `2024-10-06T12:00:00Z`.
  public var timestamp: String
  /// Delta's word for what was done: `WRITE`, `MERGE`.
  public var operation: String
  /// `append`, `merge`, …; nil where another writer made the version.
  public var mode: String?
  /// The run of a schedule that it belongs to.
  public var execution: String?
  /// What became of the rows; nil where another writer did not say.
  public var rows: IngestReport.Rows?
  /// The names of the files that were ingested.
  public var sources: [String]
  /// The engine that committed: `Varve/0.1.0`.
  public var writer: String
  /// Whether readers are shown this version or a later one.
  public var isPublished: Bool
  /// What the version is called.
  public var tags: [String]
  /// Whether it is held, so that no vacuum takes it.
  public var isHeld: Bool
  /// The ingestion's id, if there is one.
  public var ingestionID: String?
}

extension Warehouse {
  /// The versions of a table, newest first. Version 0 made the table and holds nothing.
  public func history(_ table: String, limit: Int? = nil) throws -> [HistoryEntry] {
    let table = try self.table(table)
    let published = try table.snapshot().version
    let marks = try Tags.read(table.storage)
    let now = surroundings.clock.milliseconds()
    return try table.history(limit: limit).filter { !$0.isCreation }.map { record in
      let (names, isHeld) = marks.marks(of: record.version, at: now)
      return HistoryEntry(
        version: Int(record.version), timestamp: timeText(record.timestamp), operation: record.operation,
        mode: record.bookkeeping?.mode, execution: record.bookkeeping?.execution,
        rows: record.bookkeeping.map { IngestReport.Rows($0.rows) },
        sources: record.bookkeeping?.sources.map(\.name) ?? [], writer: record.writer,
        isPublished: record.version <= published, tags: names, isHeld: isHeld,
        ingestionID: record.bookkeeping?.ingestion)
    }
  }
}

extension HistoryRecord {
  /// Whether it is the empty version 0 that comes before a table's first feed.
  var isCreation: Bool {
    version == 0 && bookkeeping?.sources.isEmpty != false && operation == "CREATE TABLE"
  }
}
