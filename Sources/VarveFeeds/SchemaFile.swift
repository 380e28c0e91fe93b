package import VarveJSON
package import VarveTables

/// A schema file: what a user fixes of a feed's columns, and `describe --schema` prints of a table's.
///
/// `{"columns": [{"name", "type", "nullable", "aliases", "format", "nulls", "decimal", "grouping", "contract"}], "timezone", "absent",
/// "contract", "expectations"}`: `name` and `type` must be there, and nothing else may.
package struct SchemaFile: Hashable, Sendable {
  package var schema: Schema
  /// The zone of times that name none.
  package var timezone: String?
  /// Whether a key that a record lacks is null (`"absent": "null"`), or leaves the row as it is (`"keep"`).
  package var absentIsNull: Bool?
  /// What feeds may do to columns that say nothing about it, and to the set of columns.
  package var contract: ColumnContract?
  /// What is expected of the table's rows, as it stands in the file.
  package var expectations: JSONValue?

  package static let bytesMax = 16 << 20

  package init(schema: Schema, timezone: String? = nil, absentIsNull: Bool? = nil) {
    self.schema = schema
    self.timezone = timezone
    self.absentIsNull = absentIsNull
  }

  package init(path: String) throws {
    let input = try ByteInput(path: path)
    try self.init(parsing: input.all(bytesMax: Self.bytesMax), name: input.name)
  }

  /// `name` is the file's, for messages.
  package init(parsing bytes: [UInt8], name: String) throws {
    let document: JSONValue
    do {
      document = try JSONValue(parsing: bytes)
    } catch {
      let place = error.place(in: bytes)
      throw Problem(.failed, at: [name, "line \(place.line), column \(place.column)"], error.what)
    }
    let reader = Reader(place: [name])
    let members = try reader.members(document, ["columns", "timezone", "absent", "contract", "expectations"])
    guard let columns = members["columns"]?.array else {
      throw reader.problem("\"columns\" must be an array of objects")
    }
    var fields: [Field] = []
    for (index, column) in columns.enumerated() { fields.append(try Self.field(column, index, name)) }
    try Self.check(fields, [name])
    schema = Schema(fields)
    timezone = try reader.string(members, "timezone")
    if let timezone { _ = try Zone(named: timezone) }
    switch try reader.string(members, "absent") {
    case nil: absentIsNull = nil
    case "keep": absentIsNull = false
    case "null": absentIsNull = true
    case let other?: throw reader.problem("\"absent\" is \"\(other)\"", advice: "write \"keep\" or \"null\"")
    }
    contract = try reader.contract(members)
    expectations = members["expectations"]
  }

  private static func field(_ value: JSONValue, _ index: Int, _ file: String) throws -> Field {
    var reader = Reader(place: [file, "column \(index + 1)"])
    let members = try reader.members(
      value, ["name", "type", "nullable", "aliases", "format", "nulls", "decimal", "grouping", "contract"])
    guard let name = try reader.string(members, "name") else { throw reader.problem("it has no \"name\"") }
    reader.place = [file, "column \"\(name)\""]
    let clean = ColumnName.columnName(fromHeader: name)
    guard !name.isEmpty, name == clean, name.utf8.count <= ColumnName.bytesMax else {
      throw reader.problem(
        "this cannot be a column's name",
        advice: clean.isEmpty ? nil : "call it \"\(clean)\", with \"\(name)\" as an alias")
    }
    guard let typeName = try reader.string(members, "type") else { throw reader.problem("it has no \"type\"") }
    guard let type = DataType(name: typeName) else {
      throw reader.problem(
        "there is no type \"\(typeName)\"",
        advice: "use boolean, int64, double, decimal(p,s), date, timestamp, text or json")
    }
    var field = Field(name, type)
    if let value = members["nullable"] {
      guard let isNullable = value.boolean else { throw reader.problem("\"nullable\" must be true or false") }
      field.isNullable = isNullable
    }
    field.aliases = try reader.strings(members, "aliases")
    field.format = try reader.string(members, "format")
    field.nulls = try reader.strings(members, "nulls")
    if let decimal = try reader.string(members, "decimal") {
      guard decimal == "." || decimal == "," else {
        throw reader.problem("\"decimal\" is \"\(decimal)\"", advice: "write \".\" or \",\"")
      }
      field.decimal = decimal
    }
    field.grouping = try reader.string(members, "grouping")
    field.contract = try reader.contract(members)
    do {
      _ = try ColumnTyper(declared: field)
    } catch let problem as Problem {
      throw reader.problem(problem.what, advice: problem.advice)
    }
    return field
  }

  /// No name twice, and no alias that means two columns.
  private static func check(_ fields: [Field], _ place: [String]) throws {
    try ColumnName.refuseCaseTwins(fields.map(\.name), place: place)
    var owners: [[UInt8]: String] = [:]
    for field in fields { owners[Array(field.name.utf8)] = field.name }
    for field in fields {
      for alias in field.aliases {
        if let owner = owners.updateValue(field.name, forKey: Array(alias.utf8)), owner != field.name {
          throw Problem(
            .failed, at: place, "\"\(alias)\" means both \"\(owner)\" and \"\(field.name)\"",
            advice: "leave the alias to one of them")
        }
      }
    }
  }

  /// Objects without keys that nobody knows.
  private struct Reader {
    var place: [String]

    func problem(_ what: String, advice: String? = nil) -> Problem { Problem(.failed, at: place, what, advice: advice) }

    func members(_ value: JSONValue, _ known: [String]) throws -> [String: JSONValue] {
      guard let object = value.object else { throw problem("an object is expected") }
      var members: [String: JSONValue] = [:]
      for member in object.members {
        guard known.contains(member.key) else {
          throw problem("there is no key \"\(member.key)\"", advice: "use \(known.joined(separator: ", "))")
        }
        members[member.key] = member.value
      }
      return members
    }

    func string(_ members: [String: JSONValue], _ key: String) throws -> String? {
      guard let value = members[key], !value.isNull else { return nil }
      guard let string = value.string else { throw problem("\"\(key)\" must be a text") }
      return string
    }

    func contract(_ members: [String: JSONValue]) throws -> ColumnContract? {
      guard let word = try string(members, "contract") else { return nil }
      guard let contract = ColumnContract(rawValue: word) else {
        throw problem("\"contract\" is \"\(word)\"", advice: "write \"evolve\", \"freeze\" or \"quarantine\"")
      }
      return contract
    }

    func strings(_ members: [String: JSONValue], _ key: String) throws -> [String] {
      guard let value = members[key], !value.isNull else { return [] }
      guard let values = value.array, case let strings = values.compactMap(\.string), strings.count == values.count
      else {
        throw problem("\"\(key)\" must be an array of texts")
      }
      return strings
    }
  }

  /// The document that reads back as this. What a field's header was becomes an alias.
  package var json: JSONValue {
    var members: [(String, JSONValue)] = [("columns", .array(schema.fields.map(Self.json)))]
    if let timezone { members.append(("timezone", .string(timezone))) }
    if let absentIsNull { members.append(("absent", .string(absentIsNull ? "null" : "keep"))) }
    if let contract { members.append(("contract", .string(contract.rawValue))) }
    if let expectations { members.append(("expectations", expectations)) }
    return .object(JSONObject(members))
  }

  private static func json(_ field: Field) -> JSONValue {
    var members: [(String, JSONValue)] = [("name", .string(field.name)), ("type", .string(field.type.name))]
    if !field.isNullable { members.append(("nullable", false)) }
    let aliases = (field.header.map { field.aliases.contains($0) ? [] : [$0] } ?? []) + field.aliases
    if !aliases.isEmpty { members.append(("aliases", .array(aliases.map(JSONValue.string)))) }
    if let format = field.format { members.append(("format", .string(format))) }
    if !field.nulls.isEmpty { members.append(("nulls", .array(field.nulls.map(JSONValue.string)))) }
    if field.decimal != "." { members.append(("decimal", .string(field.decimal))) }
    if let grouping = field.grouping { members.append(("grouping", .string(grouping))) }
    if let contract = field.contract { members.append(("contract", .string(contract.rawValue))) }
    return .object(JSONObject(members))
  }
}
