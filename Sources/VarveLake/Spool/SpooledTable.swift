internal import VarveParquet
package import VarveSQLite
package import VarveTables

/// A feed that has been read to its end, as a table: its typed rows in feed order, each with where it came from.
package final class SpooledTable: QueryTable {
  private let feed: Feed
  /// Of the scan that was begun last.
  private var rows: SpooledRows?

  package init(_ feed: Feed) { self.feed = feed }

  package var schema: Schema { feed.schema }
  package var estimatedRowCount: Int { feed.rowCount }

  package func scan(_ request: ScanRequest) throws -> any BatchStream {
    let rows = try SpooledRows(feed, columns: request.columns.map { feed.schema.fields[$0] })
    self.rows = rows
    return rows
  }

  package func explain(_ request: ScanRequest) -> [String] { ["the feed: \(feed.rowCount) rows"] }

  /// Of a row of the last scan's last batch.
  package func origin(ofRow number: Int64) -> Origin? { rows?.origin(ofRow: Int(number)) }

  /// All columns, batch by batch.
  package func allRows() throws -> SpooledRows { try SpooledRows(feed, columns: feed.schema.fields) }
}

/// Rows of a spooled feed in some of its columns.
package final class SpooledRows: BatchStream {
  private let feed: Feed
  private let schema: Schema
  private let scan: ParquetScan
  /// By column, where the flags of the rows that lack it lie in the scan.
  private let flags: [Int: Int]
  private let places: (row: Int?, sheet: Int?, file: Int?)
  private var first = 0
  private var count = 0
  private var batch: Batch?

  init(_ feed: Feed, columns: [Field]) throws {
    self.feed = feed
    schema = Schema(columns)
    var names = columns.map(\.name)
    var flags: [Int: Int] = [:]
    for (index, field) in columns.enumerated() where feed.partiallyAbsent.contains(field.name) {
      flags[index] = names.count
      names.append(Feed.absentColumn(field.name))
    }
    self.flags = flags
    func place(_ name: String) -> Int? {
      guard feed.spool.schema.index(of: name) != nil else { return nil }
      names.append(name)
      return names.count - 1
    }
    places = (place(Feed.rowColumn), place(Feed.sheetColumn), place(Feed.fileColumn))
    scan = feed.spool.scan(
      columns: try names.map { try feed.spool.columnIndex(named: $0) }, batchRowsMax: MergedBatches.rowsPerBatchMax,
      batchColumnBytesMax: EngineLimits.batchColumnBytesMax)
  }

  package func next() throws -> ScanBatch? {
    first += count
    guard let scanned = try scan.next() else { return nil }
    batch = scanned
    count = scanned.rowCount
    let columns = zip(scanned.columns, schema.fields).map { $0.known(as: $1.type) }
    return ScanBatch(Batch(schema, columns, rowCount: count), rowNumbers: .consecutive(from: Int64(first)))
  }

  /// Whether the row, of the last batch, has no such key at all.
  package func isAbsent(_ row: Int, column: Int) -> Bool {
    guard let flag = flags[column], let batch else { return false }
    return batch.columns[flag].value(at: row) == .boolean(true)
  }

  /// Of a row of the last batch, by its number in the feed.
  package func origin(ofRow number: Int) -> Origin? {
    guard let batch, (first..<first + count).contains(number) else { return nil }
    let row = number - first
    var origin = Origin(file: feed.file, sheet: feed.sheet, unit: feed.unit, position: number + 1)
    if let place = places.row, case .int64(let position) = batch.columns[place].value(at: row) {
      origin.position = Int(position)
    }
    if let place = places.sheet, case .text(let sheet) = batch.columns[place].value(at: row) { origin.sheet = sheet }
    if let place = places.file, case .text(let file) = batch.columns[place].value(at: row) { origin.file = file }
    return origin
  }
}
