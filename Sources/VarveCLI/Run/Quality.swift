import Varve
import VarveJSON
import VarveTables

extension Session {
  func check(_ call: Invocation, _ warehouse: Warehouse) throws {
    let (version, broken) = try warehouse.check(call.arguments[0])
    let table = call.arguments[0].split(separator: "@").first.map(String.init) ?? call.arguments[0]
    if call.has("json") {
      let object: JSONValue = [
        "table": .init(table), "version": .init(version), "broken": .array(broken.map(json(of:))),
      ]
      try output.writeLine(object.text(.pretty))
    } else {
      try output.writeLine("\(table): version \(version) \(broken.isEmpty ? "is as expected" : "is not as expected")")
      for rule in broken { try output.writeLine("  \(rule.rule): \(printable(rule.what))") }
    }
    guard broken.isEmpty else {
      throw Problem(
        .failed, at: [table, "version \(version)"], "breaks \(broken.count == 1 ? "an expectation" : "expectations")")
    }
  }

  func replay(_ call: Invocation, _ warehouse: Warehouse) throws {
    let table = call.arguments[0]
    let reports = try warehouse.replay(table, mode: call["mode"].flatMap { IngestMode(rawValue: $0) })
    if call.has("json") {
      let objects = reports.map { report -> JSONValue in
        var object = json(of: report.report).object ?? [:]
        object["quarantine_of"] = .init(report.version)
        object["waiting"] = .init(report.waiting)
        return .object(object)
      }
      try output.writeLine(JSONValue.array(objects).text(.pretty))
    } else if reports.isEmpty {
      try output.writeLine("\(table): nothing is laid aside")
    } else {
      for report in reports {
        let became =
          report.report.outcome == .committed
          ? "version \(report.report.version ?? 0), \(report.rows - report.waiting) fit now" : "none fits yet"
        try output.writeLine(
          "\(table): of \(report.rows) laid aside in version \(report.version): \(became), \(report.waiting) stay")
      }
    }
    for report in reports { try complain(of: report.report) }
  }

  /// A version that is not as expected is there, and readers do not see it: whoever runs a script has to know.
  func complain(of report: IngestReport) throws {
    guard !report.broken.isEmpty else { return }
    let sentences = report.broken.map(\.what).joined(separator: "; ")
    throw Problem(
      .refused, at: [report.table],
      "readers stay where they were, since the newest version is not as expected: \(sentences)",
      advice: "mend the data, or show it all the same with varve publish \(report.table) --force")
  }
}

func json(of broken: BrokenExpectation) -> JSONValue {
  [
    "rule": .init(broken.rule), "column": broken.column.map { .init($0) } ?? nil,
    "rows": broken.rowCount.map { .init($0) } ?? nil, "what": .init(broken.what),
  ]
}
