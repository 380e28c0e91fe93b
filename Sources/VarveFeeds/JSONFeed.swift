package import VarveJSON
package import VarveTables

/// How a JSON or NDJSON file is to be read.
package struct JSONFeedOptions: Sendable {
  /// NDJSON: one record a line. Else an array holds the records, or one object is the only one.
  package var isLines: Bool
  /// Where the array is: keys from the top with dots between (`products.items`), or a JSON pointer (RFC 6901) for keys
  /// that have dots (`/products/line.items`). Nil if it is at the top.
  package var recordsAt: String?
  package var duplicateKeys: JSONDuplicateKeys

  package init(isLines: Bool = false, recordsAt: String? = nil, duplicateKeys: JSONDuplicateKeys = .refused) {
    self.isLines = isLines
    self.recordsAt = recordsAt
    self.duplicateKeys = duplicateKeys
  }

  /// The keys that `recordsAt` names.
  func path() throws -> [String] {
    guard let recordsAt, !recordsAt.isEmpty else { return [] }
    if isLines {
      throw Problem(
        .usage, "--records-at \(recordsAt): NDJSON has its records on its lines", advice: "leave --records-at out")
    }
    if recordsAt.hasPrefix("/") {
      return recordsAt.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map(JSONFeedOptions.unescape)
    }
    let keys = recordsAt.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard !keys.contains("") else {
      throw Problem(
        .usage, "--records-at \(recordsAt): a key is missing between dots",
        advice: "write keys with dots between, like products.items, or a JSON pointer, like /products/items")
    }
    return keys
  }

  /// `~1` is a slash and `~0` a tilde (RFC 6901, section 4).
  private static func unescape(_ key: Substring) -> String {
    var plain = String.UnicodeScalarView()
    var isEscape = false
    for scalar in key.unicodeScalars {
      switch (isEscape, scalar) {
      case (true, "0"): plain.append("~")
      case (true, "1"): plain.append("/")
      case (true, _): plain.append(contentsOf: ["~", scalar])
      case (false, "~"): break
      case (false, _): plain.append(scalar)
      }
      isEscape = !isEscape && scalar == "~"
    }
    if isEscape { plain.append("~") }
    return String(plain)
  }
}

/// Records of a JSON or NDJSON file as rows: a column for each key, in order of first appearance.
///
/// Strings are text, numbers are as spelled, objects and arrays canonical JSON; a record without a key has `.absent`
/// there.
package final class JSONFeed: FeedReader {
  private let input: ByteInput
  private let options: JSONFeedOptions
  private var scanner: JSONRecordScanner
  private var progress = JSONRecordScanner.Progress.needsBytes
  /// The first record of the scanner's tape that is in no batch yet.
  private var nextRecord = 0
  private var builder: JSONBatchBuilder
  private var hasBytes = false
  private var hasRows = false
  private var failure: (any Error)?

  package init(_ input: ByteInput, options: JSONFeedOptions = JSONFeedOptions()) throws {
    self.input = input
    self.options = options
    scanner = JSONRecordScanner(
      JSONRecordOptions(
        isLines: options.isLines, path: try options.path(), duplicateKeys: options.duplicateKeys,
        keysMax: FeedLimits.columnsMax))
    builder = JSONBatchBuilder(file: input.name, unit: options.isLines ? .line : .byte)
  }

  package var declaredFields: [Field]? { nil }
  package var remarks: [String] { [] }
  package var bytesRead: Int { input.bytesRead }

  package func next() throws -> RawBatch? {
    if let failure { throw failure }
    do {
      return try nextBatch()
    } catch {
      failure = error
      throw error
    }
  }

  private func nextBatch() throws -> RawBatch? {
    while true {
      nextRecord = builder.append(scanner, from: nextRecord)
      if nextRecord < scanner.tape.records.count { return builder.take() }
      switch progress {
      case .tapeIsFull: break
      case .needsBytes:
        let isThere = try input.next { scanner.append($0) }
        if isThere { hasBytes = true } else { try finish() }
      case .isAtEnd:
        if builder.rowCount > 0 { return builder.take() }
        if options.isLines, !hasRows { throw Problem(.failed, at: [input.name], "no records, only blank lines") }
        return nil
      }
      // Not before: the last tape stays, and at the end it is looked at once more.
      nextRecord = 0
      do {
        progress = try scanner.scan()
      } catch {
        throw problem(error)
      }
      nextRecord = 0
      if !scanner.tape.records.isEmpty { hasRows = true }
    }
  }

  private func finish() throws {
    if !hasBytes { throw Problem(.failed, at: [input.name], "the file is empty") }
    scanner.finish()
  }

  private func problem(_ error: JSONError) -> Problem {
    let place = options.isLines ? ["line \(scanner.line)", "byte \(error.offset)"] : ["byte \(error.offset)"]
    let advice: String? =
      switch error.kind {
      case .invalid: nil
      case .tooLong where options.isLines: "write one record on each line"
      case .tooLong where options.recordsAt == nil: "name the array that holds the records with --records-at"
      case .tooLong: nil
      case .secondRecord: "read it with --format ndjson if it has one record on each line"
      case .noRecords: "name the array that holds the records with --records-at"
      }
    return Problem(.failed, at: [input.name] + place, error.what, advice: advice)
  }
}
