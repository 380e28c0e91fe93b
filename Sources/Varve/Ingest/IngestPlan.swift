package import VarveLake
internal import VarveParquet
internal import VarveTables

/// The table was made, or its schema or properties were changed, since the feed was typed by them.
struct TableChanged: Error {}

/// What an ingestion does to the table, whatever version it meets: can be made anew when another writer was faster.
struct IngestPlan: Sendable {
  let settings: TableSettings
  /// The declared ones, of an overwrite.
  let partitions: [[String: String?]]
  /// Of an overwrite whose feed says what it replaces: how many partitions at most.
  let dynamicPartitionsMax: Int?
  let allowEmpty: Bool
  let spooled: SpooledFeed
  let schema: Schema
  /// The table as the schema was joined with it.
  let basedOn: TableMetadata?
  let rowsRead: Int
  let rowsRejected: Int
  let staging: StagingArea
  let limits: EngineLimits
  let storage: Storage

  func change(on base: Snapshot?) throws -> StagedChange {
    guard base?.metadata == basedOn else { throw TableChanged() }
    var change = try isDirect(on: base) ? direct(on: base) : engine(on: base)
    change.rows.read = rowsRead
    change.rows.rejected = rowsRejected
    return change
  }

  /// Nil where the table is already as the feed wants it.
  func changeIfAny(on base: Snapshot) throws -> StagedChange? {
    let change = try change(on: base)
    return isEmpty(change, on: base) ? nil : change
  }

  /// Whether the spool's part is the new data file as it lies.
  private func isDirect(on base: Snapshot?) -> Bool {
    guard spooled.feed == nil else { return false }
    guard settings.mode == .append, let base else { return true }
    return base.schema.fields.allSatisfy { schema[$0.name]?.type == $0.type }
  }

  private func direct(on base: Snapshot?) throws -> StagedChange {
    var rows = RowCounts()
    rows.inserted = spooled.rowCount
    let replaced = settings.mode == .overwrite ? try base?.files() ?? [] : []
    if settings.mode == .overwrite {
      if spooled.rowCount == 0, !replaced.isEmpty, !allowEmpty {
        throw Problem(
          .refused, "the feed has no rows, and overwriting would empty the table",
          advice: "say --allow-empty if that is meant")
      }
      rows.deleted = replaced.reduce(0) { $0 + ($1.rowCount ?? 0) }
    }
    return StagedChange(
      added: spooled.partition.map { [$0] } ?? [], removed: replaced, schema: schema,
      reads: replaced.isEmpty ? .nothing : .everything, rows: rows)
  }

  private func engine(on base: Snapshot?) throws -> StagedChange {
    try Engine(staging: staging, limits: limits).stage(partitionPlan(on: base))
  }

  func partitionPlan(on base: Snapshot?) throws -> PartitionPlan {
    var plan = PartitionPlan(
      base: try contents(of: base),
      partitionBy: settings.partitionBy, key: settings.key, schema: schema, feed: try feed(), pattern: pattern,
      absentIsNull: settings.absentIsNull)
    plan.strikesRows = settings.updates == .mergeOnRead
    if settings.withOrigin { plan.originColumns = Set(OriginColumns.names) }
    return plan
  }

  /// What is appended without a key, and widens nothing, does not depend on the files that are there.
  private func contents(of base: Snapshot?) throws -> TableContents {
    let isBlind = settings.mode == .append && settings.key.isEmpty
    if let base, !isBlind || !base.schema.fields.allSatisfy({ schema[$0.name]?.type == $0.type }) {
      return try base.contents()
    }
    return TableContents(
      storage: storage, schema: base?.schema ?? Schema([]),
      partitionColumns: base?.partitionColumns ?? settings.partitionBy.map(\.name), files: [])
  }

  private var pattern: WritePattern {
    switch settings.mode {
    case .append: .append
    case .insert: .insert(newestBy: settings.newestBy)
    case .overwrite: .overwrite(scope, allowEmpty: allowEmpty)
    case .merge, .statefulMerge: .merge(deleteWhen: deleteWhen, newestBy: settings.newestBy)
    }
  }

  private var scope: OverwriteScope {
    if let dynamicPartitionsMax { return .partitionsOfFeed(max: dynamicPartitionsMax) }
    return partitions.isEmpty ? .table : .partitions(partitions)
  }

  /// A table remembers the column, and feeds that delete nothing may lack it; a feed for which it was asked may not.
  private var deleteWhen: String? {
    settings.deleteWhen.flatMap { settings.deletesByRequest || spooled.schema[$0] != nil ? $0 : nil }
  }

  /// The spool for the engine; a part that was to be the data file serves as one too.
  private func feed() throws -> Feed {
    if var feed = spooled.feed {
      feed.recordKey = settings.recordKey
      return feed
    }
    guard let partition = spooled.partition, let part = partition.files.first,
      let source = try storage.openToRead(
        Layout.join(Layout.stagedDirectory(staging.transaction, partition.directory), part.name))
    else { preconditionFailure("a spool without rows needs no engine") }
    return Feed(
      spool: try ParquetFile(source, name: part.name), schema: spooled.schema, rowCount: spooled.rowCount, unit: .row,
      file: part.name)
  }

  /// The typed input, to be kept for replays.
  func changeSet() throws -> (set: ChangeSet, bytes: any ByteSource) {
    guard let feed = spooled.feed, let bytes = spooled.bytes else {
      preconditionFailure("a stateful merge goes through the engine")
    }
    return (
      ChangeSet(
        feed: feed, deleteWhen: deleteWhen, newestBy: settings.newestBy, absentIsNull: settings.absentIsNull,
        rowsRead: rowsRead, rowsRejected: rowsRejected), bytes
    )
  }

  /// Whether the change leaves the table as it is.
  func isEmpty(_ change: StagedChange, on base: Snapshot?) -> Bool {
    change.added.isEmpty && change.removed.isEmpty && change.schema == base?.schema
  }

  /// For `--dry-run`.
  func lines(_ change: StagedChange) -> [String] {
    let added = change.added.map { partition in
      let rows = partition.files.reduce(0) { $0 + $1.statistics.rowCount }
      let place = zip(settings.partitionBy.map(\.name), partition.partition).map { "\($0)=\($1 ?? "null")" }
      return "write \(place.isEmpty ? "the table" : place.joined(separator: ", ")): \(rows) rows"
    }
    return added + change.removed.map { "drop \($0.path): \($0.rowCount?.description ?? "unknown") rows" }
  }
}

extension Snapshot {
  package func contents() throws -> TableContents { try TableContents(self) }
}
