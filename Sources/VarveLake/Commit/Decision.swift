internal import VarveJSON
internal import VarveTables

/// Several commits that count as one (WarehouseFormat.md, "Decisions"): all staged first, then decided by one
/// file, `_transactions/<id>.json`, and from there only carried out.
///
/// Readers are shown all of it or nothing: while the mark `_transactions/pending/<id>` lies beside the decision, each
/// of its tables is shown as it was before. Removing the mark is the one step that shows all of them (`Table.shown`).
///
/// | a crash after | leaves | readers see | and the next writer |
/// | --- | --- | --- | --- |
/// | the pending mark | `_transactions/pending/<id>` and no decision | the old versions | notes that it came to nothing, takes the mark away |
/// | staging | that, and staging directories without owner | the old versions | sweeps them too |
/// | the decision | steps that are not recorded yet, proxies held | the old versions | carries them out, in order |
/// | the last step | the mark | the old versions | takes the mark away |
/// | the mark's removal | nothing | the new versions | – |
///
/// A step may remove files that a step before it staged: they are named by where they lie in staging until it is placed.
package struct Decision: Sendable {
  static let format = 1

  package let id: String
  package var steps: [Step]

  /// One version of one table.
  package struct Step: Sendable {
    package var table: String
    /// The staging area's transaction; steps of one table share one.
    package var staging: String
    package var change: StagedChange
    package var bookkeeping: Bookkeeping
    /// The version that the table's first step was planned on; -1 where it makes the table.
    package var base: Int64
    /// What the table is to be, where the step makes it.
    package var creation: TableMetadata?
    /// Whether the step completes what readers were held for: then they see it, though they were held before.
    package var completes = false

    /// The first version of a new table.
    package init(
      creating table: String, as metadata: TableMetadata, staging: String, change: StagedChange,
      bookkeeping: Bookkeeping
    ) {
      self.init(table: table, staging: staging, change: change, bookkeeping: bookkeeping, base: -1)
      creation = metadata
    }

    package init(table: String, staging: String, change: StagedChange, bookkeeping: Bookkeeping, base: Int64) {
      self.table = table
      self.staging = staging
      self.change = change
      self.bookkeeping = bookkeeping
      self.base = base
    }
  }

  package init(id: String, steps: [Step]) {
    self.id = id
    self.steps = steps
    for index in self.steps.indices {
      // Only the end of each table's steps is shown to readers.
      let isLast = !steps[(index + 1)...].contains { $0.table == steps[index].table }
      self.steps[index].bookkeeping.publishes = isLast && steps[index].bookkeeping.publishes
      self.steps[index].bookkeeping.details["decision"] = ["id": .string(id), "step": JSONValue(index)]
    }
  }

  package var tables: [String] { Set(steps.map(\.table)).sorted() }

  /// Which step of the decision an entry is, if it is one.
  func step(of entry: LogEntry) -> Int? {
    guard let bookkeeping = entry.bookkeeping, !bookkeeping.awaitsFirstFeed,
      let mark = bookkeeping.details["decision"], mark["id"]?.string == id
    else { return nil }
    return mark["step"]?.int
  }
}

extension LogEntry {
  /// Whether it was decided together with others.
  package var isStepOfDecision: Bool { bookkeeping?.details["decision"] != nil }
}

// MARK: JSON

extension Decision {
  var bytes: [UInt8] {
    JSONValue.object([
      "format": JSONValue(Decision.format), "id": .string(id), "steps": .array(steps.map(\.json)),
    ]).bytes()
  }

  init(_ bytes: [UInt8], place: [String]) throws {
    guard let json = try? JSONValue(parsing: bytes), let format = json["format"]?.int, let id = json["id"]?.string,
      let steps = json["steps"]?.array
    else { throw Problem(.damaged, at: place, "the decision cannot be read") }
    guard format <= Decision.format else {
      throw Problem(
        .refused, at: place, "was written by a newer Varve (decision format \(format))", advice: "use that Varve")
    }
    self.id = id
    self.steps = try steps.map { try Step($0, place: place) }
  }
}

extension Decision.Step {
  var json: JSONValue {
    let schema = change.schema
    var object: JSONObject = [
      "table": .string(table), "staging": .string(staging), "base": JSONValue(base),
      "bookkeeping": .object(bookkeeping.json()), "operation": .string(bookkeeping.operation.rawValue),
      "schema": (try? JSONValue(parsing: SchemaText.text(schema))) ?? .null,
      "added": .array(
        change.added.map { partition in
          [
            "directory": .string(partition.directory), "partition": values(partition.partition),
            "files": .array(
              partition.files.map { file in
                [
                  "name": .string(file.name), "bytes": JSONValue(file.byteCount), "sha256": .string(file.sha256),
                  "stats": .string(StatisticsText.text(file.statistics, schema)),
                ]
              }),
          ]
        }),
      "removed": .array(change.removed.map { live($0, schema) }),
      "restored": .array(change.restored.map { live($0, schema) }), "rows": change.rows.json,
    ]
    if let creation { object["creation"] = creation.json }
    if completes { object["completes"] = true }
    return .object(object)
  }

  private func values(_ partition: [String?]) -> JSONValue {
    .array(partition.map { $0.map(JSONValue.string) ?? .null })
  }

  private func live(_ file: LiveFile, _ schema: Schema) -> JSONValue {
    var object: JSONObject = [
      "path": .string(file.path), "partition": values(file.partition), "bytes": JSONValue(file.byteCount),
      "modified": JSONValue(file.modificationTime),
    ]
    if let statistics = file.statistics { object["stats"] = .string(StatisticsText.text(statistics, schema)) }
    if let vector = file.deletionVector { object["deletion_vector"] = vector.json }
    return .object(object)
  }

  init(_ json: JSONValue, place: [String]) throws {
    func damaged(_ what: String) -> Problem { Problem(.damaged, at: place, "a step of the decision has no \(what)") }
    guard let table = json["table"]?.string, let staging = json["staging"]?.string, let base = json["base"]?.int64,
      let operation = json["operation"]?.string.flatMap(Bookkeeping.Operation.init(rawValue:)),
      let bookkeepingJSON = json["bookkeeping"], let schemaJSON = json["schema"]
    else { throw damaged("table, staging, base, operation, bookkeeping or schema") }
    let schema = Schema(try SchemaText.parse(schemaJSON.text(), place: place).map(\.field))
    func partition(_ json: JSONValue?) -> [String?] { json?.array?.map(\.string) ?? [] }
    func live(_ json: JSONValue) throws -> LiveFile {
      guard let path = json["path"]?.string, let bytes = json["bytes"]?.int else { throw damaged("path or size") }
      return LiveFile(
        path: path, partition: partition(json["partition"]), byteCount: bytes,
        modificationTime: json["modified"]?.int64 ?? 0,
        statistics: json["stats"]?.string.flatMap { StatisticsText.parse($0, schema) },
        deletionVector: try DeletionVector(json: json["deletion_vector"], place: place))
    }
    let added = try (json["added"]?.array ?? []).map { json -> StagedPartition in
      guard let directory = json["directory"]?.string else { throw damaged("directory") }
      return StagedPartition(
        directory: directory, partition: partition(json["partition"]),
        files: try (json["files"]?.array ?? []).map { file in
          guard let name = file["name"]?.string, let bytes = file["bytes"]?.int, let sha256 = file["sha256"]?.string,
            let stats = file["stats"]?.string, let statistics = StatisticsText.parse(stats, schema)
          else { throw damaged("file") }
          return StagedFile(name: name, byteCount: bytes, sha256: sha256, statistics: statistics)
        })
    }
    var change = StagedChange(
      added: added, removed: try (json["removed"]?.array ?? []).map(live), schema: schema, reads: .everything,
      rows: RowCounts(json: json["rows"]))
    change.restored = try (json["restored"]?.array ?? []).map(live)
    var bookkeeping = try Bookkeeping(json: bookkeepingJSON, place: place)
    bookkeeping.operation = operation
    bookkeeping.manifests = []
    bookkeeping.previousEntry = nil
    self.init(table: table, staging: staging, change: change, bookkeeping: bookkeeping, base: base)
    creation = try json["creation"].map { try TableMetadata(json: $0, place: place) }
    completes = json["completes"]?.boolean ?? false
  }
}
