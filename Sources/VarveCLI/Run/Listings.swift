import Varve
import VarveJSON

extension Session {
  func tables(_ call: Invocation, _ warehouse: Warehouse) throws {
    let tables = try warehouse.tables()
    let columns: [Listing<TableSummary>.Column] = [
      .init("table", "name", fate: .name) { .init($0.name) },
      .init("version", .right) { .init($0.version) },
      .init("rows", .right) { count($0.rowCount) },
      .init("columns", .right, isMinor: true) { .init($0.columnCount) },
      .init("key") { names($0.key) },
      .init("partitioned by", "partition_columns", short: "partition", isMinor: true) { names($0.partitionColumns) },
      .init("updated", fate: .time) { .init($0.updated) },
      .init("mode") { .init($0.mode) },
    ]
    try write(Listing(columns: columns, entries: tables), call)
  }

  func history(_ call: Invocation, _ warehouse: Warehouse) throws {
    if call.has("published") { return try publications(call, warehouse) }
    let entries = try warehouse.history(call.arguments[0], limit: call.integer("limit"))
    let columns: [Listing<HistoryEntry>.Column] = [
      .init("version", .right) { .init($0.version) },
      .init("time", "timestamp", fate: .time) { .init($0.timestamp) },
      .init("operation", isMinor: true) { .init($0.operation) },
      .init("mode") { text($0.mode) },
      .init("inserted", .right, short: "ins.", isInJSON: false) { count($0.rows?.inserted) },
      .init("updated", .right, short: "upd.", isInJSON: false) { count($0.rows?.updated) },
      .init("deleted", .right, short: "del.", isInJSON: false) { count($0.rows?.deleted) },
      .init("rows", isInTable: false) { $0.rows.map(json(of:)) ?? nil },
      .init("execution", isInTable: false) { text($0.execution) },
      .init("sources") { names($0.sources) },
      .init("tags", isInTable: entries.contains { !$0.tags.isEmpty || $0.isHeld }, isInJSON: false) {
        names($0.tags + ($0.isHeld ? ["(held)"] : []))
      },
      .init("tags", isInTable: false) { names($0.tags) },
      .init("held", isInTable: false) { .init($0.isHeld) },
      .init("writer", isInTable: false) { .init($0.writer) },
      .init("published", isInTable: false) { .init($0.isPublished) },
      .init("ingestion_id", isInTable: false) { text($0.ingestionID) },
    ]
    try write(Listing(columns: columns, entries: entries), call)
  }

  private func publications(_ call: Invocation, _ warehouse: Warehouse) throws {
    let columns: [Listing<PublicationRecord>.Column] = [
      .init("time", "timestamp", fate: .time) { .init($0.timestamp) },
      .init("version", .right) { .init($0.version) },
      .init("mode") { .init($0.mode.rawValue) },
      .init("reason") { .init($0.reason) },
    ]
    try write(Listing(columns: columns, entries: warehouse.publications(call.arguments[0])), call)
  }

  func tag(_ call: Invocation, _ warehouse: Warehouse) throws {
    let reference = call.arguments[0]
    let table = String(reference.prefix { $0 != "@" })
    if call.arguments.count > 1 {
      if call.has("delete") {
        try warehouse.untag(table, call.arguments[1])
      } else {
        try warehouse.tag(reference, as: call.arguments[1], moves: call.has("move"))
      }
      if !call.has("json") { return }
    }
    let columns: [Listing<TagSummary>.Column] = [
      .init("tag") { text($0.name) },
      .init("version", .right) { .init($0.version) },
      .init("time", "timestamp", fate: .time) { .init($0.timestamp) },
    ]
    try write(Listing(columns: columns, entries: warehouse.tags(table)), call)
  }

  func hold(_ call: Invocation, _ warehouse: Warehouse) throws {
    let reference = call.arguments[0]
    let table = String(reference.prefix { $0 != "@" })
    if reference != table {
      if call.has("release") {
        try warehouse.release(reference)
      } else {
        try warehouse.hold(reference, until: call["until"])
      }
      if !call.has("json") { return }
    }
    let columns: [Listing<TagSummary>.Column] = [
      .init("version", .right) { .init($0.version) },
      .init("until") { text($0.until) },
      .init("time", "timestamp", fate: .time) { .init($0.timestamp) },
    ]
    try write(Listing(columns: columns, entries: warehouse.holds(table)), call)
  }

  func executions(_ call: Invocation, _ warehouse: Warehouse) throws {
    let runs = try warehouse.executions(call.arguments[0], includesSuperseded: call.has("all"))
    let columns: [Listing<ExecutionRow>.Column] = [
      .init("execution", fate: .name) { .init($0.execution) },
      .init("status") { .init($0.status) },
      .init("version", .right) { .init($0.version) },
      .init("base", .right, isMinor: true) { .init($0.base) },
      .init("inserted", .right, short: "ins.", isInJSON: false) { count($0.rows.inserted) },
      .init("updated", .right, short: "upd.", isInJSON: false) { count($0.rows.updated) },
      .init("deleted", .right, short: "del.", isInJSON: false) { count($0.rows.deleted) },
      .init("rows", isInTable: false) { json(of: $0.rows) },
      .init("sources") { names($0.sources) },
      .init("time", "timestamp", isInTable: false) { .init($0.committed) },
      .init("fingerprint", isInTable: false) { .init($0.fingerprint) },
    ]
    try write(Listing(columns: columns, entries: runs), call)
  }

  func ingestions(_ call: Invocation, _ warehouse: Warehouse) throws {
    let state = call["state"].flatMap { IngestionSummary.State(rawValue: $0) }
    try write(ingestions: warehouse.ingestions(limit: call.integer("limit"), state: state), call)
  }

  func write(ingestions entries: [IngestionSummary], _ call: Invocation) throws {
    let columns: [Listing<IngestionSummary>.Column] = [
      .init("time", "timestamp", fate: .time) { .init($0.timestamp) },
      .init("table", fate: .name) { .init($0.table) },
      .init("state") { .init($0.state.rawValue) },
      .init("version", .right) { count($0.version) },
      .init("mode", isMinor: true) { text($0.mode) },
      .init("sources") { names($0.sources) },
      .init("outcome", isInTable: false) { text($0.outcome?.rawValue) },
      .init("execution", isInTable: false) { text($0.execution) },
      .init("rows", isInTable: false) { json(of: $0.rows) },
      .init("attempts", isInTable: false) { count($0.attempts) },
      .init("next_try", isInTable: false) { text($0.nextTry) },
      .init("error", isInTable: false) { text($0.error) },
      .init("ingestion", "ingestion_id") { .init(call.has("json") ? $0.id : shortened($0.id)) },
    ]
    let note: (IngestionSummary) -> String? = { entry in
      guard let error = entry.error else { return nil }
      let attempts = entry.attempts.map { "\(grouped($0)) attempt\($0 == 1 ? "" : "s"), " } ?? ""
      return attempts + (entry.nextTry.map { "next try \($0), " } ?? "") + error
    }
    try write(Listing(columns: columns, entries: entries, note: note), call)
  }

  func describe(_ call: Invocation, _ warehouse: Warehouse) throws {
    let table = try warehouse.describe(call.arguments[0])
    if call.has("schema") {
      try output.writeLine(table.schemaFile)
      return
    }
    if call.has("json") {
      try output.writeLine(json(of: table).text(.pretty))
      return
    }
    var facts = [
      ("table", "\(table.name), version \(table.version)"),
      ("rows", table.rowCount.map(grouped) ?? "unknown"),
      ("files", "\(grouped(table.fileCount)), \(grouped(table.byteCount)) bytes"),
      ("key", keyText(table)),
      ("partitioned by", table.partitionColumns.isEmpty ? "nothing" : table.partitionColumns.joined(separator: ", ")),
      ("mode", table.mode),
      ("published", table.publication),
      ("updated", table.updated),
    ]
    if !table.tags.isEmpty { facts.append(("tags", table.tags.joined(separator: ", "))) }
    if table.isHeld { facts.append(("held", "see varve hold \(table.name)")) }
    if table.trashByteCount > 0 { facts.append(("in the trash", "\(grouped(table.trashByteCount)) bytes")) }
    if table.zstdLevel != TableDescription.zstdLevelStandard {
      facts.append(("compression", "zstd, level \(table.zstdLevel)"))
    }
    if table.updates != .copyOnWrite { facts.append(("updates", table.updates.rawValue)) }
    if table.isImmutable {
      facts.append(("immutable", table.immutableDays.map { "for \(grouped($0)) days" } ?? "for ever"))
    }
    for (name, fact) in facts {
      try output.writeLine(name + String(repeating: " ", count: 16 - name.count) + printable(fact))
    }
    try output.writeLine("")
    var columns = TextTable([.init("column"), .init("type"), .init("nulls"), .init("header")])
    columns.rows = table.schema.fields.map { field in
      [field.name, field.type.name, field.isNullable ? "allowed" : "refused", field.header ?? field.name]
    }
    for line in columns.lines(width: output.width, style: output.style) { try output.writeLine(line) }
  }
}

/// Entries of one kind, for people as a table and for programs as an array of objects.
struct Listing<Entry> {
  struct Column {
    var heading: TextTable.Heading
    /// The key in JSON.
    var key: String
    var isInTable: Bool
    var isInJSON: Bool
    var value: (Entry) -> JSONValue

    init(
      _ heading: String, _ key: String? = nil, _ alignment: TextTable.Alignment = .left,
      fate: TextTable.Heading.Fate = .cut, short: String? = nil, isMinor: Bool = false, isInTable: Bool = true,
      isInJSON: Bool = true, _ value: @escaping (Entry) -> JSONValue
    ) {
      self.heading = TextTable.Heading(heading, alignment, fate: fate, short: short, isMinor: isMinor)
      self.key = key ?? heading
      self.isInTable = isInTable
      self.isInJSON = isInJSON
      self.value = value
    }

    init(
      _ heading: String, _ alignment: TextTable.Alignment, short: String? = nil, isMinor: Bool = false,
      isInJSON: Bool = true, _ value: @escaping (Entry) -> JSONValue
    ) {
      self.init(heading, nil, alignment, short: short, isMinor: isMinor, isInJSON: isInJSON, value)
    }
  }

  var columns: [Column]
  var entries: [Entry]
  /// What the table says below an entry.
  var note: (Entry) -> String? = { _ in nil }
}

extension Session {
  func write<Entry>(_ listing: Listing<Entry>, _ call: Invocation) throws {
    if call.has("json") {
      let columns = listing.columns.filter(\.isInJSON)
      let objects = listing.entries.map { entry in
        JSONValue.object(JSONObject(columns.map { ($0.key, $0.value(entry)) }))
      }
      try output.writeLine(JSONValue.array(objects).text(.pretty))
      return
    }
    let columns = listing.columns.filter(\.isInTable)
    var table = TextTable(columns.map(\.heading))
    table.rows = listing.entries.map { entry in columns.map { cell($0.value(entry)) } }
    for (index, entry) in listing.entries.enumerated() { table.notes[index] = listing.note(entry) }
    for line in table.lines(width: output.width, style: output.style) { try output.writeLine(line) }
  }
}

private func cell(_ value: JSONValue) -> String {
  if case .array(let parts) = value { return parts.compactMap(plainText).joined(separator: ", ") }
  return value.int.map(grouped) ?? plainText(value) ?? ""
}

private func names(_ list: [String]) -> JSONValue { .array(list.map { .init($0) }) }
func text(_ text: String?) -> JSONValue { text.map { .init($0) } ?? nil }
func count(_ count: Int?) -> JSONValue { count.map { .init($0) } ?? nil }

private func keyText(_ table: TableDescription) -> String {
  let key = table.key.isEmpty ? "none" : table.key.joined(separator: ", ")
  return table.keyFrom.isEmpty ? key : "\(key), made from \(table.keyFrom.joined(separator: ", "))"
}

private func json(of table: TableDescription) -> JSONValue {
  [
    "name": .init(table.name), "version": .init(table.version), "rows": count(table.rowCount),
    "files": .init(table.fileCount), "bytes": .init(table.byteCount),
    "zstd_level": .init(table.zstdLevel), "key": names(table.key), "key_from": names(table.keyFrom),
    "immutable": .init(table.isImmutable), "immutable_days": count(table.immutableDays),
    "partition_columns": names(table.partitionColumns), "mode": .init(table.mode),
    "updates": .init(table.updates.rawValue), "published": .init(table.publication), "tags": names(table.tags),
    "held": .init(table.isHeld),
    "trash_bytes": .init(table.trashByteCount), "created": text(table.created), "updated": .init(table.updated),
    "columns": .array(
      table.schema.fields.map { field in
        [
          "name": .init(field.name), "type": .init(field.type.name), "nullable": .init(field.isNullable),
          "header": .init(field.header ?? field.name),
        ]
      }),
  ]
}
