import Foundation
import Synchronization
import Testing
import VarveLake
import VarveTables

/// A warehouse of its own for one test, a clock that the test winds, and commits of files made up by hand.
final class Lake: Sendable {
  let directory: TemporaryDirectory
  let warehouse: Warehouse
  let random: RandomSource
  let time = Mutex<Int64>(1_700_000_000_000)

  init() throws {
    directory = try TemporaryDirectory()
    warehouse = try Warehouse.create(directory.path + "/warehouse")
    random = .seeded(7)
  }

  var path: String { directory.path + "/warehouse" }

  var committer: Committer {
    Committer(clock: WallClock { [self] in time.withLock { $0 } }, random: random, writer: "Varve/test")
  }

  static let schema = Schema([
    Field("id", .int64), Field("market", .text), Field("price", .decimal(precision: 10, scale: 2)),
  ])

  func metadata(partitionColumns: [String] = ["market"]) -> TableMetadata {
    var metadata = TableMetadata(
      id: random.uuid(), schema: Lake.schema, partitionColumns: partitionColumns, createdTime: time.withLock { $0 })
    metadata.key = ["id"]
    return metadata
  }

  /// Stages one part per partition; its bytes are its text.
  func stage(
    _ area: StagingArea, _ parts: [(partition: [String?], text: String)], removing: [LiveFile] = [],
    reads: ReadSet = .nothing, schema: Schema = Lake.schema
  ) throws -> StagedChange {
    var rows = RowCounts()
    let added = try parts.map { part in
      let directory = try area.makePartition()
      let writer = try area.createPart(in: directory, number: 0)
      try writer.write(Array(part.text.utf8))
      let bounds = ColumnBounds(minimum: .int64(1), maximum: .int64(9), nullCount: 0)
      let file = try writer.finish(statistics: FileStatistics(rowCount: part.text.utf8.count, columns: ["id": bounds]))
      rows.inserted += file.statistics.rowCount
      return StagedPartition(directory: directory, partition: part.partition, files: [file])
    }
    return StagedChange(added: added, removed: removing, schema: schema, reads: reads, rows: rows)
  }

  func bookkeeping(_ ingestion: String, feed: String? = nil) -> Bookkeeping {
    let sources = feed.map { [FeedSource(name: "\($0).csv", sha256: Digest.sha256(Array($0.utf8)), byteCount: 1)] }
    return Bookkeeping(ingestion: ingestion, mode: "append", sources: sources ?? [])
  }

  /// Appends a part to each partition, creating the table if need be.
  @discardableResult
  func append(
    _ parts: [(partition: [String?], text: String)], to name: String = "products", feed: String? = nil,
    committer: Committer? = nil
  ) throws -> CommitOutcome {
    let base = try warehouse.table(name)?.snapshot(at: .head)
    let table = try warehouse.prepare(name)
    let area = try StagingArea(table.storage, transaction: random.identifier())
    let change = try stage(area, parts)
    let bookkeeping = bookkeeping("i\((base?.version ?? 0) + 1)", feed: feed)
    let commit =
      if let base {
        Commit(change, to: table, base: base, staging: area, bookkeeping: bookkeeping)
      } else {
        Commit(
          change, creating: table, as: metadata(partitionColumns: parts[0].partition.isEmpty ? [] : ["market"]),
          staging: area, bookkeeping: bookkeeping)
      }
    return try (committer ?? self.committer).commit(commit)
  }

  func table(_ name: String = "products") throws -> Table { try #require(try warehouse.table(name)) }

  /// An entry written by an engine that knows nothing of Varve.
  func strange(
    _ version: Int64, adding path: String, market: String, removing: [String] = [], name: String = "products"
  ) throws {
    let file = "\(self.path)/\(name)/\(path)"
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try "strange".write(toFile: file, atomically: false, encoding: .utf8)
    var lines = [#"{"commitInfo":{"timestamp":5,"operation":"WRITE","engineInfo":"stranger"}}"#]
    lines += removing.map { #"{"remove":{"path":"\#($0)","deletionTimestamp":5,"dataChange":true}}"# }
    lines.append(
      #"{"add":{"path":"\#(path)","partitionValues":{"market":"\#(market)"},"size":7,"modificationTime":5,"dataChange":true}}"#
    )
    let entry = "\(self.path)/\(name)/\(Layout.logEntry(version))"
    #expect(!FileManager.default.fileExists(atPath: entry))
    try lines.joined(separator: "\n").write(toFile: entry, atomically: false, encoding: .utf8)
  }

  /// Every path below the warehouse but for directories that are empty.
  func paths(_ name: String = "products") throws -> [String] {
    try #require(FileManager.default.enumerator(atPath: "\(path)/\(name)")?.allObjects as? [String]).sorted()
  }
}
