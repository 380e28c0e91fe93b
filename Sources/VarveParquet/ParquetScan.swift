package import VarveTables

/// Rows of a file in their order, batch by batch. In memory: one page per column, and the batch.
package final class ParquetScan {
  /// The fields of the batches.
  package let schema: Schema
  /// The row of the file that the last batch starts with.
  package private(set) var batchFirstRow = 0

  private let file: ParquetFile
  private let columns: [Int]
  private let batchRowsMax: Int
  private let batchColumnBytesMax: Int
  private var rows: Range<Int>
  private var nextGroup = 0
  /// One per column, of the open row group.
  private var readers: [ColumnChunkReader] = []
  /// Rows already decoded for which another column had no room in the last batch.
  private var pending: [Column?]
  private var groupEnd = 0

  init(_ file: ParquetFile, columns: [Int], rows: Range<Int>, batchRowsMax: Int, batchColumnBytesMax: Int) {
    precondition(batchRowsMax > 0, "a batch has at least one row")
    self.file = file
    self.columns = columns
    self.rows = rows
    self.batchRowsMax = batchRowsMax
    self.batchColumnBytesMax = batchColumnBytesMax
    schema = Schema(columns.map { file.schema.fields[$0] })
    pending = Array(repeating: nil, count: columns.count)
  }

  /// The next rows, or nil behind the last. Batches never span two row groups.
  package func next() throws -> Batch? {
    while !rows.isEmpty && rows.lowerBound >= groupEnd { try openGroup() }
    guard !rows.isEmpty else { return nil }
    var count = min(batchRowsMax, min(groupEnd, rows.upperBound) - rows.lowerBound)
    for column in pending { if let column { count = min(count, column.count) } }
    var batch: [Column] = []
    for index in columns.indices {
      if let column = pending[index] {
        batch.append(column)
        pending[index] = nil
      } else {
        guard let column = try readers[index].next(rowsMax: count, bytesMax: batchColumnBytesMax) else {
          preconditionFailure("a column chunk has a value for each row of its row group")
        }
        batch.append(column)
        count = column.count
      }
    }
    for index in columns.indices where batch[index].count > count {
      pending[index] = batch[index].slice(count..<batch[index].count)
      batch[index] = batch[index].slice(0..<count)
    }
    batchFirstRow = rows.lowerBound
    rows = rows.lowerBound + count..<rows.upperBound
    return Batch(schema, batch, rowCount: count)
  }

  private func openGroup() throws {
    let group = file.rowGroups[nextGroup]
    groupEnd = group.firstRow + group.rowCount
    nextGroup += 1
    guard rows.lowerBound < groupEnd else { return }
    readers = try columns.map { try file.decodeChunk(rowGroup: nextGroup - 1, column: $0) }
    let before = rows.lowerBound - group.firstRow
    if before > 0 { for reader in readers { try reader.skip(rows: before) } }
  }
}

extension Column {
  func slice(_ rows: Range<Int>) -> Column {
    let validity = validity.isEmpty ? [] : Array(validity[rows])
    let values: Column.Values =
      switch values {
      case .int64(let values): .int64(Array(values[rows]))
      case .int128(let values): .int128(Array(values[rows]))
      case .double(let values): .double(Array(values[rows]))
      case .bytes(let values):
        .bytes(values.slice(rows))
      }
    return Column(type, values, validity: validity)
  }
}

extension ByteValues {
  fileprivate func slice(_ rows: Range<Int>) -> ByteValues {
    guard let first = rows.first, let last = rows.last else { return ByteValues() }
    let start = range(first).lowerBound
    return ByteValues(bytes: Array(bytes[start..<ends[last]]), ends: ends[rows].map { $0 - start })
  }
}
