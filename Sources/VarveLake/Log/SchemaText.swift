package import VarveJSON
package import VarveTables

/// The table's schema as the Delta log spells it: `schemaString`, JSON text within JSON (Delta protocol, "Schema
/// Serialization Format"). What Delta has no word for stands in the fields' metadata under `varve.*`.
package enum SchemaText {
  private enum Key {
    static let type = "varve.type"
    static let header = "varve.header"
    static let aliases = "varve.aliases"
    static let format = "varve.format"
    static let nulls = "varve.nulls"
    static let decimal = "varve.decimal"
    static let grouping = "varve.grouping"
    static let contract = "varve.contract"
    static let lineage = "varve.lineage"
    static let invariants = "delta.invariants"
    static let generation = "delta.generationExpression"
    static let identity = "delta.identity.start"
  }

  /// One field as it stands in the log, with what Varve makes of it.
  package struct LogField: Hashable, Sendable {
    package var field: Field
    package var json: JSONValue
    /// Why Varve must not write rows of it, or nil: its type in files is another than ours, or it has a condition.
    package var writeObstacle: String?
  }

  package static func parse(_ text: String, place: [String]) throws -> [LogField] {
    guard let json = try? JSONValue(parsing: text, duplicateKeys: .lastWins), let fields = json["fields"]?.array else {
      throw Problem(.damaged, at: place, "the schema is no JSON of a struct type")
    }
    return try fields.map { try field($0, place: place) }
  }

  private static func field(_ json: JSONValue, place: [String]) throws -> LogField {
    guard let name = json["name"]?.string, let spelled = json["type"] else {
      throw Problem(.damaged, at: place, "a field of the schema has no name or no type")
    }
    let metadata = json["metadata"]
    guard let (type, obstacle) = type(spelled, metadata) else {
      let shown = spelled.string ?? spelled["type"]?.string ?? "unknown"
      throw Problem(
        .refused, at: place + ["column \"\(name)\""], "has the Delta type \(shown), which Varve cannot read",
        advice: "read it with the engine that wrote it, or copy it into a new table without that column")
    }
    var field = Field(name, type, isNullable: json["nullable"]?.boolean ?? true)
    field.header = metadata?[Key.header]?.string
    field.aliases = texts(metadata?[Key.aliases])
    field.format = metadata?[Key.format]?.string
    field.nulls = texts(metadata?[Key.nulls])
    field.decimal = metadata?[Key.decimal]?.string ?? "."
    field.grouping = metadata?[Key.grouping]?.string
    field.contract = metadata?[Key.contract]?.string.flatMap(ColumnContract.init(rawValue:))
    field.identity = metadata?[Key.lineage]?.string
    let condition = [Key.invariants, Key.generation, Key.identity].first { metadata?[$0] != nil }
    return LogField(
      field: field, json: json,
      writeObstacle: condition.map { "has \($0), which Varve cannot keep" } ?? obstacle)
  }

  /// Nil for a type that Varve cannot read.
  private static func type(_ json: JSONValue, _ metadata: JSONValue?) -> (DataType, obstacle: String?)? {
    guard let name = json.string else { return nil }
    switch name {
    case "boolean": return (.boolean, nil)
    case "long": return (.int64, nil)
    case "integer", "short", "byte": return (.int64, "has the Delta type \(name), which Varve does not write")
    case "double": return (.double, nil)
    case "float": return (.double, "has the Delta type float, which Varve does not write")
    case "date": return (.date, nil)
    case "timestamp": return (.timestamp, nil)
    case "string": return (metadata?[Key.type]?.string == DataType.json.name ? .json : .text, nil)
    default:
      if name == "decimal" { return (.decimal(precision: 10, scale: 0), nil) }
      guard case .decimal(let precision, let scale)? = DataType(name: name) else { return nil }
      return (.decimal(precision: precision, scale: scale), nil)
    }
  }

  /// Fields that are as they were keep their JSON, with whatever others wrote into it.
  package static func text(_ schema: Schema, keeping old: [LogField] = []) -> String {
    let fields = schema.fields.map { field in old.first { $0.field == field }?.json ?? json(field) }
    return JSONValue.object(["type": "struct", "fields": .array(fields)]).text()
  }

  private static func json(_ field: Field) -> JSONValue {
    var metadata: JSONObject = [:]
    if field.type == .json { metadata[Key.type] = .string(DataType.json.name) }
    if let header = field.header { metadata[Key.header] = .string(header) }
    if !field.aliases.isEmpty { metadata[Key.aliases] = list(field.aliases) }
    if let format = field.format { metadata[Key.format] = .string(format) }
    if !field.nulls.isEmpty { metadata[Key.nulls] = list(field.nulls) }
    if field.decimal != "." { metadata[Key.decimal] = .string(field.decimal) }
    if let grouping = field.grouping { metadata[Key.grouping] = .string(grouping) }
    if let contract = field.contract { metadata[Key.contract] = .string(contract.rawValue) }
    if let identity = field.identity { metadata[Key.lineage] = .string(identity) }
    return [
      "name": .string(field.name), "type": .string(deltaName(field.type)), "nullable": .boolean(field.isNullable),
      "metadata": .object(metadata),
    ]
  }

  /// Not every engine keeps a list in a field's metadata; each keeps a text.
  private static func list(_ texts: [String]) -> JSONValue {
    .string(JSONValue.array(texts.map(JSONValue.string)).text())
  }

  private static func texts(_ json: JSONValue?) -> [String] {
    guard let text = json?.string, let list = try? JSONValue(parsing: text) else { return [] }
    return list.array?.compactMap(\.string) ?? []
  }

  private static func deltaName(_ type: DataType) -> String {
    switch type {
    case .boolean: "boolean"
    case .int64: "long"
    case .double: "double"
    case .decimal(let precision, let scale): "decimal(\(precision),\(scale))"
    case .date: "date"
    case .timestamp: "timestamp"
    case .text, .json: "string"
    }
  }
}
