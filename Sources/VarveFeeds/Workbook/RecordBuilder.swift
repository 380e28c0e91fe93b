import VarveTables

/// Deals the cells below a header out to the columns of a batch, row by row.
///
/// A column holds fewer cells than the batch has rows until one comes: the gap is filled then, or at the batch's end.
struct RecordBuilder {
  private let file: String
  private let recordBytesMax: Int
  /// The sheet whose records are being built.
  private var sheet = ""
  private var headerRow = 0
  private var columns: [RawColumn] = []
  /// Whether the sheet at hand has that column: an empty cell of one that it lacks is absent, not null.
  private var isOfSheet: [Bool] = []
  private var columnOfHeader: [String: Int] = [:]
  /// Per column of the sheet, from 1: the batch's column, or -1.
  private var columnOfCell: [Int] = []
  private var positions: [Int] = []
  private var bytesHeld = 0
  private var bytesBeforeRow = 0
  private var merges = MergedValues([])
  /// Names the batch's first column, which holds the name of the sheet.
  private let sheetColumnName: String?

  /// - Parameter namesSheet: puts a column with the sheet's name before all others.
  init(file: String, namesSheet: Bool, limits: WorkbookLimits) {
    self.file = file
    recordBytesMax = limits.recordBytesMax
    sheetColumnName = namesSheet ? "sheet" : nil
    if let sheetColumnName {
      columns = [RawColumn(name: sheetColumnName)]
      isOfSheet = [true]
    }
  }

  /// The rows that follow belong to that sheet, whose header has those names; the batch before is finished.
  mutating func beginSheet(_ sheet: String, header: SheetHeader, merges: [MergedRange]) {
    precondition(positions.isEmpty, "a batch never spans two sheets")
    self.sheet = sheet
    headerRow = header.row
    isOfSheet = isOfSheet.map { _ in false }
    if sheetColumnName != nil { isOfSheet[0] = true }
    columnOfCell = Array(repeating: -1, count: CellReference.columnsMax + 1)
    for (column, name) in header.names {
      let index = columnOfHeader[name] ?? addColumn(name)
      isOfSheet[index] = true
      columnOfCell[column] = index
    }
    self.merges = MergedValues(merges.filter { $0.firstRow > header.row })
  }

  private mutating func addColumn(_ header: String) -> Int {
    var name = header
    var number = 1
    while isTaken(name) {
      number += 1
      name = "\(header)_\(number)"
    }
    columns.append(RawColumn(name: name))
    isOfSheet.append(false)
    columnOfHeader[header] = columns.count - 1
    return columns.count - 1
  }

  /// Names of one header differ, so only the column of sheet names, and what was numbered for it, can be in the way.
  private func isTaken(_ name: String) -> Bool {
    guard let sheetColumnName else { return false }
    return name.lowercased() == sheetColumnName || columns.contains { $0.name == name }
  }

  /// Takes cells until the batch is full, which it can only be between two rows.
  ///
  /// - Returns: how many were taken; fewer than there are means that the batch is full.
  mutating func take(_ cells: UnsafeBufferPointer<SheetCell>, of page: SheetPage, _ strings: SharedStrings.Table) throws
    -> Int
  {
    for (index, cell) in cells.enumerated() {
      if Int(cell.row) != positions.last {
        endRow()
        if isFull { return index }
        positions.append(Int(cell.row))
        bytesBeforeRow = bytesHeld
      }
      let column = columnOfCell[Int(cell.column)]
      guard column >= 0 else { throw problemOfNameless(cell) }
      let text = page.text(cell, strings)
      bytesHeld += text.count
      if bytesHeld - bytesBeforeRow > recordBytesMax { throw problemOfSize(cell) }
      append(cell.kind, text, to: column)
    }
    return cells.count
  }

  private var isFull: Bool {
    positions.count >= FeedLimits.batchRowsMax || bytesHeld >= FeedLimits.batchBytesMax
      || positions.count * columns.count >= Self.slotsMax
  }

  /// Cells of a batch, empty ones too: a sheet of 16,384 columns need not have a value in each.
  private static let slotsMax = 1 << 20

  @inline(__always)
  private mutating func append(_ kind: CellKind, _ text: UnsafeBufferPointer<UInt8>, to column: Int) {
    let row = positions.count - 1
    if columns[column].kinds.count < row { pad(column, to: row) }
    columns[column].kinds.append(rawKind(kind))
    if kind == .duration {
      columns[column].bytes.append(contentsOf: ISODuration.text(seconds: text).utf8)
    } else {
      columns[column].bytes.append(contentsOf: text)
    }
    columns[column].ends.append(columns[column].bytes.count)
  }

  @inline(__always)
  private func rawKind(_ kind: CellKind) -> RawKind {
    switch kind {
    case .number: .number
    case .text, .sharedText: .text
    case .boolean: .boolean
    case .date: .date
    case .dateTime: .dateTime
    case .time: .time
    case .duration: .duration
    case .error: .error
    }
  }

  private mutating func pad(_ column: Int, to rowCount: Int) {
    let missing = rowCount - columns[column].kinds.count
    columns[column].kinds.append(contentsOf: repeatElement(isOfSheet[column] ? .null : .absent, count: missing))
    columns[column].ends.append(contentsOf: repeatElement(columns[column].bytes.count, count: missing))
  }

  /// The row at hand has all cells of its own: fills in the values of merged ranges.
  private mutating func endRow() {
    guard !merges.isEmpty, let row = positions.last else { return }
    let index = positions.count - 1
    merges.enter(row) { column in
      let column = columnOfCell[column]
      guard column >= 0, columns[column].count > index else { return nil }
      return (columns[column].kinds[index], Array(columns[column].bytes[columns[column].range(index)]))
    }
    for merge in merges.active {
      for column in merge.range.firstColumn...merge.range.lastColumn {
        let column = columnOfCell[column]
        guard column >= 0, columns[column].count <= index else { continue }
        pad(column, to: index)
        columns[column].kinds.append(merge.kind)
        columns[column].bytes.append(contentsOf: merge.bytes)
        columns[column].ends.append(columns[column].bytes.count)
        bytesHeld += merge.bytes.count
      }
    }
    merges.leave(row)
  }

  /// The rows taken since the last batch, or nil when there is none.
  mutating func finishBatch() -> RawBatch? {
    guard !positions.isEmpty else { return nil }
    endRow()
    if sheetColumnName != nil {
      let name = Array(sheet.utf8)
      for row in positions.indices {
        columns[0].kinds.append(.text)
        columns[0].bytes.append(contentsOf: name)
        columns[0].ends.append((row + 1) * name.count)
      }
    }
    for column in columns.indices { pad(column, to: positions.count) }
    let batch = RawBatch(
      columns: columns, rowCount: positions.count,
      origins: Origins(file: file, sheet: sheet, unit: .row, positions: positions))
    columns = columns.map { full in
      var column = RawColumn(name: full.name)
      column.kinds.reserveCapacity(full.kinds.count)
      column.ends.reserveCapacity(full.ends.count)
      column.bytes.reserveCapacity(full.bytes.count)
      return column
    }
    positions.removeAll(keepingCapacity: true)
    bytesHeld = 0
    return batch
  }

  private func problemOfNameless(_ cell: SheetCell) -> Problem {
    Problem(
      .failed,
      at: [file, "sheet \"\(sheet)\"", "cell \(CellReference.name(row: Int(cell.row), column: Int(cell.column)))"],
      "holds a value, but the header in row \(headerRow) gives its column no name",
      advice: "name the column, empty the cell, or give another row with --header-row")
  }

  private func problemOfSize(_ cell: SheetCell) -> Problem {
    Problem(
      .failed, at: [file, "sheet \"\(sheet)\"", "row \(cell.row)"], "holds more than \(recordBytesMax) bytes of text")
  }
}

/// Values of merged ranges, in force from their first row to their last.
private struct MergedValues {
  struct Value {
    var range: MergedRange
    var kind: RawKind
    var bytes: [UInt8]
  }

  private(set) var active: [Value] = []
  /// By their first row, descending: the next one is last.
  private var waiting: [MergedRange]

  init(_ ranges: [MergedRange]) { waiting = ranges.sorted { $0.firstRow > $1.firstRow } }

  var isEmpty: Bool { active.isEmpty && waiting.isEmpty }

  /// Ranges that begin in that row come into force, if their first cell has a value.
  mutating func enter(_ row: Int, value: (_ column: Int) -> (RawKind, [UInt8])?) {
    while let range = waiting.last, range.firstRow <= row {
      waiting.removeLast()
      if range.firstRow == row, let (kind, bytes) = value(range.firstColumn) {
        active.append(Value(range: range, kind: kind, bytes: bytes))
      }
    }
  }

  mutating func leave(_ row: Int) { active.removeAll { $0.range.lastRow <= row } }
}

enum ISODuration {
  /// `PT36H` of `129600`: hours, minutes and seconds, those that are zero left out.
  static func text(seconds: UnsafeBufferPointer<UInt8>) -> String {
    var digits = String(decoding: seconds, as: UTF8.self)
    let isNegative = digits.hasPrefix("-")
    if isNegative { digits.removeFirst() }
    let point = digits.firstIndex(of: ".") ?? digits.endIndex
    guard let whole = Int(digits[..<point]) else { preconditionFailure("a duration is a number of seconds") }
    let fraction = digits[point...]
    var text = isNegative ? "-PT" : "PT"
    if whole >= 3_600 { text += "\(whole / 3_600)H" }
    if whole / 60 % 60 > 0 { text += "\(whole / 60 % 60)M" }
    if whole % 60 > 0 || !fraction.isEmpty || whole == 0 { text += "\(whole % 60)\(fraction)S" }
    return text
  }
}
