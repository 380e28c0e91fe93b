import VarveTables

/// Writes a workbook (ISO/IEC 29500-1), row after row, in bounded memory.
///
/// Each worksheet begins with a header that stays in view. When a worksheet is full, the rows go on in another, which
/// has the header again. Text stands in its cell, not in a table of shared strings, and is never taken for anything else.
package final class WorkbookWriter {
  /// One cell. A cell that is null is not there.
  package enum Cell {
    case null
    case text(String)
    /// As JSON spells numbers; with so many places after the point shown, or as they come.
    case number(String, places: Int?)
    case boolean(Bool)
    /// Days since 1899-12-30, the day 0 of workbooks from March 1900 on.
    case day(Int64)
    /// The same, in milliseconds.
    case moment(milliseconds: Int64)
  }

  package struct Column {
    package var name: String
    /// In characters; nil: as wide as usual.
    package var width: Int?

    package init(_ name: String, width: Int? = nil) {
      self.name = name
      self.width = width
    }
  }

  private let zip: ZipWriter
  private let name: String
  private let columns: [Column]
  private let letters: [[UInt8]]
  private let rowsPerSheetMax: Int
  /// Names of the worksheets so far.
  package private(set) var sheets: [String] = []
  /// Rows of the worksheet that is being written, its header among them.
  private var rowCount = 0
  private var styles = CellStyles()

  /// `name` becomes that of the worksheet, as far as the format lets it.
  package init(
    _ sink: any ArchiveSink, name: String, columns: [Column], rowsPerSheetMax: Int = WorkbookWriter.rowsPerSheetMax
  ) throws {
    guard columns.count <= CellReference.columnsMax else {
      throw Problem(
        .failed, "a worksheet holds at most \(CellReference.columnsMax) columns, and these are \(columns.count)",
        advice: "name fewer of them with --query")
    }
    precondition(rowsPerSheetMax > 1, "a worksheet holds its header and a row")
    zip = ZipWriter(sink)
    self.name = WorkbookWriter.sheetName(name)
    self.columns = columns
    self.rowsPerSheetMax = rowsPerSheetMax
    letters = columns.indices.map { Array(CellReference.columnName($0 + 1).utf8) }
    try beginSheet()
  }

  package static let rowsPerSheetMax = CellReference.rowsMax
  /// A worksheet ends before its XML outgrows what a zip archive holds in one part.
  private static let sheetBytesMax = 3 << 30
  private static let cellUnitsMax = 32_767

  /// Adds a row, a cell per column.
  package func add(_ row: [Cell]) throws {
    if rowCount == rowsPerSheetMax || zip.partBytes > Self.sheetBytesMax {
      try endSheet()
      try beginSheet()
    }
    try write(row, style: nil)
  }

  package func finish() throws {
    try endSheet()
    try part("xl/styles.xml", styles.xml)
    try part("xl/workbook.xml", workbook)
    try part("xl/_rels/workbook.xml.rels", relationships)
    try part(
      "_rels/.rels",
      Self.relationshipsHead
        + "<Relationship Id=\"rId1\" Type=\"\(Self.relationshipKind)/officeDocument\" Target=\"xl/workbook.xml\"/>"
        + "</Relationships>")
    try part("[Content_Types].xml", contentTypes)
    try zip.finish()
  }

  // MARK: Worksheets

  private func beginSheet() throws {
    let suffix = sheets.isEmpty ? "" : " (\(sheets.count + 1))"
    sheets.append(String(name.prefix(31 - suffix.count)) + suffix)
    try zip.begin("xl/worksheets/sheet\(sheets.count).xml")
    var text = Self.xmlHead + "<worksheet xmlns=\"\(Self.namespace)\"><sheetViews><sheetView"
    // A view that is selected in every sheet would edit all of them at once.
    if sheets.count == 1 { text += " tabSelected=\"1\"" }
    text += " workbookViewId=\"0\"><pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/>"
    text += "</sheetView></sheetViews>"
    let widths = columns.enumerated().compactMap { index, column in
      column.width.map { "<col min=\"\(index + 1)\" max=\"\(index + 1)\" width=\"\($0)\" customWidth=\"1\"/>" }
    }
    if !widths.isEmpty { text += "<cols>" + widths.joined() + "</cols>" }
    try zip.write(Array((text + "<sheetData>").utf8))
    rowCount = 0
    try write(columns.map { .text($0.name) }, style: CellStyles.header)
  }

  private func endSheet() throws {
    try zip.write(Array("</sheetData></worksheet>".utf8))
    try zip.end()
  }

  private func write(_ row: [Cell], style: Int?) throws {
    rowCount += 1
    let number = Array(String(rowCount).utf8)
    var bytes: [UInt8] = []
    bytes += "<row r=\"".utf8
    bytes += number
    bytes += "\">".utf8
    for (column, cell) in row.enumerated() {
      func open(_ style: Int, _ kind: String? = nil) {
        bytes += "<c r=\"".utf8
        bytes += letters[column]
        bytes += number
        if style > 0 { bytes += "\" s=\"\(style)".utf8 }
        if let kind { bytes += "\" t=\"\(kind)".utf8 }
        bytes += "\">".utf8
      }
      func value(_ text: String) {
        bytes += "<v>".utf8
        bytes += text.utf8
        bytes += "</v></c>".utf8
      }
      switch cell {
      case .null: break
      case .text(let text):
        guard text.utf16.count <= Self.cellUnitsMax else {
          throw Problem(
            .failed, at: ["row \(rowCount) of sheet \"\(sheets.last ?? "")\"", "column \"\(columns[column].name)\""],
            "a cell holds at most \(Self.cellUnitsMax) characters, and this text has \(text.utf16.count)",
            advice: "export it as CSV or NDJSON, or shorten it with --query")
        }
        open(style ?? 0, "inlineStr")
        bytes += "<is><t xml:space=\"preserve\">".utf8
        CellText.append(text, escapedTo: &bytes)
        bytes += "</t></is></c>".utf8
      case .number(let spelling, let places):
        open(places.map { styles.style(places: $0) } ?? 0)
        value(spelling)
      case .boolean(let flag):
        open(0, "b")
        value(flag ? "1" : "0")
      case .day(let day):
        open(CellStyles.date)
        value(String(day))
      case .moment(let milliseconds):
        open(milliseconds % 1000 == 0 ? CellStyles.dateTime : CellStyles.dateTimeMilliseconds)
        value((Double(milliseconds) / 86_400_000).description)
      }
    }
    bytes += "</row>".utf8
    try zip.write(bytes)
  }

  /// A worksheet's name has at most 31 characters, none of `[]:*?/\`, and no apostrophe at its ends.
  private static func sheetName(_ name: String) -> String {
    var result = String(name.map { "[]:*?/\\".contains($0) ? "_" : $0 })
    while result.hasPrefix("'") { result.removeFirst() }
    while result.utf16.count > 31 { result.removeLast() }
    while result.hasSuffix("'") { result.removeLast() }
    return result.isEmpty ? "Sheet1" : result
  }

  // MARK: The other parts

  private func part(_ name: String, _ text: String) throws {
    try zip.begin(name)
    try zip.write(Array(text.utf8))
    try zip.end()
  }

  private var workbook: String {
    let list = sheets.enumerated().map { index, name in
      var escaped: [UInt8] = []
      CellText.append(name, escapedTo: &escaped)
      let text = String(decoding: escaped, as: UTF8.self)
      return "<sheet name=\"\(text)\" sheetId=\"\(index + 1)\" r:id=\"rId\(index + 1)\"/>"
    }
    return Self.xmlHead + "<workbook xmlns=\"\(Self.namespace)\" xmlns:r=\"\(Self.relationshipKind)\">"
      + "<bookViews><workbookView/></bookViews><sheets>\(list.joined())</sheets></workbook>"
  }

  private var relationships: String {
    let list = sheets.indices.map { index in
      "<Relationship Id=\"rId\(index + 1)\" Type=\"\(Self.relationshipKind)/worksheet\""
        + " Target=\"worksheets/sheet\(index + 1).xml\"/>"
    }
    return Self.relationshipsHead + list.joined()
      + "<Relationship Id=\"rId\(sheets.count + 1)\" Type=\"\(Self.relationshipKind)/styles\" Target=\"styles.xml\"/>"
      + "</Relationships>"
  }

  private var contentTypes: String {
    let office = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    let list = sheets.indices.map { index in
      "<Override PartName=\"/xl/worksheets/sheet\(index + 1).xml\" ContentType=\"\(office).worksheet+xml\"/>"
    }
    return Self.xmlHead + "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">"
      + "<Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>"
      + "<Default Extension=\"xml\" ContentType=\"application/xml\"/>"
      + "<Override PartName=\"/xl/workbook.xml\" ContentType=\"\(office).sheet.main+xml\"/>"
      + "<Override PartName=\"/xl/styles.xml\" ContentType=\"\(office).styles+xml\"/>" + list.joined() + "</Types>"
  }

  static let xmlHead = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n"
  static let namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
  private static let relationshipKind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
  private static let relationshipsHead =
    xmlHead + "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">"
}

/// The styles of a workbook's cells: what is shown of a number, and the header's bold type.
private struct CellStyles {
  static let header = 1
  static let date = 2
  static let dateTime = 3
  static let dateTimeMilliseconds = 4
  /// Places after the point, from style 5 on.
  private var places: [Int] = []

  mutating func style(places count: Int) -> Int {
    if let index = places.firstIndex(of: count) { return index + 5 }
    places.append(count)
    return places.count + 4
  }

  var xml: String {
    var formats = ["yyyy\\-mm\\-dd", "yyyy\\-mm\\-dd\\ hh:mm:ss", "yyyy\\-mm\\-dd\\ hh:mm:ss.000"]
    formats += places.map { $0 == 0 ? "0" : "0." + String(repeating: "0", count: $0) }
    // Numbers below 164 belong to the formats that are built in.
    let list = formats.enumerated().map { "<numFmt numFmtId=\"\($0 + 164)\" formatCode=\"\($1)\"/>" }
    let plain = "<xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\""
    let cells =
      ["\(plain)/>", "<xf numFmtId=\"0\" fontId=\"1\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyFont=\"1\"/>"]
      + formats.indices.map { index in
        "<xf numFmtId=\"\(index + 164)\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/>"
      }
    return WorkbookWriter.xmlHead + "<styleSheet xmlns=\"\(WorkbookWriter.namespace)\">"
      + "<numFmts count=\"\(list.count)\">\(list.joined())</numFmts>"
      + "<fonts count=\"2\"><font><sz val=\"11\"/><name val=\"Calibri\"/></font>"
      + "<font><b/><sz val=\"11\"/><name val=\"Calibri\"/></font></fonts>"
      + "<fills count=\"2\"><fill><patternFill patternType=\"none\"/></fill>"
      + "<fill><patternFill patternType=\"gray125\"/></fill></fills>"
      + "<borders count=\"1\"><border><left/><right/><top/><bottom/><diagonal/></border></borders>"
      + "<cellStyleXfs count=\"1\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\"/></cellStyleXfs>"
      + "<cellXfs count=\"\(cells.count)\">\(cells.joined())</cellXfs>"
      + "<cellStyles count=\"1\"><cellStyle name=\"Normal\" xfId=\"0\" builtinId=\"0\"/></cellStyles></styleSheet>"
  }
}

extension CellText {
  /// Appends text as XML. What XML cannot hold, and a carriage return, which it would change, becomes `_xHHHH_`
  /// (ISO/IEC 29500-1, 22.9.2.19), and text that reads like such an escape has its first character escaped.
  static func append(_ text: String, escapedTo bytes: inout [UInt8]) {
    let units = Array(text.utf8)
    var position = 0
    while position < units.count {
      let byte = units[position]
      switch byte {
      case UInt8(ascii: "&"): bytes += "&amp;".utf8
      case UInt8(ascii: "<"): bytes += "&lt;".utf8
      case UInt8(ascii: ">"): bytes += "&gt;".utf8
      case UInt8(ascii: "\""): bytes += "&quot;".utf8
      case 0x09, 0x0A: bytes.append(byte)
      case 0..<0x20: bytes += "_x00\(byte < 16 ? "0" : "")\(String(byte, radix: 16, uppercase: true))_".utf8
      case UInt8(ascii: "_") where looksEscaped(units[position...]): bytes += "_x005F_".utf8
      // U+FFFE and U+FFFF are no characters of XML.
      case 0xEF where position + 2 < units.count && units[position + 1] == 0xBF && units[position + 2] >= 0xBE:
        bytes += units[position + 2] == 0xBE ? "_xFFFE_".utf8 : "_xFFFF_".utf8
        position += 2
      default: bytes.append(byte)
      }
      position += 1
    }
  }

  private static func looksEscaped(_ units: ArraySlice<UInt8>) -> Bool {
    let start = units.startIndex
    guard units.count >= 7, units[start + 1] | 0x20 == UInt8(ascii: "x"), units[start + 6] == UInt8(ascii: "_") else {
      return false
    }
    return units[(start + 2)..<(start + 6)].allSatisfy { byte in
      (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
    }
  }
}
