import Varve
import VarveDelivery
import VarveJSON

extension Session {
  func push(_ call: Invocation, _ warehouse: Warehouse) throws {
    if let target = call["check"] { return try check(target, call, warehouse) }
    guard let reference = call.arguments.first, let target = call["to"] else {
      throw Problem(.usage, "push: TABLE and --to TARGET are needed", advice: "see `varve help push`")
    }
    var request = PushRequest(reference, to: target)
    request.changesSince = call["changes-since"].map { $0 == "delivered" ? .delivered : .version($0) }
    request.again = call.has("again")
    let records = call.integer("chunk-records")
    let bytes = call.integer("chunk-bytes")
    guard records == nil || bytes == nil else {
      throw Problem(.usage, "--chunk-records and --chunk-bytes exclude each other", advice: "give one of them")
    }
    request.chunking = records.map { .records($0) } ?? bytes.map { .bytes($0) }
    let asked = request
    let report = try showing(call) {
      try warehouse.push(asked, isInterrupted: { Interruption.isRequested }, onEvent: $0)
    }
    try printReport(report, call)
  }

  private func check(_ target: String, _ call: Invocation, _ warehouse: Warehouse) throws {
    let findings = try warehouse.check(
      target: target, for: call.arguments.first, isInterrupted: { Interruption.isRequested })
    if call.has("json") {
      let json = findings.map { finding -> JSONValue in
        ["finding": .init(finding.kind.rawValue), "what": .init(finding.what), "advice": text(finding.advice)]
      }
      try output.writeLine(JSONValue.array(json).text(.pretty))
    } else {
      for finding in findings {
        let kind = finding.kind.rawValue
        try output.writeLine(
          kind + String(repeating: " ", count: 7 - kind.count) + printable(finding.what)
            + (finding.advice.map { "; " + printable($0) } ?? ""))
      }
    }
    let wrongCount = findings.count { $0.kind == .wrong }
    guard wrongCount > 0 else { return }
    throw Problem(.failed, at: [target], "\(wrongCount == 1 ? "something is" : "\(wrongCount) things are") wrong")
  }

  /// Runs a delivery with its progress on standard error.
  func showing(
    _ call: Invocation, _ deliver: ((DeliveryEvent) -> Void) throws -> PushReport
  ) throws -> PushReport {
    let isQuiet = call.has("quiet")
    let progress = isQuiet ? nil : DeliveryProgress(on: errors)
    defer { progress?.clear() }
    return try deliver { event in
      progress?.show(event)
      if !isQuiet, let text = remark(on: event) {
        progress?.clear()
        try? errors.writeLine(text)
        try? errors.flush()
      }
    }
  }

  func printReport(_ report: PushReport, _ call: Invocation) throws {
    if call.has("json") {
      let json: JSONValue = [
        "table": .init(report.table), "version": .init(report.version), "target": .init(report.target),
        "outcome": .init(report.outcome.rawValue), "since": count(report.since),
        "delivery_id": text(report.deliveryID), "records": .init(report.recordCount),
      ]
      try output.writeLine(json.text(.pretty))
      return
    }
    var parts = ["version \(report.version)"]
    if let since = report.since { parts.append("changes since version \(since)") }
    switch report.outcome {
    case .delivered:
      let records = "\(grouped(report.recordCount)) \(report.recordCount == 1 ? "record" : "records")"
      parts.append("\(records) \(report.isProven ? "proven" : "acknowledged")")
      parts.append("delivery \(shortened(report.deliveryID))")
    case .unchanged:
      parts.append("nothing to deliver, \(report.target) has it")
    }
    try output.writeLine("\(report.table) → \(printable(report.target)): " + parts.joined(separator: ", "))
  }
}

/// The beginning of an id, which is enough to name it.
func shortened(_ id: String?) -> String { String((id ?? "").prefix(12)) }

/// What people should know of an event; nil where the progress bar says it all.
private func remark(on event: DeliveryEvent) -> String? {
  switch event {
  case .began(let delivery, _, _, _, let chunk, _, _) where chunk > 0:
    "delivery \(shortened(delivery)) goes on with chunk \(chunk)"
  case .waiting(let chunk, let seconds, let reason):
    "chunk \(chunk): \(printable(reason)); again in \(secondsText(seconds))"
  case .rewound(let chunk, let reason):
    "the receiver lost what it had (\(printable(reason))); again from chunk \(chunk)"
  case .redriven(let chunk, let count, let reason):
    "chunk \(chunk): \(grouped(count)) \(count == 1 ? "record is" : "records are") sent again, since \(printable(reason))"
  case .deadLettered(let chunk, let count, let reason):
    "chunk \(chunk): \(grouped(count)) \(count == 1 ? "dead letter" : "dead letters"), since \(printable(reason))"
  case .began, .acknowledged, .proving, .completed: nil
  }
}

/// `0.5 s`.
private func secondsText(_ seconds: Double) -> String { "\((seconds * 10).rounded() / 10) s" }

/// The bar of a push: how much is acknowledged, how fast, and how long it will still take.
final class DeliveryProgress {
  private let bar: ProgressBar
  private var started = monotonicNanoseconds()
  private var firstRecord = 0
  private var recordCount: Int?

  /// Nil where there is no terminal.
  init?(on stream: Stream) {
    guard let bar = ProgressBar(on: stream) else { return nil }
    self.bar = bar
  }

  func show(_ event: DeliveryEvent) {
    switch event {
    case .began(_, _, _, _, _, let record, let count):
      started = monotonicNanoseconds()
      firstRecord = record
      recordCount = count
    case .acknowledged(_, let done, _):
      let seconds = Double(monotonicNanoseconds() - started) / 1e9
      let total = recordCount ?? 0
      bar.draw { width in
        let text = deliveryPace(done: done, since: firstRecord, total: recordCount, seconds: seconds)
        return progressLine("pushing", done: done, total: total, text, width: width)
      }
    case .waiting, .rewound, .completed, .proving, .redriven, .deadLettered: break
    }
  }

  func clear() { bar.clear() }
}

/// `310,000 records  12,400/s  0:15 left`.
package func deliveryPace(done: Int, since first: Int, total: Int?, seconds: Double) -> String {
  var text = grouped(done) + " records"
  let sent = done - first
  guard sent > 0, seconds > 0 else { return text }
  let rate = Double(sent) / seconds
  text += "  \(grouped(Int(rate)))/s"
  guard let total, total > done else { return text }
  let left = Int((Double(total - done) / rate).rounded(.up))
  let clock = left < 3600 ? [left / 60, left % 60] : [left / 3600, left / 60 % 60, left % 60]
  let digits = clock.enumerated().map { $0 > 0 && $1 < 10 ? "0\($1)" : "\($1)" }
  return text + "  " + digits.joined(separator: ":") + " left"
}
