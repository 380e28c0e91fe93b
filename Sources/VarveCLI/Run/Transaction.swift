import Varve
import VarveJSON
import VarveTables

extension Session {
  func transaction(_ call: Invocation, _ warehouse: Warehouse) throws {
    let report: TransactionReport
    switch (call["outcome"], call.arguments.first) {
    case (let id?, nil): report = try warehouse.outcome(ofTransaction: id)
    case (nil, let path?):
      var request = try TransactionRequest(path: path)
      if let id = call["id"] { request.id = id }
      let isQuiet = call.has("quiet") || call.has("json")
      report = try warehouse.commit(request) { event in
        if !isQuiet, case .remark(let text) = event {
          try? errors.writeLine(text)
          try? errors.flush()
        }
      }
    default:
      throw Problem(
        .usage, at: ["varve transaction"], "name a transaction file, or an id with --outcome",
        advice: "see `varve help transaction`")
    }
    if call.has("json") {
      try output.writeLine(json(of: report).text(.pretty))
    } else {
      for report in report.reports { try output.writeLine(sentence(on: report)) }
      try output.writeLine(sentence(on: report))
    }
  }
}

private func sentence(on report: TransactionReport) -> String {
  let versions = report.versions.map { "\($0.table) version \($0.version)" }.joined(separator: ", ")
  let fate =
    switch report.outcome {
    case .committed: "committed: \(versions)"
    case .unchanged: "unchanged"
    case .decided:
      "decided, and carried out by the next command that writes" + (versions.isEmpty ? "" : ": \(versions)")
    case .inProgress: "in progress"
    case .rolledBack: "rolled back: \(printable(report.reason ?? ""))"
    case .unknown: "unknown: there never was one of this id"
    }
  return "transaction \(report.id): \(fate)"
}

private func json(of report: TransactionReport) -> JSONValue {
  var object: JSONObject = [
    "id": .init(report.id), "outcome": .init(report.outcome.rawValue),
    "versions": .object(JSONObject(report.versions.map { ($0.table, JSONValue($0.version)) })),
    "ingestions": .array(report.reports.map(json(of:))),
  ]
  if let reason = report.reason { object["reason"] = .init(reason) }
  return .object(object)
}
