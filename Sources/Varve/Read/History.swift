internal import VarveLake
internal import VarveTables

/// One version of a table, as its history shows it.
public struct HistoryEntry: Sendable {
  public var version: Int
  /// When it was committed: `2024-10-06T12:00:00Z`.
  public var timestamp: String
  /// Delta's word for what was done: `WRITE`, `MERGE`.
  public var operation: String
  /// `append`, `merge`, …; nil where another writer made the version.
  public var mode: String?
  public var execution: String?
  public var rows: IngestReport.Rows?
  /// The names of the files that were ingested.
  public var sources: [String]
  /// The engine that committed: `Varve/0.1.0`.
  public var writer: String
  /// Whether readers are shown this version or a later one.
  public var isPublished: Bool
  public var ingestionID: String?
}

/// One ingestion that made a version.
public struct IngestionSummary: Sendable {
  public var id: String
  public var table: String
  public var version: Int
  public var timestamp: String
  public var mode: String
  public var execution: String?
  public var sources: [String]
  public var rows: IngestReport.Rows
}

extension Warehouse {
  /// The versions of a table, newest first. Version 0 made the table and holds nothing.
  public func history(_ table: String, limit: Int? = nil) throws -> [HistoryEntry] {
    let table = try self.table(table)
    let published = try table.snapshot().version
    return try table.history(limit: limit).filter { !$0.isCreation }.map { record in
      HistoryEntry(
        version: Int(record.version), timestamp: timeText(record.timestamp), operation: record.operation,
        mode: record.bookkeeping?.mode, execution: record.bookkeeping?.execution,
        rows: record.bookkeeping.map { IngestReport.Rows($0.rows) },
        sources: record.bookkeeping?.sources.map(\.name) ?? [], writer: record.writer,
        isPublished: record.version <= published, ingestionID: record.bookkeeping?.ingestion)
    }
  }

  /// Every ingestion that made a version, newest first.
  public func ingestions(limit: Int? = nil) throws -> [IngestionSummary] {
    guard let lake = try lake() else { return [] }
    var found: [(time: Int64, summary: IngestionSummary)] = []
    for name in try lake.tableNames() {
      for record in try lake.table(name)?.history(limit: limit) ?? [] where !record.isCreation {
        guard let bookkeeping = record.bookkeeping, !bookkeeping.sources.isEmpty else { continue }
        found.append(
          (
            record.timestamp,
            IngestionSummary(
              id: bookkeeping.ingestion, table: name, version: Int(record.version),
              timestamp: timeText(record.timestamp), mode: bookkeeping.mode, execution: bookkeeping.execution,
              sources: bookkeeping.sources.map(\.name), rows: IngestReport.Rows(bookkeeping.rows))
          ))
      }
    }
    found.sort { ($1.time, $0.summary.table, $1.summary.version) < ($0.time, $1.summary.table, $0.summary.version) }
    return found.prefix(limit ?? .max).map(\.summary)
  }
}

extension HistoryRecord {
  /// Whether it is the empty version 0 that comes before a table's first feed.
  fileprivate var isCreation: Bool {
    version == 0 && bookkeeping?.sources.isEmpty != false && operation == "CREATE TABLE"
  }
}
