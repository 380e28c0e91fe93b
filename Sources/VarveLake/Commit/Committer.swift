internal import VarveJSON
package import VarveTables

/// The one way to make data visible (WarehouseFormat.md, "A commit, step by step").
///
/// | step | effect | a crash right after leaves |
/// | --- | --- | --- |
/// | lock | `flock` on `_varve/lock` | nothing |
/// | check | the head moved: re-base, or plan anew if what was read was touched; the same feed? | staging |
/// | seal | manifests and the entry's draft written and synced in staging | staging |
/// | place | staged directories renamed to `v<N>/`, every new parent synced | directories that no entry names |
/// | record | the draft linked into the log: **this is the commit**; the log's directory synced | proxy a version behind |
/// | publish | an immutable table's directories made read-only; shards and proxy replaced; sometimes a checkpoint | – |
///
/// What a dead writer left is put right at the beginning of the next commit (`Recovery`).
package struct Committer: Sendable {
  package var clock: WallClock
  package var random: RandomSource
  /// `commitInfo.engineInfo`.
  package var writer: String
  /// Called under the lock, after placing and before recording a version: where a rehearsal lets a stranger in.
  package var willRecord: @Sendable (Int64) throws -> Void = { _ in }

  /// Plans anew outside the lock this often, then once under it.
  package static let replansOutsideLockMax = 2
  /// Strangers may take this many versions from under a commit.
  package static let attemptsMax = 20

  package init(clock: WallClock = .system, random: RandomSource = .system, writer: String = "Varve") {
    self.clock = clock
    self.random = random
    self.writer = writer
  }

  /// Commits one table's change. What is staged is gone afterwards, unless the outcome is unknown.
  ///
  /// Throws `Overtaken` where the change cannot go onto what others committed and does not say how to plan it anew; then
  /// what is staged stays. `turn` is the table's lock, where the caller has it.
  package func commit(_ commit: Commit, turn: FileLock? = nil) throws -> CommitOutcome {
    do {
      return try attempt(commit, turn)
    } catch let overtaken as Overtaken {
      throw overtaken
    } catch {
      // What cannot be removed now is swept by the next writer. Of an unknown outcome nothing is removed.
      if !commit.table.isInDoubt { try? commit.staging.abandon() }
      throw error
    }
  }

  private func attempt(_ commit: Commit, _ turn: FileLock?) throws -> CommitOutcome {
    var commit = commit
    var replans = 0
    for _ in 0..<Committer.attemptsMax {
      switch try attemptUnderLock(&commit, turn, replans: replans) {
      case .done(let outcome): return outcome
      case .taken: continue
      case .stale(let head):
        guard let change = try commit.replan?(head) else { return try unchanged(commit, head) }
        (commit.change, commit.base) = (change, head)
        replans += 1
      }
    }
    throw Committer.isOutrun([commit.table.name])
  }

  package static func isOutrun(_ tables: [String]) -> Problem {
    Problem(
      .refused, at: tables, "other writers were faster \(attemptsMax) times",
      advice: "try again when they are done")
  }

  private enum Attempt {
    case done(CommitOutcome)
    /// A stranger recorded the version first.
    case taken
    /// What was read has changed up to this snapshot; the lock is free again.
    case stale(Snapshot)
  }

  private func attemptUnderLock(_ commit: inout Commit, _ turn: FileLock?, replans: Int) throws -> Attempt {
    let table = commit.table
    let lock = try turn ?? table.lock()
    defer { withExtendedLifetime(lock) {} }
    try Recovery(table: table, clock: clock).run()
    let head = try head(commit)
    if let version = try repeated(commit, head) {
      try commit.staging.abandon()
      return .done(.alreadyIngested(version: version))
    }
    if let collision = try collision(commit, head) {
      guard let replan = commit.replan else { throw Overtaken(table: table.name, by: collision) }
      if replans < Committer.replansOutsideLockMax { return .stale(head) }
      guard let change = try replan(head) else { return .done(try unchanged(commit, head)) }
      commit.change = change
    }
    commit.base = head
    return try record(commit, on: head).map { .done(.committed($0)) } ?? .taken
  }

  private func unchanged(_ commit: Commit, _ head: Snapshot) throws -> CommitOutcome {
    try commit.staging.abandon()
    return .unchanged(version: head.version)
  }

  // MARK: Check

  /// The head, under the lock. Makes version 0 where there is no table and the commit says what it is to be.
  private func head(_ commit: Commit) throws -> Snapshot {
    let log = commit.table.log
    if let head = try log.head(hint: commit.base?.version) { return try log.snapshot(at: head, known: commit.base) }
    guard let creation = commit.creation else {
      throw Problem(.refused, at: [commit.table.name], "the table is gone", advice: "see varve tables")
    }
    return try create(commit, creation)
  }

  func create(_ commit: Commit, _ metadata: TableMetadata) throws -> Snapshot {
    let storage = commit.table.storage
    var bookkeeping = commit.bookkeeping
    bookkeeping.awaitsFirstFeed = true
    bookkeeping.rows = RowCounts()
    bookkeeping.sources = []
    bookkeeping.idempotencyKey = nil
    bookkeeping.details = [:]
    bookkeeping.operation = .createTable
    let info = CommitInfo(bookkeeping, timestamp: clock.milliseconds(), writer: writer, readVersion: nil)
    let bytes = LogEntry.bytes([.commitInfo(info.json), .protocol(.own(of: metadata)), .metadata(metadata)])
    try storage.makeDirectories(Layout.log)
    for directory in [Layout.bookkeeping, ""] { try storage.sync(directory) }
    let draft = Layout.logEntryDraft(commit.staging.transaction, 0)
    try storage.removeIfPresent(draft)
    try storage.write(draft, bytes, isSealed: true, modificationMilliseconds: info.timestamp)
    // A stranger may have made a table here meanwhile; then the next look at the head sees it.
    if try storage.link(draft, as: Layout.logEntry(0)) { try storage.sync(Layout.log) }
    return try commit.table.log.snapshot(at: 0)
  }

  /// The version that holds the same feed or key already, of those that the commit's planner has not seen.
  private func repeated(_ commit: Commit, _ head: Snapshot) throws -> Int64? {
    let floor = commit.base?.version ?? -1
    guard commit.refusesRepeat, head.version > floor else { return nil }
    let log = commit.table.log
    if let key = commit.bookkeeping.idempotencyKey,
      let record = try log.committed(key: key, upTo: head.version, after: floor)
    {
      return record.version
    }
    guard !commit.bookkeeping.sources.isEmpty else { return nil }
    var newest: Int64 = -1
    for source in commit.bookkeeping.sources {
      guard let record = try log.ingested(source, upTo: head.version, after: floor) else { return nil }
      newest = max(newest, record.version)
    }
    return newest
  }

  private func collision(_ commit: Commit, _ head: Snapshot) throws -> String? {
    guard let base = commit.base else {
      return head.version == 0 && head.metadata.id == commit.creation?.id ? nil : "somebody else made the table"
    }
    guard head.version > base.version else { return nil }
    let entries = try ((base.version + 1)...head.version).map { try commit.table.log.entry(existing: $0) }
    return try Conflict.find(commit, base: base, head: head, entries: entries)
  }

  // MARK: Record

  /// Seals, places and records the version after `head`. Nil where a stranger recorded it first; then nothing is left
  /// in its place.
  func record(_ commit: Commit, on head: Snapshot) throws -> Committed? {
    let table = commit.table
    let storage = table.storage
    let versions = VersionSealing(table: table)
    if head.metadata.immutability != nil { try versions.sealNewest(head.version) }
    let sealed = try Sealing(commit: commit, head: head, clock: clock, writer: writer).seal()
    var placement = Placement(storage: storage, version: sealed.version)
    do {
      try placement.place(sealed.directories)
      if !commit.bookkeeping.publishes { try hold(at: head, sealed) }
      if sealed.metadata.immutability != nil, head.metadata.immutability == nil, head.version > 0 {
        try versions.sealAll(but: sealed.version)
      }
      if sealed.metadata.listsSymlinks { try SymlinkManifests(table).announce() }
      try willRecord(sealed.version)
      guard try storage.link(sealed.draft, as: Layout.logEntry(sealed.version)) else {
        try placement.takeBack()
        return nil
      }
    } catch {
      guard (try? table.log.entry(sealed.version))??.sha256 != sealed.entry.sha256 else { throw unknownOutcome(table) }
      try? placement.takeBack()
      throw error
    }
    do {
      try storage.sync(Layout.log)
    } catch {
      throw unknownOutcome(table)
    }
    return Committed(
      version: sealed.version, timestamp: sealed.entry.timestamp, entrySHA256: sealed.entry.sha256,
      rows: commit.change.rows, remarks: afterRecord(commit, head, sealed))
  }

  /// The entry is visible, and whether it is durable is not known: nothing is removed, and this process writes no more.
  private func unknownOutcome(_ table: Table) -> Problem {
    table.doubt()
    return Problem(
      .failed, at: [table.name], "the disk failed in the moment of the commit, and whether it counts is not known",
      advice: "mend the disk, start again and look at the history")
  }

  /// Readers stay at `head` while the version is checked.
  private func hold(at head: Snapshot, _ sealed: Sealed) throws {
    let proxy = try Proxy.read(head.storage)
    guard proxy?.mode ?? .follow == .follow else { return }
    let held = Proxy(
      table: head.metadata.id, mode: .held, version: head.version, entrySHA256: head.entrySHA256,
      index: sealed.baseIndex, ordinal: proxy?.ordinal ?? 0, heldFor: sealed.version)
    try held.publish(
      head.storage, timestamp: sealed.entry.timestamp, reason: "version \(sealed.version) is not published yet")
  }

  /// What follows a commit that stands. A failure here is a remark; the next writer does it.
  private func afterRecord(_ commit: Commit, _ head: Snapshot, _ sealed: Sealed) -> [Problem] {
    var remarks: [Problem] = []
    func attempt(_ step: () throws -> Void) {
      do {
        try step()
      } catch let problem as Problem {
        remarks.append(problem)
      } catch {
        remarks.append(Problem(.failed, at: [commit.table.name], "\(error)"))
      }
    }
    let storage = commit.table.storage
    var index = sealed.baseIndex
    if sealed.metadata.immutability != nil {
      attempt { try VersionSealing(table: commit.table).seal(sealed.entry) }
    }
    attempt {
      try index.update(ManifestChanges.of(sealed.entry, partitionColumns: head.partitionColumns), storage)
      let proxy = try Proxy.read(storage)
      guard commit.bookkeeping.publishes, proxy?.mode ?? .follow == .follow else {
        if var proxy {
          proxy.newest = .init(version: sealed.version, entrySHA256: sealed.entry.sha256)
          try proxy.write(storage)
        }
        return
      }
      try Proxy(
        table: head.metadata.id, mode: .follow, version: sealed.version, entrySHA256: sealed.entry.sha256, index: index,
        ordinal: proxy?.ordinal ?? 0
      ).write(storage)
    }
    attempt {
      var replay = SnapshotReplay(head)
      try replay.apply(sealed.entry)
      let snapshot = try replay.finish(sealed.entry, storage: storage, place: [commit.table.name])
      commit.table.remember(snapshot)
      if try commit.table.log.isCheckpointDue(snapshot) {
        try commit.table.log.writeCheckpoint(snapshot, index: index, transaction: commit.staging.transaction)
      }
    }
    attempt { try SymlinkManifests(commit.table).settle() }
    if !commit.keepsStaging { attempt { try commit.staging.abandon() } }
    return remarks
  }
}
