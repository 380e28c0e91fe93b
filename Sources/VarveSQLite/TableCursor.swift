internal import VarveTables

/// A scan in progress: where its rows lie, and which is next. `RawCursor` walks over them.
final class TableCursor {
  private(set) var plan: Int32 = 0
  /// Positions in the schema of the block's columns.
  private var columns: [Int] = []
  private var stream: (any BatchStream)?
  private var filter: RowFilter?
  private var block: RowBlock?
  private var kept: KeptRows?
  /// What the raw cursor reads; it points into `block` or `kept`.
  private(set) var window = RowWindow()
  private var readers: UnsafeMutablePointer<ColumnReader>
  private let forms: [ColumnForm]

  init(_ forms: [ColumnForm]) {
    self.forms = forms
    readers = .allocate(capacity: max(1, forms.count))
    readers.initialize(repeating: ColumnReader(), count: max(1, forms.count))
  }

  deinit { readers.deallocate() }

  /// No rows.
  func finish() {
    (stream, filter, block, kept) = (nil, nil, nil, nil)
    window = RowWindow()
  }

  func stream(_ stream: any BatchStream, _ block: RowBlock, _ filter: RowFilter, plan: Int32, columns: [Int]) {
    (self.stream, self.block, self.filter, kept) = (stream, block, filter, nil)
    (self.plan, self.columns) = (plan, columns)
    window = RowWindow()
  }

  /// Loads the next batch that has rows. `eachBatch` learns how many were read.
  func advance(eachBatch: (Int) throws -> Void) throws {
    window = RowWindow()
    guard let stream, let block, let filter else { return }
    while let scanned = try stream.next() {
      try eachBatch(scanned.batch.rowCount)
      block.removeAll()
      block.append(scanned, filter.selection(scanned.batch))
      if block.rowCount > 0 { return show(block) }
    }
    self.stream = nil
  }

  /// All rows of a table in memory.
  func walk(_ kept: KeptRows) {
    (self.kept, stream, block, columns) = (kept, nil, nil, kept.columns)
    show(kept.block)
  }

  /// One chain of them.
  func follow(_ kept: KeptRows, _ first: Int32, _ next: UnsafePointer<Int32>) {
    // The readers of a cursor that was here before already point there.
    if self.kept !== kept { walk(kept) }
    window = RowWindow(readers: UnsafePointer(readers), chain: next, row: Int(first), isAtEnd: first < 0)
  }

  private func show(_ shown: RowBlock) {
    for (index, column) in columns.enumerated() {
      readers[column] = ColumnReader(shown.columns[index], forms[column])
    }
    window = RowWindow(readers: UnsafePointer(readers), row: 0, rowCount: shown.rowCount, isAtEnd: shown.rowCount == 0)
  }

  func rowNumber(_ row: Int) -> Int64 { (kept?.block ?? block)?.number(ofRow: row) ?? 0 }
}

/// The rows that a cursor can reach without asking: plain memory, copied into SQLite's structure.
struct RowWindow {
  /// One per column of the table; those that were not asked for read as null.
  var readers: UnsafePointer<ColumnReader>?
  /// Where to go from each row, if not to the one behind it; -1 ends.
  var chain: UnsafePointer<Int32>?
  var row = 0
  var rowCount = 0
  var isAtEnd = true
}

/// Where the values of one column lie.
struct ColumnReader {
  enum Kind { case null, integer, real, wideReal, scaledReal, decimal, wideDecimal, date, timestamp, text }

  var kind = Kind.null
  /// A decimal's, for its text.
  var scale = 0
  /// A decimal's, for its double: exact.
  var divisor = 1.0
  var values: UnsafeRawPointer?
  var bytes: UnsafePointer<UInt8>?
  var validity: UnsafePointer<Bool>?

  init() {}

  init(_ buffer: ColumnBuffer, _ form: ColumnForm) {
    values = UnsafeRawPointer(buffer.values)
    bytes = UnsafePointer(buffer.bytes)
    validity = buffer.validity.map { UnsafePointer($0) }
    switch form {
    case .boolean, .integer, .wholeDecimal: kind = .integer
    case .real: kind = .real
    case .decimalAsReal(let scale):
      kind = buffer.storage == .int128 ? .wideReal : .scaledReal
      divisor = ColumnForm.powerOfTen(scale)
    case .decimalAsText(let scale):
      kind = buffer.storage == .int128 ? .wideDecimal : .decimal
      self.scale = scale
    case .date: kind = .date
    case .timestamp: kind = .timestamp
    case .text, .json: kind = .text
    }
  }
}
