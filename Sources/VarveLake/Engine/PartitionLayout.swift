import VarveTables

/// How the rows of one schema are told apart by partition.
struct PartitionLayout: Sendable {
  let schema: Schema
  let entries: [PartitionBy]
  /// Of the partition columns, positions in `schema`.
  let columns: [Int]

  /// The schema must have the partition columns and what they are computed from.
  init(_ schema: Schema, _ entries: [PartitionBy]) {
    self.schema = schema
    self.entries = entries
    columns = entries.map { entry in
      guard let index = schema.index(of: entry.name), schema.index(of: entry.source) != nil else {
        preconditionFailure("the schema has the partition column \(entry.name)")
      }
      return index
    }
  }

  var names: [String] { entries.map(\.name) }

  /// Fills the period columns of rows of this schema.
  func derive(_ batch: inout Batch) {
    for (entry, column) in zip(entries, columns) {
      guard case .period(let period, let source) = entry, let index = schema.index(of: source) else { continue }
      batch.columns[column] = PartitionBy.column(period, of: batch.columns[index])
    }
  }

  /// Each row's partition; partitions are in order as these keys are.
  func keys(_ batch: Batch) -> RowKeys { RowKeys(columns.map { batch.columns[$0] }, rowCount: batch.rowCount) }

  /// The row's partition as the log spells it.
  func values(_ batch: Batch, _ row: Int) -> [String?] { columns.map { batch.columns[$0].value(at: row).text } }

  /// The partition of those log texts, as `keys` has it. Nil when a text is none of its column's type.
  func key(_ values: [String?]) -> [UInt8]? {
    var parsed: [Column] = []
    for (value, column) in zip(values, columns) {
      guard let value = PartitionLayout.value(value, schema.fields[column].type) else { return nil }
      parsed.append(.repeating(value, schema.fields[column].type, count: 1))
    }
    return Array(RowKeys(parsed, rowCount: 1)[0])
  }

  /// A value as the log spells it: both null and the empty text stand for null (Delta, "Partition Value Serialization").
  static func value(_ text: String?, _ type: DataType) -> Value? {
    guard let text, text != "" else { return .null }
    return Value(text: text, type: type)
  }

  /// The first row whose values make no partition directory, with the reason.
  func firstRefused(_ batch: Batch) -> (row: Int, problem: Problem)? {
    for column in columns where batch.columns[column].type.storage == .bytes {
      let texts = batch.columns[column].texts
      // Names escape a byte to at most three, so that shorter values need no look.
      let harmless = (PartitionDirectory.nameBytesMax - 1) / 3 - schema.fields[column].name.utf8.count
      for row in 0..<batch.rowCount where !(1...max(1, harmless)).contains(texts.range(row).count) {
        if batch.columns[column].isNull(row) { continue }
        do {
          _ = try PartitionDirectory.path(columns: names, values: values(batch, row))
        } catch {
          return (row, (error as? Problem) ?? Problem(.failed, "\(error)"))
        }
      }
    }
    return nil
  }
}

/// Rows in the order of their partitions, one partition after the other.
final class PartitionedRows {
  private let source: any BatchSource
  private let layout: PartitionLayout
  private var batch: Batch?
  private var keys = RowKeys([], rowCount: 0)
  private var row = 0

  init(_ source: any BatchSource, _ layout: PartitionLayout) throws {
    self.source = source
    self.layout = layout
    try load()
  }

  var schema: Schema { layout.schema }

  /// The partition that the next row lies in, or nil at the end.
  var partition: (key: [UInt8], values: [String?])? {
    batch.map { (Array(keys[row]), layout.values($0, row)) }
  }

  /// Rows of that partition, or nil when it has no more.
  func next(in partition: [UInt8]) throws -> Batch? {
    guard let batch, keys[row].elementsEqual(partition) else { return nil }
    var end = batch.rowCount
    if !keys[end - 1].elementsEqual(partition) {
      // The first row of a later partition, by halving.
      var low = row
      while end - low > 1 {
        let middle = (low + end) / 2
        if keys[middle].elementsEqual(partition) { low = middle } else { end = middle }
      }
    }
    let rows = batch.slice(row..<end)
    row = end
    if row == batch.rowCount { try load() }
    return rows
  }

  private func load() throws {
    batch = try source.next()
    row = 0
    if let batch { keys = layout.keys(batch) }
  }

  /// The rows of one partition as a source of their own; to be read to its end before the next.
  func rows(in partition: [UInt8]) -> any BatchSource { Rows(self, partition) }

  private final class Rows: BatchSource {
    let rows: PartitionedRows
    let partition: [UInt8]
    var schema: Schema { rows.schema }

    init(_ rows: PartitionedRows, _ partition: [UInt8]) {
      self.rows = rows
      self.partition = partition
    }

    func next() throws -> Batch? { try rows.next(in: partition) }
  }
}
