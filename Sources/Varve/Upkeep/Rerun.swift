internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// A table whose versions were made again, each on the very version before it, and compared with what there is.
public struct Rerun: Sendable {
  /// How what was made again compares with what there is.
  public enum Outcome: String, Sendable {
    /// Manifests and Parquet files came out the same to the byte.
    case same
    case different
    /// It could not be made again: a feed was not kept or has changed, or the version was not made from a feed.
    case notRerun = "not_rerun"
  }

  /// One version, compared.
  public struct Version: Sendable {
    /// The version's number.
    public var number: Int
    /// How it ended.
    public var outcome: Outcome
    /// How it differs, file by file, or why it could not be made again.
    public var reasons: [String]
  }

  /// The table's name.
  public var table: String
  /// In order.
  public var versions: [Version] = []

  /// How many versions compared so.
  public func count(_ outcome: Outcome) -> Int { versions.count { $0.outcome == outcome } }
}

extension Warehouse {
  /// Ingests the feeds of a table's versions again, aside, in a scratch warehouse in TMPDIR, and compares what comes out
  /// with what is there. Of all tables where none is named. Writes nothing into this warehouse.
  ///
  /// Varve keeps no copies of feeds: they are looked for by their content where they were when they were ingested, as far
  /// as the ledger knows, in the warehouse's inbox, and below `directories`.
  public func rerun(_ table: String? = nil, feedsIn directories: [String] = []) throws -> [Rerun] {
    guard let lake = try lake() else { return [] }
    let inbox = Layout.join(path, Layout.inbox)
    let isInbox = try Storage.open(inbox) != nil
    let feeds = KeptFeeds(
      directories + (isInbox ? [inbox] : []), ledger: try? Ledger.openToRead(lake.storage))
    let names = try table.map { [$0] } ?? lake.tableNames()
    return try names.map { name in
      let scratch = try ScratchTable.makeWarehouse(random: surroundings.random)
      defer { try? ScratchTable.remove(scratch) }
      if let settings = try lake.storage.read(Layout.settings) { try scratch.storage.write(Layout.settings, settings) }
      let aside = Warehouse(at: scratch.storage.path, surroundings: surroundings, threads: threads)
      return try Rerunning(try self.table(name), scratch, aside, feeds).run()
    }
  }
}

/// One table's versions, made again one after the other.
private final class Rerunning {
  private let table: Table
  private let scratch: VarveLake.Warehouse
  private let aside: Warehouse
  private let feeds: KeptFeeds
  private let copy: ScratchTable
  private var schemaCount = 0

  init(_ table: Table, _ scratch: VarveLake.Warehouse, _ aside: Warehouse, _ feeds: KeptFeeds) {
    self.table = table
    self.scratch = scratch
    self.aside = aside
    self.feeds = feeds
    copy = ScratchTable(of: table, in: scratch)
  }

  /// Why a version cannot be made again.
  private struct NotRerun: Error {
    var reasons: [String]
    init(_ reasons: String...) { self.reasons = reasons }
    init(all reasons: [String]) { self.reasons = reasons }
  }

  func run() throws -> Rerun {
    var rerun = Rerun(table: table.name)
    guard let head = try table.head() else { return rerun }
    for version in 0...head {
      try aside.surroundings.checkInterrupted()
      guard let entry = try table.log.entry(version), entry.bookkeeping?.awaitsFirstFeed != true else { continue }
      if version == 0, entry.adds.isEmpty { continue }
      let (outcome, reasons) = try remake(entry)
      rerun.versions.append(.init(number: Int(version), outcome: outcome, reasons: reasons))
    }
    return rerun
  }

  private func remake(_ entry: LogEntry) throws -> (Rerun.Outcome, [String]) {
    do {
      let act = try act(entry)
      // A table is made together with its first version.
      let isFirst = try entry.version == 1 && table.log.entry(0)?.bookkeeping?.awaitsFirstFeed == true
      try copy.stand(before: isFirst ? 0 : entry.version)
      try act()
      let differences = try copy.differences(at: entry.version)
      if differences.isEmpty {
        try copy.accept(entry.version)
        return (.same, [])
      }
      try copy.reject()
      return (.different, differences)
    } catch let reason as NotRerun {
      return (.notRerun, reason.reasons)
    } catch let problem as Problem where problem.kind != .interrupted {
      try copy.reject()
      return (problem.kind == .damaged ? .notRerun : .different, ["\(problem)"])
    }
  }

  /// What makes the version again. Nothing is done before it is called.
  private func act(_ entry: LogEntry) throws -> () throws -> Void {
    guard let bookkeeping = entry.bookkeeping else { throw NotRerun("another engine made it") }
    let partitions = (bookkeeping.details["partitions"]?.array ?? []).map { partition in
      Dictionary(uniqueKeysWithValues: (partition.object?.members ?? []).map { ($0.key, $0.value.string) })
    }
    let (name, id) = (table.name, bookkeeping.ingestion)
    switch bookkeeping.mode {
    case "truncate": return { _ = try self.aside.truncate(name, partitions, called: id) }
    case "compact":
      guard let targetBytes = bookkeeping.details["target_bytes"]?.int else {
        throw NotRerun("it does not say how large its files were to become")
      }
      return { _ = try self.aside.compact(name, partitions, targetBytes: targetBytes, called: id) }
    case "restore":
      guard let restored = bookkeeping.details["restored"]?.int64 else {
        throw NotRerun("it does not say what it restored")
      }
      return { _ = try self.aside.restore("\(name)@\(restored)", called: id) }
    default: break
    }
    guard !bookkeeping.sources.isEmpty, bookkeeping.details["reapplied_from"] == nil else {
      throw NotRerun("it was made without a feed (\(bookkeeping.mode))")
    }
    guard let kept = bookkeeping.details["request"] else { throw NotRerun("how its feed was read is not recorded") }
    if let step = bookkeeping.details["decision"], step["step"] != 0,
      try table.log.entry(entry.version - 1)?.bookkeeping?.mode == Bookkeeping.alterMode
    {
      throw NotRerun("it was decided together with an alteration of the columns")
    }
    let paths = try paths(of: bookkeeping.sources)
    guard
      var request = try IngestRequest(
        lasting: kept, table: name, paths: paths,
        schemaPath: { schema in
          self.schemaCount += 1
          let file = "schema-\(self.schemaCount).json"
          try self.scratch.storage.write(file, schema.bytes())
          return Layout.join(self.scratch.storage.path, file)
        })
    else { throw NotRerun("it was made by a closure of a program, or by a newer Varve") }
    request.ingestionID = id
    (request.isImmutable, request.immutableDays) = (false, nil)
    // Later executions are versions of their own; what lies between is as it was.
    (request.cascades, request.publishesIncomplete) = (false, true)
    (request.discardsInterposed, request.reappliesInterposed) = (true, false)
    return { [request] in _ = try self.aside.ingest(request) }
  }

  private func paths(of sources: [FeedSource]) throws -> [String] {
    var paths: [String] = []
    var reasons: [String] = []
    for source in sources {
      let digest = source.sha256.prefix(12)
      switch try feeds.find(source) {
      case .file(let path): paths.append(path)
      case .changed(let path):
        reasons.append("\(source.name) (SHA-256 \(digest)…) was not kept: \(path) holds other bytes now")
      case .gone:
        reasons.append(
          "\(source.name) (SHA-256 \(digest)…) was not kept: it lies neither where it was nor where was looked")
      }
    }
    guard reasons.isEmpty else { throw NotRerun(all: reasons) }
    return paths
  }
}
