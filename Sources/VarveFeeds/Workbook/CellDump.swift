/// Every cell of a workbook that has a value, as lines of JSON: what a workbook really holds.
///
/// `{"sheet":NAME}` opens each worksheet, then comes `{"row":1,"col":1,"t":T,"v":V}` for each cell. T and V are `n` and a
/// number, `s` and a text, `b` and a boolean, `d` and a date-time or a time of day (ISO 8601), `u` and a duration in
/// seconds, `e` and an error as it prints.
package enum CellDump {
  /// - Parameters:
  ///   - scansRows: whether rows of the usual shape may be read past the XML parser.
  ///   - write: takes whole lines, about 64 KB at a time; a cell of 32,767 characters may make that more.
  package static func write(
    _ workbook: WorkbookPackage, scansRows: Bool = true, to write: (_ lines: [UInt8]) throws -> Void
  ) throws {
    for sheet in workbook.outline.worksheets {
      var lines = GrowingBytes(capacity: 1 << 16)
      defer { lines.deallocate() }
      lines.append("{\"sheet\":")
      var name = sheet.name
      name.withUTF8 { appendString($0, to: &lines) }
      lines.append("}\n")
      let reader = try SheetReader(sheet, of: workbook, scansRows: scansRows)
      repeat {
        let page = reader.page
        for cell in page.cells.view where cell.kind != .formula {
          append(cell, try page.text(cell, reader.strings.table), to: &lines)
          guard lines.count > flushBytes else { continue }
          try write(Array(lines.view))
          lines.removeAll()
        }
        reader.removePage()
      } while try reader.readMore()
      try write(Array(lines.view))
    }
  }

  private static let flushBytes = 1 << 16

  private static func append(_ cell: SheetCell, _ text: UnsafeBufferPointer<UInt8>, to lines: inout GrowingBytes) {
    lines.append("{\"row\":")
    lines.append(String(cell.row))
    lines.append(",\"col\":")
    lines.append(String(cell.column))
    switch cell.kind {
    case .number:
      lines.append(",\"t\":\"n\",\"v\":")
      lines.append(text)
    case .boolean:
      lines.append(",\"t\":\"b\",\"v\":")
      lines.append(text)
    case .duration:
      lines.append(",\"t\":\"u\",\"v\":")
      lines.append(text)
    case .text, .sharedText:
      lines.append(",\"t\":\"s\",\"v\":")
      appendString(text, to: &lines)
    case .error, .formula:
      lines.append(",\"t\":\"e\",\"v\":")
      appendString(text, to: &lines)
    case .date:
      lines.append(",\"t\":\"d\",\"v\":\"")
      lines.append(text)
      lines.append("T00:00:00\"")
    case .dateTime, .time:
      lines.append(",\"t\":\"d\",\"v\":")
      appendString(text, to: &lines)
    }
    lines.append("}\n")
  }

  /// A JSON string (RFC 8259, section 7) of valid UTF-8.
  private static func appendString(_ text: UnsafeBufferPointer<UInt8>, to lines: inout GrowingBytes) {
    lines.append(UInt8(ascii: "\""))
    for byte in text {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        lines.append(UInt8(ascii: "\\"))
        lines.append(byte)
      case UInt8(ascii: "\n"): lines.append("\\n")
      case UInt8(ascii: "\r"): lines.append("\\r")
      case UInt8(ascii: "\t"): lines.append("\\t")
      case 0..<0x20:
        lines.append(byte < 0x10 ? "\\u000" : "\\u00")
        lines.append(String(byte, radix: 16))
      default: lines.append(byte)
      }
    }
    lines.append(UInt8(ascii: "\""))
  }
}
