import Varve
import VarveJSON

extension Session {
  func preview(_ call: Invocation, _ warehouse: Warehouse) throws {
    let feed = try feedRequest(call.arguments[0], call)
    let preview = try warehouse.preview(feed, rows: call.integer("rows") ?? 5)
    if call.has("json") {
      try output.writeLine(json(of: preview).text(.pretty))
      return
    }
    let rowCount = "\(grouped(preview.rowCount)) \(preview.rowCount == 1 ? "row" : "rows")"
    try output.writeLine("\(preview.format.rawValue), \(rowCount), \(preview.columns.count) columns")
    if !call.has("quiet") { for text in preview.remarks { try output.writeLine(text) } }
    if !preview.sheets.isEmpty {
      var sheets = TextTable([.init("sheet"), .init("read"), .init("header row", .right), .init("hidden")])
      sheets.rows = preview.sheets.map { sheet in
        [
          sheet.name, sheet.isRead ? "yes" : "no", sheet.headerRow.map(String.init) ?? "",
          sheet.isHidden ? "yes" : "no",
        ]
      }
      try write(sheets)
    }
    var columns = TextTable([
      .init("column"), .init("nulls", .right), .init("rejected", .right), .init("type and reason"),
    ])
    columns.rows = preview.columns.map { column in
      [column.name, grouped(column.nullCount), grouped(column.rejectedCount), column.reason]
    }
    try write(columns)
    let rejections = preview.columns.compactMap(\.firstRejection)
    if !rejections.isEmpty { try output.writeLine("") }
    for rejection in rejections { try output.writeLine("rejected: \(printable(rejection))") }
    guard !preview.firstRows.isEmpty else { return }
    var rows = TextTable(
      preview.columns.map { .init($0.name, isNumber($0.type) ? .right : .left) })
    rows.rows = preview.firstRows
    try write(rows)
  }

  private func write(_ table: TextTable) throws {
    try output.writeLine("")
    for line in table.lines(width: output.width, style: output.style) { try output.writeLine(line) }
  }

  func cells(_ call: Invocation, _ warehouse: Warehouse) throws {
    try warehouse.cells(of: call.arguments[0]) { try output.write($0) }
  }
}

private func isNumber(_ type: DataType?) -> Bool {
  switch type {
  case .int64, .double, .decimal: true
  default: false
  }
}

private func json(of preview: FeedPreview) -> JSONValue {
  [
    "format": .init(preview.format.rawValue), "rows": .init(preview.rowCount),
    "sheets": .array(
      preview.sheets.map { sheet in
        [
          "name": .init(sheet.name), "hidden": .init(sheet.isHidden), "read": .init(sheet.isRead),
          "header_row": sheet.headerRow.map { .init($0) } ?? nil,
        ]
      }),
    "remarks": .array(preview.remarks.map { .init($0) }),
    "columns": .array(
      preview.columns.map { column in
        [
          "name": .init(column.name), "header": .init(column.header),
          "type": column.type.map { .init($0.name) } ?? nil, "nulls": .init(column.nullCount),
          "rejected": .init(column.rejectedCount),
          "first_rejection": column.firstRejection.map { .init($0) } ?? nil,
          "reason": .init(column.reason),
        ]
      }),
    "first_rows": .array(
      preview.firstRows.map { row in .array(row.map { text in text.map { .init($0) } ?? nil }) }),
  ]
}
