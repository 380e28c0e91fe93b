internal import VarveParquet
internal import VarveTables

/// What a version did to which rows, done again elsewhere: as a merge by key of what differs between it and the version
/// before. A row that it changed gets the values that it changed; one that it inserted or deleted is inserted or deleted.
extension Replay {
  /// Nothing is done where the version changed no row.
  package mutating func reapply(
    version: Int64, from before: TableContents, to after: TableContents, bookkeeping: Bookkeeping
  ) throws {
    let diff = try Diff(
      from: before, to: after, key: key, limits: limits,
      scratch: { [staging] in try staging.createScratch() })
    guard key.allSatisfy({ before.schema[$0] != nil && after.schema[$0] != nil }) else {
      throw Problem(
        .refused, at: [table], "version \(version) cannot be applied again: its rows have no key",
        advice: "drop it with --discard-interposed")
    }
    var settled = Set(key + (recordKey?.columns ?? []))
    for part in partitionBy { settled.formUnion([part.name, part.source]) }
    if let changes = try ChangeFeed(staging, diff.schema, settled: settled).write(
      diff, file: "version \(version)")
    {
      try merge(changes, bookkeeping: bookkeeping)
    }
  }
}

/// The changes between two versions as the feed of a merge.
private struct ChangeFeed {
  private static let deletes = "\u{1}delete"
  private static let rowsPerGroupMax = 1 << 16

  private let file: SpoolFile
  private let schema: Schema
  /// Columns that may be left as they are, by position; the others decide where the row lies, and are always told.
  private let mayBeAbsent: [Int]

  init(_ staging: StagingArea, _ schema: Schema, settled: Set<String>) throws {
    file = try SpoolFile(staging, directory: nil)
    self.schema = schema
    mayBeAbsent = schema.fields.indices.filter { !settled.contains(schema.fields[$0].name) }
  }

  private var spooled: Schema {
    Schema(
      schema.fields + [Field(ChangeFeed.deletes, .boolean)]
        + mayBeAbsent.map { Field(Feed.absentColumn(schema.fields[$0].name), .boolean) })
  }

  /// Nil where nothing changed.
  func write(_ diff: Diff, file name: String) throws -> ChangeSet? {
    let spooled = spooled
    var groups: [RowGroup] = []
    var encoders: [ColumnChunkEncoder] = []
    var rowCount = 0
    func close() throws {
      guard rowCount > 0 else { return }
      var chunks: [(offset: Int, metadata: ColumnChunkMetadata)] = []
      for encoder in encoders {
        let chunk = encoder.finish()
        chunks.append((try file.append(chunk), chunk.metadata))
      }
      groups.append(RowGroup(rowCount: rowCount, chunks: chunks))
      (encoders, rowCount) = ([], 0)
    }
    while let batch = try diff.next() {
      if encoders.isEmpty {
        encoders = spooled.fields.map { ColumnChunkEncoder(type: $0.type, options: ParquetOptions()) }
      }
      for (encoder, column) in zip(encoders, columns(batch)) { encoder.append(column) }
      rowCount += batch.count
      if rowCount >= ChangeFeed.rowsPerGroupMax { try close() }
    }
    try close()
    guard !groups.isEmpty else { return nil }
    try file.write(parquetFooter(schema: spooled, rowGroups: groups))
    let count = groups.reduce(0) { $0 + $1.rowCount }
    let feed = Feed(
      spool: try ParquetFile(file, name: name), schema: Schema(Array(spooled.fields[...schema.fields.count])),
      partiallyAbsent: mayBeAbsent.map { schema.fields[$0].name }, rowCount: count, unit: .row, file: name)
    return ChangeSet(
      feed: feed, deleteWhen: ChangeFeed.deletes, newestBy: nil, absentIsNull: false, rowsRead: count, rowsRejected: 0)
  }

  private func columns(_ batch: ChangeBatch) -> [Column] {
    let isDeleted = batch.kinds.map { $0 == .deleted }
    let rows = Batch(
      isDeleted.indices.map { RowPick(isDeleted[$0] ? 0 : 1, $0) }, from: [batch.old, batch.new], schema: schema)
    func flags(_ flags: [Bool]) -> Column { Column(.boolean, .int64(flags.map { $0 ? 1 : 0 })) }
    let absent = mayBeAbsent.map { column in
      flags(batch.kinds.indices.map { batch.kinds[$0] == .updated && !batch.changed[column][$0] })
    }
    return rows.columns + [flags(isDeleted)] + absent
  }
}
