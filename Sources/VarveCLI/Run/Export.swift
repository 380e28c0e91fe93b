import Varve
import VarveJSON

extension Session {
  func export(_ call: Invocation, _ warehouse: Warehouse) throws {
    let place = ["varve export"]
    if call.has("iceberg") {
      guard let table = call.arguments.first, ["to", "query", "format", "force"].allSatisfy({ !call.has($0) }) else {
        throw Problem(
          .usage, at: place, "--iceberg goes with a table, and with --base-path alone",
          advice: "see `varve help export`")
      }
      return try exportIceberg(table, call, warehouse)
    }
    guard let path = call["to"] else {
      throw Problem(.usage, at: place, "--to FILE is missing", advice: "see `varve help export`")
    }
    let source: ExportRequest.Source
    switch (call.arguments.first, call["query"]) {
    case (let table?, nil): source = .table(table)
    case (nil, let sql?): source = .query(sql)
    case (nil, nil):
      throw Problem(.usage, at: place, "TABLE[@VERSION] is missing", advice: "name a table, or say --query SQL")
    case (.some, .some):
      throw Problem(.usage, at: place, "a table and --query are given", advice: "leave one of them out")
    }
    var request = ExportRequest(source, to: path)
    request.format = call["format"].flatMap { ExportFormat(rawValue: $0) }
    request.overwrites = call.has("force")
    let report = try warehouse.export(request)
    if call.has("json") {
      let json: JSONValue = [
        "path": .init(report.path), "format": .init(report.format.rawValue), "version": count(report.version),
        "rows": .init(report.rowCount), "bytes": .init(report.byteCount),
        "sheets": .array(report.sheets.map { .init($0) }), "remarks": .array(report.remarks.map { .init($0) }),
      ]
      try output.writeLine(json.text(.pretty))
      return
    }
    if !call.has("quiet") {
      for remark in report.remarks { try errors.writeLine(printable(remark)) }
      try errors.flush()
    }
    let version = report.version.map { "version \($0), " } ?? ""
    let rows = "\(grouped(report.rowCount)) row\(report.rowCount == 1 ? "" : "s")"
    try output.writeLine("\(printable(path)): \(version)\(rows), \(grouped(report.byteCount)) bytes")
  }
}
