internal import VarveFeeds
internal import VarveLake
internal import VarveTables

/// The kinds of file that rows can be exported to.
public enum ExportFormat: String, Sendable, CaseIterable {
  case csv, tsv, ndjson, json, xlsx

  /// What a file's extension promises.
  public init?(path: String) {
    switch path.split(separator: "/").last?.split(separator: ".").last?.lowercased() {
    case "csv": self = .csv
    case "tsv", "tab": self = .tsv
    case "ndjson", "jsonl": self = .ndjson
    case "json": self = .json
    case "xlsx": self = .xlsx
    default: return nil
    }
  }
}

/// Rows that become a file.
public struct ExportRequest: Sendable {
  /// What is exported.
  public enum Source: Sendable {
    /// `products`, `products@7`.
    case table(String)
    /// One SELECT.
    case query(String)
  }

  /// What is exported.
  public var source: Source
  /// The file that it becomes.
  public var path: String
  /// Nil: as the path's extension says.
  public var format: ExportFormat?
  /// Takes the place of a file that is there.
  public var overwrites = false
  /// Rows of a worksheet, its header among them, beyond which another one begins.
  package var rowsPerSheetMax = WorkbookWriter.rowsPerSheetMax

  /// An export in the format of the path's extension.
  public init(_ source: Source, to path: String) {
    self.source = source
    self.path = path
  }
}

/// What an export wrote.
public struct ExportReport: Sendable {
  /// The file that it becomes.
  public var path: String
  /// What the file is.
  public var format: ExportFormat
  /// The version of the table that it was; nil for a query.
  public var version: Int?
  /// How many rows.
  public var rowCount: Int
  /// The size of the file.
  public var byteCount: Int
  /// Of a workbook.
  public var sheets: [String]
  /// Values that are not what they could have been in another format.
  public var remarks: [String]
}

extension Warehouse {
  /// Writes a version or a query's answer to a file, row after row in bounded memory.
  ///
  /// The file appears whole or not at all, and an export that is killed leaves the one that was there. Ingested again with
  /// the schema file of its table, it gives the same rows.
  ///
  /// - Throws: a `Problem` of kind `refused` where a file is there and the request does not overwrite.
  public func export(_ request: ExportRequest) throws -> ExportReport {
    guard let format = request.format ?? ExportFormat(path: request.path) else {
      throw Problem(
        .usage, at: [request.path], "its extension names no format",
        advice: "say --format \(ExportFormat.allCases.map(\.rawValue).joined(separator: "|"))")
    }
    let (sql, version, title) = try source(request.source)
    let result = try query(sql)
    let target = try ExportTarget(request.path, overwrites: request.overwrites)
    do {
      let writer = try rowWriter(format, result.columns, target.file, title, request)
      var rowCount = 0
      while let row = try result.next() {
        if rowCount % 1_024 == 0 { try surroundings.checkInterrupted("nothing was exported") }
        try writer.add(row)
        rowCount += 1
      }
      try writer.finish()
      try target.publish()
      return ExportReport(
        path: request.path, format: format, version: version, rowCount: rowCount, byteCount: target.file.byteCount,
        sheets: writer.sheets, remarks: writer.remarks)
    } catch {
      target.discard()
      throw error
    }
  }

  private func source(_ source: ExportRequest.Source) throws -> (sql: String, version: Int?, title: String) {
    switch source {
    case .query(let sql): return (sql, nil, "query")
    case .table(let reference):
      let (table, snapshot) = try resolve(reference)
      // By number, so that the version reported is the one that is read, whatever is committed meanwhile.
      return ("SELECT * FROM \"\(table.name)@\(snapshot.version)\"", Int(snapshot.version), table.name)
    }
  }

  private func rowWriter(
    _ format: ExportFormat, _ columns: [QueryResult.Column], _ file: FileWriter, _ title: String,
    _ request: ExportRequest
  ) throws -> any RowWriter {
    let names = ColumnName.distinct(columns.map(\.name))
    switch format {
    case .csv: return try SeparatedRows(file, names, separator: ",")
    case .tsv: return try SeparatedRows(file, names, separator: "\t")
    case .ndjson: return try JSONRows(file, names, isArray: false)
    case .json: return try JSONRows(file, names, isArray: true)
    case .xlsx:
      return try WorkbookRows(file, names, columns.map(\.type), title: title, rowsPerSheetMax: request.rowsPerSheetMax)
    }
  }
}

/// The file that an export becomes.
private struct ExportTarget {
  var file: FileWriter { draft.file }
  private let path: String
  private let draft: FileDraft
  private let overwrites: Bool

  init(_ path: String, overwrites: Bool) throws {
    (self.path, self.overwrites) = (path, overwrites)
    let name = Layout.name(path)
    guard !name.isEmpty, name != ".", name != ".." else {
      throw Problem(.usage, at: [path], "is no name for a file")
    }
    let parent = path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[...$0]) } ?? "."
    guard let directory = try Storage.open(parent) else {
      throw Problem(.failed, at: [path], "the directory is not there", advice: "make it first")
    }
    if let there = try directory.status(name) {
      guard there.isRegular else { throw Problem(.refused, at: [path], "is there, and is no plain file") }
      guard overwrites else { throw ExportTarget.taken(path) }
    }
    draft = try FileDraft(of: name, in: directory)
  }

  private static func taken(_ path: String) -> Problem {
    Problem(.refused, at: [path], "is there already", advice: "say --force to put the export in its place")
  }

  func publish() throws {
    guard try draft.publish(replacing: overwrites) else { throw ExportTarget.taken(path) }
  }

  func discard() { draft.discard() }
}
