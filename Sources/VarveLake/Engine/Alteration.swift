internal import VarveParquet
package import VarveTables

/// Other columns for the same rows: a version's files as those of a schema in which columns are gone, new, wider or
/// called otherwise. Columns are the same where their lineage is.
///
/// A partition's files are written anew from the first one on that does not fit the new schema as it lies, so that its rows
/// keep their order. Columns that are only added, or stand in another place, touch no file.
package struct Alteration: Sendable {
  private let base: TableContents
  private let schema: Schema
  /// What the schema's columns are called in the base.
  private let names: [String: String]
  /// What becomes of a column in a file: by its name there.
  private let fates: [String: Fate]

  private enum Fate {
    case stays
    /// Its chunks, or its name, are others.
    case changes
  }

  package init(_ base: TableContents, to schema: Schema) {
    self.base = base
    self.schema = schema
    let pairs = schema.fields.compactMap { field in
      base.schema.fields.first { $0.lineage == field.lineage }.map { (new: field, old: $0) }
    }
    names = Dictionary(pairs.map { ($0.new.name, $0.old.name) }) { first, _ in first }
    var fates = Dictionary(base.schema.fields.map { ($0.name, Fate.changes) }) { first, _ in first }
    // A file may still have a column of a name that is new to the table.
    for field in schema.fields { fates[field.name] = .changes }
    for (new, old) in pairs where new.name == old.name && Alteration.isStoredAlike(old.type, new.type) {
      fates[new.name] = .stays
    }
    self.fates = fates
  }

  /// JSON is text in files.
  private static func isStoredAlike(_ one: DataType, _ other: DataType) -> Bool {
    one == other || [one, other].allSatisfy { $0 == .text || $0 == .json } && other == .text
  }

  /// Whether no file has to be looked at.
  package var isOfSchemaAlone: Bool { base.schema.fields.allSatisfy { fates[$0.name] == .stays } && !mayCollide }

  private var mayCollide: Bool { schema.fields.contains { base.schema[$0.name] == nil } && !base.files.isEmpty }

  /// The change that makes it so, with its files in staging.
  package func stage(_ staging: StagingArea, _ limits: EngineLimits) throws -> StagedChange {
    var change = StagedChange(added: [], removed: [], schema: schema, reads: .everything, rows: RowCounts())
    guard !isOfSchemaAlone else { return change }
    var partitions: [PartitionText] = []
    var members: [PartitionText: [LiveFile]] = [:]
    for file in base.files {
      let partition = PartitionText(file.partition)
      if members[partition] == nil { partitions.append(partition) }
      members[partition, default: []].append(file)
    }
    for partition in partitions {
      let files = members[partition]!
      guard let first = try files.firstIndex(where: isStale) else { continue }
      let writer = PartWriter(staging, schema: schema, partition: partition.values, limits: limits)
      for file in files[first...] {
        try WidenedFile(base, file, schema: schema, names: names, limits: limits).write(to: writer)
      }
      if let added = try writer.finish() { change.added.append(added) }
      change.removed += files[first...]
    }
    return change
  }

  /// How many files the change would write anew.
  package func staleFileCount() throws -> Int { isOfSchemaAlone ? 0 : try base.files.count(where: isStale) }

  private func isStale(_ file: LiveFile) throws -> Bool {
    try base.open(file).schema.fields.contains { fates[$0.name] == .changes }
  }
}
