internal import VarveLake
internal import VarveSQLite
internal import VarveTables

/// How many a remark names.
private let newColumnsNamedMax = 20

/// Decides what the new version's columns are: the table's, widened where the feed needs it, and the feed's new ones.
struct ColumnJoining {
  /// The table as it is; nil when it is made.
  let base: Snapshot?
  /// The fields of a schema file.
  let declared: Schema
  /// Columns of the feed that are instructions and no data.
  let instructions: Set<String>
  /// How the feed writes fractions, which the table remembers of its new columns.
  var decimal = "."

  struct Result {
    /// One per spooled column, in order.
    var decisions: [ColumnDecision] = []
    /// The new version's columns, without periods that partition it.
    var schema: Schema
    var remarks: [String] = []
  }

  func join(_ spooled: [SpooledColumn], place: [String]) throws -> Result {
    var result = Result(schema: base?.schema ?? Schema([]))
    let newHeaders = spooled.filter { field(of: $0, in: result.schema) == nil && field(of: $0, in: declared) == nil }
      .filter { $0.type != nil }.map(\.header)
    // Together with the names that are taken, so that a new column never gets one of them.
    let taken =
      result.schema.fields.map(\.name)
      + declared.fields.map(\.name).filter { result.schema.index(of: $0) == nil }
    let named = try ColumnName.fields(forHeaders: taken + newHeaders, place: place).dropFirst(taken.count)
    let newFields = Dictionary(zip(newHeaders, named)) { first, _ in first }

    for column in spooled {
      if column.isForeign {
        result.decisions.append(ColumnDecision(nil))
        continue
      }
      if let index = position(of: column, in: result.schema) {
        let stored = result.schema.fields[index]
        let (field, rejects) = try joined(column, stored)
        result.decisions.append(ColumnDecision(field, rejects: rejects))
        if field.type != stored.type {
          result.remarks.append(
            "column \"\(stored.name)\" widens from \(stored.type.name) to \(field.type.name) (\(column.reason))")
          result.schema.fields[index].type = field.type
        }
        continue
      }
      var found = field(of: column, in: declared)
      if found == nil, let type = column.type {
        found = newFields[column.header].map { base?.metadata.newColumn($0) ?? $0 }
        found?.type = type
        if type.isFraction { found?.decimal = decimal }
      }
      result.decisions.append(ColumnDecision(found))
      guard let found else {
        result.remarks.append("column \"\(column.header)\" has no value yet, and stays out of the table")
        continue
      }
      if !instructions.contains(found.name) { result.schema.fields.append(found) }
    }
    for field in declared.fields where result.schema.index(of: field.name) == nil {
      guard !instructions.contains(field.name) else { continue }
      if let contract = base?.metadata.contract, contract != .evolve {
        throw Problem(
          .refused, at: place + ["column \"\(field.name)\""],
          "the schema file names it, the table lacks it, and its contract is \(contract.rawValue)",
          advice: "add it with varve alter")
      }
      result.schema.fields.append(base?.metadata.newColumn(field) ?? field)
    }
    if let known = base?.schema.fields, !known.isEmpty {
      let names = result.schema.fields.dropFirst(known.count).map(\.name)
      if !names.isEmpty {
        result.remarks.append(
          "new column\(names.count == 1 ? "" : "s"): \(names.prefix(newColumnsNamedMax).joined(separator: ", "))"
            + (names.count > newColumnsNamedMax ? " and \(names.count - newColumnsNamedMax) more" : ""))
      }
    }
    try ColumnName.refuseCaseTwins(result.schema.fields.map(\.name), place: place)
    return result
  }

  private func position(of column: SpooledColumn, in schema: Schema) -> Int? {
    ColumnName.index(ofHeader: column.header, in: schema)
  }

  private func field(of column: SpooledColumn, in schema: Schema) -> Field? {
    position(of: column, in: schema).map { schema.fields[$0] }
  }

  /// The table's field as the feed leaves it, and whether some cells will not fit.
  private func joined(_ column: SpooledColumn, _ stored: Field) throws -> (Field, rejects: Bool) {
    var field = stored
    if let fixed = self.field(of: column, in: declared) {
      guard fixed.type != stored.type else { return (field, false) }
      switch TypeJoin.declared(stored: stored.type, wanted: fixed.type) {
      case .widen(let type):
        try checkWidening(stored, to: type)
        field.type = type
        return (field, false)
      default:
        throw Problem(
          .refused, at: ["column \"\(stored.name)\""],
          "the schema file declares \(fixed.type.name), and the table has \(stored.type.name)",
          advice: "declare \(stored.type.name), or ingest into a new table")
      }
    }
    guard let evidence = column.evidence else { return (field, false) }
    var join = evidence.join(table: stored.type)
    if join == .needsStoredValues { join = evidence.join(table: stored.type, stored: try storedEvidence(stored)) }
    switch join {
    case .same: return (field, false)
    case .widen(let type):
      if mayNotWiden(stored, to: type) != nil { return (field, true) }
      field.type = type
      return (field, false)
    case .refuse: return (field, true)
    case .needsStoredValues: preconditionFailure("the stored values were added up")
    }
  }

  private func checkWidening(_ stored: Field, to type: DataType) throws {
    guard let reason = mayNotWiden(stored, to: type) else { return }
    throw Problem(
      .refused, at: ["column \"\(stored.name)\""], "cannot become \(type.name): \(reason)",
      advice: "declare \(stored.type.name)")
  }

  /// Why a column that is there keeps its type, whatever the values; nil where it may widen.
  private func mayNotWiden(_ stored: Field, to type: DataType) -> String? {
    guard let base else { return nil }
    if base.partitionColumns.contains(stored.name) { return "its values name directories" }
    if (stored.contract ?? base.metadata.contract) != .evolve { return "its contract is not to evolve" }
    if type == .timestamp, let zone = base.metadata[.timezone], zone != "UTC" {
      return "its dates are midnights of \(zone), and would become midnights of UTC"
    }
    return nil
  }

  private func storedEvidence(_ field: Field) throws -> TypeEvidence {
    var evidence = TypeEvidence()
    guard let base, let index = base.schema.index(of: field.name) else { return evidence }
    let scan = try TableScan(base.contents(), ScanRequest(columns: [index]))
    while let batch = try scan.next() { evidence.add(stored: batch.batch.columns[0]) }
    return evidence
  }
}

extension TypeJoin {
  /// As `TypeEvidence.join`, for a type that a schema file declares.
  static func declared(stored: DataType, wanted: DataType) -> TypeJoin {
    switch (stored, wanted) {
    case (.int64, .decimal(let precision, let scale)) where precision - scale >= 19: .widen(to: wanted)
    case (.decimal(let p, let s), .decimal(let precision, let scale))
    where scale >= s && precision - scale >= p - s: .widen(to: wanted)
    case (.date, .timestamp): .widen(to: wanted)
    default: .refuse("")
    }
  }
}

extension DataType {
  /// Whether feeds write it with a decimal separator.
  fileprivate var isFraction: Bool {
    switch self {
    case .double, .decimal: true
    default: false
    }
  }
}
