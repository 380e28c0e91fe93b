package import VarveJSON
internal import VarveTables

/// How rows of data are printed.
package enum RowFormat: String, Sendable, CaseIterable { case table, csv, json, ndjson }

/// Prints rows one after the other, in bounded memory.
package final class RowPrinter {
  private let format: RowFormat
  private let names: [String]
  private let output: Stream
  private var rowsPrinted = 0
  /// Rows held back until the widths of the table's columns are known.
  private var held: [[JSONValue]] = []
  private var isTableOpen = false

  /// `columns` may hold a name twice; objects then number the later ones: `price`, `price_2`.
  package init(_ format: RowFormat, columns: [String], to output: Stream) throws {
    self.format = format
    self.output = output
    names = format == .json || format == .ndjson ? ColumnName.distinct(columns) : columns
    switch format {
    case .csv: try output.writeLine(columns.map(csvField).joined(separator: ","))
    case .json: try output.write("[")
    case .table, .ndjson: break
    }
  }

  /// One value for each column.
  package func add(_ row: [JSONValue]) throws {
    switch format {
    case .table:
      held.append(row)
      if held.count >= heldRowsMax { try printHeld() }
    case .csv:
      try output.writeLine(row.map { plainText($0).map(csvField) ?? "" }.joined(separator: ","))
    case .json:
      try output.write(rowsPrinted == 0 ? "\n  " : ",\n  ")
      try output.write(object(row))
    case .ndjson:
      try output.write(object(row) + [UInt8(ascii: "\n")])
    }
    rowsPrinted += 1
  }

  package func finish() throws {
    switch format {
    case .table: try printHeld()
    case .json: try output.write(rowsPrinted == 0 ? "]\n" : "\n]\n")
    case .csv, .ndjson: break
    }
  }

  private func object(_ row: [JSONValue]) -> [UInt8] {
    var bytes: [UInt8] = [UInt8(ascii: "{")]
    for (column, value) in row.enumerated() {
      if column > 0 { bytes += ", ".utf8 }
      JSONValue.write(string: names[column], to: &bytes)
      bytes += ": ".utf8
      value.write(to: &bytes)
    }
    bytes.append(UInt8(ascii: "}"))
    return bytes
  }

  private func printHeld() throws {
    if isTableOpen && held.isEmpty { return }
    let numbers = names.indices.map { column in
      let values = held.map { $0[column] }.filter { !$0.isNull }
      return !values.isEmpty && values.allSatisfy { $0.number != nil }
    }
    var table = TextTable(names.indices.map { .init(names[$0], numbers[$0] ? .right : .left) })
    table.rows = held.map { $0.map(plainText) }
    let lines = table.lines(width: output.width, style: output.style)
    // Every further part has widths of its own, and no headings.
    for line in isTableOpen ? lines[2...] : lines[...] { try output.writeLine(line) }
    isTableOpen = true
    held = []
  }
}

/// The value as text, nil for null; arrays and objects as JSON.
package func plainText(_ value: JSONValue) -> String? {
  switch value {
  case .null: nil
  case .string(let text): text
  default: value.text()
  }
}

/// RFC 4180; the empty text is quoted, since a field without anything is null.
private func csvField(_ text: String) -> String {
  let needsQuotes = text.isEmpty || text.utf8.contains { csvSpecials.contains($0) }
  guard needsQuotes else { return text }
  return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
}

private let csvSpecials = Set("\",\r\n".utf8)
private let heldRowsMax = 5_000
