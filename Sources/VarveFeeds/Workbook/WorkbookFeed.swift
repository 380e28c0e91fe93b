package import VarveTables

/// A workbook as a feed: the records below the header of one worksheet, or of all of them.
///
/// The way of a record: the zip part is inflated (`ZipPart`), parsed (`SheetReader`) into pages of cells, the header is
/// found (`HeaderSearch`), and the cells below it are dealt out to columns (`RecordBuilder`). A row without a value is no
/// record; a row of 0 or false is one. What stands above the header is passed over.
package final class WorkbookFeed: FeedReader {
  package struct Options: Sendable {
    /// A worksheet's name, its number from 1, or `all`; nil reads the first one that is not hidden.
    ///
    /// A name comes first, so that sheets named `2` or `all` can be read.
    package var sheet: String?
    /// The row of the header, from 1; nil searches for it.
    package var headerRow: Int?
    /// Gives every cell of a merged range its value, in rows that have a value of their own.
    package var fillsMergedCells: Bool
    package var limits: WorkbookLimits

    package init(
      sheet: String? = nil, headerRow: Int? = nil, fillsMergedCells: Bool = false,
      limits: WorkbookLimits = WorkbookLimits()
    ) {
      self.sheet = sheet
      self.headerRow = headerRow
      self.fillsMergedCells = fillsMergedCells
      self.limits = limits
    }
  }

  package let workbook: WorkbookPackage
  /// The worksheets that are read, in this order.
  package let selection: [WorkbookOutline.Sheet]
  /// The header row of each sheet begun so far.
  package private(set) var headers: [(sheet: String, row: Int)] = []
  package private(set) var remarks: [String] = []
  package var declaredFields: [Field]? { nil }
  package var bytesRead: Int { min(workbook.parts.file.bytesFetched, workbook.parts.file.size) }

  private let options: Options
  private let readsAll: Bool
  private var sheetsRemaining: ArraySlice<WorkbookOutline.Sheet>
  private var reader: SheetReader?
  /// The header of the sheet that is being read.
  private var names: [(column: Int, name: String)] = []
  private let builder: RecordBuilder
  /// How far the page at hand was dealt out.
  private var cellsTaken = 0

  package convenience init(path: String, name: String? = nil, options: Options = Options()) throws {
    try self.init(WorkbookPackage(path: path, name: name, limits: options.limits), options: options)
  }

  package init(_ workbook: WorkbookPackage, options: Options = Options()) throws {
    self.workbook = workbook
    self.options = options
    let worksheets = workbook.outline.worksheets
    let file = workbook.fileName
    if let wanted = options.sheet {
      let named =
        worksheets.first { $0.name == wanted } ?? worksheets.first { $0.name.lowercased() == wanted.lowercased() }
      if let named {
        selection = [named]
        readsAll = false
      } else if wanted == "all" {
        selection = worksheets
        readsAll = true
      } else if let number = Int(wanted), let numbered = worksheets.first(where: { $0.number == number }) {
        selection = [numbered]
        readsAll = false
      } else {
        throw Self.noSuchSheet(wanted, in: workbook)
      }
    } else {
      selection = [worksheets.first { $0.visibility == .visible } ?? worksheets[0]]
      readsAll = false
      if worksheets.count > 1 {
        remarks.append(
          "\(file) has \(worksheets.count) worksheets; read is \"\(selection[0].name)\" alone, --sheet names another or all"
        )
      }
    }
    sheetsRemaining = selection[...]
    builder = RecordBuilder(file: file, namesSheet: readsAll, limits: options.limits)
  }

  package func next() throws -> RawBatch? {
    while true {
      guard let reader else {
        guard let sheet = sheetsRemaining.popFirst() else {
          guard !headers.isEmpty else {
            throw Problem(.failed, at: [workbook.fileName], "has no value in any worksheet, so no header")
          }
          return nil
        }
        try open(sheet)
        continue
      }
      let page = reader.page
      cellsTaken += try builder.take(page.cells.view(cellsTaken..<page.cells.count), of: page, reader.strings.table)
      if cellsTaken < page.cells.count { return try builder.finishBatch() }
      reader.removePage()
      cellsTaken = 0
      if try !reader.readMore() {
        close(reader)
        if let batch = try builder.finishBatch() { return batch }
      }
    }
  }

  private func open(_ sheet: WorkbookOutline.Sheet) throws {
    var merges: [MergedRange] = []
    if options.fillsMergedCells {
      // Merged ranges stand behind the cells, so the sheet is read twice.
      let reader = try SheetReader(sheet, of: workbook)
      while try reader.readMore() { reader.removePage() }
      merges = reader.mergedRanges
    }
    let reader = try SheetReader(sheet, of: workbook)
    if sheet.visibility != .visible { remark(sheet, "is hidden, and was read") }
    guard let header = try SheetHeader.read(reader, given: options.headerRow, file: workbook.fileName) else {
      guard readsAll else {
        throw Problem(
          .failed, at: [workbook.fileName, "sheet \"\(sheet.name)\""], "has no value in it, so no header",
          advice: "name another sheet with --sheet")
      }
      return remark(sheet, "has no value in it")
    }
    if header.rowsAbove > 0 {
      remark(sheet, "row \(header.row) is the header; rows above it were passed over, --header-row names another")
    }
    headers.append((sheet.name, header.row))
    names = header.names
    builder.beginSheet(sheet.name, header: header, merges: merges)
    cellsTaken = header.cellsAbove
    self.reader = reader
  }

  private func close(_ reader: SheetReader) {
    self.reader = nil
    if reader.hiddenRows > 0 { remark(reader.sheet, "\(reader.hiddenRows) hidden rows were read") }
    if reader.hiddenColumns > 0 { remark(reader.sheet, "\(reader.hiddenColumns) hidden columns were read") }
    for (column, name) in names {
      guard let shown = reader.digitsShown[column] else { continue }
      remark(
        reader.sheet,
        "numbers in \"\(name)\" are shown with zeros in front (format \(String(repeating: "0", count: min(shown, 20)))), "
          + "which are no part of them: make the column text in the workbook to have them")
    }
    let headerRow = headers.last?.row ?? 0
    let merged = reader.mergedRanges.count { $0.firstRow > headerRow }
    if merged > 0, !options.fillsMergedCells {
      remark(reader.sheet, "in \(merged) merged ranges only the first cell has a value, --fill-merged fills the others")
    }
  }

  private func remark(_ sheet: WorkbookOutline.Sheet, _ what: String) {
    remarks.append("sheet \"\(sheet.name)\": \(what)")
  }

  private static func noSuchSheet(_ wanted: String, in workbook: WorkbookPackage) -> Problem {
    let other = workbook.outline.sheets.first { $0.name == wanted }
    let names = workbook.outline.worksheets.prefix(20).map { "\"\($0.name)\"" }.joined(separator: ", ")
    return Problem(
      .failed, at: [workbook.fileName],
      other.map { "sheet \"\($0.name)\" is no worksheet (\($0.kind.rawValue))" } ?? "has no worksheet \"\(wanted)\"",
      advice: "its worksheets are \(names)")
  }
}
