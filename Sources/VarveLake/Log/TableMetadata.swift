internal import VarveJSON
package import VarveTables

/// What a table is, from one version to the next: its schema, its partitioning and its properties (Delta protocol,
/// "Change Metadata").
package struct TableMetadata: Hashable, Sendable {
  /// Constant for the life of the table.
  package let id: String
  package let name: String?
  package private(set) var fields: [SchemaText.LogField]
  package let partitionColumns: [String]
  package private(set) var properties: [String: String]
  /// Milliseconds since 1970.
  package let createdTime: Int64?

  /// A table of ours, with the properties that keep strangers from erasing its history (WarehouseFormat.md, "The log").
  package init(
    id: String, schema: Schema, partitionColumns: [String], properties: [String: String] = [:], createdTime: Int64
  ) {
    self.id = id
    name = nil
    fields = []
    self.partitionColumns = partitionColumns
    self.properties = TableMetadata.guards.merging(properties) { _, given in given }
    self.createdTime = createdTime
    self.schema = schema
  }

  private static let guards = [
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
  ]

  package var schema: Schema {
    get { Schema(fields.map(\.field)) }
    set {
      let text = SchemaText.text(newValue, keeping: fields)
      do {
        fields = try SchemaText.parse(text, place: [])
      } catch {
        preconditionFailure("a schema of ours reads back: \(error)")
      }
    }
  }

  /// The position in the schema of each partition column.
  package var partitionPositions: [Int] { partitionColumns.compactMap { schema.index(of: $0) } }

  /// The property of that name, or nil.
  package subscript(_ property: Property) -> String? {
    get { properties[property.rawValue] }
    set { properties[property.rawValue] = newValue }
  }

  /// What a table remembers from its creation, so that later feeds need only their file. A list of columns is JSON.
  package enum Property: String, CaseIterable, Sendable {
    case key = "varve.key"
    /// The columns that the key is computed from, and the version of their encoding (`RecordKey`).
    case keyFrom = "varve.keyFrom"
    case keyEncoding = "varve.keyEncoding"
    case mode = "varve.mode"
    /// `--partition-by` as given: `["market","week(updated_at)"]`.
    case partitionBy = "varve.partitionBy"
    /// `keep` (a row keeps the value of a column that the feed lacks) or `null`.
    case absent = "varve.absent"
    case timezone = "varve.timezone"
    case deleteWhen = "varve.deleteWhen"
    case newestBy = "varve.newestBy"
    /// `true`: the table is write-once (`Immutability`); and for how many days, without which it is for ever.
    case immutable = "varve.immutable"
    case immutableDays = "varve.immutableDays"
    case withOrigin = "varve.withOrigin"
    /// 1 to 22; absent: 3.
    case zstdLevel = "varve.zstdLevel"
    /// What is expected of its rows, as in a schema file.
    case expectations = "varve.expectations"
    /// `freeze` or `quarantine`; without it, `evolve`.
    case contract = "varve.contract"
    /// How often each name was given up by a column: `{"price":1}`.
    case formerNames = "varve.formerNames"
    /// How rows that change are written: `merge-on-read`, or absent.
    case updates = "varve.updates"
  }

  /// The level of compression of the table's data files.
  package var zstdLevel: Int {
    self[.zstdLevel].flatMap { Int($0) }.map { min(max($0, 1), 22) } ?? EngineLimits.zstdLevelStandard
  }

  private static let mergeOnRead = "merge-on-read"
  /// What other engines go by when they write deletion vectors.
  private static let vectorsProperty = "delta.enableDeletionVectors"

  /// Whether rows that change are struck out of their files, which stay as they are.
  package var strikesRows: Bool {
    get { self[.updates] == TableMetadata.mergeOnRead }
    set {
      self[.updates] = newValue ? TableMetadata.mergeOnRead : nil
      properties[TableMetadata.vectorsProperty] = newValue ? "true" : nil
    }
  }

  package func columns(_ property: Property) -> [String] {
    guard let text = self[property], let json = try? JSONValue(parsing: text) else { return [] }
    return json.array?.compactMap(\.string) ?? []
  }

  package mutating func setColumns(_ property: Property, _ columns: [String]) {
    self[property] = columns.isEmpty ? nil : JSONValue.array(columns.map(JSONValue.string)).text()
  }

  /// How often each name was given up by a column that was dropped or renamed.
  package var formerNames: [String: Int] {
    get {
      guard let text = self[.formerNames], let json = try? JSONValue(parsing: text) else { return [:] }
      return Dictionary((json.object?.members ?? []).compactMap { member in member.value.int.map { (member.key, $0) } })
      {
        max($0, $1)
      }
    }
    set {
      let members = newValue.sorted { $0.key < $1.key }.map { ($0.key, JSONValue($0.value)) }
      self[.formerNames] = newValue.isEmpty ? nil : JSONValue.object(JSONObject(members)).text()
    }
  }

  /// The field as a new column: where the name was another column's before, known by something else.
  package func newColumn(_ field: Field) -> Field {
    var field = field
    // No name of ours holds an equals sign.
    field.identity = formerNames[field.name].map { "\(field.name)=\($0)" }
    return field
  }

  /// Whether a column that the schema lacks was once in it.
  func hasGivenUp(_ field: Field) -> Bool {
    let parts = field.lineage.split(separator: "=", omittingEmptySubsequences: false)
    let earlier = parts.count == 2 ? Int(parts[1]) ?? 0 : 0
    return formerNames[String(parts[0]), default: 0] > earlier
  }

  /// What feeds may do to a column that says nothing about it, and to the set of columns.
  package var contract: ColumnContract { self[.contract].flatMap(ColumnContract.init(rawValue:)) ?? .evolve }

  package mutating func setProperty(_ name: String, _ value: String?) { properties[name] = value }

  /// The columns that make a row unique in the whole table; none when it has no key.
  package var key: [String] {
    get { columns(.key) }
    set { setColumns(.key, newValue) }
  }

  /// What the key is computed from; nil where it is of columns as they are.
  package var recordKey: RecordKey? {
    get { columns(.keyFrom).isEmpty ? nil : RecordKey(columns(.keyFrom)) }
    set {
      setColumns(.keyFrom, newValue?.columns ?? [])
      self[.keyEncoding] = newValue.map { _ in String(RecordKey.encoding) }
    }
  }

  // MARK: JSON

  init(json: JSONValue, place: [String]) throws {
    guard let id = json["id"]?.string, let schema = json["schemaString"]?.string else {
      throw Problem(.damaged, at: place, "the metaData action has no id or no schemaString")
    }
    try self.init(
      id: id, name: json["name"]?.string, format: json["format"]?["provider"]?.string ?? "parquet",
      schemaText: schema, partitionColumns: json["partitionColumns"]?.array?.compactMap(\.string) ?? [],
      properties: Dictionary(
        (json["configuration"]?.object?.members ?? []).compactMap { member in
          member.value.string.map { (member.key, $0) }
        }, uniquingKeysWith: { $1 }),
      createdTime: json["createdTime"]?.int64, place: place)
  }

  init(
    id: String, name: String?, format: String, schemaText: String, partitionColumns: [String],
    properties: [String: String], createdTime: Int64?, place: [String]
  ) throws {
    guard format == "parquet" else {
      throw Problem(.refused, at: place, "the table's files are \(format), and Varve reads Parquet")
    }
    if let mapping = properties["delta.columnMapping.mode"], mapping != "none" {
      throw Problem(
        .refused, at: place, "the table uses columnMapping, which Varve cannot read",
        advice: "read it with the engine that switched that on, or copy it into a new table")
    }
    self.id = id
    self.name = name
    self.fields = try SchemaText.parse(schemaText, place: place)
    self.partitionColumns = partitionColumns
    self.properties = properties
    self.createdTime = createdTime
    guard partitionPositions.count == partitionColumns.count else {
      throw Problem(.damaged, at: place, "a partition column is not in the schema")
    }
  }

  var schemaText: String { JSONValue.object(["type": "struct", "fields": .array(fields.map(\.json))]).text() }

  var json: JSONValue {
    var object: JSONObject = ["id": .string(id)]
    if let name { object["name"] = .string(name) }
    object["format"] = ["provider": "parquet", "options": [:]]
    object["schemaString"] = .string(schemaText)
    object["partitionColumns"] = .array(partitionColumns.map(JSONValue.string))
    object["configuration"] = .object(
      JSONObject(properties.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }))
    if let createdTime { object["createdTime"] = JSONValue(createdTime) }
    return .object(object)
  }

  /// Refuses what a commit of ours could make wrong. `removes`: whether it takes rows away.
  func checkWritable(_ place: [String], removes: Bool) throws {
    for field in fields {
      if let obstacle = field.writeObstacle {
        throw Problem(
          .refused, at: place + ["column \"\(field.field.name)\""], obstacle,
          advice: "write it with the engine that made it so, or copy it into a new table")
      }
    }
    if removes, properties["delta.appendOnly"] == "true" {
      throw Problem(
        .refused, at: place, "the table is append-only (delta.appendOnly)", advice: "append, or change that property")
    }
  }
}
