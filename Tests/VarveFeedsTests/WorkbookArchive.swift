import CArchive
import Foundation
import VarveFeeds
import VarveTables

/// A workbook made by hand, part by part, so that each of them can be wrong.
///
/// Parts are stored in a zip archive as given; what its headers say of a part can be replaced by a lie.
struct WorkbookArchive {
  struct Part {
    var name: String
    var bytes: [UInt8]
    /// As the headers say (APPNOTE.TXT, 4.4.5); the bytes stay as they are, but for deflate (8).
    var method: UInt16 = 0
    var checksum: UInt32?
    var size: Int?
    var flags: UInt16 = 0
    /// Of Unix, in the central directory: 0o120777 is a link.
    var mode: UInt32 = 0o100644
  }

  var parts: [Part] = []

  static let transitional = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
  static let strict = "http://purl.oclc.org/ooxml/spreadsheetml/main"
  static let relationships = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
  static let package = "http://schemas.openxmlformats.org/package/2006/relationships"

  /// A workbook of one sheet named `S` with those rows, strings and number formats (styles from 1 on).
  init(
    rows: String, strings: String? = nil, formats: [String] = [], workbookProperties: String = "", behind: String = ""
  ) {
    self.init(sheet: "<worksheet xmlns=\"\(Self.transitional)\"><sheetData>\(rows)</sheetData>\(behind)</worksheet>")
    self["xl/workbook.xml"] = Self.workbook(sheets: ["S"], properties: workbookProperties)
    self["xl/sharedStrings.xml"] = "<sst xmlns=\"\(Self.transitional)\">\(strings ?? "")</sst>"
    let codes = formats.enumerated().map { index, code in
      let code = code.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "\"", with: "&quot;")
      return "<numFmt numFmtId=\"\(164 + index)\" formatCode=\"\(code)\"/>"
    }
    let styles = formats.indices.map { "<xf numFmtId=\"\(164 + $0)\"/>" }
    self["xl/styles.xml"] = """
      <styleSheet xmlns="\(Self.transitional)"><numFmts>\(codes.joined())</numFmts>
      <cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/>\(styles.joined())</cellXfs></styleSheet>
      """
  }

  /// A workbook of one sheet, whose part is given.
  init(sheet: String) {
    self["_rels/.rels"] = Self.relationships([("rId1", "officeDocument", "xl/workbook.xml")])
    self["xl/workbook.xml"] = Self.workbook(sheets: ["S"])
    self["xl/_rels/workbook.xml.rels"] = Self.relationships([
      ("rId1", "worksheet", "worksheets/sheet1.xml"), ("rIdStyles", "styles", "styles.xml"),
      ("rIdStrings", "sharedStrings", "sharedStrings.xml"),
    ])
    self["xl/worksheets/sheet1.xml"] = sheet
    self["xl/styles.xml"] = "<styleSheet xmlns=\"\(Self.transitional)\"/>"
    self["xl/sharedStrings.xml"] = "<sst xmlns=\"\(Self.transitional)\"/>"
  }

  /// A workbook of several sheets: name, attributes in the workbook, rows.
  init(sheets: [(name: String, attributes: String, rows: String)]) {
    self.init(rows: "")
    self["xl/workbook.xml"] = Self.workbook(sheets: sheets.map(\.name), attributes: sheets.map(\.attributes))
    var targets = [("rIdStyles", "styles", "styles.xml"), ("rIdStrings", "sharedStrings", "sharedStrings.xml")]
    for (index, sheet) in sheets.enumerated() {
      targets.append(("rId\(index + 1)", "worksheet", "worksheets/sheet\(index + 1).xml"))
      self["xl/worksheets/sheet\(index + 1).xml"] =
        "<worksheet xmlns=\"\(Self.transitional)\"><sheetData>\(sheet.rows)</sheetData></worksheet>"
    }
    self["xl/_rels/workbook.xml.rels"] = Self.relationships(targets)
  }

  static func workbook(sheets: [String], attributes: [String] = [], properties: String = "") -> String {
    let list = sheets.enumerated().map { index, name in
      "<sheet name=\"\(name)\" sheetId=\"\(index + 1)\" r:id=\"rId\(index + 1)\" \(index < attributes.count ? attributes[index] : "")/>"
    }
    return """
      <workbook xmlns="\(transitional)" xmlns:r="\(relationships)"><workbookPr \(properties)/><sheets>\(list.joined())\
      </sheets></workbook>
      """
  }

  static func relationships(_ targets: [(id: String, type: String, part: String)]) -> String {
    let list = targets.map {
      "<Relationship Id=\"\($0.id)\" Type=\"\(relationships)/\($0.type)\" Target=\"\($0.part)\"/>"
    }
    return "<Relationships xmlns=\"\(package)\">\(list.joined())</Relationships>"
  }

  /// The text of the part of that name; setting it adds or replaces the part, nil takes it away.
  subscript(_ name: String) -> String? {
    get { parts.first { $0.name == name }.map { String(decoding: $0.bytes, as: UTF8.self) } }
    set {
      let index = parts.firstIndex { $0.name == name }
      switch (index, newValue) {
      case (let index?, let text?): parts[index].bytes = Array(text.utf8)
      case (let index?, nil): parts.remove(at: index)
      case (nil, let text?): parts.append(Part(name: name, bytes: Array(text.utf8)))
      case (nil, nil): break
      }
    }
  }

  mutating func change(_ name: String, _ body: (inout Part) -> Void) {
    body(&parts[parts.firstIndex { $0.name == name }!])
  }

  /// The zip archive (APPNOTE.TXT, 4.3).
  var bytes: [UInt8] {
    var archive: [UInt8] = []
    var directory: [UInt8] = []
    for part in parts {
      let stored = part.method == 8 ? deflated(part.bytes) : part.bytes
      let common =
        number(part.flags) + number(part.method) + number(UInt32(0x0021_0000))
        + number(part.checksum ?? crc32(part.bytes)) + number(UInt32(stored.count))
        + number(UInt32(part.size ?? part.bytes.count)) + number(UInt16(part.name.utf8.count)) + number(UInt16(0))
      directory +=
        number(UInt32(0x0201_4B50)) + number(UInt16(0x0314)) + number(UInt16(20)) + common + number(UInt16(0))
        + number(UInt16(0)) + number(UInt16(0)) + number(part.mode << 16) + number(UInt32(archive.count))
        + Array(part.name.utf8)
      archive += number(UInt32(0x0403_4B50)) + number(UInt16(20)) + common + Array(part.name.utf8) + stored
    }
    let end =
      number(UInt32(0x0605_4B50)) + number(UInt32(0)) + number(UInt16(parts.count)) + number(UInt16(parts.count))
      + number(UInt32(directory.count)) + number(UInt32(archive.count)) + number(UInt16(0))
    return archive + directory + end
  }

  /// The bytes as a file of that name, while `body` runs.
  static func withFile<Result>(
    of bytes: [UInt8], named name: String = "w.xlsx", _ body: (_ path: String) throws -> Result
  ) throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("varve-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent(name)
    try Data(bytes).write(to: file)
    return try body(file.path)
  }

  /// The lines that `CellDump` writes of it, without those that open a sheet.
  func cells(limits: WorkbookLimits = WorkbookLimits(), scansRows: Bool = true) throws -> [String] {
    try WorkbookArchive.withFile(of: bytes) {
      try WorkbookArchive.cells(of: $0, limits: limits, scansRows: scansRows).filter { !$0.hasPrefix("{\"sheet\"") }
    }
  }

  static func cells(
    of path: String, limits: WorkbookLimits = WorkbookLimits(), scansRows: Bool = true
  ) throws -> [String] {
    var bytes: [UInt8] = []
    try CellDump.write(WorkbookPackage(path: path, limits: limits), scansRows: scansRows) { bytes += $0 }
    return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  /// A feed of it; the file is gone, but open.
  func feed(_ options: WorkbookFeed.Options = .init()) throws -> WorkbookFeed {
    try WorkbookArchive.withFile(of: bytes) { try WorkbookFeed(path: $0, options: options) }
  }

  private func number<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
  }

  private func crc32(_ bytes: [UInt8]) -> UInt32 {
    var sum: UInt32 = ~0
    for byte in bytes {
      sum ^= UInt32(byte)
      for _ in 0..<8 { sum = sum >> 1 ^ (sum & 1 == 1 ? 0xEDB8_8320 : 0) }
    }
    return ~sum
  }

  /// A raw deflate stream, taken out of the zip archive that libarchive makes of the bytes.
  private func deflated(_ bytes: [UInt8]) -> [UInt8] {
    var room = [UInt8](repeating: 0, count: bytes.count + 4_096)
    var used = 0
    let archive = archive_write_new()
    archive_write_set_format_zip(archive)
    archive_write_set_options(archive, "zip:compression=deflate")
    archive_write_open_memory(archive, &room, room.count, &used)
    let entry = archive_entry_new()
    archive_entry_set_pathname(entry, "x")
    archive_entry_set_filetype(entry, 0o100000)
    archive_entry_set_size(entry, Int64(bytes.count))
    archive_write_header(archive, entry)
    archive_write_data(archive, bytes, bytes.count)
    archive_entry_free(entry)
    archive_write_free(archive)
    // Sizes stand in the central directory, which its last record locates.
    let end = used - 22
    func number(_ at: Int, _ count: Int) -> Int { (0..<count).reduce(0) { $0 | Int(room[at + $1]) << (8 * $1) } }
    let directory = number(end + 16, 4)
    let start = 30 + number(26, 2) + number(28, 2)
    return Array(room[start..<(start + number(directory + 20, 4))])
  }
}

extension RawBatch {
  /// Its rows as text, for comparison: `7: text A | number 1.5 | null`.
  var lines: [String] {
    (0..<rowCount).map { row in
      let cells = columns.map { column in
        let text = String(decoding: column.bytes[column.range(row)], as: UTF8.self)
        return text.isEmpty ? "\(column.kinds[row])" : "\(column.kinds[row]) \(text)"
      }
      return "\(origins.positions[row]): " + cells.joined(separator: " | ")
    }
  }
}
