import Varve
import VarveJSON

extension Session {
  func ingest(_ call: Invocation, _ warehouse: Warehouse) throws {
    let request = try ingestRequest(call)
    if call.arguments.contains(where: FolderRequest.isMany) { return try ingestFolder(request, call, warehouse) }
    let isQuiet = call.has("quiet")
    let bar = isQuiet ? nil : ProgressBar(on: errors)
    defer { bar?.clear() }
    var phase = Event.Phase.reading
    var rejections: [String] = []
    let report: IngestReport
    do {
      report = try warehouse.ingest(request) { event in
        switch event {
        case .phase(let next): phase = next
        case .progress(let done, let total, let rows):
          bar?.update(phase.rawValue, done: done, total: total, rows: rows)
        case .rejected(let place, let reason):
          if rejections.count < rejectionsShownMax { rejections.append("\(place): \(reason)") }
        case .remark, .committed: break
        }
      }
    } catch {
      bar?.clear()
      // The error itself tells of the first.
      if !isQuiet && rejections.count > 1 { for text in rejections { remark(text) } }
      throw error
    }
    if !isQuiet { for text in rejections { remark(text) } }
    bar?.clear()
    if call.has("json") {
      try output.writeLine(json(of: report).text(.pretty))
      return try complain(of: report)
    }
    if !isQuiet { for text in report.remarks { remark(text) } }
    for line in report.plan { try output.writeLine(line) }
    try output.writeLine(sentence(on: report))
    try complain(of: report)
  }

  /// A remark goes to people, and never stops the work.
  private func remark(_ text: String) {
    try? errors.writeLine(text)
    try? errors.flush()
  }
}

private let rejectionsShownMax = 20

func ingestRequest(_ call: Invocation) throws -> IngestRequest {
  let feeds = try call.arguments.map { try feedRequest($0, call) }
  var request = IngestRequest(feeds, into: call["into"] ?? "")
  request.mode = call["mode"].flatMap { IngestMode(rawValue: $0) }
  request.key = call.list("key")
  request.keyFrom = call.list("key-from")
  request.partitionBy = call.list("partition-by")
  request.partitions = declaredPartitions(call)
  if call.has("dynamic") { request.dynamicPartitionsMax = call.integer("partitions-max") ?? 100 }
  request.execution = call["execution"]
  request.deleteWhen = call["delete-when"]
  request.newestBy = call["newest-by"]
  request.updates = call["updates"].flatMap { UpdateMethod(rawValue: $0) }
  if let policy = call["on-bad-row"].flatMap({ BadRowPolicy(rawValue: $0) }) { request.badRows = policy }
  request.select = call["select"]
  request.reingest = call.has("reingest")
  request.holdsPublication = call.has("hold-publish")
  request.allowEmpty = call.has("allow-empty")
  request.cascades = !call.has("no-cascade")
  request.publishesIncomplete = call.has("publish-incomplete")
  request.discardsInterposed = call.has("discard-interposed")
  request.reappliesInterposed = call.has("reapply")
  request.isImmutable = call.has("immutable")
  request.immutableDays = call.integer("immutable-days")
  request.withOrigin = call.has("with-origin")
  request.zstdLevel = call.integer("zstd-level")
  request.dryRun = call.has("dry-run")
  request.idempotencyKey = call["idempotency-key"]
  return request
}

/// Pairs in order; a column that comes again opens the next partition: `market=DE,market=AT` are two.
func declaredPartitions(_ call: Invocation) -> [[String: String?]] {
  var partitions: [[String: String?]] = []
  for (column, value) in call.pairs("partition") {
    if partitions.isEmpty || partitions[partitions.count - 1][column] != nil { partitions.append([:]) }
    partitions[partitions.count - 1][column] = .some(value == nullPartition ? nil : value)
  }
  return partitions
}

/// How Hive's folder names, and so ours, spell null.
private let nullPartition = "__HIVE_DEFAULT_PARTITION__"

/// `products: version 2, 6 rows read, 1 inserted, 4 updated, 1 unchanged`.
func sentence(on report: IngestReport) -> String {
  let rows = report.rows
  var parts: [String] = []
  switch report.outcome {
  case .committed: parts.append("version \(report.version ?? 0)")
  case .unchanged: parts.append("unchanged" + (report.version.map { ", still version \($0)" } ?? ""))
  case .planned: parts.append("nothing committed, as asked")
  }
  if report.outcome != .unchanged || rows.read > 0 {
    parts.append("\(grouped(rows.read)) \(rows.read == 1 ? "row" : "rows") read")
  }
  let counts = [
    (rows.inserted, "inserted"), (rows.updated, "updated"), (rows.deleted, "deleted"), (rows.unchanged, "unchanged"),
    (rows.rejected, "rejected"),
  ]
  for (count, word) in counts where count > 0 { parts.append("\(grouped(count)) \(word)") }
  return "\(report.table): " + parts.joined(separator: ", ")
}

func json(of report: IngestReport) -> JSONValue {
  var object: JSONObject = [
    "table": .init(report.table), "version": report.version.map { .init($0) } ?? nil,
    "outcome": .init(report.outcome.rawValue), "rows": json(of: report.rows),
    "ingestion_id": .init(report.ingestionID), "remarks": .array(report.remarks.map { .init($0) }),
  ]
  if !report.broken.isEmpty { object["broken"] = .array(report.broken.map { json(of: $0) }) }
  if report.outcome == .planned { object["plan"] = .array(report.plan.map { .init($0) }) }
  return .object(object)
}

func json(of rows: IngestReport.Rows) -> JSONValue {
  [
    "read": .init(rows.read), "inserted": .init(rows.inserted), "updated": .init(rows.updated),
    "deleted": .init(rows.deleted), "unchanged": .init(rows.unchanged), "rejected": .init(rows.rejected),
  ]
}
