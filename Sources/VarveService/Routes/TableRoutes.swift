internal import Varve
// Not the lake's class of that name.
internal import class Varve.Warehouse
internal import VarveDelivery
internal import VarveJSON
internal import VarveLake
internal import VarveTables

private let table = Route.Parameter.path("table", "A table's name.")
private let version = Route.Parameter.path(
  "version", "A number, a date, or a UTC time; `latest` is what readers are shown.")

let tableRoutes: [Route] = [
  Route(
    method: "GET", path: "/api/v1/tables", summary: "All tables", answer: Shape.list("tables")
  ) { call in
    let tables = try call.desk.warehouse.tables().map { table -> JSONValue in
      [
        "name": .string(table.name), "version": JSONValue(table.version), "rows": count(table.rowCount),
        "columns": JSONValue(table.columnCount), "key": texts(table.key),
        "partition_columns": texts(table.partitionColumns), "mode": .string(table.mode),
        "updated": .string(table.updated),
      ]
    }
    return .json(["tables": .array(tables)])
  },
  Route(
    method: "GET", path: "/api/v1/tables/{table}", summary: "A table as readers are shown it", parameters: [table]
  ) { call in .json(try description(call, version: "latest")) },
  Route(
    method: "GET", path: "/api/v1/tables/{table}/versions", summary: "The versions of a table, newest first",
    parameters: [table, .query("limit", "How many.", Shape.number(1...10_000))], answer: Shape.list("versions")
  ) { call in
    let limit = try call.number("limit", preset: 100, in: 1...10_000)
    try checkTable(call)
    let versions = try call.desk.warehouse.history(call.part("table"), limit: limit).map { entry -> JSONValue in
      [
        "version": JSONValue(entry.version), "timestamp": .string(entry.timestamp),
        "operation": .string(entry.operation), "mode": text(entry.mode), "execution": text(entry.execution),
        "sources": texts(entry.sources), "rows": entry.rows.map(rows) ?? .null,
        "is_published": JSONValue(entry.isPublished), "ingestion_id": text(entry.ingestionID),
      ]
    }
    return .json(["versions": .array(versions)])
  },
  Route(
    method: "GET", path: "/api/v1/tables/{table}/versions/{version}", summary: "A table at one version",
    parameters: [table, version]
  ) { call in .json(try description(call, version: call.part("version"))) },
  Route(
    method: "GET", path: "/api/v1/tables/{table}/versions/{version}/rows",
    summary: "The rows of a version, one JSON object a line", details: "In row order, streamed.",
    parameters: [
      table, version, .query("from", "Rows to pass over.", Shape.number(0...1_000_000_000_000)),
      .query("limit", "How many rows; all without it.", Shape.number(1...1_000_000_000_000)),
    ], contentType: "application/x-ndjson", answer: Shape.text
  ) { call in
    let from = try call.number("from", preset: 0, in: 0...1_000_000_000_000)
    let limit = try call.number("limit", preset: Int.max, in: 1...Int.max)
    let (table, snapshot) = try resolved(call, call.part("version"))
    let records = try VersionRecords(
      snapshot.contents(), .identity, firstRecord: from, place: ["\(table.name)@\(snapshot.version)"])
    let lines = RowLines(records, limit: limit)
    return .streamed(type: "application/x-ndjson") { try lines.next() }
  },
  Route(
    method: "GET", path: "/api/v1/tables/{table}/diff", summary: "What became of the rows between two versions",
    details: "One JSON object a line: the kind of change, the row as it is or was, and what an update replaced.",
    parameters: [
      table, .query("from", "The older version.", Shape.text),
      .query("to", "The newer version; what readers are shown without it.", Shape.text),
    ], contentType: "application/x-ndjson", answer: Shape.text
  ) { call in
    guard let from = call.request.query["from"] else { throw Refusal(400, "from is missing: name a version.") }
    let to = call.request.query["to"] ?? "latest"
    _ = try resolved(call, from)
    _ = try resolved(call, to)
    let difference = try call.desk.warehouse.diff(reference(call, from), reference(call, to))
    let lines = ChangeLines(difference)
    return .streamed(type: "application/x-ndjson") { try lines.next() }
  },
  Route(
    method: "GET", path: "/api/v1/tables/{table}/executions", summary: "What each execution of a table did",
    details: "In the order of executions. A stale one was built on a day that was corrected since.",
    parameters: [
      table, .query("all", "Superseded runs too.", ["type": "string", "enum": ["true", "false"]]),
    ], answer: Shape.list("executions")
  ) { call in
    try checkTable(call)
    let all = try call.flag("all")
    let runs = try call.desk.warehouse.executions(call.part("table"), includesSuperseded: all).map { run -> JSONValue in
      [
        "execution": .string(run.execution), "status": .string(run.status), "base": JSONValue(run.base),
        "version": JSONValue(run.version), "committed": .string(run.committed), "rows": rows(run.rows),
        "sources": texts(run.sources),
      ]
    }
    return .json(["executions": .array(runs)])
  },
  Route(
    method: "POST", path: "/api/v1/tables/{table}/publish", summary: "Show readers a version of a table",
    details:
      "The newest: readers follow from now on. An older one: they are pinned there. A pinned table is moved with "
      + "`unpin` only.",
    parameters: [table],
    body: [
      "type": "object",
      "properties": [
        "version": ["type": ["integer", "null"], "minimum": 0, "description": "The newest without it."],
        "force": [
          "type": ["boolean", "null"], "default": false, "description": "Also if it is not as the table expects.",
        ], "pin": ["type": ["boolean", "null"], "default": false],
        "unpin": ["type": ["boolean", "null"], "default": false],
      ],
    ],
    answer: [
      "type": "object", "required": ["table", "version", "newest", "publication"],
      "properties": [
        "table": Shape.text, "version": ["type": "integer"], "newest": ["type": "integer"],
        "publication": ["type": "string", "enum": ["follow", "held", "pinned"]],
      ],
    ]
  ) { call in try publish(call) },
  Route(
    method: "POST", path: "/api/v1/tables/{table}/replay", summary: "Ingest the rows laid aside that fit now",
    details:
      "What fits is committed once, a version for each quarantine; the rest stays. What is laid aside is the table "
      + "\"products@quarantine\" in a query.",
    parameters: [table], answer: Shape.list("replays")
  ) { call in
    try checkTable(call)
    let reports = try call.desk.warehouse.replay(call.part("table")).map { replay -> JSONValue in
      [
        "quarantine_of": JSONValue(replay.version), "outcome": .string(replay.report.outcome.rawValue),
        "version": count(replay.report.version), "rows": rows(replay.report.rows), "waiting": JSONValue(replay.waiting),
      ]
    }
    call.desk.journal.write(
      .info, "replayed", ["table": .string(call.part("table")), "count": JSONValue(reports.count)])
    return .json(["replays": .array(reports)])
  },
  Route(
    method: "POST", path: "/api/v1/query", summary: "Run one SELECT over any versions of any tables",
    details: "In SQL a name with a version is quoted: \"products@3\". The answer is cut at `limit` rows.",
    body: [
      "type": "object", "required": ["sql"],
      "properties": [
        "sql": ["type": "string", "minLength": 1], "limit": ["type": "integer", "minimum": 1, "maximum": 10_000],
      ],
    ],
    answer: [
      "type": "object", "required": ["columns", "rows", "is_cut"],
      "properties": [
        "columns": ["type": "array"], "rows": ["type": "array"], "is_cut": Shape.flag,
      ],
    ]
  ) { call in try answer(call) },
  Route(
    method: "POST", path: "/api/v1/tables/{table}/verify", summary: "Look at every byte of every version of a table",
    parameters: [table]
  ) { call in
    try checkTable(call)
    guard let found = try call.desk.warehouse.verify(call.part("table")).first else {
      throw Refusal(404, "There is no such table.")
    }
    let findings = found.findings.map { finding -> JSONValue in
      [
        "kind": .string(finding.kind), "path": .string(finding.path), "what": .string(finding.what),
        "is_damage": JSONValue(finding.isDamage), "is_repairable": JSONValue(finding.isRepairable),
      ]
    }
    return .json([
      "table": .string(found.table), "is_whole": JSONValue(found.isWhole), "versions": JSONValue(found.versionCount),
      "files": JSONValue(found.fileCount), "bytes": JSONValue(found.byteCount), "findings": .array(findings),
    ])
  },
]

func count(_ number: Int?) -> JSONValue { number.map { JSONValue($0) } ?? .null }
func text(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
func texts(_ texts: [String]) -> JSONValue { .array(texts.map { .string($0) }) }
private func rows(_ rows: IngestReport.Rows) -> JSONValue {
  [
    "read": JSONValue(rows.read), "inserted": JSONValue(rows.inserted), "updated": JSONValue(rows.updated),
    "deleted": JSONValue(rows.deleted), "unchanged": JSONValue(rows.unchanged), "rejected": JSONValue(rows.rejected),
  ]
}

private func reference(_ call: Route.Call, _ version: String) -> String {
  version == "latest" ? call.part("table") : "\(call.part("table"))@\(version)"
}

/// A table or version that is not there is a 404.
private func resolved(_ call: Route.Call, _ version: String) throws -> (Table, Snapshot) {
  do {
    return try call.desk.warehouse.resolve(reference(call, version))
  } catch let problem as Problem where problem.kind == .failed || problem.kind == .usage {
    throw Refusal(404, problem.description)
  }
}

private func checkTable(_ call: Route.Call) throws { _ = try resolved(call, "latest") }

private func description(_ call: Route.Call, version: String) throws -> JSONValue {
  _ = try resolved(call, version)
  let table = try call.desk.warehouse.describe(reference(call, version))
  let reason = table.publication == "follow" ? nil : try call.desk.warehouse.publications(table.name).last?.reason
  let columns = table.schema.fields.map { field -> JSONValue in
    [
      "name": .string(field.name), "type": .string(field.type.name), "is_nullable": JSONValue(field.isNullable),
      "header": text(field.header),
    ]
  }
  return [
    "name": .string(table.name), "version": JSONValue(table.version), "columns": .array(columns),
    "key": texts(table.key), "partition_columns": texts(table.partitionColumns), "mode": .string(table.mode),
    "rows": count(table.rowCount), "files": JSONValue(table.fileCount), "bytes": JSONValue(table.byteCount),
    "publication": .string(table.publication), "publication_reason": text(reason), "created": text(table.created),
    "updated": .string(table.updated),
  ]
}

private func publish(_ call: Route.Call) throws -> HTTPServer.Reply {
  try checkTable(call)
  let body = try call.body()
  func flag(_ name: String) throws -> Bool {
    guard let value = body[name], !value.isNull else { return false }
    guard let flag = value.boolean else { throw Refusal(400, "\(name) must be true or false.") }
    return flag
  }
  var wanted = call.part("table")
  if let value = body["version"], !value.isNull {
    guard let number = value.int, number >= 0 else { throw Refusal(400, "version must be a whole number.") }
    _ = try resolved(call, "\(number)")
    wanted += "@\(number)"
  }
  let done = try call.desk.warehouse.publish(wanted, pins: flag("pin"), unpins: flag("unpin"), forces: flag("force"))
  call.desk.journal.write(
    .info, "published",
    ["table": .string(done.table), "version": JSONValue(done.version), "publication": .string(done.mode.rawValue)])
  return .json([
    "table": .string(done.table), "version": JSONValue(done.version), "newest": JSONValue(done.newest),
    "publication": .string(done.mode.rawValue),
  ])
}

/// Rows and seconds that one query may have.
private let queryRowsPreset = 1000
private let queryRowsMax = 10_000
private let querySecondsMax = 10.0

private func answer(_ call: Route.Call) throws -> HTTPServer.Reply {
  let body = try call.body()
  guard let sql = body["sql"]?.string, !sql.isEmpty else { throw Refusal(400, "sql is missing: one SELECT.") }
  var limit = queryRowsPreset
  if let value = body["limit"] {
    guard let number = value.int, (1...queryRowsMax).contains(number) else {
      throw Refusal(400, "limit must be a whole number from 1 to \(queryRowsMax).")
    }
    limit = number
  }
  let desk = call.desk
  let result = try desk.warehouse.query(
    sql,
    limits: QueryLimits(
      rowsMax: limit, secondsMax: querySecondsMax, joinBytesMax: 256 << 20, isInterrupted: { desk.isStopping }))
  var rows: [JSONValue] = []
  while let row = try result.next() { rows.append(.array(row.map(\.jsonValue))) }
  let columns = result.columns.map { column -> JSONValue in
    ["name": .string(column.name), "type": text(column.type?.name)]
  }
  return .json(["columns": .array(columns), "rows": .array(rows), "is_cut": JSONValue(result.isCut)])
}
