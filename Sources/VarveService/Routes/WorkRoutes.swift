internal import Varve
internal import VarveDelivery
internal import VarveJSON
internal import VarveLake
internal import VarveTables

private let ingestion = Route.Parameter.path("id", "An ingestion's id.")
private let delivery = Route.Parameter.path("id", "A delivery's id, or the beginning of one.")
private let limit = Route.Parameter.query("limit", "How many.", Shape.number(1...10_000))

/// Records that one answer tells of.
private let deadLettersMax = 1000

let workRoutes: [Route] = [
  Route(
    method: "GET", path: "/api/v1/ingestions", summary: "Ingestions that were asked for here, newest first",
    parameters: [
      limit, .query("table", "Of that table only.", Shape.text),
      .query(
        "state", "In that state only.",
        ["type": "string", "enum": ["pending", "in_progress", "done", "failed", "dead"]]),
    ], answer: Shape.list("ingestions")
  ) { call in
    var state: IngestionRecord.State?
    if let text = call.request.query["state"] {
      guard let known = IngestionRecord.State(rawValue: text) else {
        throw Refusal(400, "state must be pending, in_progress, done, failed or dead.")
      }
      state = known
    }
    return .json(["ingestions": .array(try list(call, state))])
  },
  Route(
    method: "GET", path: "/api/v1/dead-letters", summary: "Ingestions that were given up, newest first",
    parameters: [limit], answer: Shape.list("ingestions")
  ) { call in .json(["ingestions": .array(try list(call, .dead))]) },
  Route(
    method: "GET", path: "/api/v1/ingestions/{id}", summary: "An ingestion, and how far it is",
    parameters: [ingestion]
  ) { call in .json(try json(call.desk, try known(call))) },
  Route(
    method: "GET", path: "/api/v1/ingestions/{id}/events", summary: "The progress of an ingestion as it is made",
    details: "Server-sent events `progress`, each an ingestion as JSON, until it is done, failed or dead.",
    parameters: [ingestion], contentType: "text/event-stream", answer: Shape.text
  ) { call in
    let events = ServerSentEvents(call.desk, IngestionWatch(call.desk, try known(call).id))
    return .streamed(type: "text/event-stream") { try events.next() }
  },
  Route(
    method: "GET", path: "/api/v1/events", summary: "Everything under way, as it moves",
    details: "Server-sent events without an end: `ingestion` and `delivery`, each as JSON whenever it changed, and "
      + "`version`, with table and number, when a table has a new one.",
    contentType: "text/event-stream", answer: Shape.text
  ) { call in
    let events = ServerSentEvents(call.desk, WorkWatch(call.desk))
    return .streamed(type: "text/event-stream") { try events.next() }
  },
  Route(
    method: "POST", path: "/api/v1/ingestions/{id}/requeue", summary: "Try a failed or dead ingestion again",
    parameters: [ingestion]
  ) { call in
    guard try call.desk.requeue(known(call)) else { throw Refusal(409, "The ingestion is neither failed nor dead.") }
    return .json(try json(call.desk, try known(call)))
  },
  Route(
    method: "GET", path: "/api/v1/deliveries", summary: "Deliveries, newest first",
    parameters: [limit, .query("table", "Of that table only.", Shape.text)], answer: Shape.list("deliveries")
  ) { call in
    let number = try call.number("limit", preset: 100, in: 1...10_000)
    let found = try call.desk.warehouse.deliveries(table: call.request.query["table"], limit: number)
    return .json(["deliveries": .array(found.map(json))])
  },
  Route(
    method: "GET", path: "/api/v1/deliveries/{id}", summary: "A delivery, its chunks, and what it owes its target",
    parameters: [delivery]
  ) { call in
    let found = try delivered(call)
    var object = json(found).object ?? JSONObject()
    object["chunk_list"] = .array(
      try call.desk.warehouse.chunks(ofDelivery: found.id).map {
        [
          "number": JSONValue($0.number), "records": JSONValue($0.recordCount), "sha256": .string($0.sha256),
          "state": .string($0.state), "attempts": JSONValue($0.attempts), "error": text($0.error),
          "sent": text($0.sent), "acknowledged": text($0.acknowledged),
        ]
      })
    object["dead_letters"] = .array(
      try call.desk.warehouse.deadLetters(ofDelivery: found.id).prefix(deadLettersMax).map {
        [
          "version": JSONValue($0.version), "key": .string($0.key), "reason": .string($0.reason),
          "noted": .string($0.noted),
        ]
      })
    return .json(.object(object))
  },
  Route(
    method: "POST", path: "/api/v1/deliveries/{id}/resume", summary: "Go on with a delivery that stopped",
    details: "Answers at once; it goes on behind the last acknowledged chunk, and its progress is among the events. "
      + "The delivery of an ingestion goes on when that is tried again, which this does.",
    parameters: [delivery]
  ) { call in
    try call.desk.resume(delivered(call))
    return .json(json(try delivered(call)))
  },
]

private func delivered(_ call: Route.Call) throws -> DeliverySummary {
  do {
    return try call.desk.warehouse.delivery(call.part("id"))
  } catch let problem as Problem where problem.kind == .failed {
    throw Refusal(404, problem.description)
  }
}

private func list(_ call: Route.Call, _ state: IngestionRecord.State?) throws -> [JSONValue] {
  let number = try call.number("limit", preset: 100, in: 1...10_000)
  return try call.desk.ledger.ingestions(table: call.request.query["table"], state: state, limit: number)
    .map { try json(call.desk, $0) }
}

private func known(_ call: Route.Call) throws -> IngestionRecord {
  guard let record = try call.desk.ledger.ingestion(call.part("id")) else {
    throw Refusal(404, "There is no such ingestion; see /api/v1/ingestions.")
  }
  return record
}

func json(_ desk: ServiceDesk, _ record: IngestionRecord) throws -> JSONValue {
  let delivered = try desk.ledger.progress(of: record.id)
  return [
    "ingestion_id": .string(record.id), "table": .string(record.table), "state": .string(record.state.rawValue),
    "outcome": text(record.outcome), "version": count(record.version.map { Int($0) }),
    "attempts": JSONValue(record.attempts), "error": text(record.error), "noted": .string(timeText(record.noted)),
    "started": text(record.started.map(timeText)), "ended": text(record.ended.map(timeText)),
    "next_try": text(record.nextTry.map(timeText)), "sources": texts(record.sources.map(\.name)),
    "rows_read": JSONValue(record.rows.read), "chunks_acknowledged": JSONValue(delivered.acknowledgedCount),
    "records_acknowledged": JSONValue(delivered.recordCount),
    "progress": desk.progress(of: record.id)?.json ?? .null,
  ]
}

func json(_ delivery: DeliverySummary) -> JSONValue {
  [
    "delivery_id": .string(delivery.id), "target": .string(delivery.target), "table": .string(delivery.table),
    "version": JSONValue(delivery.version), "since": count(delivery.since), "state": .string(delivery.state),
    "chunking": .string(delivery.chunking), "chunks": JSONValue(delivery.chunkCount),
    "records": JSONValue(delivery.recordCount), "proven": JSONValue(delivery.provenCount),
    "dead": JSONValue(delivery.deadCount), "attempts": JSONValue(delivery.attempts),
    "error": text(delivery.error), "started": text(delivery.started), "ended": text(delivery.ended),
  ]
}
