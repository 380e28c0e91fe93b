import VarveTables

/// Deals the cells below a header out to the columns of a batch, row by row.
///
/// A column holds fewer cells than the batch has rows until one comes: the gap is filled then, or at the batch's end.
final class RecordBuilder {
  private let file: String
  private let recordBytesMax: Int
  /// The sheet whose records are being built.
  private var sheet = ""
  private var headerRow = 0
  private var names: [String] = []
  /// As many as `names`; the memory is for all columns that a workbook's sheets can bring.
  private var columns = GrowingBuffer<ColumnCells>()
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
    if let sheetColumnName { append(column: sheetColumnName) }
  }

  deinit {
    for column in columns.view { column.deallocate() }
    columns.deallocate()
  }

  /// The rows that follow belong to that sheet, whose header has those names; the batch before is finished.
  func beginSheet(_ sheet: String, header: SheetHeader, merges: [MergedRange]) {
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

  private func addColumn(_ header: String) -> Int {
    var name = header
    var number = 1
    while isTaken(name) {
      number += 1
      name = "\(header)_\(number)"
    }
    append(column: name)
    columnOfHeader[header] = names.count - 1
    return names.count - 1
  }

  private func append(column name: String) {
    names.append(name)
    columns.append(ColumnCells())
    isOfSheet.append(true)
  }

  /// Names of one header differ, so only the column of sheet names, and what was numbered for it, can be in the way.
  private func isTaken(_ name: String) -> Bool {
    guard let sheetColumnName else { return false }
    return name.lowercased() == sheetColumnName || names.contains(name)
  }

  /// Takes cells until the batch is full, which it can only be between two rows.
  ///
  /// - Returns: how many were taken; fewer than there are means that the batch is full.
  func take(_ cells: UnsafeBufferPointer<SheetCell>, of page: SheetPage, _ strings: SharedStrings.Table) throws
    -> Int
  {
    var row = positions.last ?? 0
    for (index, cell) in cells.enumerated() {
      if Int(cell.row) != row {
        try endRow()
        if isFull { return index }
        row = Int(cell.row)
        positions.append(row)
        bytesBeforeRow = bytesHeld
      }
      let column = columnOfCell[Int(cell.column)]
      guard column >= 0 else { throw problemOfNameless(cell) }
      let text = try page.text(cell, strings)
      bytesHeld += text.count
      if bytesHeld - bytesBeforeRow > recordBytesMax { throw problemOfSize(cell) }
      append(cell.kind, text, to: column)
    }
    return cells.count
  }

  private var isFull: Bool {
    positions.count >= FeedLimits.batchRowsMax || bytesHeld >= FeedLimits.batchBytesMax
      || positions.count * names.count >= Self.slotsMax
  }

  /// Cells of a batch, empty ones too: a sheet of 16,384 columns need not have a value in each.
  private static let slotsMax = 1 << 20

  @inline(__always)
  private func append(_ kind: CellKind, _ text: UnsafeBufferPointer<UInt8>, to column: Int) {
    let cells = columns.start + column
    if cells.pointee.kinds.count < positions.count - 1 { pad(column, to: positions.count - 1) }
    cells.pointee.kinds.append(rawKind(kind))
    if kind == .duration {
      cells.pointee.bytes.append(ISODuration.text(seconds: text))
    } else {
      cells.pointee.bytes.append(text)
    }
    cells.pointee.ends.append(cells.pointee.bytes.count)
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
    case .error, .formula: .error
    }
  }

  private func pad(_ column: Int, to rowCount: Int) {
    let cells = columns.start + column
    let missing = rowCount - cells.pointee.kinds.count
    cells.pointee.kinds.append(repeating: isOfSheet[column] ? .null : .absent, count: missing)
    cells.pointee.ends.append(repeating: cells.pointee.bytes.count, count: missing)
  }

  /// The row at hand has all cells of its own: fills in the values of merged ranges.
  private func endRow() throws {
    guard !merges.isEmpty, let row = positions.last else { return }
    let index = positions.count - 1
    let overlap = merges.enter(row) { column in
      let column = columnOfCell[column]
      guard column >= 0, columns.start[column].kinds.count > index else { return nil }
      let cells = columns.start[column]
      let start = index == 0 ? 0 : cells.ends.start[index - 1]
      return (cells.kinds.start[index], Array(cells.bytes.view(start..<cells.ends.start[index])))
    }
    if let overlap {
      throw Problem(
        .failed,
        at: [file, "sheet \"\(sheet)\"", "cell \(CellReference.name(row: row, column: overlap.firstColumn))"],
        "begins a merged range that overlaps another", advice: "unmerge one of them")
    }
    for merge in merges.active {
      for column in merge.range.firstColumn...merge.range.lastColumn {
        let column = columnOfCell[column]
        guard column >= 0, columns.start[column].kinds.count <= index else { continue }
        pad(column, to: index)
        let cells = columns.start + column
        cells.pointee.kinds.append(merge.kind)
        merge.bytes.withUnsafeBufferPointer { cells.pointee.bytes.append($0) }
        cells.pointee.ends.append(cells.pointee.bytes.count)
        bytesHeld += merge.bytes.count
      }
    }
    merges.leave(row)
  }

  /// The rows taken since the last batch, or nil when there is none.
  func finishBatch() throws -> RawBatch? {
    guard !positions.isEmpty else { return nil }
    try endRow()
    if sheetColumnName != nil {
      for _ in positions {
        columns.start.pointee.kinds.append(.text)
        columns.start.pointee.bytes.append(sheet)
        columns.start.pointee.ends.append(columns.start.pointee.bytes.count)
      }
    }
    var finished: [RawColumn] = []
    for (index, name) in names.enumerated() {
      pad(index, to: positions.count)
      finished.append(columns.start[index].column(name))
      columns.start[index].removeAll()
    }
    let batch = RawBatch(
      columns: finished, rowCount: positions.count,
      origins: Origins(file: file, sheet: sheet, unit: .row, positions: positions))
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

/// The cells of one column while a batch is built.
private struct ColumnCells: BitwiseCopyable {
  var kinds = GrowingBuffer<RawKind>()
  var ends = GrowingBuffer<Int>()
  var bytes = GrowingBytes()

  func deallocate() {
    kinds.deallocate()
    ends.deallocate()
    bytes.deallocate()
  }

  mutating func removeAll() {
    kinds.removeAll()
    ends.removeAll()
    bytes.removeAll()
  }

  func column(_ name: String) -> RawColumn {
    RawColumn(name: name, kinds: Array(kinds.view), ends: Array(ends.view), bytes: Array(bytes.view))
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
  /// By column, where a range came into force.
  private var lastRowInForce: [Int: Int] = [:]
  /// By their first row, descending: the next one is last.
  private var waiting: [MergedRange]

  init(_ ranges: [MergedRange]) { waiting = ranges.sorted { $0.firstRow > $1.firstRow } }

  var isEmpty: Bool { active.isEmpty && waiting.isEmpty }

  /// Ranges that begin in that row come into force, if their first cell has a value.
  ///
  /// - Returns: the first that would overlap one in force, if any does; so at most one is in force for each cell.
  mutating func enter(_ row: Int, value: (_ column: Int) -> (RawKind, [UInt8])?) -> MergedRange? {
    while let range = waiting.last, range.firstRow <= row {
      waiting.removeLast()
      guard range.firstRow == row, let (kind, bytes) = value(range.firstColumn) else { continue }
      for column in range.firstColumn...range.lastColumn {
        guard lastRowInForce[column, default: 0] < row else { return range }
        lastRowInForce[column] = range.lastRow
      }
      active.append(Value(range: range, kind: kind, bytes: bytes))
    }
    return nil
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
