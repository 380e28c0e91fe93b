/// What a cell holds.
enum CellKind: UInt8 {
  case number
  case text
  /// Text among the shared strings; `SheetCell.start` is its number there.
  case sharedText
  /// `true` or `false`.
  case boolean
  /// `2024-01-31`.
  case date
  /// `2024-01-31T08:30:00`, with up to three digits of a fraction.
  case dateTime
  case time
  /// Seconds.
  case duration
  case error
  /// A formula without the value that it had when it was last reckoned: `=1.5*2`. It is not counted among values.
  case formula
}

/// A cell that has a value, or a formula without one.
struct SheetCell {
  /// From 1.
  var row: UInt32
  /// From 1.
  var column: UInt16
  var kind: CellKind
  /// Where its text lies in the page's bytes.
  var start: UInt32
  var count: UInt32
}

/// Some cells of a sheet, in the order of the sheet: rows ascending, columns ascending in each.
struct SheetPage {
  var cells = GrowingBuffer<SheetCell>(capacity: 4_096)
  var bytes = GrowingBytes(capacity: 1 << 16)

  func deallocate() {
    cells.deallocate()
    bytes.deallocate()
  }

  mutating func removeAll() {
    cells.removeAll()
    bytes.removeAll()
  }

  /// Good until the next call, and as long as the page stays as it is.
  @inline(__always)
  func text(_ cell: SheetCell, _ strings: SharedStrings.Table) throws -> UnsafeBufferPointer<UInt8> {
    cell.kind == .sharedText
      ? try strings.text(Int(cell.start))
      : UnsafeBufferPointer(start: bytes.start + Int(cell.start), count: Int(cell.count))
  }
}

/// The name of a cell: `C7` (ISO/IEC 29500-1, 18.18.7).
enum CellReference {
  static let columnsMax = 16_384
  static let rowsMax = 1_048_576

  static func name(row: Int, column: Int) -> String { columnName(column) + String(row) }

  /// - Parameter column: from 1.
  static func columnName(_ column: Int) -> String {
    var letters: [UInt8] = []
    var rest = column
    while rest > 0 {
      letters.insert(UInt8(ascii: "A") + UInt8((rest - 1) % 26), at: 0)
      rest = (rest - 1) / 26
    }
    return String(decoding: letters, as: UTF8.self)
  }

  /// Row and column of a name within the bounds of a sheet, or nil.
  @inline(__always)
  static func parse(_ name: UnsafeBufferPointer<UInt8>) -> (row: Int, column: Int)? {
    var position = 0
    var column = 0
    while position < name.count {
      let letter = (name[position] | 0x20) &- UInt8(ascii: "a")
      guard letter < 26, position < 3 else { break }
      column = column * 26 + Int(letter) + 1
      position += 1
    }
    guard position > 0, column <= columnsMax, let row = number(name, from: position), row <= rowsMax else { return nil }
    return (row, column)
  }

  /// A whole number from 1, without sign or leading zero, of at most seven digits.
  @inline(__always)
  static func number(_ text: UnsafeBufferPointer<UInt8>, from start: Int = 0) -> Int? {
    guard text.count > start, text.count - start <= 7, text[start] != UInt8(ascii: "0") else { return nil }
    var number = 0
    for position in start..<text.count {
      let digit = text[position] &- UInt8(ascii: "0")
      guard digit <= 9 else { return nil }
      number = number * 10 + Int(digit)
    }
    return number
  }
}

/// Cells that a person sees as one; its value is that of the top left one.
struct MergedRange: Hashable {
  var firstRow, lastRow, firstColumn, lastColumn: Int
}
