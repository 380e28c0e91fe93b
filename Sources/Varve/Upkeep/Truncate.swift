internal import VarveJSON
internal import VarveLake
internal import VarveTables

extension Warehouse {
  /// Empties a table, or the partitions that have these values, as a new version. No data is read or removed: older
  /// versions stay as they are.
  ///
  /// `partitions` has a value per named partition column, nil for null; it is empty for the whole table.
  public func truncate(
    _ table: String, partitions: [[String: String?]] = [], isDryRun: Bool = false
  ) throws -> ChangeReport {
    try truncate(table, partitions, isDryRun: isDryRun, called: surroundings.random.identifier())
  }

  func truncate(
    _ table: String, _ partitions: [[String: String?]], isDryRun: Bool = false, called id: String
  ) throws -> ChangeReport {
    var bookkeeping = Bookkeeping(ingestion: id, operation: .delete, mode: "truncate")
    if !partitions.isEmpty { bookkeeping.details["partitions"] = .array(partitions.map(\.json)) }
    return try commitChange(to: table, bookkeeping: bookkeeping, isDryRun: isDryRun) { head in
      let scope = try PartitionScope(partitions, head.metadata, table: table)
      let files = try scope.isWhole ? head.files() : head.files(inPartitions: scope.holds)
      guard !files.isEmpty else { return nil }
      var rows = RowCounts()
      rows.deleted = files.reduce(0) { $0 + ($1.rowCount ?? 0) }
      let reads: ReadSet = scope.isWhole ? .everything : .partitions(Set(files.map { PartitionText($0.partition) }))
      return (StagedChange(added: [], removed: files, schema: head.schema, reads: reads, rows: rows), [:])
    }
  }

  /// Makes a version whose rows, schema and properties are those of an older one. Nothing is written but the log: the
  /// older version's files are live again.
  public func restore(_ reference: String) throws -> ChangeReport {
    try restore(reference, called: surroundings.random.identifier())
  }

  func restore(_ reference: String, called id: String) throws -> ChangeReport {
    let (table, target) = try resolve(reference)
    let lease = try target.lease()
    defer { withExtendedLifetime(lease) {} }
    var bookkeeping = Bookkeeping(ingestion: id, operation: .restore, mode: "restore")
    bookkeeping.details["restored"] = JSONValue(target.version)
    let wanted = try target.files()
    return try commitChange(to: table.name, bookkeeping: bookkeeping) { head in
      guard head.partitionColumns == target.partitionColumns else {
        throw Problem(.refused, at: [reference], "is partitioned otherwise than the table is now")
      }
      let wantedFiles = Set(wanted.map(\.key))
      let live = try head.files()
      let liveFiles = Set(live.map(\.key))
      var change = StagedChange(
        added: [], removed: live.filter { !wantedFiles.contains($0.key) }, schema: target.schema,
        reads: .everything, rows: RowCounts())
      change.restored = wanted.filter { !liveFiles.contains($0.key) }
      // A version whose files are gone is not brought back in part.
      for file in change.restored { _ = try target.open(file) }
      change.rows.deleted = change.removed.reduce(0) { $0 + ($1.rowCount ?? 0) }
      change.rows.inserted = change.restored.reduce(0) { $0 + ($1.rowCount ?? 0) }
      var properties: [String: String?] = [:]
      for name in Set(head.metadata.properties.keys).union(target.metadata.properties.keys)
      where head.metadata.properties[name] != target.metadata.properties[name] {
        properties.updateValue(target.metadata.properties[name], forKey: name)
      }
      let isEqual =
        change.removed.isEmpty && change.restored.isEmpty && properties.isEmpty && head.schema == target.schema
      return isEqual ? nil : (change, properties)
    }
  }
}

/// The partitions that have some values.
struct PartitionScope {
  /// By the number of the partition column.
  private let specifications: [[Int: Value]]
  private let types: [DataType]

  var isWhole: Bool { specifications.isEmpty }

  init(_ partitions: [[String: String?]], _ metadata: TableMetadata, table: String) throws {
    let types = metadata.partitionPositions.map { metadata.schema.fields[$0].type }
    specifications = try partitions.map { partition in
      var values: [Int: Value] = [:]
      for (column, text) in partition {
        guard let number = metadata.partitionColumns.firstIndex(where: { ExactText($0) == ExactText(column) }) else {
          let columns = metadata.partitionColumns
          throw Problem(
            .usage, at: ["--partition \(column)"], "\(table) is not partitioned by \"\(column)\"",
            advice: columns.isEmpty
              ? "it has no partitions" : "its partition columns are \(columns.joined(separator: ", "))")
        }
        guard let value = PartitionScope.value(text, types[number]) else {
          throw Problem(
            .usage, at: ["--partition \(column)=\(text ?? "")"], "\"\(text ?? "")\" is no \(types[number].name)")
        }
        values[number] = value
      }
      return values
    }
    self.types = types
  }

  /// Whether a partition has the values of one of them.
  func holds(_ partition: [String?]) -> Bool {
    specifications.contains { specification in
      specification.allSatisfy { number, wanted in
        PartitionScope.value(partition[number], types[number]) == wanted
      }
    }
  }

  private static func value(_ text: String?, _ type: DataType) -> Value? {
    guard let text else { return .null }
    return Value(text: text, type: type)
  }
}
