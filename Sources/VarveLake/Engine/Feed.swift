package import VarveParquet
package import VarveTables

/// A typed feed, as its spool holds it: a Parquet file in feed order, with columns beside the feed's own that say where
/// each row came from and which columns it lacked.
package struct Feed: Sendable {
  package var spool: ParquetFile
  /// The feed's own columns, in their final types. The spool may hold them in another order.
  package var schema: Schema
  /// Columns that only some of the rows lack: the spool has a boolean column `absentColumn(name)` for each.
  package var partiallyAbsent: [String]
  package var rowCount: Int
  /// What the rows' positions count.
  package var unit: Origins.Unit
  /// The feed's name, where the spool has no column of file names.
  package var file: String
  /// Its sheet, where the spool has no column of sheet names.
  package var sheet: String?
  /// What the key of its rows is computed from; nil where the key is of columns as they are.
  package var recordKey: RecordKey?
  /// What columns are called in the spool, where that is something else.
  package var spoolNames: [String: String] = [:]

  package init(
    spool: ParquetFile, schema: Schema, partiallyAbsent: [String] = [], rowCount: Int, unit: Origins.Unit, file: String,
    sheet: String? = nil
  ) {
    self.spool = spool
    self.schema = schema
    self.partiallyAbsent = partiallyAbsent
    self.rowCount = rowCount
    self.unit = unit
    self.file = file
    self.sheet = sheet
  }

  /// int64: the row's position in its feed.
  package static let rowColumn = "\u{1}row"
  /// text: its sheet, when there are several.
  package static let sheetColumn = "\u{1}sheet"
  /// text: its file, when there are several.
  package static let fileColumn = "\u{1}file"
  /// boolean: true where the row lacked the column.
  package static func absentColumn(_ name: String) -> String { "\u{1}absent:\(name)" }

  func spoolName(_ column: String) -> String { spoolNames[column] ?? column }

  /// Where these rows (numbers from 0, ascending) came from.
  package func origins(of rows: [Int]) throws -> [Origin] {
    let names = [Self.rowColumn, Self.sheetColumn, Self.fileColumn].filter { spool.schema.index(of: $0) != nil }
    var origins: [Origin] = []
    guard !rows.isEmpty else { return [] }
    guard !names.isEmpty else {
      return rows.map { Origin(file: file, sheet: sheet, unit: unit, position: $0 + 1) }
    }
    let scan = spool.scan(columns: names.compactMap { spool.schema.index(of: $0) })
    var first = 0
    while origins.count < rows.count, let batch = try scan.next() {
      func value(_ name: String, _ row: Int) -> Value? {
        batch.schema.index(of: name).map { batch.columns[$0].value(at: row) }
      }
      while origins.count < rows.count, rows[origins.count] < first + batch.rowCount {
        let row = rows[origins.count] - first
        var origin = Origin(file: file, sheet: sheet, unit: unit, position: row + first + 1)
        if case .int64(let position) = value(Self.rowColumn, row) { origin.position = Int(position) }
        if case .text(let sheet) = value(Self.sheetColumn, row) { origin.sheet = sheet }
        if case .text(let file) = value(Self.fileColumn, row) { origin.file = file }
        origins.append(origin)
      }
      first += batch.rowCount
    }
    return origins
  }

  /// How many rows a message names.
  static let rowsNamedMax = 10

  /// What is wrong with these rows (numbers from 0; the first few are enough), of which there are `total`.
  func problem(
    _ kind: Problem.Kind, rows: [Int], total: Int, column: String? = nil, _ what: String, advice: String? = nil
  ) throws -> Problem {
    let origins = try origins(of: Array(rows.sorted().prefix(Self.rowsNamedMax)))
    guard let first = origins.first else { return Problem(kind, at: [file], what, advice: advice) }
    var others = origins.dropFirst().map { origin in
      origin.file == first.file && origin.sheet == first.sheet
        ? "\(origin.position)" : origin.place.joined(separator: ", ")
    }
    if total > origins.count { others.append("\(total - origins.count) more") }
    let also = others.isEmpty ? "" : " (so \(total == 2 ? "is" : "are") \(first.unit.rawValue) \(list(others)))"
    return Problem(kind, at: first.place + (column.map { ["column \"\($0)\""] } ?? []), what + also, advice: advice)
  }
}

/// `1`, `1 and 2`, `1, 2 and 3`.
func list(_ items: [String]) -> String {
  guard items.count > 1, let last = items.last else { return items.first ?? "" }
  return items.dropLast().joined(separator: ", ") + " and " + last
}
