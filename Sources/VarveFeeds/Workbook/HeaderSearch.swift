/// Finds the header of a sheet past title rows.
///
/// Looked at are the first `rowsMax` rows that have a value. A row can be a header when every value in it reads as a name:
/// text that is no number, a year, or a date, and one text at least. Its score is the share of columns used below it that it
/// names; a title names few. The header is the first row whose score comes near the best one, so that a data row
/// that happens to be all text loses to the header above it even where the header misses a column.
enum HeaderSearch {
  static let rowsMax = 50
  /// How far below the best score a row above it may stay.
  static let scoreSlack = 0.2

  /// One row with values: its number and its cells by column.
  struct Row {
    var number: Int
    var cells: [(column: Int, kind: CellKind, text: String)]
  }

  /// The number of the header row, or nil when no row reads as one.
  static func headerRow(_ rows: [Row]) -> Int? {
    var scores = [Double](repeating: -1, count: rows.count)
    let columnsOfAll = Set(rows.flatMap { $0.cells.map(\.column) })
    var columnsBelow: Set<Int> = []
    for index in rows.indices.reversed() {
      let columns = Set(rows[index].cells.map(\.column))
      if isNames(rows[index]) {
        let used = columnsBelow.isEmpty ? columnsOfAll : columnsBelow
        scores[index] = Double(columns.intersection(used).count) / Double(used.count)
      }
      columnsBelow.formUnion(columns)
    }
    guard let best = scores.max(), best >= 0 else { return nil }
    return scores.firstIndex { $0 >= best - scoreSlack }.map { rows[$0].number }
  }

  private static func isNames(_ row: Row) -> Bool {
    var texts = 0
    for cell in row.cells {
      switch cell.kind {
      case .text, .sharedText:
        if isYear(cell.text) { continue }
        if isNumber(cell.text) { return false }
        texts += 1
      case .number: if !isYear(cell.text) { return false }
      case .date, .dateTime: continue
      case .boolean, .time, .duration, .error, .formula: return false
      }
    }
    return texts > 0
  }

  private static func isYear(_ text: String) -> Bool {
    text.utf8.count == 4 && Int(text).map { (1900...2200).contains($0) } == true
  }

  /// Digits with the signs and separators of any country around them.
  private static func isNumber(_ text: String) -> Bool {
    var hasDigit = false
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): hasDigit = true
      case UInt8(ascii: "."), UInt8(ascii: ","), UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: " "),
        UInt8(ascii: "'"), UInt8(ascii: "%"):
        continue
      default: return false
      }
    }
    return hasDigit
  }
}
