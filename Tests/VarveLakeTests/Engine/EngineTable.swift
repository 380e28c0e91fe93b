import Foundation
import Testing
import VarveLake
import VarveParquet
import VarveSQLite
import VarveTables

/// A row by column: a missing key is an absent column, `.null` an explicit null.
typealias Row = [String: Value]

/// A table without a log: changes are staged by the engine and moved into place as the committer would.
final class EngineTable {
  let directory: TemporaryDirectory
  let storage: Storage
  let partitionBy: [PartitionBy]
  let key: [String]
  let recordKey: RecordKey?
  private(set) var contents: TableContents
  private(set) var version = 0
  private var transactions = 0

  init(schema: Schema, partitionBy: [String] = [], key: [String] = [], keyFrom: [String] = []) throws {
    directory = try TemporaryDirectory()
    storage = try directory.storage()
    self.partitionBy = try partitionBy.map { try PartitionBy($0) }
    recordKey = keyFrom.isEmpty ? nil : RecordKey(keyFrom)
    self.key = recordKey == nil ? key : [RecordKey.columnName]
    contents = TableContents(
      storage: storage, schema: RecordKey.extend(try PartitionBy.extend(schema, by: self.partitionBy), by: recordKey),
      partitionColumns: self.partitionBy.map(\.name), files: [])
  }

  func plan(
    _ rows: [Row], _ pattern: WritePattern, feedSchema: Schema? = nil, schema: Schema? = nil,
    absentIsNull: Bool = false
  ) throws -> PartitionPlan {
    var feed = try makeFeed(
      rows, feedSchema ?? Schema(contents.schema.fields.filter { $0.name != RecordKey.columnName || recordKey == nil }))
    feed.recordKey = recordKey
    return PartitionPlan(
      base: contents, partitionBy: partitionBy, key: key, schema: schema ?? contents.schema, feed: feed,
      pattern: pattern, absentIsNull: absentIsNull)
  }

  func stage(
    _ plan: PartitionPlan, memoryBytes: Int = 1 << 20, parallelism: Int = 2, rowGroupRowsMax: Int = 131_072,
    partBytesMax: Int = 512 << 20
  ) throws -> (change: StagedChange, area: StagingArea) {
    transactions += 1
    let area = try StagingArea(storage, transaction: "t\(transactions)")
    let limits = EngineLimits(
      memoryBytes: memoryBytes, parallelism: parallelism, rowGroupRowsMax: rowGroupRowsMax, partBytesMax: partBytesMax)
    do {
      return (try Engine(staging: area, limits: limits).stage(plan), area)
    } catch {
      try area.abandon()
      throw error
    }
  }

  /// Moves what was staged into place and makes it the newest version.
  func commit(_ change: StagedChange, _ area: StagingArea) throws {
    version += 1
    let gone = Set(change.removed.map { Array($0.path.utf8) })
    var files = contents.files.filter { !gone.contains(Array($0.path.utf8)) }
    #expect(files.count == contents.files.count - change.removed.count, "each removed file was live")
    for partition in change.added {
      let path = try PartitionDirectory.path(columns: partitionBy.map(\.name), values: partition.partition)
      let target = Layout.versionDirectory(partition: path, version: Int64(version))
      let manager = FileManager.default
      try manager.createDirectory(
        atPath: "\(directory.path)/\(Layout.parent(target))", withIntermediateDirectories: true)
      try manager.moveItem(
        atPath: "\(directory.path)/\(Layout.stagedDirectory(area.transaction, partition.directory))",
        toPath: "\(directory.path)/\(target)")
      for file in partition.files {
        files.append(
          LiveFile(
            path: Layout.join(target, file.name), partition: partition.partition, byteCount: file.byteCount,
            modificationTime: 0, statistics: file.statistics))
      }
    }
    // Partition values, nulls first, then directory version, then part.
    let order = { (file: LiveFile) in
      zip(self.partitionBy, file.partition).map { entry, text -> Value in
        text.map { Value(text: $0, type: change.schema[entry.name]!.type)! } ?? .null
      }
    }
    files.sort { left, right in
      for (one, other) in zip(order(left), order(right)) where one != other { return one < other }
      let (one, other) = (Layout.parent(left.path), Layout.parent(right.path))
      return Layout.name(one) != Layout.name(other) ? Layout.name(one) < Layout.name(other) : left.path < right.path
    }
    contents.files = files
    contents.schema = change.schema
    try area.abandon()
  }

  /// A file that another writer placed in the table's root.
  func addStranger(_ bytes: [UInt8], _ name: String, partition: [String?]) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: "\(directory.path)/\(name)"))
    contents.files.insert(
      LiveFile(path: name, partition: partition, byteCount: bytes.count, modificationTime: 0), at: 0)
  }

  @discardableResult
  func apply(
    _ rows: [Row], _ pattern: WritePattern, feedSchema: Schema? = nil, schema: Schema? = nil,
    absentIsNull: Bool = false, memoryBytes: Int = 1 << 20
  ) throws -> StagedChange {
    let (change, area) = try stage(
      plan(rows, pattern, feedSchema: feedSchema, schema: schema, absentIsNull: absentIsNull), memoryBytes: memoryBytes)
    try commit(change, area)
    return change
  }

  func rows() throws -> [Row] { try rows(of: contents) }

  /// All rows, in row order.
  func rows(of contents: TableContents) throws -> [Row] {
    let scan = TableScan(contents, ScanRequest(columns: Array(contents.schema.fields.indices)))
    var rows: [Row] = []
    while let batch = try scan.next() {
      for row in 0..<batch.batch.rowCount {
        rows.append(
          Dictionary(
            uniqueKeysWithValues: zip(contents.schema.fields.map(\.name), batch.batch.values(at: row))))
      }
    }
    return rows
  }

  func scratch() -> () throws -> ScratchFile {
    transactions += 1
    let area = try! StagingArea(storage, transaction: "s\(transactions)")
    return { try area.createScratch() }
  }
}

/// A spool in memory. Column order in the spool differs from the schema's, as it may.
func makeFeed(_ rows: [Row], _ schema: Schema) throws -> Feed {
  let present = schema.fields.filter { field in rows.isEmpty || rows.contains { $0[field.name] != nil } }
  let partial = present.filter { field in rows.contains { $0[field.name] == nil } }
  var fields = [Field(Feed.rowColumn, .int64)]
  var columns = [Column(.int64, .int64(rows.indices.map { Int64($0 + 2) }))]
  for field in present.reversed() {
    fields.append(field)
    columns.append(column(rows.map { $0[field.name] ?? .null }, field.type))
  }
  for field in partial {
    fields.append(Field(Feed.absentColumn(field.name), .boolean))
    columns.append(column(rows.map { .boolean($0[field.name] == nil) }, .boolean))
  }
  let spoolSchema = Schema(fields)
  var writer = try ParquetFileWriter(ByteArray(), schema: spoolSchema)
  let whole = Batch(spoolSchema, columns, rowCount: rows.count)
  for start in stride(from: 0, to: rows.count, by: 1_000) {
    let slice = whole.slice(start..<min(start + 1_000, rows.count))
    try writer.append(
      rowGroup: zip(fields, slice.columns).map { field, column in
        let encoder = ColumnChunkEncoder(type: field.type)
        encoder.append(column)
        return encoder.finish()
      })
  }
  let spool = try ParquetFile(try writer.finish(), name: "spool")
  return Feed(
    spool: spool, schema: Schema(present), partiallyAbsent: partial.map(\.name), rowCount: rows.count, unit: .row,
    file: "feed.xlsx", sheet: "Prices")
}

func column(_ values: [Value], _ type: DataType) -> Column {
  var column = Column.empty(type)
  for value in values { column.append(contentsOf: .repeating(value, type, count: 1)) }
  return column
}
