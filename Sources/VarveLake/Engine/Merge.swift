import VarveTables

extension PlanExecution {
  /// Updates, inserts and deletes by key.
  ///
  /// For each range of the feed's keys: find them in the live files; sort the rows found by the feed's row that has
  /// their key; then read the feed once more beside them, row by row the old and the new one. What comes out is sorted
  /// by partition and key, and so does not depend on the order of the feed.
  func merge(deleteWhen: String?, newestBy: String?) throws -> StagedChange {
    let keys = FeedKeys(plan, limits, twins: newestBy.map { .newest(by: $0) } ?? .refused, scratch: scratch)
    let layout = plan.layout
    let added = ExternalSort(
      plan.schema, by: layout.columns + plan.keyColumns, budgetBytes: limits.sortBytes, scratch: scratch)
    let flagColumn = deleteWhen.flatMap { plan.feed.schema[$0]?.name }
    var outcome = MergeOutcome()
    try keys.forEachRange { index, bounds in
      let candidates = plan.candidates(bounds, partitions: keys.partitions)
      let matches = try plan.matches(
        index, bounds, among: candidates, parallelism: limits.parallelism, checkInterrupted: staging.checkInterrupted)
      let stored = try StoredRows(plan, matches, limits, scratch: scratch)
      let feed = try FeedRows(plan, flagColumn: flagColumn)
      let merger = RowMerger(plan, newestBy: newestBy)
      while let rows = try feed.next() {
        let taken = plan.rows(of: rows, in: index.hashes, without: keys.superseded)
        if let batch = try merger.merge(
          rows, taken, try stored.rows(before: rows.first + rows.batch.rowCount), &outcome)
        {
          try added.add(batch)
        }
      }
    }
    let written = try rewrite(PartitionedRows(added.finish(), layout), striking: outcome.struck)
    outcome.rows.read = plan.feed.rowCount
    outcome.rows.unchanged = outcome.rows.read - outcome.rows.inserted - outcome.rows.updated - outcome.rows.deleted
    var change = StagedChange(
      added: written.added, removed: written.removed, schema: plan.schema, reads: keyReads(keys), rows: outcome.rows)
    change.restored = written.struck
    return change
  }
}

struct MergeOutcome {
  var rows = RowCounts()
  /// By file, the rows that it loses.
  var struck: [Int: RowSet] = [:]
}

extension PartitionPlan {
  /// The rows of the batch (from 0) whose key's hash lies in the range.
  fileprivate func rows(of rows: FeedRows.Rows, in hashes: ClosedRange<UInt64>, without superseded: RowSet) -> [Int] {
    let all = 0..<rows.batch.rowCount
    let kept = superseded.isEmpty ? Array(all) : all.filter { !superseded.contains(rows.first + $0) }
    guard hashes != 0...UInt64.max else { return kept }
    var isIn = [Bool](repeating: false, count: rows.batch.rowCount)
    RowKeys(keyColumns.map { rows.batch.columns[$0] }, rowCount: rows.batch.rowCount).withEach { row, key in
      isIn[row] = hashes.contains(KeyIndex.hash(key))
    }
    return kept.filter { isIn[$0] }
  }
}

/// The table's rows whose keys the feed has, in the order of the feed's rows.
final class StoredRows {
  /// Rows of the new version's schema, with where each came from.
  struct Rows {
    var batch: Batch
    var feedRows: [Int]
    var files: [Int]
    var rows: [Int]
  }

  private let schema: Schema
  private let sorted: any BatchSource
  private var held: Batch?

  init(
    _ plan: PartitionPlan, _ matches: [KeyMatches], _ limits: EngineLimits, scratch: @escaping () throws -> ScratchFile
  ) throws {
    schema = plan.schema
    let width = schema.fields.count
    let places = ["\u{1}feed row", "\u{1}file", "\u{1}row of file"].map { Field($0, .int64) }
    // Of several rows of one key the last in row order comes last.
    let sort = ExternalSort(
      Schema(schema.fields + places), by: [width, width + 1, width + 2], budgetBytes: limits.sortBytes, scratch: scratch
    )
    for file in matches {
      let rows = try LiveFileRows(plan.base, plan.base.files[file.file], fields: schema.fields)
      var position = 0
      while position < file.rows.count, let batch = try rows.next() {
        let start = position
        var matched: [Int] = []
        for place in 0..<batch.rowCount where position < file.rows.count && file.rows[position] == rows.rowOfFile(place)
        {
          matched.append(place)
          position += 1
        }
        let found = file.rows[start..<position]
        if !found.isEmpty {
          let columns =
            batch.gather(rows: matched).columns + [
              Column(.int64, .int64(file.feedRows[start..<position].map { Int64($0) })),
              Column(.int64, .int64([Int64](repeating: Int64(file.file), count: found.count))),
              Column(.int64, .int64(found.map { Int64($0) })),
            ]
          try sort.add(Batch(Schema(schema.fields + places), columns, rowCount: found.count))
        }
      }
    }
    sorted = try sort.finish()
    held = try sorted.next()
  }

  /// The rows not yet handed out whose row of the feed is below `end`.
  func rows(before end: Int) throws -> Rows {
    let width = schema.fields.count
    var taken: [Batch] = []
    while let batch = held {
      let feedRows = batch.columns[width].int64s
      if feedRows[batch.rowCount - 1] < end {
        taken.append(batch)
        held = try sorted.next()
        continue
      }
      let count = feedRows.firstIndex { $0 >= end }!
      if count > 0 {
        taken.append(batch.slice(0..<count))
        held = batch.slice(count..<batch.rowCount)
      }
      break
    }
    guard var all = taken.first else {
      return Rows(batch: .empty(schema), feedRows: [], files: [], rows: [])
    }
    for batch in taken.dropFirst() { all.append(contentsOf: batch) }
    func numbers(_ column: Int) -> [Int] { all.columns[column].int64s.map { Int($0) } }
    return Rows(
      batch: Batch(schema, Array(all.columns[..<width]), rowCount: all.rowCount), feedRows: numbers(width),
      files: numbers(width + 1), rows: numbers(width + 2))
  }
}

/// Decides, batch by batch, what becomes of rows of a feed and the stored rows of their keys.
struct RowMerger {
  private let plan: PartitionPlan
  private let layout: PartitionLayout
  private let checks: RowChecks
  private let newest: Int?
  /// Columns that the feed has, all of its rows or some.
  private let given: Set<Int>
  /// Columns computed from others.
  private let computed: Set<Int>

  init(_ plan: PartitionPlan, newestBy: String?) {
    self.plan = plan
    layout = plan.layout
    checks = RowChecks(plan)
    newest = newestBy.flatMap { plan.schema.index(of: $0) }
    given = Set(plan.schema.fields.indices.filter { plan.feed.schema[plan.schema.fields[$0].name] != nil })
    computed = Set(
      zip(plan.partitionBy, layout.columns).filter { entry, _ in
        if case .period = entry { true } else { false }
      }.map { $0.1 })
  }

  /// The rows to be added, or nil when there are none. `taken` are rows of the batch, ascending.
  func merge(
    _ feed: FeedRows.Rows, _ taken: [Int], _ stored: StoredRows.Rows, _ outcome: inout MergeOutcome
  ) throws -> Batch? {
    let pairs = pair(feed, stored)
    var isKnown = [Bool](repeating: false, count: feed.batch.rowCount)
    for row in pairs.feedRows { isKnown[row] = true }
    let isDeleted = { (row: Int) in !feed.flags.isEmpty && feed.flags[row] }

    // New rows, unless they are marked as deleted.
    let insertedRows = taken.filter { !isKnown[$0] && !isDeleted($0) }
    var added = feed.batch.gather(rows: insertedRows)
    var feedRows = insertedRows
    outcome.rows.inserted += insertedRows.count

    // Known ones.
    if !pairs.feedRows.isEmpty {
      let old = stored.batch.gather(rows: pairs.stored)
      try refuseOtherRecords(feed, pairs.feedRows, with: old)
      let merged = merge(feed, pairs.feedRows, with: old)
      let differs = difference(merged, old)
      let isOlder = older(feed, pairs.feedRows, than: old)
      var updated: [Int] = []
      for (number, row) in pairs.feedRows.enumerated() {
        if isOlder[number] { continue }
        if isDeleted(row) {
          outcome.rows.deleted += 1
        } else if differs[number] || pairs.isDouble[number] {
          outcome.rows.updated += 1
          updated.append(number)
        } else {
          continue
        }
        for place in pairs.places[number] {
          outcome.struck[stored.files[place], default: RowSet()].insert(stored.rows[place])
        }
      }
      if !updated.isEmpty {
        added.append(contentsOf: merged.gather(rows: updated))
        feedRows += updated.map { pairs.feedRows[$0] }
      }
    }
    guard added.rowCount > 0 else { return nil }
    try checks.check(added) { feed.first + feedRows[$0] }
    return added
  }

  /// A record key stands for the values that it was made of: a stored row that has others is another record.
  private func refuseOtherRecords(_ feed: FeedRows.Rows, _ rows: [Int], with old: Batch) throws {
    guard plan.feed.recordKey != nil else { return }
    let sources = plan.keyNameFields.map { plan.schema.index(of: $0.name)! }
    let new = feed.batch.gather(rows: rows)
    let same = RecordKey.equality(
      sources.map { new.columns[$0] }, sources.map { old.columns[$0] }, rowCount: rows.count)
    guard let number = same.firstIndex(of: false) else { return }
    func text(_ batch: Batch) -> String {
      "(" + sources.map { batch.columns[$0].value(at: number).text ?? "null" }.joined(separator: ", ") + ")"
    }
    let key = new.columns[plan.keyColumns[0]].value(at: number).text ?? "null"
    throw try plan.feed.problem(
      .refused, rows: [feed.first + rows[number]], total: 1,
      "the record \(text(new)) has the key \(key), under which the table has \(text(old))",
      advice: "put right which of them the table's row is")
  }

  /// Of rows of the feed's batch the stored rows of their keys that say something else: the row of the batch, and the
  /// columns that differ with the value of the feed and the stored one.
  func differences(
    _ feed: FeedRows.Rows, _ stored: StoredRows.Rows
  ) -> [(row: Int, columns: [(name: String, new: Value, old: Value)])] {
    let pairs = pair(feed, stored)
    let old = stored.batch.gather(rows: pairs.stored)
    let merged = merge(feed, pairs.feedRows, with: old)
    let columns = plan.schema.fields.indices.filter { !plan.originColumns.contains(plan.schema.fields[$0].name) }
    let rows = Array(0..<merged.rowCount)
    let same = merged.equality(rows: rows, with: old, rows: rows, columns: columns.map { ($0, $0) })
    return rows.filter { !same[$0] }.map { number in
      let found = columns.map { column in
        (
          plan.schema.fields[column].name, merged.columns[column].value(at: number),
          old.columns[column].value(at: number)
        )
      }
      return (pairs.feedRows[number], found.filter { $0.1 != $0.2 })
    }
  }

  /// Rows of the feed's batch with the stored row that counts (should a key be there twice, the last).
  private struct Pairs {
    var feedRows: [Int] = []
    var stored: [Int] = []
    /// All stored rows of the key.
    var places: [Range<Int>] = []
    var isDouble: [Bool] = []
  }

  private func pair(_ feed: FeedRows.Rows, _ stored: StoredRows.Rows) -> Pairs {
    var pairs = Pairs()
    var place = 0
    while place < stored.feedRows.count {
      var end = place + 1
      while end < stored.feedRows.count, stored.feedRows[end] == stored.feedRows[place] { end += 1 }
      pairs.feedRows.append(stored.feedRows[place] - feed.first)
      pairs.stored.append(end - 1)
      pairs.places.append(place..<end)
      pairs.isDouble.append(end - place > 1)
      place = end
    }
    return pairs
  }

  /// The feed's rows, with the old values where they lack a column.
  private func merge(_ feed: FeedRows.Rows, _ rows: [Int], with old: Batch) -> Batch {
    var merged = feed.batch.gather(rows: rows)
    if !plan.absentIsNull {
      for column in merged.columns.indices where !computed.contains(column) {
        if !given.contains(column) {
          merged.columns[column] = old.columns[column]
        } else if let absent = feed.absent[column], rows.contains(where: { absent[$0] }) {
          let picks = rows.enumerated().map { number, row in RowPick(absent[row] ? 1 : 0, number) }
          merged.columns[column] = Column(picks, from: [merged.columns[column], old.columns[column]])
        }
      }
    }
    layout.derive(&merged)
    return merged
  }

  private func difference(_ merged: Batch, _ old: Batch) -> [Bool] {
    let rows = Array(0..<merged.rowCount)
    return merged.equality(
      rows: rows, with: old, rows: rows, columns: merged.columns.indices.map { ($0, $0) }
    ).map { !$0 }
  }

  /// Per row, whether it comes before the stored one. A row that lacks the column has the stored value.
  private func older(_ feed: FeedRows.Rows, _ rows: [Int], than old: Batch) -> [Bool] {
    guard let newest else { return [Bool](repeating: false, count: rows.count) }
    return rows.enumerated().map { number, row in
      if feed.absent[newest]?[row] == true { return false }
      return feed.batch.columns[newest].compare(row, to: old.columns[newest], number) < 0
    }
  }
}
