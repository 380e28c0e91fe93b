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

/// What an ingestion is of, and whether the table has that already.
extension Ingestion {
  /// What the feeds are, by their content. Waits for their digests.
  func sources() throws -> [FeedSource] {
    let sources = try zip(files, zip(request.feeds, formats)).map { file, feed in
      FeedSource(
        name: file.name, sha256: try file.digest(), byteCount: file.byteCount,
        selector: [feed.0.selector(feed.1), transformation?.selector ?? ""].filter { !$0.isEmpty }.joined(
          separator: ";"),
        schemaVersion: schemaFile?.version ?? "")
    }
    attempt.sources = sources
    return sources
  }

  /// The ledger is told what the content was that failed, unless that takes long to find out.
  func noteSources() {
    let digestedBytesMax = 1 << 28
    guard files.reduce(0, { $0 + $1.byteCount }) <= digestedBytesMax else { return }
    attempt.sources = (try? sources()) ?? []
  }

  /// Names the ingestion by what it is of: the same feed into the same table, asked for in the same way, has one id.
  func id(_ sources: [FeedSource]) throws -> String {
    if let id = request.ingestionID { return id }
    var object: JSONObject = [
      "mode": .string(settings.mode.rawValue), "sources": .array(sources.map(\.json)), "table": .string(request.table),
    ]
    if let execution = request.execution { object["execution"] = .string(execution) }
    if request.dynamicPartitionsMax != nil { object["dynamic"] = true }
    if !request.partitions.isEmpty { object["partitions"] = .array(request.partitions.map(\.json)) }
    if request.reingest || settings.mode == .overwrite, let base { object["base"] = JSONValue(base.version) }
    return String(Digest.sha256(Array(JSONValue.object(object).text(.canonical).utf8)).prefix(32))
  }

  /// What to say where the table has the feeds already. Asked while they are read: without waiting, nil too while it is
  /// not known what they hold.
  func reportIfIngested(waits: Bool) throws -> IngestReport? {
    guard settings.mode != .statefulMerge, !isCheckedForRepeat, !request.reingest, !request.dryRun, let base else {
      return nil
    }
    if !waits, try files.contains(where: { try $0.digestIfDone() == nil }) { return nil }
    isCheckedForRepeat = true
    let sources = try sources()
    guard
      let version = try RepeatedFeed(table: table, base: base, request: request, settings: settings)
        .version(holding: sources)
    else { return nil }
    try table.sync()
    return unchanged(in: version, head: base.version, sources)
  }

  func unchanged(in version: Int64, head: Int64, _ sources: [FeedSource]) -> IngestReport {
    let later = head - version
    let since = later == 0 ? "" : "; \(later) later version\(later == 1 ? "" : "s") changed the table"
    for remark in duplicates(sources, upTo: version) { note(remark) }
    note("already in version \(version)\(since); `--reingest` applies it again")
    return report(.unchanged, version: version, RowCounts(), (try? id(sources)) ?? "")
  }

  /// Says of each feed whose content was appended before, read in another way, how that was: its rows may come twice.
  func noteOtherReadings(_ sources: [FeedSource]) {
    guard settings.mode == .append, replayed == nil, !request.reingest, let base else { return }
    func way(_ source: FeedSource) -> String { source.selector.isEmpty ? "as detected" : "with \(source.selector)" }
    for source in sources {
      guard let earlier = try? table.log.ingestedOtherwise(source, upTo: base.version) else { continue }
      let difference =
        way(earlier.source) == way(source)
        ? "under another schema file" : "\(way(earlier.source)), and now \(way(source))"
      note(
        "\"\(source.name)\" has the content of version \(earlier.version), read \(difference); "
          + "rows that both take are doubled")
    }
  }

  /// Says of each feed whose content came under another name what that name was.
  private func duplicates(_ sources: [FeedSource], upTo version: Int64) -> [String] {
    sources.compactMap { source in
      guard let record = try? table.log.ingested(source, upTo: version),
        let earlier = record.bookkeeping?.sources.first(where: { $0.isSameFeed(as: source) }),
        earlier.name != source.name
      else { return nil }
      return "\"\(source.name)\" has the content of \"\(earlier.name)\", which is version \(record.version)"
    }
  }
}
