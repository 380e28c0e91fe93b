internal import VarveFeeds
internal import VarveJSON
internal import VarveLake
internal import VarveTables

extension FeedRequest {
  /// The format, found by looking at the file unless it was named, and what of it a person should know.
  func detectFormat() throws -> (format: FeedFormat, remark: String?) {
    if let format { return (format, nil) }
    let found = try FeedFormat.detect(path: path, name: name)
    return (found.format, found.remark)
  }

  /// The feed, opened for reading.
  func open(_ format: FeedFormat) throws -> any FeedReader {
    if let replayed { return try QuarantineFeed(path: path, name: name ?? path, lines: replayed.lines) }
    return switch format {
    case .xlsx:
      try WorkbookFeed(
        path: path, name: name,
        options: .init(sheet: sheet, headerRow: headerRow, fillsMergedCells: fillMerged))
    case .json, .ndjson:
      try JSONFeed(
        ByteInput(path: path, name: name),
        options: JSONFeedOptions(
          isLines: format == .ndjson, recordsAt: recordsAt, duplicateKeys: duplicateKeys == .last ? .lastWins : .refused
        ))
    case .csv: try CSVFeed(ByteInput(path: path, name: name), options: csv.options(CSVFeedOptions()))
    case .tsv: try CSVFeed(ByteInput(path: path, name: name), options: csv.options(.tsv))
    case .parquet: try ParquetFeed(path: path)
    }
  }

  /// What of the file is taken and how it is read, where it was said: the part of a feed's identity beside its content.
  func selector(_ format: FeedFormat) -> String {
    var parts: [String] = []
    func note(_ name: String, _ value: String?) { if let value { parts.append("\(name)=\(value)") } }
    note("replayed", replayed.map { LineRanges.text($0.lines) })
    note("format", self.format?.rawValue)
    note("sheet", sheet)
    note("header-row", headerRow.map(String.init))
    if fillMerged { parts.append("fill-merged") }
    note("records-at", recordsAt)
    if duplicateKeys != .refuse { note("duplicate-keys", duplicateKeys.rawValue) }
    if errorCells != .reject { note("error-cells", errorCells.rawValue) }
    note("timezone", timezone)
    note("delimiter", csv.delimiter)
    note("quote", csv.quote)
    note("escape", csv.escape)
    note("encoding", csv.encoding)
    note("header", csv.headerLine.map { $0 == 0 ? "none" : String($0) })
    if csv.skippedLines > 0 { note("skip", String(csv.skippedLines)) }
    if csv.padsRagged { note("ragged", "pad") }
    note("decimal", csv.decimal)
    return parts.joined(separator: ";")
  }
}

extension SchemaFile {
  /// The schema file that all of the feeds name; nil where none does.
  static func common(of feeds: [FeedRequest]) throws -> SchemaFile? {
    let paths = Set(feeds.compactMap(\.schemaPath))
    guard paths.count <= 1 else {
      throw Problem(.usage, "the feeds name several schema files: \(paths.sorted().joined(separator: ", "))")
    }
    return try paths.first.map { try SchemaFile(path: $0) }
  }

  /// Stands for what the file says, however it is laid out.
  var version: String { Digest.sha256(json.bytes(.canonical)) }
}

/// Puts `_source`, `_row` and `_execution` into each batch of a feed.
struct OriginColumns {
  static let names = ["_source", "_row", "_execution"]

  let file: String
  let execution: String?

  func extend(_ batch: RawBatch) -> RawBatch {
    var batch = batch
    func repeated(_ name: String, _ text: String?) -> RawColumn {
      let bytes = Array((text ?? "").utf8)
      return RawColumn(
        name: name, kinds: [RawKind](repeating: text == nil ? .null : .text, count: batch.rowCount),
        ends: (0..<batch.rowCount).map { ($0 + 1) * bytes.count },
        bytes: [UInt8]([[UInt8]](repeating: bytes, count: batch.rowCount).joined()))
    }
    let source = batch.origins.sheet.map { "\(file)#\($0)" } ?? file
    var rows = RawColumn(name: "_row")
    for position in batch.origins.positions {
      rows.kinds.append(.number)
      rows.bytes += Array(String(position).utf8)
      rows.ends.append(rows.bytes.count)
    }
    batch.columns = [repeated("_source", source), rows, repeated("_execution", execution)] + batch.columns
    return batch
  }
}

extension FeedRequest.CSVDialect {
  fileprivate func options(_ preset: CSVFeedOptions) throws -> CSVFeedOptions {
    var options = preset
    if let delimiter { options.delimiter = try CSVFeedOptions.mark(delimiter, option: "--delimiter") }
    if let quote { options.quote = try CSVFeedOptions.mark(quote, option: "--quote") }
    if let escape { options.escape = try CSVFeedOptions.mark(escape, option: "--escape") }
    options.encoding = encoding
    if let headerLine { options.header = headerLine == 0 ? .none : .line(headerLine) }
    options.skip = skippedLines
    options.ragged = padsRagged ? .pad : .refuse
    return options
  }
}
