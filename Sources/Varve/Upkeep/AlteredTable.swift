internal import VarveFeeds
internal import VarveJSON
internal import VarveLake
internal import VarveSQLite
internal import VarveTables

/// What a request makes of a table's metadata.
struct AlteredTable: Sendable {
  private(set) var metadata: TableMetadata
  /// What was done, in words, for the history.
  private(set) var acts: [String] = []
  private let place: [String]
  private var schema: Schema
  private let required: Set<String>

  init(_ request: AlterRequest, _ base: TableMetadata) throws {
    metadata = base
    schema = base.schema
    place = [request.table]
    required = Set(base.schema.fields.filter { !$0.isNullable }.map(\.lineage))
    for name in request.drops { try drop(name) }
    for (old, new) in request.renames { try rename(old, to: new) }
    for field in request.adds { try add(field) }
    for (name, type) in request.widenings { try widen(try index(of: name), to: type) }
    if let path = request.schemaPath { try apply(SchemaFile(path: path)) }
    for (name, contract) in request.contracts {
      let index = try index(of: name)
      guard schema.fields[index].contract != contract else { continue }
      schema.fields[index].contract = contract
      acts.append("contract of \(name): \(contract?.rawValue ?? "the table's")")
    }
    if let contract = request.contract { try agree(contract) }
    if let updates = request.updates, metadata.strikesRows != (updates == .mergeOnRead) {
      metadata.strikesRows = updates == .mergeOnRead
      acts.append("updates \(updates.rawValue)")
    }
    try order(request.order)
    try ColumnName.refuseCaseTwins(schema.fields.map(\.name), place: place)
    if schema != base.schema { metadata.schema = schema }
  }

  /// Table properties that are others now.
  func properties(_ base: Snapshot) -> [String: String?] {
    var properties: [String: String?] = [:]
    for name in Set(base.metadata.properties.keys).union(metadata.properties.keys)
    where base.metadata.properties[name] != metadata.properties[name] {
      properties.updateValue(metadata.properties[name], forKey: name)
    }
    return properties
  }

  /// Refuses to forbid nulls where there are some.
  func checkNulls(_ base: Snapshot, _ limits: EngineLimits) throws {
    for field in metadata.schema.fields where !field.isNullable && !required.contains(field.lineage) {
      let contents = try base.contents()
      guard let index = contents.schema.fields.firstIndex(where: { $0.lineage == field.lineage }) else {
        guard contents.files.isEmpty else {
          throw refused(field.name, "is new, and so null in every row there is", "let it be nullable")
        }
        continue
      }
      let scan = contents.scan(ScanRequest(columns: [index]))
      while let batch = try scan.next() {
        guard batch.batch.columns[0].validity.contains(false) else { continue }
        throw refused(field.name, "is null in some rows", "give them values first, or let it be nullable")
      }
    }
  }

  // MARK: Acts

  private mutating func drop(_ name: String) throws {
    // The same request again is done already.
    if schema.index(of: name) == nil, metadata.formerNames[name] != nil { return }
    let index = try index(of: name)
    try checkRole(name, "dropped")
    if metadata[.newestBy] == name {
      throw refused(name, "decides which row of a key is the newest, and cannot be dropped", "keep the column")
    }
    guard schema.fields.count > 1 else {
      throw refused(name, "is the only column", "drop the table with varve drop \(place[0])")
    }
    schema.fields.remove(at: index)
    metadata.formerNames[name, default: 0] += 1
    acts.append("drop \(name)")
  }

  private mutating func rename(_ name: String, to new: String) throws {
    if schema.index(of: name) == nil, let field = schema[new], field.lineage == name || field.aliases.contains(name) {
      return
    }
    let index = try index(of: name)
    guard name != new else { return }
    try checkRole(name, "renamed")
    try checkName(new)
    if schema.index(of: new) != nil { throw refused(new, "is there already", "choose another name") }
    giveUp(new)
    var field = schema.fields[index]
    // A column keeps its lineage under any name; back under its own, it needs no mark.
    let lineage = field.lineage
    field.name = new
    field.identity = lineage == new ? nil : lineage
    field.aliases.removeAll { $0 == new }
    if field.header == new { field.header = nil }
    if field.header != name, !field.aliases.contains(name) { field.aliases.append(name) }
    schema.fields[index] = field
    metadata.formerNames[name, default: 0] += 1
    for property in [TableMetadata.Property.newestBy, .deleteWhen] where metadata[property] == name {
      metadata[property] = new
    }
    acts.append("rename \(name) to \(new)")
  }

  private mutating func add(_ field: Field) throws {
    try checkName(field.name)
    if let present = schema[field.name] {
      guard present.type != field.type else { return }
      throw refused(field.name, "is there already, as \(present.type.name)", "choose another name, or widen it")
    }
    giveUp(field.name)
    schema.fields.append(metadata.newColumn(field))
    acts.append("add \(field.name) \(field.type.name)")
  }

  private mutating func widen(_ index: Int, to type: DataType) throws {
    let field = schema.fields[index]
    guard field.type != type else { return }
    if metadata.partitionColumns.contains(field.name) {
      throw refused(field.name, "is a partition column, whose values name directories", "ingest into a new table")
    }
    guard type.isWider(than: field.type) else {
      throw refused(
        field.name, "is \(field.type.name), of which not every value is a \(type.name)",
        "widen whole numbers to double or decimal, dates to timestamp, anything to text")
    }
    if metadata.recordKey?.columns.contains(field.name) == true, type == .text || type == .json {
      throw refused(
        field.name, "is one of the columns that the key is made of, and every key would change", "keep its type")
    }
    if try sources().contains(field.name), type != .timestamp {
      throw refused(field.name, "partitions the table by period, and has to be a date or timestamp", "keep its type")
    }
    if case (.date, .timestamp) = (field.type, type), let zone = metadata[.timezone], zone != "UTC" {
      throw refused(
        field.name, "its dates are midnights of \(zone), and would become midnights of UTC",
        "add a timestamp column and let feeds fill it")
    }
    schema.fields[index].type = type
    if type == .text || type == .json {
      schema.fields[index].format = nil
      schema.fields[index].decimal = "."
      schema.fields[index].grouping = nil
    }
    acts.append("widen \(field.name) from \(field.type.name) to \(type.name)")
  }

  private mutating func apply(_ file: SchemaFile) throws {
    for wanted in file.schema.fields {
      guard let index = schema.index(of: wanted.name) else {
        try add(wanted)
        continue
      }
      try widen(index, to: wanted.type)
      var field = wanted
      field.header = schema.fields[index].header
      field.identity = schema.fields[index].identity
      field.aliases.removeAll { $0 == field.header }
      if field != schema.fields[index] {
        schema.fields[index] = field
        acts.append("\(field.name) as the schema file says")
      }
    }
    if let timezone = file.timezone, timezone != metadata[.timezone] ?? "UTC" {
      metadata[.timezone] = timezone == "UTC" ? nil : timezone
      acts.append("timezone \(timezone)")
    }
    if let absentIsNull = file.absentIsNull, absentIsNull != (metadata[.absent] == "null") {
      metadata[.absent] = absentIsNull ? "null" : nil
      acts.append("absent \(absentIsNull ? "null" : "keep")")
    }
    if let contract = file.contract { try agree(contract) }
    if let expectations = file.expectations {
      let isNone = try Expectations(expectations, place: place).rules.isEmpty
      let text = isNone ? nil : expectations.text()
      if text != metadata[.expectations] {
        metadata[.expectations] = text
        acts.append("expectations as the schema file says")
      }
    }
  }

  private mutating func agree(_ contract: ColumnContract) throws {
    guard contract != metadata.contract else { return }
    metadata[.contract] = contract == .evolve ? nil : contract.rawValue
    acts.append("contract \(contract.rawValue)")
  }

  private mutating func order(_ names: [String]) throws {
    var first: [Field] = []
    for name in names {
      let field = schema.fields[try index(of: name)]
      if first.contains(where: { $0.name == name }) { throw Problem(.usage, "--order names \"\(name)\" twice") }
      first.append(field)
    }
    let ordered = first + schema.fields.filter { field in !first.contains { $0.name == field.name } }
    guard ordered != schema.fields else { return }
    schema.fields = ordered
    acts.append("order \(names.joined(separator: ", "))")
  }

  // MARK: What may be done

  private func index(of name: String) throws -> Int {
    if let index = schema.index(of: name) { return index }
    throw Problem(
      .failed, at: place, "there is no column \"\(name)\"",
      advice: "the columns are \(schema.fields.map(\.name).joined(separator: ", "))")
  }

  private func checkName(_ name: String) throws {
    let clean = ColumnName.columnName(fromHeader: name)
    guard !name.isEmpty, name == clean, name.utf8.count <= ColumnName.bytesMax else {
      throw Problem(
        .usage, at: place, "\"\(name)\" cannot be a column's name",
        advice: clean.isEmpty || name.utf8.count > ColumnName.bytesMax ? nil : "call it \"\(clean)\"")
    }
  }

  /// Columns on which the table stands keep their names.
  private func checkRole(_ name: String, _ act: String) throws {
    if metadata.key.contains(name) {
      throw refused(name, "is part of the key, and cannot be \(act)", "ingest into a new table with another key")
    }
    if metadata.recordKey?.columns.contains(name) == true {
      throw refused(
        name, "is one of the columns that the key is made of, and cannot be \(act)", "ingest into a new table")
    }
    if metadata.partitionColumns.contains(name) {
      throw refused(
        name, "is a partition column, which names directories, and cannot be \(act)", "ingest into a new table")
    }
    if try sources().contains(name) {
      throw refused(name, "partitions the table by period, and cannot be \(act)", "ingest into a new table")
    }
    if metadata[.withOrigin] == "true", OriginColumns.names.contains(name) {
      throw refused(name, "tells where rows came from, and cannot be \(act)", "keep the column")
    }
  }

  /// Columns of which partition columns are computed.
  private func sources() throws -> [String] {
    try metadata.columns(.partitionBy).map { try PartitionBy($0) }.filter { $0.source != $0.name }.map(\.source)
  }

  /// A header means one column: the one that has it as its name.
  private mutating func giveUp(_ name: String) {
    for index in schema.fields.indices {
      schema.fields[index].aliases.removeAll { $0 == name }
      if schema.fields[index].header == name { schema.fields[index].header = nil }
    }
  }

  private func refused(_ column: String, _ what: String, _ advice: String) -> Problem {
    Problem(.refused, at: place + ["column \"\(column)\""], what, advice: advice)
  }
}
