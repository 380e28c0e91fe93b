package import VarveJSON

/// CSV as Pimcore's importer reads it with PHP's `fgetcsv`, which differs from RFC 4180: a backslash keeps the quote
/// behind it from ending a field. Fields are known by their places.
package struct ImporterCSV: Hashable, Sendable {
  /// What stands in which column, from the first on.
  package var fields: [String]
  package var delimiter = UInt8(ascii: ",")
  /// Whether the first line names the fields; the importer must be told to skip it.
  package var hasHeader = true

  package init(fields: [String]) { self.fields = fields }

  private static let quote = UInt8(ascii: "\"")
  private static let escape = UInt8(ascii: "\\")

  /// A whole file of these records.
  package func bytes(_ records: [JSONObject]) -> [UInt8] {
    var bytes: [UInt8] = []
    if hasHeader { write(fields, to: &bytes) }
    for record in records { write(cells(record), to: &bytes) }
    return bytes
  }

  /// The texts of one record. Null is empty, nested values are JSON.
  package func cells(_ record: JSONObject) -> [String] {
    fields.map { field in
      switch record[field] {
      case nil, .null?: ""
      case .string(let text)?: text
      case let value?: value.text(.canonical)
      }
    }
  }

  /// The first field whose text PHP would read as another: a backslash before a quote, or at the end of a text that has
  /// to stand in quotes.
  package func misread(_ record: JSONObject) -> String? {
    zip(fields, cells(record)).first { _, text in
      let text = Array(text.utf8)
      guard needsQuotes(text), text.contains(ImporterCSV.escape) else { return false }
      return text.last == ImporterCSV.escape
        || zip(text, text.dropFirst()).contains { $0 == ImporterCSV.escape && $1 == ImporterCSV.quote }
    }?.0
  }

  private func write(_ cells: [String], to bytes: inout [UInt8]) {
    for (index, cell) in cells.enumerated() {
      if index > 0 { bytes.append(delimiter) }
      let text = Array(cell.utf8)
      // A line that holds nothing would be no row.
      guard needsQuotes(text) || cells.count == 1 && text.isEmpty else {
        bytes += text
        continue
      }
      bytes.append(ImporterCSV.quote)
      for byte in text {
        if byte == ImporterCSV.quote { bytes.append(byte) }
        bytes.append(byte)
      }
      bytes.append(ImporterCSV.quote)
    }
    bytes.append(UInt8(ascii: "\n"))
  }

  private func needsQuotes(_ text: [UInt8]) -> Bool {
    // Blanks at the beginning are passed over where no quote follows.
    text.contains { [ImporterCSV.quote, delimiter, 0x0A, 0x0D].contains($0) } || text.first.map { $0 <= 0x20 } == true
      || text.last.map { $0 <= 0x20 } == true
  }

  // MARK: Reading, as PHP does

  /// The cells of each line.
  package func rows(_ bytes: [UInt8]) -> [[String]] {
    var rows: [[String]] = []
    var row: [String] = []
    var cell: [UInt8] = []
    var index = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    func end() {
      row.append(String(decoding: cell, as: UTF8.self))
      cell = []
    }
    while index < bytes.count {
      if cell.isEmpty, bytes[index] == ImporterCSV.quote {
        index = quoted(bytes, index + 1, &cell)
        continue
      }
      switch bytes[index] {
      case delimiter:
        end()
        index += 1
      case 0x0D where index + 1 < bytes.count && bytes[index + 1] == 0x0A: index += 1
      case 0x0A:
        end()
        rows.append(row)
        row = []
        index += 1
      default:
        cell.append(bytes[index])
        index += 1
      }
    }
    if !cell.isEmpty || !row.isEmpty {
      end()
      rows.append(row)
    }
    return hasHeader ? Array(rows.dropFirst()) : rows
  }

  /// Reads up to behind the closing quote.
  private func quoted(_ bytes: [UInt8], _ start: Int, _ cell: inout [UInt8]) -> Int {
    var index = start
    while index < bytes.count {
      switch bytes[index] {
      case ImporterCSV.escape where index + 1 < bytes.count:
        cell += [bytes[index], bytes[index + 1]]
        index += 2
      case ImporterCSV.quote:
        guard index + 1 < bytes.count, bytes[index + 1] == ImporterCSV.quote else { return index + 1 }
        cell.append(ImporterCSV.quote)
        index += 2
      default:
        cell.append(bytes[index])
        index += 1
      }
    }
    return index
  }
}
