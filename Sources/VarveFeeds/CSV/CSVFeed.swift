package import VarveTables

/// A CSV or TSV file as a feed: RFC 4180 and its everyday dialects.
///
/// Every field is `.untyped`; an unquoted empty one is null, one in quotes the empty text, a missing one absent. A record
/// without any value is passed over, and counted in a remark if it has delimiters.
package final class CSVFeed: FeedReader {
  private let text: CSVText
  private let name: String
  private let input: ByteInput?
  private let options: CSVFeedOptions
  private var scanner: CSVScanner?
  private var columns = CSVColumns(count: 0)
  private var names: [String] = []
  private var hasHandedOn = false
  private var failure: (any Error)?
  /// Records without a value that are no blank lines: `;;`.
  private var emptyRecords = 0
  package private(set) var remarks: [String] = []

  package init(_ input: ByteInput, options: CSVFeedOptions = CSVFeedOptions()) throws {
    try options.check()
    name = input.name
    self.input = input
    self.options = options
    text = try CSVText(name: input.name, encoding: options.encoding, input.next)
  }

  /// Of bytes that come in any pieces.
  package init(name: String, pieces: [[UInt8]], options: CSVFeedOptions = CSVFeedOptions()) throws {
    try options.check()
    self.name = name
    input = nil
    self.options = options
    var left = pieces[...]
    text = try CSVText(name: name, encoding: options.encoding) { take in
      guard let piece = left.popFirst() else { return false }
      try piece.withUnsafeBufferPointer(take)
      return true
    }
  }

  package var declaredFields: [Field]? { nil }
  package var bytesRead: Int { input?.bytesRead ?? 0 }

  /// A file that has a header and no record gives one batch without rows.
  package func next() throws -> RawBatch? {
    if let failure { throw failure }
    do {
      if scanner == nil { try begin() }
      return try nextBatch()
    } catch let wrong as CSVScanner.Wrong {
      let problem = Problem(.failed, at: [name, "line \(wrong.line)"], wrong.what, advice: wrong.advice)
      failure = problem
      throw problem
    } catch {
      failure = error
      throw error
    }
  }

  private func nextBatch() throws -> RawBatch? {
    guard var scanner else { return nil }
    defer { self.scanner = scanner }
    var positions: [Int] = []
    positions.reserveCapacity(columns.rowsMax)
    reading: while true {
      let bytes = text.bytes
      let isFinal = text.isAtEnd && text.fault == nil
      var position = 0
      while !columns.isFull {
        if position == bytes.count, isFinal { break }
        let start = position
        let line = scanner.line
        switch try scanner.record(bytes, &position, isFinal: isFinal, columns) {
        case .row:
          positions.append(line)
          columns.keepRow(byteCount: position - start)
        case .blank: if bytes[start..<position].contains(scanner.dialect.delimiter) { emptyRecords += 1 }
        case .incomplete:
          text.drop(position)
          try readMore(line: line)
          continue reading
        }
      }
      text.drop(position)
      break
    }
    if text.isAtEnd, text.bytes.isEmpty, emptyRecords > 0 {
      remarks.append("records without a value passed over: \(emptyRecords)")
      emptyRecords = 0
    }
    if positions.isEmpty, hasHandedOn { return nil }
    hasHandedOn = true
    return RawBatch(
      columns: columns.take(names), rowCount: positions.count,
      origins: Origins(file: name, unit: .line, positions: positions))
  }

  /// Reads on, since the record that starts the text is not all there.
  private func readMore(line: Int) throws {
    let held = text.bytes.count
    if held > CSVLimits.recordBytesMax {
      throw CSVScanner.Wrong(
        line: line, what: "the record is longer than \(CSVLimits.recordBytesMax >> 20) MB",
        advice: "look for a quote that is never closed")
    }
    // A long record is read from its start again: each time with twice as much, so that it stays linear.
    try text.fill(atLeast: held * 2 + 1)
    if let fault = text.fault, text.bytes.count == held {
      let at = line + CSVFeed.lineEnds(text.bytes)
      let offset = fault.offset.map { ["byte \($0)"] } ?? []
      throw Problem(.failed, at: [name, "line \(at)"] + offset, fault.what, advice: fault.advice)
    }
  }

  private static func lineEnds(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
    var count = 0
    for index in bytes.indices {
      if bytes[index] == 0x0A || (bytes[index] == 0x0D && (index + 1 == bytes.count || bytes[index + 1] != 0x0A)) {
        count += 1
      }
    }
    return count
  }

  // MARK: The start

  /// Finds dialect and header.
  private func begin() throws {
    try text.fill(atLeast: CSVLimits.sampleBytesMax)
    if text.bytes.isEmpty, text.isAtEnd { throw Problem(.failed, at: [name], "the file is empty") }
    let isWhole = text.isAtEnd && text.fault == nil
    let sample = UnsafeBufferPointer(rebasing: text.bytes[..<min(text.bytes.count, CSVLimits.sampleBytesMax)])
    let dialect = CSVDialectSearch(
      sample, isWhole: isWhole && sample.count == text.bytes.count, options: options
    ).find()
    remark(on: dialect)

    var line = 1
    for _ in 0..<options.linesAbove {
      while CSVRecordParser.skip(lines: 1, of: text.bytes) == text.bytes.count, !text.isAtEnd {
        try readMore(line: line)
      }
      text.drop(CSVRecordParser.skip(lines: 1, of: text.bytes))
      line += 1
    }
    var parser = CSVRecordParser(dialect: dialect, line: line)
    switch options.header {
    case .none:
      guard let first = try record(&parser, isKept: true) else { throw noRecord() }
      try checkWidth(first.fields.count)
      names = (1...first.fields.count).map { "column_\($0)" }
    case .line:
      if options.linesAbove > 0 { remarks.append("lines above the header passed over: \(options.linesAbove)") }
      guard let header = try record(&parser, isKept: false) else { throw noRecord() }
      try checkWidth(header.fields.count)
      names = header.fields.map { String(decoding: $0.text, as: UTF8.self) }
      _ = try ColumnName.fields(forHeaders: names, place: [name, "header"])
    }
    columns = CSVColumns(count: names.count)
    scanner = CSVScanner(dialect, isPadded: options.ragged == .pad)
    scanner?.line = parser.line
  }

  private func remark(on dialect: CSVDialect) {
    if options.delimiter == nil {
      remarks.append(
        dialect.delimiter == CSVDialect.noDelimiter
          ? "one column: no delimiter was found" : "the delimiter is \(dialect.delimiterName)")
    }
    if options.quote == nil, dialect.quote != UInt8(ascii: "\"") { remarks.append("the quote is \"'\"") }
  }

  /// The next record that has a value, or nil when there is none. If it is kept it will be read again.
  private func record(_ parser: inout CSVRecordParser, isKept: Bool) throws -> CSVRecordParser.Record? {
    while true {
      let bytes = text.bytes
      let isFinal = text.isAtEnd && text.fault == nil
      if bytes.isEmpty, isFinal { return nil }
      var position = 0
      let before = parser.line
      guard let record = try parser.record(bytes, &position, isFinal: isFinal) else {
        try readMore(line: parser.line)
        continue
      }
      if !record.isBlank, isKept {
        parser.line = before
        return record
      }
      text.drop(position)
      if !record.isBlank { return record }
    }
  }

  private func checkWidth(_ count: Int) throws {
    guard count > FeedLimits.columnsMax else { return }
    throw Problem(
      .failed, at: [name], "\(count) columns are more than the \(FeedLimits.columnsMax) that a feed may have",
      advice: "check the delimiter")
  }

  private func noRecord() -> Problem {
    Problem(.failed, at: [name], "there is no header, only blank lines")
  }
}
