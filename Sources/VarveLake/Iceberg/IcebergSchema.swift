internal import VarveJSON
internal import VarveTables

/// The columns of all versions as Iceberg knows them (Iceberg specification, "Schemas and Data Types").
///
/// Our files hold no field ids, so a table-wide mapping from names to ids stands in, and a name has one id for ever: a
/// column that was renamed is another column to Iceberg. Files are written anew when a column is dropped or renamed, so
/// that names tell columns apart in every version.
struct IcebergSchema {
  private var ids: [ExactText: Int] = [:]
  private var names: [String] = []
  private(set) var schemas: [Schema] = []

  /// The number of that schema.
  mutating func number(of schema: Schema) -> Int {
    if let known = schemas.lastIndex(where: { isAlike($0, schema) }) { return known }
    for field in schema.fields where ids[ExactText(field.name)] == nil {
      names.append(field.name)
      ids[ExactText(field.name)] = names.count
    }
    schemas.append(schema)
    return schemas.count - 1
  }

  private func isAlike(_ one: Schema, _ other: Schema) -> Bool {
    one.fields.count == other.fields.count
      && zip(one.fields, other.fields).allSatisfy { ExactText($0.name) == ExactText($1.name) && $0.type == $1.type }
  }

  var lastID: Int { names.count }

  func id(of column: String) -> Int {
    guard let id = ids[ExactText(column)] else { preconditionFailure("every column of a version has an id") }
    return id
  }

  var json: JSONValue { .array(schemas.indices.map(json(of:))) }

  func json(of number: Int) -> JSONValue {
    let fields = schemas[number].fields.map { field -> JSONValue in
      [
        "id": JSONValue(id(of: field.name)), "name": .string(field.name), "required": false,
        "type": .string(IcebergSchema.type(field.type)),
      ]
    }
    return ["type": "struct", "schema-id": JSONValue(number), "fields": .array(fields)]
  }

  /// The property `schema.name-mapping.default`.
  var nameMapping: String {
    JSONValue.array(
      names.enumerated().map { number, name in
        ["field-id": JSONValue(number + 1), "names": .array([.string(name)])]
      }
    ).text()
  }

  static func type(_ type: DataType) -> String {
    switch type {
    case .boolean: "boolean"
    case .int64: "long"
    case .double: "double"
    case .decimal(let precision, let scale): "decimal(\(precision), \(scale))"
    case .date: "date"
    case .timestamp: "timestamptz"
    case .text, .json: "string"
    }
  }
}

/// How a table is parted, as Iceberg has it: by its columns as they are (Iceberg specification, "Partitioning").
struct IcebergPartitioning {
  struct Column {
    var name: String
    var sourceID: Int
    var fieldID: Int
    var type: DataType
  }

  let columns: [Column]
  private static let firstID = 1_000

  init(_ names: [String], _ schema: Schema, _ ids: IcebergSchema) throws {
    columns = try names.enumerated().map { number, name in
      guard let field = schema[name] else {
        throw Problem(.damaged, "the partition column \"\(name)\" is not in the schema")
      }
      return Column(
        name: name, sourceID: ids.id(of: name), fieldID: IcebergPartitioning.firstID + number, type: field.type)
    }
  }

  var lastID: Int { IcebergPartitioning.firstID + columns.count - 1 }

  var fieldsJSON: JSONValue {
    .array(
      columns.map { column in
        [
          "name": .string(column.name), "transform": "identity", "source-id": JSONValue(column.sourceID),
          "field-id": JSONValue(column.fieldID),
        ]
      })
  }

  /// The type of partition values in Avro.
  var avroFields: JSONValue {
    .array(
      columns.map { column in
        [
          // Readers go by the field's id; Avro's names have no other characters than these.
          "name": .string("p\(column.fieldID)"), "type": .array(["null", avroType(column)]), "default": .null,
          "field-id": JSONValue(column.fieldID),
        ]
      })
  }

  private func avroType(_ column: Column) -> JSONValue {
    switch column.type {
    case .boolean: "boolean"
    case .int64: "long"
    case .double: "double"
    case .date: ["type": "int", "logicalType": "date"]
    case .timestamp: ["type": "long", "logicalType": "timestamp-micros", "adjust-to-utc": true]
    case .text, .json: "string"
    case .decimal(let precision, let scale):
      [
        "type": "fixed", "name": .string("decimal_\(column.fieldID)"),
        "size": JSONValue(IcebergPartitioning.byteCount(ofPrecision: precision)), "logicalType": "decimal",
        "precision": JSONValue(precision), "scale": JSONValue(scale),
      ]
    }
  }

  /// The bytes that hold so many digits and a sign.
  private static func byteCount(ofPrecision precision: Int) -> Int {
    var count = 1
    var limit: Int128 = 127
    let greatest = (0..<precision).reduce(into: Int128(0)) { number, _ in number = number * 10 + 9 }
    while limit < greatest {
      limit = limit << 8 | 255
      count += 1
    }
    return count
  }

  func write(_ add: AddAction, to row: inout AvroRow, place: [String]) throws {
    for column in columns {
      let text = add.value(ofPartitionColumn: column.name)
      guard let value = PartitionLayout.value(text, column.type) else {
        throw Problem(
          .damaged, at: place + [add.path], "its partition value \"\(text ?? "")\" is no \(column.type.name)")
      }
      row.isPresent(value != .null)
      switch value {
      case .null: break
      case .boolean(let value): row.boolean(value)
      case .int64(let value): row.number(value)
      case .double(let value): row.double(value)
      case .date(let days): row.number(Int64(days))
      case .timestamp(let microseconds): row.number(microseconds)
      case .text(let text), .json(let text): row.text(text)
      case .decimal(let unscaled, _):
        guard case .decimal(let precision, _) = column.type else { preconditionFailure("a decimal's column is one") }
        let count = IcebergPartitioning.byteCount(ofPrecision: precision)
        row.fixed((0..<count).reversed().map { UInt8(truncatingIfNeeded: unscaled >> Int128($0 * 8)) })
      }
    }
  }
}
