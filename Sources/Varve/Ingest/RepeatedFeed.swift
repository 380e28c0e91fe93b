internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// Looks whether a feed is in the table already.
struct RepeatedFeed {
  let table: Table
  let base: Snapshot
  let request: IngestRequest
  let settings: TableSettings

  /// The version that holds all of these feeds; nil where they are to be ingested.
  ///
  /// An overwrite is repeated only while the partitions it declares still hold that feed: A, B, A must restore A.
  func version(holding sources: [FeedSource]) throws -> Int64? {
    if let key = request.idempotencyKey, let record = try table.log.committed(key: key, upTo: base.version) {
      return record.version
    }
    var newest: Int64 = -1
    for source in sources {
      guard let record = try table.ingested(source) else { return nil }
      newest = max(newest, record.version)
    }
    guard newest >= 0 else { return nil }
    if settings.mode == .overwrite, try !stillHolds(newest) { return nil }
    return newest
  }

  private func stillHolds(_ version: Int64) throws -> Bool {
    let entry = try table.log.entry(existing: version)
    guard let bookkeeping = entry.bookkeeping, bookkeeping.mode == IngestMode.overwrite.rawValue,
      // As bytes: two spellings of a letter are two partitions.
      bookkeeping.details["partitions"]?.bytes(.canonical)
        == (request.partitions.isEmpty ? nil : JSONValue.array(request.partitions.map(\.json)).bytes(.canonical))
    else { return false }
    guard (bookkeeping.details["dynamic"] != nil) == (request.dynamicPartitionsMax != nil) else { return false }
    guard version < base.version else { return true }
    for later in (version + 1)...base.version {
      if try table.log.entry(existing: later).changesRows { return false }
    }
    return true
  }
}
