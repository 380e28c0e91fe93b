internal import VarveJSON
internal import VarveLake
public import VarveTables

/// A table in a list of them.
public struct TableSummary: Sendable {
  /// Its name.
  public var name: String
  /// What readers are shown.
  public var version: Int
  /// Nil where another writer left out how many rows its files have.
  public var rowCount: Int?
  /// How many columns.
  public var columnCount: Int
  /// The columns that identify a row; none where the table has no key.
  public var key: [String]
  /// The columns that part the table, in order.
  public var partitionColumns: [String]
  /// What an ingestion does that says nothing else: `append`.
  public var mode: String
  /// When that version was committed: `2024-10-06T12:00:00Z`.
  public var updated: String
}

/// What a table is at one version.
public struct TableDescription: Sendable {
  /// Its name.
  public var name: String
  /// The version's number.
  public var version: Int
  /// The columns, in order.
  public var schema: Schema
  /// The columns that identify a row; none where the table has no key.
  public var key: [String]
  /// Whether it is write-once, and for how many days after a version was replaced; nil: for ever.
  public var isImmutable: Bool
  /// For how many days, if not for ever.
  public var immutableDays: Int?
  /// The columns that the key is computed from; empty where it is of columns as they are.
  public var keyFrom: [String]
  /// The columns that part the table, in order.
  public var partitionColumns: [String]
  /// What an ingestion does that says nothing else: `append`.
  public var mode: String
  /// How many rows; nil where another writer left it out.
  public var rowCount: Int?
  /// How many data files.
  public var fileCount: Int
  /// How many bytes.
  public var byteCount: Int
  /// How hard data files are compressed, 1 to 22.
  public var zstdLevel: Int
  /// How small data files are made where nothing is said.
  public static let zstdLevelStandard = EngineLimits.zstdLevelStandard
  /// How rows that change are written.
  public var updates: UpdateMethod
  /// How readers come to a version: `follow`, `held at 7`, `pinned at 7`.
  public var publication: String
  /// What the version is called.
  public var tags: [String]
  /// Whether it is held, so that no vacuum takes it.
  public var isHeld: Bool
  /// What a vacuum took and has not been purged.
  public var trashByteCount: Int
  /// When the table was made, if that is known.
  public var created: String?
  /// When that version was committed: `2024-10-06T12:00:00Z`.
  public var updated: String
  /// The schema file in force, as `--schema` reads it.
  public var schemaFile: String
}

extension Warehouse {
  /// Every table, by name.
  public func tables() throws -> [TableSummary] {
    guard let lake = try lake() else { return [] }
    return try lake.tableNames().compactMap { name in
      // A table may go away between the listing and the look at it, and one that a transaction makes is not shown yet.
      guard let table = try lake.table(name), try table.publishedVersion() != nil else { return nil }
      let snapshot = try table.snapshot()
      return TableSummary(
        name: name, version: Int(snapshot.version), rowCount: try snapshot.rowCount(),
        columnCount: snapshot.schema.fields.count, key: snapshot.metadata.key,
        partitionColumns: snapshot.partitionColumns, mode: snapshot.metadata[.mode] ?? IngestMode.append.rawValue,
        updated: timeText(snapshot.timestamp))
    }
  }

  /// The table that a reference names, `products` or `products@7`.
  public func describe(_ reference: String) throws -> TableDescription {
    let (table, snapshot) = try resolve(reference)
    let proxy = try Proxy.read(table.storage)
    let publication =
      switch proxy?.mode {
      case nil, .follow?: "follow"
      case let mode?: "\(mode.rawValue) at \(proxy?.version ?? 0)"
      }
    let (names, isHeld) = try Tags.read(table.storage).marks(
      of: snapshot.version, at: surroundings.clock.milliseconds())
    return TableDescription(
      name: table.name, version: Int(snapshot.version), schema: snapshot.schema, key: snapshot.metadata.key,
      isImmutable: snapshot.metadata.immutability != nil, immutableDays: snapshot.metadata.immutability?.days,
      keyFrom: snapshot.metadata.recordKey?.columns ?? [], partitionColumns: snapshot.partitionColumns,
      mode: snapshot.metadata[.mode] ?? IngestMode.append.rawValue, rowCount: try snapshot.rowCount(),
      fileCount: try snapshot.fileCount, byteCount: try snapshot.byteCount, zstdLevel: snapshot.metadata.zstdLevel,
      updates: snapshot.metadata.strikesRows ? .mergeOnRead : .copyOnWrite,
      publication: publication, tags: names, isHeld: isHeld,
      trashByteCount: try Vacuum.trash(table.storage, grace: 0).reduce(0) { $0 + $1.byteCount },
      created: snapshot.metadata.createdTime.map(timeText),
      updated: timeText(snapshot.timestamp), schemaFile: schemaFile(snapshot.metadata))
  }
}

/// A table's schema in the form of a schema file.
private func schemaFile(_ metadata: TableMetadata) -> String {
  let columns = metadata.schema.fields.map { field -> JSONValue in
    var column: JSONObject = ["name": .string(field.name), "type": .string(field.type.name)]
    if !field.isNullable { column["nullable"] = false }
    let aliases = [field.header].compactMap { $0 } + field.aliases
    if !aliases.isEmpty { column["aliases"] = .array(aliases.map { .string($0) }) }
    if let format = field.format { column["format"] = .string(format) }
    if !field.nulls.isEmpty { column["nulls"] = .array(field.nulls.map { .string($0) }) }
    if field.decimal != "." { column["decimal"] = .string(field.decimal) }
    if let grouping = field.grouping { column["grouping"] = .string(grouping) }
    if let contract = field.contract { column["contract"] = .string(contract.rawValue) }
    return .object(column)
  }
  // A line for each column, so that a person can read and change it.
  let lines = columns.map { "    " + $0.text() }.joined(separator: ",\n")
  let timezone = JSONValue.string(metadata[.timezone] ?? "UTC").text()
  let absent = JSONValue.string(metadata[.absent] ?? "keep").text()
  let contract = metadata.contract == .evolve ? "" : ",\n  \"contract\": \"\(metadata.contract.rawValue)\""
  let expectations = metadata[.expectations].map { ",\n  \"expectations\": \($0)" } ?? ""
  return
    "{\n  \"columns\": [\n\(lines)\n  ],\n  \"timezone\": \(timezone),\n  \"absent\": \(absent)\(contract)\(expectations)\n}"
}
