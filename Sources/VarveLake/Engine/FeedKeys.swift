import VarveTables

/// The keys of a feed: refused where null or doubled, and handed out as indexes that fit in memory.
///
/// A feed whose keys exceed the budget is read several times, each time for another range of the keys' hashes.
final class FeedKeys {
  private let plan: PartitionPlan
  private let limits: EngineLimits
  private let scratch: () throws -> ScratchFile
  private let twins: Twins
  /// Rows of the feed that another row of the same key stands for.
  private(set) var superseded = RowSet()
  /// The partitions that the feed's rows lie in, by `PartitionLayout.keys`, with their values as the log spells them:
  /// only where the key decides the partition.
  private(set) var partitions: [[UInt8]: [String?]] = [:]

  /// What is done with several rows of one key.
  enum Twins {
    case refused
    /// Refused unless equal; the first counts.
    case equal
    /// The one with the highest value in this column counts.
    case newest(by: String)
  }

  init(_ plan: PartitionPlan, _ limits: EngineLimits, twins: Twins, scratch: @escaping () throws -> ScratchFile) {
    self.plan = plan
    self.limits = limits
    self.twins = twins
    self.scratch = scratch
  }

  /// Calls `body` with indexes that together hold every key of the feed once.
  func forEachRange(_ body: (KeyIndex, KeyBounds) throws -> Void) throws {
    var ranges: [ClosedRange<UInt64>] = [0...UInt64.max]
    while let range = ranges.popLast() {
      guard let (index, bounds) = try build(range) else {
        let lower = range.lowerHalf
        ranges.append(lower.upperBound + 1...range.upperBound)
        ranges.append(lower)
        continue
      }
      try body(index, bounds)
    }
  }

  /// The index of one range of hashes, or nil when it exceeds the budget.
  private func build(_ range: ClosedRange<UInt64>) throws -> (KeyIndex, KeyBounds)? {
    var index = KeyIndex(hashes: range)
    var bounds = KeyBounds(columns: plan.key.count)
    var nulls: (rows: [Int], total: Int) = ([], 0)
    // Rows whose key was there already, with the row that brought it first.
    var doubled: [(first: Int, row: Int)] = []
    let layout = plan.keyDecidesPartition ? plan.narrowLayout(plan.keyFields) : nil
    let fields = layout?.schema.fields ?? plan.keyFields
    let rows = try FeedRows(plan.feed, fields: fields, layout: layout)
    var lastPartition: ArraySlice<UInt8> = []
    var isFirst = true
    while let part = try rows.next() {
      let columns = Array(part.batch.columns[..<plan.key.count])
      for column in columns where !column.validity.isEmpty {
        for row in column.validity.indices where !column.validity[row] {
          nulls.total += 1
          if nulls.rows.count < Feed.rowsNamedMax { nulls.rows.append(part.first + row) }
        }
      }
      guard nulls.total == 0 else { continue }
      let keys = RowKeys(columns, rowCount: part.batch.rowCount)
      keys.withEach { row, key in
        let hash = KeyIndex.hash(key)
        guard range.contains(hash) else { return }
        let (entry, isNew) = index.insert(key, hash: hash, feedRow: part.first + row)
        if !isNew { doubled.append((index.feedRows[entry], part.first + row)) }
      }
      bounds.add(columns)
      if let layout {
        let partitionKeys = layout.keys(part.batch)
        for row in 0..<part.batch.rowCount where isFirst || !partitionKeys[row].elementsEqual(lastPartition) {
          isFirst = false
          lastPartition = partitionKeys[row]
          let key = Array(lastPartition)
          if partitions[key] == nil { partitions[key] = layout.values(part.batch, row) }
        }
      }
      if index.byteCount > limits.keyBytes, range.lowerBound < range.upperBound, index.count > 1 { return nil }
    }
    if nulls.total > 0 {
      throw try plan.feed.problem(
        .failed, rows: nulls.rows, total: nulls.total,
        "has no value in the key (\(plan.keyNames.joined(separator: ", ")))",
        advice: "give every row a key")
    }
    if !doubled.isEmpty { try resolve(doubled, &index) }
    bounds.finish()
    return (index, bounds)
  }

  private func resolve(_ doubled: [(first: Int, row: Int)], _ index: inout KeyIndex) throws {
    switch twins {
    case .refused:
      let first = doubled[0].first
      throw try refusal(doubled.filter { $0.first == first }.map(\.row) + [first], among: doubled.count, "comes twice")
    case .equal, .newest:
      try choose(doubled, &index)
    }
  }

  /// Sorts the rows of doubled keys by key and rank and lets one of each stand for the key.
  private func choose(_ doubled: [(first: Int, row: Int)], _ index: inout KeyIndex) throws {
    var wanted = RowSet()
    for pair in doubled {
      wanted.insert(pair.first)
      wanted.insert(pair.row)
    }
    let others = plan.schema.fields.filter { !plan.key.contains($0.name) && !plan.originColumns.contains($0.name) }
    let rank: [Field]
    switch twins {
    case .newest(let column): rank = [Field(Feed.rowColumn + "rank", plan.feed.schema[column]!.type)]
    default: rank = []
    }
    // Key, rank, feed row, and all else where twins must be equal.
    let keyCount = plan.key.count
    let carriesAll = rank.isEmpty
    let number = Field(Feed.rowColumn, .int64)
    let schema = Schema(plan.keyFields + rank + [number] + (carriesAll ? others : []))
    let sort = ExternalSort(
      schema, by: Array(0..<keyCount + rank.count), budgetBytes: limits.sortBytes, scratch: scratch)
    let rankSource: [Field] = if case .newest(let column) = twins { [plan.feed.schema[column]!] } else { [] }
    let rows = try FeedRows(plan.feed, fields: plan.keyFields + rankSource + (carriesAll ? others : []))
    while let part = try rows.next() {
      let kept = (0..<part.batch.rowCount).filter { wanted.contains(part.first + $0) }
      if kept.isEmpty { continue }
      var columns = part.batch.gather(rows: kept).columns
      columns.insert(Column(.int64, .int64(kept.map { Int64(part.first + $0) })), at: keyCount + rank.count)
      try sort.add(Batch(schema, columns, rowCount: kept.count))
    }
    let sorted = try sort.finish()
    var last: Twin?
    while let batch = try sorted.next() {
      let keys = RowKeys(Array(batch.columns[..<keyCount]), rowCount: batch.rowCount)
      let ranks = RowKeys(Array(batch.columns[keyCount..<keyCount + rank.count]), rowCount: batch.rowCount)
      let all =
        carriesAll
        ? RowKeys(Array(batch.columns[(keyCount + 1)...]), rowCount: batch.rowCount)
        : RowKeys([], rowCount: batch.rowCount)
      let numbers = batch.columns[keyCount + rank.count].int64s
      for row in 0..<batch.rowCount {
        let twin = Twin(
          key: keys[row], rank: ranks[row], all: all[row], row: Int(numbers[row]), isTied: false)
        if let previous = last, previous.key.elementsEqual(twin.key) {
          last = try follow(previous, twin)
        } else {
          if let previous = last { try settle(previous, &index) }
          last = twin
        }
      }
    }
    if let last { try settle(last, &index) }
  }

  private struct Twin {
    var key: ArraySlice<UInt8>
    var rank: ArraySlice<UInt8>
    var all: ArraySlice<UInt8>
    var row: Int
    /// The row that has the same rank.
    var isTied: Bool
    var tiedWith = 0
  }

  /// Of two neighbours with one key the one that counts. Neighbours come by rank, then in feed order.
  private func follow(_ previous: Twin, _ next: Twin) throws -> Twin {
    if case .equal = twins {
      guard previous.all.elementsEqual(next.all) else {
        throw try refusal([previous.row, next.row], among: 1, "comes twice, with different values")
      }
      superseded.insert(next.row)
      return previous
    }
    superseded.insert(previous.row)
    var winner = next
    if previous.rank.elementsEqual(next.rank) {
      winner.isTied = true
      winner.tiedWith = previous.row
    }
    return winner
  }

  private func settle(_ twin: Twin, _ index: inout KeyIndex) throws {
    if twin.isTied, case .newest(let column) = twins {
      throw try refusal([twin.tiedWith, twin.row], among: 1, "comes twice with the same \"\(column)\"")
    }
    twin.key.withUnsafeBufferPointer { key in
      if let entry = index.find(key, hash: KeyIndex.hash(key)) { index.replace(entry, feedRow: twin.row) }
    }
  }

  private func refusal(_ rows: [Int], among total: Int, _ what: String) throws -> Problem {
    let rows = rows.sorted()
    let key = try keyText(rows[0])
    let others = total > rows.count - 1 ? ", as do other keys" : ""
    return try plan.feed.problem(
      .failed, rows: rows, total: rows.count, "the key \(key) \(what)\(others)",
      advice: "make the feed's keys unique, or let a column decide with --newest-by")
  }

  /// The key of one row of the feed, to be printed.
  func keyText(_ feedRow: Int) throws -> String {
    let rows = try FeedRows(plan.feed, fields: plan.keyNameFields)
    while let part = try rows.next() {
      guard feedRow < part.first + part.batch.rowCount else { continue }
      return "(" + part.batch.values(at: feedRow - part.first).map { $0.text ?? "null" }.joined(separator: ", ") + ")"
    }
    preconditionFailure("the feed has the row \(feedRow)")
  }
}

extension PartitionPlan {
  /// These fields and what else the partition columns need.
  func narrowLayout(_ fields: [Field]) -> PartitionLayout {
    var fields = fields
    for name in partitionBy.flatMap({ [$0.source, $0.name] }) where !fields.contains(where: { $0.name == name }) {
      fields.append(schema[name]!)
    }
    return PartitionLayout(Schema(fields), partitionBy)
  }
}

extension RowKeys {
  func withEach(_ body: (Int, UnsafeBufferPointer<UInt8>) -> Void) {
    bytes.withUnsafeBufferPointer { bytes in
      for row in 0..<count { body(row, UnsafeBufferPointer(rebasing: bytes[range(row)])) }
    }
  }
}
