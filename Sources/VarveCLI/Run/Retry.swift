import Varve
import VarveJSON
import VarveTables

extension Session {
  func retry(_ call: Invocation, _ warehouse: Warehouse) throws {
    let reports = try warehouse.retry(call.arguments)
    if call.has("json") {
      try output.writeLine(JSONValue.array(reports.map(json(of:))).text(.pretty))
    } else {
      if reports.isEmpty { try output.writeLine("nothing is due") }
      for report in reports { try output.writeLine(line(on: report)) }
    }
    let failed = reports.count { $0.report == nil }
    if failed > 0 {
      throw Problem(
        .failed, "\(failed) of \(reports.count) ingestion\(reports.count == 1 ? "" : "s") failed again",
        advice: "see `varve ingestions --state failed` and `varve dead-letters`")
    }
  }

  func deadLetters(_ call: Invocation, _ warehouse: Warehouse) throws {
    guard let action = call.arguments.first else {
      try write(ingestions: warehouse.deadLetters(), call)
      return
    }
    let ids = Array(call.arguments.dropFirst())
    let (done, word): ([String], String)
    switch action {
    case "requeue": (done, word) = (try warehouse.requeueDeadLetters(ids), "requeued")
    case "purge": (done, word) = (try warehouse.purgeDeadLetters(ids), "purged")
    default:
      throw Problem(
        .usage, at: ["varve dead-letters"], "\"\(action)\" is neither requeue nor purge",
        advice: "see `varve help dead-letters`")
    }
    if call.has("json") {
      try output.writeLine(JSONValue.array(done.map { .init($0) }).text(.pretty))
    } else {
      try output.writeLine("\(done.count) dead letter\(done.count == 1 ? "" : "s") \(word)")
    }
  }
}

func line(on report: RetryReport) -> String {
  let files = report.sources.joined(separator: ", ")
  if let done = report.report { return "\(files): \(sentence(on: done))" }
  let fate = report.nextTry.map { "next try \($0)" } ?? (report.state == .dead ? "a dead letter now" : "waits")
  return "\(files): \(report.table): \(report.state.rawValue), \(fate): \(printable(report.error ?? ""))"
}

func json(of report: RetryReport) -> JSONValue {
  [
    "ingestion_id": .init(report.id), "table": .init(report.table), "state": .init(report.state.rawValue),
    "sources": .array(report.sources.map { .init($0) }),
    "outcome": report.report.map { .init($0.outcome.rawValue) } ?? nil,
    "version": report.report?.version.map { .init($0) } ?? nil,
    "error": report.error.map { .init($0) } ?? nil, "next_try": report.nextTry.map { .init($0) } ?? nil,
  ]
}
