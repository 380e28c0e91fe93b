public import VarveFeeds
internal import VarveJSON
public import VarveTables

/// How a feed would be read, and why: the whole of it was looked at, and nothing was written.
public struct FeedPreview: Sendable {
  /// A worksheet of the workbook.
  public struct Sheet: Sendable {
    /// Its name.
    public var name: String
    /// Whether people do not see it.
    public var isHidden: Bool
    /// Whether it is among those read.
    public var isRead: Bool
    /// The row of its header, where it is read.
    public var headerRow: Int?
  }

  /// One column.
  public struct Column: Sendable {
    /// Its name in the table.
    public var name: String
    /// Its name in the feed.
    public var header: String
    /// Nil while no value has come.
    public var type: DataType?
    /// `int64: 22 whole numbers`.
    public var reason: String
    /// Rows without a value.
    public var nullCount: Int
    /// Cells that do not fit.
    public var rejectedCount: Int
    /// The first of them, its place and why: `p.csv, line 7, column "price": "viele" is no int64`.
    public var firstRejection: String?
  }

  /// What the file is.
  public var format: FeedFormat
  /// Of a workbook.
  public var sheets: [Sheet]
  /// The columns, in order.
  public var columns: [Column]
  /// A cell per column; nil is null. As the feed spells them; of columns whose type is declared, what they are read as.
  public var firstRows: [[String?]]
  /// How many rows.
  public var rowCount: Int
  /// What a person should know of it.
  public var remarks: [String]
}

extension Warehouse {
  /// Reads a feed to its end and says what it would become. Neither table nor directory is needed.
  public func preview(_ feed: FeedRequest, rows rowsShownMax: Int = 5) throws -> FeedPreview {
    let (format, remark) = try feed.detectFormat()
    let reader = try feed.open(format)
    let file = try SchemaFile.common(of: [feed])
    var columns = PreviewColumns(
      declared: file?.schema ?? reader.declaredFields.map { Schema($0) } ?? Schema([]),
      options: TypingOptions(
        zone: try Zone(named: feed.timezone ?? file?.timezone ?? "UTC"),
        errorCells: TypingOptions.ErrorCells(rawValue: feed.errorCells.rawValue) ?? .reject,
        decimal: feed.csv.decimal ?? ".",
        canonicalJSON: { (try? JSONValue(parsing: $0))?.bytes(.canonical) }))
    var firstRows: [[String?]] = []
    var rowCount = 0
    while let batch = try reader.next() {
      try surroundings.checkInterrupted()
      firstRows += try columns.add(batch, rowsShownMax: rowsShownMax - firstRows.count)
      rowCount += batch.rowCount
    }
    let found = try columns.finish(rowCount: rowCount)
    return FeedPreview(
      format: format, sheets: (reader as? WorkbookFeed)?.previewSheets ?? [], columns: found,
      firstRows: firstRows.map { $0 + Array(repeating: nil, count: found.count - $0.count) }, rowCount: rowCount,
      remarks: (remark.map { [$0] } ?? []) + reader.remarks)
  }

  /// Every cell of a workbook that is not empty, as lines of JSON, some of them at a time.
  public func cells(of path: String, to write: (_ lines: [UInt8]) throws -> Void) throws {
    try CellDump.write(WorkbookPackage(path: path), to: write)
  }
}

/// The columns of a feed, as far as it has been read.
private struct PreviewColumns {
  private let declared: Schema
  private let options: TypingOptions
  private var headers: [String] = []
  private var typers: [ColumnTyper] = []
  private var valueCounts: [Int] = []
  private var rejectedCounts: [Int] = []
  private var firstRejections: [Rejection?] = []

  init(declared: Schema, options: TypingOptions) {
    self.declared = declared
    self.options = options
  }

  /// Gives the first rows of the batch, at most so many.
  mutating func add(_ batch: RawBatch, rowsShownMax: Int) throws -> [[String?]] {
    for column in batch.columns.dropFirst(headers.count) {
      headers.append(column.name)
      let index = ColumnName.index(ofHeader: column.name, in: declared)
      typers.append(
        try index.map { try ColumnTyper(declared: declared.fields[$0], options: options) }
          ?? ColumnTyper(inferring: column.name, options: options))
      valueCounts.append(0)
      rejectedCounts.append(0)
      firstRejections.append(nil)
    }
    var shown = [[String?]](repeating: [], count: min(batch.rowCount, rowsShownMax))
    for (index, column) in batch.columns.enumerated() {
      let typed = typers[index].type(column, origins: batch.origins)
      rejectedCounts[index] += typed.rejections.count
      if firstRejections[index] == nil { firstRejections[index] = typed.rejections.first }
      valueCounts[index] += column.kinds.count { $0 != .null && $0 != .absent }
      let declared = typers[index].evidence == nil ? typed.column : nil
      for row in shown.indices { shown[row].append(declared.map { $0.value(at: row).text } ?? column.text(at: row)) }
    }
    return shown
  }

  func finish(rowCount: Int) throws -> [FeedPreview.Column] {
    let fields = try ColumnName.fields(forHeaders: headers)
    return headers.indices.map { index in
      let known = ColumnName.index(ofHeader: headers[index], in: declared).map { declared.fields[$0].name }
      return FeedPreview.Column(
        name: known ?? fields[index].name, header: headers[index], type: typers[index].type,
        reason: typers[index].reason, nullCount: rowCount - valueCounts[index], rejectedCount: rejectedCounts[index],
        firstRejection: firstRejections[index].map { $0.place.joined(separator: ", ") + ": " + $0.reason })
    }
  }
}

extension RawColumn {
  /// The cell as its feed spells it; nil for null.
  fileprivate func text(at row: Int) -> String? {
    kinds[row] == .null || kinds[row] == .absent ? nil : String(decoding: bytes[range(row)], as: UTF8.self)
  }
}

extension WorkbookFeed {
  fileprivate var previewSheets: [FeedPreview.Sheet] {
    workbook.outline.worksheets.map { sheet in
      FeedPreview.Sheet(
        name: sheet.name, isHidden: sheet.visibility != .visible, isRead: selection.contains(sheet),
        headerRow: headers.first { $0.sheet == sheet.name }?.row)
    }
  }
}
