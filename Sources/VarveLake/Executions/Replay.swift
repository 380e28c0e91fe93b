internal import VarveTables

/// A run of versions that is planned before any of it is committed: each step stands on what the one before will leave.
package struct Replay {
  let staging: StagingArea
  let limits: EngineLimits
  let table: String
  private let head: Snapshot
  let partitionBy: [PartitionBy]
  let key: [String]
  let recordKey: RecordKey?
  /// What the table holds behind the steps so far. Staged files are named by where they lie in staging.
  package private(set) var contents: TableContents
  package private(set) var steps: [Decision.Step] = []

  package init(
    onto base: TableContents, head: Snapshot, table: String, partitionBy: [PartitionBy], key: [String],
    recordKey: RecordKey?, staging: StagingArea, limits: EngineLimits
  ) {
    contents = base
    self.head = head
    self.table = table
    self.partitionBy = partitionBy
    self.key = key
    self.recordKey = recordKey
    self.staging = staging
    self.limits = limits
  }

  /// Brings what is gone back to into the columns that the table has now, as the first step.
  package mutating func alter(bookkeeping: Bookkeeping) throws {
    try append(Alteration(contents, to: head.schema).stage(staging, limits), bookkeeping: bookkeeping)
  }

  /// A change that was planned on `contents`, as the next step.
  package mutating func append(_ change: StagedChange, bookkeeping: Bookkeeping) throws {
    var after = contents
    let kept = try after.apply(change, stagedIn: staging.transaction)
    var step = change
    if steps.isEmpty {
      // The first step goes onto the head: what the base has and the head has not comes back, and the other way round.
      let live = try head.files()
      let isKept = Set(kept.map(\.key))
      let isLive = Set(live.map(\.key))
      step.removed = live.filter { !isKept.contains($0.key) }
      step.restored = kept.filter { !isLive.contains($0.key) }
    }
    step.reads = .everything
    steps.append(
      Decision.Step(
        table: table, staging: staging.transaction, change: step, bookkeeping: bookkeeping, base: head.version))
    contents = after
  }

  /// The table as it stands behind the steps so far, for planning the next one: with the head's properties.
  package func snapshot() -> Snapshot {
    var metadata = head.metadata
    if metadata.schema != contents.schema { metadata.schema = contents.schema }
    return head.standing(as: metadata, on: contents.files)
  }

  /// An execution's kept input, merged as it was then; columns that were renamed since get its values under their names
  /// of now, and those that were dropped none.
  package mutating func merge(_ kept: ChangeSet, bookkeeping: Bookkeeping) throws {
    let set = kept.following(head.metadata)
    var schema = contents.schema
    for field in set.feed.schema.fields where field.name != set.deleteWhen || schema[field.name] != nil {
      if let index = schema.index(of: field.name) {
        schema.fields[index].type = DataType.wider(field.type, schema.fields[index].type)
      } else {
        schema.fields.append(field)
      }
    }
    schema = RecordKey.extend(try PartitionBy.extend(schema, by: partitionBy), by: recordKey)
    var feed = set.feed
    feed.recordKey = recordKey
    var plan = PartitionPlan(
      base: contents, partitionBy: partitionBy, key: key, schema: schema, feed: feed,
      pattern: .merge(deleteWhen: set.deleteWhen, newestBy: set.newestBy),
      absentIsNull: set.absentIsNull)
    plan.strikesRows = head.metadata.strikesRows
    var change = try Engine(staging: staging, limits: limits).stage(plan)
    change.rows.read = set.rowsRead
    change.rows.rejected = set.rowsRejected
    try append(change, bookkeeping: bookkeeping)
  }
}

extension TableContents {
  /// Makes of it what a change of it leaves, before that is committed: staged files are named by where they lie in staging.
  /// Returns the files that were there before.
  @discardableResult
  package mutating func apply(_ change: StagedChange, stagedIn transaction: String) throws -> [LiveFile] {
    let gone = Set(change.removed.map(\.key))
    var restored = Dictionary(change.restored.map { (ExactText($0.path), $0) }, uniquingKeysWith: { $1 })
    // Files of which more rows are struck out keep their places.
    var kept = files.compactMap { file in
      gone.contains(file.key) ? restored.removeValue(forKey: ExactText(file.path)) : file
    }
    kept += change.restored.filter { restored[ExactText($0.path)] != nil }
    schema = change.schema
    files = kept
    for partition in change.added {
      let directory = Layout.stagedDirectory(transaction, partition.directory)
      files += partition.files.map { file in
        LiveFile(
          path: Layout.join(directory, file.name), partition: partition.partition, byteCount: file.byteCount,
          modificationTime: 0, statistics: file.statistics)
      }
    }
    // By partition; within one, files of versions before those that are staged.
    files = files.enumerated().sorted { one, other in
      (PartitionText(one.element.partition), one.offset) < (PartitionText(other.element.partition), other.offset)
    }.map(\.element)
    return kept
  }
}

extension Snapshot {
  /// Other files and metadata in the place of this one's.
  fileprivate func standing(as metadata: TableMetadata, on files: [LiveFile]) -> Snapshot {
    let adds = files.map { file in
      AddAction(
        path: LogPath.encode(file.path),
        partitionValues: Array(zip(metadata.partitionColumns, file.partition)).map { (column: $0, value: $1) },
        byteCount: file.byteCount, modificationTime: file.modificationTime, dataChange: true,
        statistics: file.statistics.map { StatisticsText.text($0, metadata.schema) },
        deletionVector: file.deletionVector)
    }
    return Snapshot(
      version: version, timestamp: timestamp, entryModificationTime: entryModificationTime, entrySHA256: entrySHA256,
      tableProtocol: tableProtocol, metadata: metadata,
      live: LiveEntries(base: LiveEntries.Base(adds), touched: [], added: []), transactions: transactions,
      actionsSinceCheckpoint: actionsSinceCheckpoint, checkpointRows: checkpointRows, storage: storage, place: place)
  }
}
