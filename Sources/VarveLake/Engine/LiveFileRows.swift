import VarveParquet
import VarveTables

extension FileByteSource: ByteSource {}

/// The rows of one live file in the columns and types of a version: columns that the file lacks are null, narrower types
/// are widened, partition columns have the log's value. Rows that its deletion vector strikes out do not come.
final class LiveFileRows: BatchSource {
  let schema: Schema
  /// The file's number, from 0, of the row that the last batch began at.
  private(set) var firstRow = 0
  /// What of the rows from there on the last batch has; nil where it has all of them.
  private(set) var keptRows: [Int]?
  private let struck: RowSet
  private let file: ParquetFile
  private let origins: [Origin]
  private let scanned: [Int]
  private var ranges: ArraySlice<Range<Int>>
  private var scan: ParquetScan?

  private enum Origin {
    /// The scan's column of that number, which the version knows as `type`.
    case scanned(Int, as: DataType)
    case constant(Value)
  }

  /// The file's number of a row of the last batch.
  func rowOfFile(_ row: Int) -> Int { firstRow + (keptRows?[row] ?? row) }

  /// `fields` may have wider types than the contents' schema; `names` says what each of them is called there, where that
  /// differs, and leaves out those that are not. Row groups are left out for whose statistics, of the columns in
  /// `pruning`, `keeps` is false. `struck` are rows that do not come either.
  init(
    _ contents: TableContents, _ file: LiveFile, fields: [Field], names: [String: String]? = nil,
    pruning: [String] = [], striking struck: RowSet? = nil, keeps: ((FileStatistics) -> Bool)? = nil
  ) throws {
    let parquet = try contents.open(file)
    self.file = parquet
    var all = try contents.struckRows(file, rowCount: parquet.rowCount)
    if let struck { all.formUnion(struck) }
    self.struck = all
    schema = Schema(fields)
    var scanned: [Int] = []
    origins = try fields.map { field in
      if let value = try contents.partitionValue(file, field) { return .constant(value) }
      guard let name = names.map({ $0[field.name] }) ?? field.name, let index = try parquet.index(of: name) else {
        return .constant(.null)
      }
      scanned.append(index)
      return .scanned(scanned.count - 1, as: contents.schema[name]?.type ?? field.type)
    }
    self.scanned = scanned
    guard let keeps else {
      ranges = [0..<parquet.rowCount]
      return
    }
    var ranges: [Range<Int>] = []
    for (number, group) in parquet.rowGroups.enumerated() where keeps(parquet.statistics(number, of: pruning)) {
      let rows = group.firstRow..<group.firstRow + group.rowCount
      if let last = ranges.last, last.upperBound == rows.lowerBound {
        ranges[ranges.count - 1] = last.lowerBound..<rows.upperBound
      } else {
        ranges.append(rows)
      }
    }
    self.ranges = ranges[...]
  }

  func next() throws -> Batch? {
    while true {
      if let scan {
        if let batch = try scan.next() {
          firstRow = scan.batchFirstRow
          let rows = try assemble(batch.columns, rowCount: batch.rowCount)
          keptRows = struck.isEmpty ? nil : (0..<batch.rowCount).filter { !struck.contains(firstRow + $0) }
          guard let keptRows, keptRows.count < batch.rowCount else {
            keptRows = nil
            return rows
          }
          if keptRows.isEmpty { continue }
          return rows.gather(rows: keptRows)
        }
        self.scan = nil
      }
      guard let rows = ranges.popFirst() else { return nil }
      scan = file.scan(
        columns: scanned, rows: rows, batchRowsMax: MergedBatches.rowsPerBatchMax,
        batchColumnBytesMax: EngineLimits.batchColumnBytesMax)
    }
  }

  private func assemble(_ scanned: [Column], rowCount: Int) throws -> Batch {
    let columns = try zip(origins, schema.fields).map { origin, field in
      switch origin {
      case .constant(let value): Column.repeating(value, field.type, count: rowCount)
      case .scanned(let index, let type):
        try scanned[index].known(as: type).widened(to: field.type) { _ in [file.name, "column \"\(field.name)\""] }
      }
    }
    return Batch(schema, columns, rowCount: rowCount)
  }
}

extension ParquetFile {
  /// The column of that name, nil where the file has none, and a problem where it has one that cannot be read.
  func index(of column: String) throws -> Int? {
    if let index = schema.index(of: column) { return index }
    return unreadableColumns.contains { $0.name == column } ? try columnIndex(named: column) : nil
  }

  /// What the file says about some columns of a row group.
  fileprivate func statistics(_ rowGroup: Int, of columns: [String]) -> FileStatistics {
    var statistics = FileStatistics(rowCount: rowGroups[rowGroup].rowCount)
    for name in columns {
      guard let column = schema.index(of: name) else { continue }
      let bounds = bounds(rowGroup: rowGroup, column: column)
      statistics.columns[name] = ColumnBounds(
        minimum: bounds?.minimum, maximum: bounds?.maximum, nullCount: nullCount(rowGroup: rowGroup, column: column))
    }
    return statistics
  }
}
