import VarveTables

extension PlanExecution {
  /// Every row of the feed, behind what is there.
  func append() throws -> StagedChange {
    var read = ReadSet.nothing
    if !plan.key.isEmpty {
      let keys = FeedKeys(plan, limits, twins: .refused, scratch: scratch)
      try keys.forEachRange { index, bounds in
        try refuseKnownKeys(index, bounds, among: plan.candidates(bounds, partitions: keys.partitions), keys)
      }
      read = keyReads(keys)
    }
    let written = try rewrite(feedRowsByPartition())
    var rows = RowCounts()
    rows.read = plan.feed.rowCount
    rows.inserted = plan.feed.rowCount
    return StagedChange(
      added: written.added, removed: written.removed, schema: plan.schema, reads: reads(read), rows: rows)
  }

  /// Refuses rows whose key one of those files has.
  func refuseKnownKeys(_ index: KeyIndex, _ bounds: KeyBounds, among files: [Int], _ keys: FeedKeys) throws {
    let matches = try plan.matches(
      index, bounds, among: files, parallelism: limits.parallelism, checkInterrupted: staging.checkInterrupted)
    let rows = Set(matches.flatMap(\.feedRows)).sorted()
    guard let first = rows.first else { return }
    throw try plan.feed.problem(
      .refused, rows: rows, total: rows.count,
      "the key \(try keys.keyText(first)) is in the table already",
      advice: "merge to update such rows, or insert to leave them as they are")
  }

  /// Only the rows whose key is not there yet.
  func insert(newestBy: String?) throws -> StagedChange {
    let keys = FeedKeys(plan, limits, twins: newestBy.map { .newest(by: $0) } ?? .equal, scratch: scratch)
    var leftOut = RowSet()
    var collisions = KeyCollisions()
    try keys.forEachRange { index, bounds in
      let files = plan.candidates(bounds, partitions: keys.partitions)
      let matches = try plan.matches(
        index, bounds, among: files, parallelism: limits.parallelism, checkInterrupted: staging.checkInterrupted)
      for row in matches.flatMap(\.feedRows) { leftOut.insert(row) }
      if plan.feed.recordKey != nil { try collisions.add(matches, of: plan, limits, scratch: scratch) }
    }
    leftOut.formUnion(keys.superseded)
    var rows = RowCounts()
    rows.read = plan.feed.rowCount
    rows.unchanged = leftOut.count
    rows.inserted = rows.read - rows.unchanged
    let written = try rewrite(feedRowsByKey(leavingOut: leftOut))
    var change = StagedChange(
      added: written.added, removed: written.removed, schema: plan.schema, reads: keyReads(keys), rows: rows)
    change.collisions = collisions
    return change
  }
}
