import VarveTables

/// The header of a worksheet: its row, and the name of each column that has one.
struct SheetHeader {
  var row: Int
  /// Columns from 1, ascending.
  var names: [(column: Int, name: String)]
  /// Where in the page the cells below it begin.
  var cellsAbove: Int
  /// Rows above it that have a value.
  var rowsAbove: Int

  /// Reads as far as needed to know the header, and leaves in the page what was read from it on.
  ///
  /// - Parameter given: the row said to be the header; nil searches for it.
  /// - Returns: nil when the sheet has no value at all.
  static func read(_ reader: SheetReader, given: Int?, file: String) throws -> SheetHeader? {
    let place = [file, "sheet \"\(reader.sheet.name)\""]
    let row: Int
    var rowsAbove = 0
    if let given {
      row = given
      while lastRow(reader) ?? 0 <= given {
        if lastRow(reader) ?? 0 < given { reader.removePage() }
        guard try reader.readMore() else { break }
      }
    } else {
      let rows = try firstRows(reader)
      if rows.isEmpty, reader.isFinished { return nil }
      guard let found = HeaderSearch.headerRow(rows) else {
        throw Problem(
          .failed, at: place,
          "no header found: none of the first \(rows.count) rows that have a value reads as the names of columns",
          advice: "name its row with --header-row N, or put one above the data")
      }
      row = found
      rowsAbove = rows.count { $0.number < found }
    }
    var header = SheetHeader(row: row, names: [], cellsAbove: 0, rowsAbove: rowsAbove)
    try header.takeNames(reader, place)
    return header
  }

  private mutating func takeNames(_ reader: SheetReader, _ place: [String]) throws {
    let page = reader.page
    var columns: [String: Int] = [:]
    cellsAbove = page.cells.count
    for (index, cell) in page.cells.view.enumerated() {
      guard cell.row <= row else {
        cellsAbove = index
        break
      }
      guard cell.row == row, cell.kind != .formula else { continue }
      let column = Int(cell.column)
      let name = Self.name(try page.text(cell, reader.strings.table))
      if name.isEmpty { continue }
      if let first = columns.updateValue(column, forKey: name) {
        let cells = [first, column].map { CellReference.name(row: row, column: $0) }
        throw Problem(
          .failed, at: place, "the header in row \(row) names \"\(name)\" twice, in \(cells[0]) and \(cells[1])",
          advice: "rename one of them")
      }
      names.append((column, name))
    }
    guard !names.isEmpty else {
      throw Problem(
        .failed, at: place, "row \(row) has no value, so it is no header",
        advice: "give another row with --header-row N")
    }
  }

  private static func lastRow(_ reader: SheetReader) -> Int? { reader.page.cells.view.last.map { Int($0.row) } }

  /// What the search looks at: complete rows, so many that the next one has begun, within some memory.
  private static func firstRows(_ reader: SheetReader) throws -> [HeaderSearch.Row] {
    var rowCount = 0
    var cellsCounted = 0
    var last: UInt32 = 0
    repeat {
      let cells = reader.page.cells.view
      for cell in cells[cellsCounted...] where cell.row != last {
        rowCount += 1
        last = cell.row
      }
      cellsCounted = cells.count
    } while try rowCount <= HeaderSearch.rowsMax && reader.page.bytes.count < bytesMax && reader.readMore()
    let page = reader.page
    var rows: [HeaderSearch.Row] = []
    for cell in page.cells.view where cell.kind != .formula {
      if rows.last?.number != Int(cell.row) {
        if rows.count == HeaderSearch.rowsMax { return rows }
        rows.append(HeaderSearch.Row(number: Int(cell.row), cells: []))
      }
      let text = try page.text(cell, reader.strings.table)
      if name(text).isEmpty { continue }
      rows[rows.count - 1].cells.append((Int(cell.column), cell.kind, name(text)))
    }
    if !reader.isFinished, rows.count > 1 { rows.removeLast() }
    return rows
  }

  private static let bytesMax = 16 << 20

  /// The name as the cell spells it, without blanks around it.
  private static func name(_ text: UnsafeBufferPointer<UInt8>) -> String {
    var name = String(decoding: text, as: UTF8.self)[...]
    while name.first?.isWhitespace == true { name.removeFirst() }
    while name.last?.isWhitespace == true { name.removeLast() }
    return String(name)
  }
}
