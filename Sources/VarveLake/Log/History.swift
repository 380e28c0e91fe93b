internal import VarveJSON
internal import VarveTables

extension DeltaLog {
  /// All versions up to `head`, newest first, without reading data. Versions whose entry is gone and that no state file
  /// remembers are left out.
  package func history(upTo head: Int64, limit: Int? = nil) throws -> [HistoryRecord] {
    var records: [HistoryRecord] = []
    try visit(downFrom: head) { source in
      switch source {
      case .entry(let entry): records.append(HistoryRecord(entry))
      case .block(let block): records += try block.records(place).reversed()
      }
      return records.count < limit ?? .max
    }
    return Array(records.prefix(limit ?? .max))
  }

  /// The newest version up to `head`, and after `floor`, that a condition holds for. `text` must stand in its JSON.
  package func newest(
    upTo head: Int64, after floor: Int64 = -1, holding text: String, where isWanted: (HistoryRecord) -> Bool
  ) throws -> HistoryRecord? {
    var found: HistoryRecord?
    try visit(downFrom: head) { source in
      switch source {
      case .entry(let entry):
        guard entry.version > floor else { return false }
        let record = HistoryRecord(entry)
        if isWanted(record) { found = record }
      case .block(let block):
        guard block.version > floor else { return false }
        // JSON may spell a text in more than one way; ours is the shortest, which the writer of the block used too.
        let spelled = String(JSONValue.string(text).text().dropFirst().dropLast())
        found = try block.records(holding: spelled, place).first(where: isWanted)
        if let version = found?.version, version <= floor { found = nil }
      }
      return found == nil
    }
    return found
  }

  /// The newest version that ingested this feed, or nil.
  package func ingested(_ source: FeedSource, upTo head: Int64, after floor: Int64 = -1) throws -> HistoryRecord? {
    try newest(upTo: head, after: floor, holding: source.sha256) { $0.ingested(source) }
  }

  /// The newest version that ingested the same content, read otherwise, and how it was; nil where none did.
  package func ingestedOtherwise(
    _ source: FeedSource, upTo head: Int64
  ) throws -> (version: Int64, source: FeedSource)? {
    func other(_ record: HistoryRecord) -> FeedSource? {
      record.bookkeeping?.sources.first { $0.sha256 == source.sha256 && !$0.isSameFeed(as: source) }
    }
    let found = try newest(upTo: head, holding: source.sha256) { other($0) != nil }
    return found.flatMap { record in other(record).map { (record.version, $0) } }
  }

  /// The version that an idempotency key made, or nil.
  package func committed(key: String, upTo head: Int64, after floor: Int64 = -1) throws -> HistoryRecord? {
    try newest(upTo: head, after: floor, holding: key) { record in
      record.bookkeeping?.idempotencyKey.map { ExactText($0) == ExactText(key) } ?? false
    }
  }

  /// The newest version at or before a time, in milliseconds since 1970; nil where the table is younger.
  ///
  /// A version never counts as older than the one before it, whatever clock its writer had.
  package func version(atOrBefore timestamp: Int64, upTo head: Int64) throws -> Int64? {
    var best: Int64?
    var latest = Int64.min
    for record in try history(upTo: head).reversed() {
      latest = max(latest, record.timestamp)
      guard latest <= timestamp else { break }
      best = record.version
    }
    return best
  }

  enum HistorySource {
    case entry(LogEntry)
    case block(StateBlock)
  }

  /// Entries from `head` down to the newest state block, then the blocks, until `body` has enough.
  func visit(downFrom head: Int64, _ body: (HistorySource) throws -> Bool) throws {
    var block = try StateBlock.newest(atOrBefore: head, self)
    var next: LogEntry?
    for version in stride(from: head, to: block?.version ?? -1, by: -1) {
      guard let entry = try entry(version) else { break }
      if let next { try check(entry, before: next) } else { try checkShown(entry) }
      next = entry
      guard try body(.entry(entry)) else { return }
    }
    while let current = block {
      guard try body(.block(current)) else { return }
      block = try current.previous.flatMap { try StateBlock.read($0, self) }
    }
  }
}
