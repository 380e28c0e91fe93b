internal import VarveFeeds
internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// Spells rows in one format of file.
protocol RowWriter: AnyObject {
  /// One value per column.
  func add(_ row: [Value]) throws
  func finish() throws
  var sheets: [String] { get }
  var remarks: [String] { get }
}

/// CSV and TSV (RFC 4180, with line feeds): null is an empty field, the empty text is `""`.
final class SeparatedRows: RowWriter {
  private let file: BufferedFile
  private let separator: UInt8
  private let columnCount: Int
  let sheets: [String] = []
  let remarks: [String] = []

  init(_ file: FileWriter, _ names: [String], separator: Character) throws {
    self.file = BufferedFile(file)
    self.separator = separator.asciiValue ?? UInt8(ascii: ",")
    columnCount = names.count
    try add(names.map { .text($0) })
  }

  func add(_ row: [Value]) throws {
    if columnCount == 1, row[0] == .null {
      throw Problem(
        .failed, "a null in the only column of a CSV file is an empty line, which readers pass over",
        advice: "export it as NDJSON, or with another column")
    }
    var bytes: [UInt8] = []
    for (column, value) in row.enumerated() {
      if column > 0 { bytes.append(separator) }
      guard let text = value.text else { continue }
      let isPlain =
        !text.isEmpty
        && !text.utf8.contains { $0 == separator || $0 == UInt8(ascii: "\"") || $0 == 0x0A || $0 == 0x0D }
      if isPlain {
        bytes += text.utf8
      } else {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
          if byte == UInt8(ascii: "\"") { bytes.append(byte) }
          bytes.append(byte)
        }
        bytes.append(UInt8(ascii: "\""))
      }
    }
    bytes.append(0x0A)
    try file.write(bytes)
  }

  func finish() throws { try file.flush() }
}

/// NDJSON, or an array with an object a line.
final class JSONRows: RowWriter {
  private let file: BufferedFile
  private let names: [[UInt8]]
  private let isArray: Bool
  private var isFirst = true
  let sheets: [String] = []
  let remarks: [String] = []

  init(_ file: FileWriter, _ names: [String], isArray: Bool) throws {
    self.file = BufferedFile(file)
    self.isArray = isArray
    self.names = names.map { JSONValue.string($0).bytes() + [UInt8(ascii: ":")] }
    if isArray { try self.file.write([UInt8(ascii: "[")]) }
  }

  func add(_ row: [Value]) throws {
    var bytes: [UInt8] = []
    if isArray { bytes += (isFirst ? "\n" : ",\n").utf8 }
    isFirst = false
    bytes.append(UInt8(ascii: "{"))
    for (column, value) in row.enumerated() {
      if column > 0 { bytes.append(UInt8(ascii: ",")) }
      bytes += names[column]
      value.jsonValue.write(to: &bytes)
    }
    bytes.append(UInt8(ascii: "}"))
    if !isArray { bytes.append(0x0A) }
    try file.write(bytes)
  }

  func finish() throws {
    if isArray { try file.write(Array("\n]\n".utf8)) }
    try file.flush()
  }
}

/// A workbook in which every value is what it was: text is text, dates are dates, and a number that a workbook would
/// round is text, too.
final class WorkbookRows: RowWriter {
  private let writer: WorkbookWriter
  private let file: BufferedFile
  /// Per kind of value that became text, how many.
  private var spelled: [String: Int] = [:]

  var sheets: [String] { writer.sheets }
  var remarks: [String] {
    spelled.sorted { $0.key < $1.key }.map { "\($0.key) are text, since a workbook would change them: \($0.value)" }
      + (sheets.count > 1 ? ["a worksheet was full: there are \(sheets.count)"] : [])
  }

  init(
    _ file: FileWriter, _ names: [String], _ types: [DataType?], title: String, rowsPerSheetMax: Int
  ) throws {
    self.file = BufferedFile(file)
    let columns = zip(names, types).map { name, type in
      WorkbookWriter.Column(name, width: type == .date ? 11 : type == .timestamp ? 24 : nil)
    }
    writer = try WorkbookWriter(self.file, name: title, columns: columns, rowsPerSheetMax: rowsPerSheetMax)
  }

  func add(_ row: [Value]) throws { try writer.add(row.map(cell)) }

  func finish() throws {
    try writer.finish()
    try file.flush()
  }

  private func cell(_ value: Value) -> WorkbookWriter.Cell {
    func asText(_ kind: String) -> WorkbookWriter.Cell {
      spelled[kind, default: 0] += 1
      return .text(value.text ?? "")
    }
    switch value {
    case .null: return .null
    case .boolean(let flag): return .boolean(flag)
    case .int64(let number):
      return number.magnitude < Self.wholeMax
        ? .number(String(number), places: nil) : asText("numbers of over 15 digits")
    case .double(let number): return .number(number.description, places: nil)
    case .decimal(let unscaled, let scale):
      return unscaled.magnitude < Self.wholeMax
        ? .number(value.text ?? "", places: scale) : asText("numbers of over 15 digits")
    case .date(let days):
      return Self.days.contains(days) ? .day(days + Self.epochDays) : asText("dates before March 1900")
    case .timestamp(let time):
      let (milliseconds, rest) = time.quotientAndRemainder(dividingBy: 1000)
      guard time >= Self.days.lowerBound * CivilTime.microsecondsPerDay else {
        return asText("times before March 1900")
      }
      guard rest == 0 else { return asText("times finer than a millisecond") }
      return .moment(milliseconds: milliseconds + Self.epochDays * 86_400_000)
    case .text(let text), .json(let text): return .text(text)
    }
  }

  /// Numbers of 15 digits survive in any spreadsheet.
  private static let wholeMax: UInt64 = 1_000_000_000_000_000
  /// From 1899-12-30 to 1970-01-01.
  private static let epochDays: Int64 = 25_569
  /// From 1900-03-01, before which workbooks count a day that never was, to 9999-12-31.
  private static let days: ClosedRange<Int64> = -25_508...2_932_896
}

/// Gathers small writes.
final class BufferedFile: ArchiveSink {
  private let file: FileWriter
  private var pending: [UInt8] = []

  init(_ file: FileWriter) { self.file = file }

  var byteCount: Int { file.byteCount + pending.count }

  func write(_ bytes: [UInt8]) throws {
    pending += bytes
    if pending.count >= Self.pendingBytesMax { try flush() }
  }

  func write(_ bytes: [UInt8], at offset: Int) throws {
    try flush()
    try file.write(bytes, at: offset)
  }

  func flush() throws {
    guard !pending.isEmpty else { return }
    try file.write(pending)
    pending = []
  }

  private static let pendingBytesMax = 1 << 20
}
