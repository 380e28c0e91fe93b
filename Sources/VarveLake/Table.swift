internal import Synchronization
internal import VarveJSON
internal import VarveTables

/// A table: a directory whose log says which files each version consists of.
///
/// Reading writes nothing and waits for no writer, so a table that was copied elsewhere or lies on read-only media opens like
/// any other. There is one way to make data visible: a `Committer` records a `Commit`.
///
/// - What versions there are: `DeltaLog` (entries, checkpoints), summed up in a `Snapshot`.
/// - What readers are shown: `Proxy`.
/// - What was done when, and from which feed: `HistoryRecord`.
/// - Where files wait to be committed: `StagingArea`.
package final class Table: Sendable {
  package let name: String
  package let storage: Storage
  package let log: DeltaLog
  /// The last snapshot of the head, to start the next from.
  private let known = Mutex<Snapshot?>(nil)
  /// Set when a sync failed after a commit became visible: what is on disk is not known, and this process writes no more.
  private let isDoubtful = Atomic<Bool>(false)

  package init(name: String, storage: Storage) {
    self.name = name
    self.storage = storage
    log = DeltaLog(storage: storage, place: [name])
  }

  /// The table in that directory, wherever it lies; nil where there is none.
  package static func open(_ path: String) throws -> Table? {
    guard let storage = try Storage.open(path) else { return nil }
    let table = Table(name: Layout.name(path), storage: storage)
    return try table.head() == nil ? nil : table
  }

  /// Which version of a table is meant.
  package enum Selector: Hashable, Sendable {
    /// What the proxy shows.
    case published
    /// The newest, published or not.
    case head
    /// The newest, published or not, before what a decision that is being carried out has recorded so far: what to plan on.
    case settled
    case version(Int64)
    /// The newest at or before that time, in milliseconds since 1970.
    case time(Int64)
    /// The newest that an ingestion of that execution made.
    case execution(String)
    /// The version that the name was given to.
    case tag(String)
  }

  /// The newest version, or nil where there is no table yet: also while its first feed is not committed.
  package func head() throws -> Int64? {
    let hint = known.withLock { $0?.version } ?? (try? Proxy.read(storage))?.version
    guard let head = try log.head(hint: hint) else { return nil }
    return try started(head)
  }

  /// The newest version that is no part of a decision that is being carried out; nil where there is none.
  package func settledVersion() throws -> Int64? { try head().flatMap(settledVersion) }

  private func settledVersion(head: Int64) throws -> Int64? { try started(shown(head)) }

  /// Nil of a version 0 that waits for its first feed, and of none.
  private func started(_ version: Int64) throws -> Int64? {
    if version < 0 { return nil }
    if version == 0, try log.entry(0)?.bookkeeping?.awaitsFirstFeed == true { return nil }
    return version
  }

  /// The version that readers are shown, or nil where they are shown none yet.
  package func publishedVersion() throws -> Int64? {
    guard let head = try head() else { return nil }
    return try publishedVersion(head: head)
  }

  package func snapshot(at selector: Selector = .published) throws -> Snapshot {
    guard let head = try head(), let version = try version(selector, head: head) else { throw unknown() }
    guard version == head else { return try log.snapshot(at: version) }
    let snapshot = try log.snapshot(at: head, known: known.withLock { $0 })
    known.withLock { $0 = snapshot }
    return snapshot
  }

  private func version(_ selector: Selector, head: Int64) throws -> Int64? {
    switch selector {
    case .head: return head
    case .settled: return try settledVersion(head: head)
    case .published: return try publishedVersion(head: head)
    case .version(let version):
      guard (0...head).contains(version) else {
        throw Problem(.failed, at: [name], "there is no version \(version)", advice: "the newest is \(head)")
      }
      return version
    case .tag(let tag): return try version(ofTag: tag)
    case .time(let milliseconds):
      guard let version = try log.version(atOrBefore: milliseconds, upTo: head) else {
        let time = Value.timestamp(milliseconds &* 1000).text ?? ""
        throw Problem(.failed, at: [name], "is younger than \(time)", advice: "see varve history \(name)")
      }
      return version
    case .execution(let execution):
      let record = try log.newest(upTo: head, holding: execution) { record in
        record.bookkeeping?.execution.map { ExactText($0) == ExactText(execution) } ?? false
      }
      guard let record else {
        throw Problem(
          .failed, at: [name], "no version was made by the execution \(execution)",
          advice: "see varve executions \(name)")
      }
      return record.version
    }
  }

  /// What the proxy shows, and no part of a decision that is not carried out to its end.
  private func publishedVersion(head: Int64) throws -> Int64? {
    try started(shown(proxyVersion(head: head)))
  }

  private func proxyVersion(head: Int64) throws -> Int64 {
    guard let proxy = try Proxy.read(storage), proxy.mode != .follow else { return head }
    guard proxy.version <= head, try log.entry(proxy.version)?.sha256 == proxy.entrySHA256 else {
      throw Problem(
        .damaged, at: [name, Layout.proxy], "shows a version \(proxy.version) that is not the one in the log",
        advice: "run varve repair")
    }
    return proxy.version
  }

  /// All versions, newest first, without reading data.
  package func history(limit: Int? = nil) throws -> [HistoryRecord] {
    guard let head = try head() else { throw unknown() }
    return try log.history(upTo: head, limit: limit)
  }

  /// The newest version that ingested this feed, or nil.
  package func ingested(_ source: FeedSource) throws -> HistoryRecord? {
    guard let head = try head() else { return nil }
    return try log.ingested(source, upTo: head)
  }

  private func unknown() -> Problem {
    Problem(.failed, "there is no table \"\(name)\"", advice: "see varve tables for those there are")
  }

  // MARK: Writing

  /// Makes the directories of a table's bookkeeping, so that files can be staged.
  package func prepare() throws {
    try storage.checkOwner()
    try storage.makeDirectories(Layout.staging)
  }

  /// Makes the newest version last. Another process may have recorded it, and died before its name in the log was durable:
  /// so before anybody is told that it is there already.
  /// With it lasts the end of a decision, before which readers are not shown it.
  package func sync() throws {
    try storage.sync(Layout.log)
    guard let warehouse = try warehouse(), try warehouse.storage.exists(Layout.pendingTransactions) else { return }
    try warehouse.storage.sync(Layout.pendingTransactions)
  }

  /// The table's lock, which its writers hold one after the other.
  package func lock() throws -> FileLock {
    guard !isInDoubt else {
      throw Problem(
        .failed, at: [name], "an earlier commit's outcome is unknown, and this process writes no more",
        advice: "start again; what was committed will be found")
    }
    while true {
      try storage.makeDirectories(Layout.bookkeeping)
      guard let lock = try storage.lock(Layout.lock, waits: true), lock.isLinked else { continue }
      // Whoever dropped the table held the lock; what is written now would go to the trash.
      guard try storage.isInPlace() else {
        throw Problem(.refused, at: [name], "was dropped or moved meanwhile", advice: "see varve tables")
      }
      return lock
    }
  }

  package var isInDoubt: Bool { isDoubtful.load(ordering: .sequentiallyConsistent) }

  func doubt() { isDoubtful.store(true, ordering: .sequentiallyConsistent) }

  func remember(_ snapshot: Snapshot) { known.withLock { $0 = snapshot } }

  /// Takes away what `prepare` made, where nothing was committed: no log and nothing in staging.
  package func discardIfUnused() throws {
    guard try head() == nil else { return }
    let lock = try lock()
    defer { withExtendedLifetime(lock) {} }
    try Recovery(table: self, clock: .system).run()
    guard try log.head() == nil else { return }
    for directory in [Layout.staging, Layout.log] { try storage.removeEmptyDirectory(directory) }
    guard try !storage.exists(Layout.staging), try !storage.exists(Layout.log) else { return }
    try storage.removeIfPresent(Layout.lock)
    try storage.removeEmptyDirectory(Layout.bookkeeping)
  }
}
