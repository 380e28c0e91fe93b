internal import VarveJSON
internal import VarveTables

/// What every writer does first, under the lock: it puts right what a dead one left (WarehouseFormat.md, "A commit, step by step").
struct Recovery {
  let table: Table
  let clock: WallClock
  private var storage: Storage { table.storage }
  private var log: DeltaLog { table.log }

  func run() throws {
    if let id = try table.decisionUnderWay() {
      throw Problem(
        .refused, at: [table.name], "the transaction \(id) is decided, and not carried out yet", advice: "try again")
    }
    try sweepLoneCreation()
    try sweepStaging()
    try rollProxyForward()
    try SymlinkManifests(table).settle()
  }

  /// A version 0 of ours whose first feed never came: the table does not exist yet.
  private func sweepLoneCreation() throws {
    guard try storage.exists(Layout.logEntry(0)), try !storage.exists(Layout.logEntry(1)),
      try storage.exists(Layout.checkpoint(0)) == false, let entry = try log.entry(0),
      entry.bookkeeping?.awaitsFirstFeed == true
    else { return }
    // A stranger may be appending to it in this very moment: put aside, look again, and put back if so.
    let aside = "\(Layout.staging)/\(entry.sha256)"
    try storage.makeDirectories(Layout.staging)
    try storage.removeTree(aside)
    guard try storage.rename(Layout.logEntry(0), to: aside) else { return }
    if try storage.exists(Layout.logEntry(1)) {
      _ = try storage.rename(aside, to: Layout.logEntry(0))
    } else {
      try storage.removeIfPresent(aside)
      try storage.removeIfPresent(Layout.proxy)
    }
    try storage.sync(Layout.log)
  }

  /// Staging directories without owner, and the data that their owners placed but never recorded.
  private func sweepStaging() throws {
    for name in try storage.list(Layout.staging) {
      let path = Layout.staging(name)
      guard try storage.status(path)?.isDirectory == true else {
        try sweepAside(path)
        continue
      }
      guard let lock = try storage.lock(path, isDirectory: true, waits: false) else { continue }
      defer { withExtendedLifetime(lock) {} }
      if try belongsToDecision(path) { continue }
      for draft in try storage.list(path) {
        guard let version = Layout.version(ofLogName: draft) else { continue }
        try sweepPlaced(version, draft: Layout.join(path, draft))
      }
      try sweepQuarantine(of: name)
      try storage.removeTree(path)
    }
  }

  /// Whether what is staged was decided about, and so is to be carried out and not swept.
  private func belongsToDecision(_ path: String) throws -> Bool {
    guard let mark = try storage.read(Layout.join(path, Layout.decisionMark)) else { return false }
    let id = String(decoding: mark, as: UTF8.self)
    guard let warehouse = try table.warehouse() else { return false }
    return try warehouse.decision(id) != nil && !warehouse.isCarriedOut(id)
  }

  /// A version 0 that a dead writer had put aside.
  private func sweepAside(_ path: String) throws {
    if try storage.exists(Layout.logEntry(1)), try !storage.exists(Layout.logEntry(0)),
      try storage.rename(path, to: Layout.logEntry(0))
    {
      try storage.sync(Layout.log)
    } else {
      try storage.removeIfPresent(path)
    }
  }

  /// What a writer laid aside that never came to record it. Whether it did, only the log tells: it may have died when it
  /// had removed a part of its staging, or others may have carried out its decision. Where an entry cannot be read, the
  /// rows stay.
  private func sweepQuarantine(of transaction: String) throws {
    var unnamed = Set(
      try storage.list(Layout.quarantine).filter { $0.hasSuffix("-\(transaction).ndjson") }
        .map { Layout.join(Layout.quarantine, $0) })
    guard !unnamed.isEmpty else { return }
    for version in (0..<(try log.head().map { $0 + 1 } ?? 0)).reversed() where !unnamed.isEmpty {
      guard let entry = try? log.entry(version) else { return }
      if let path = entry.bookkeeping?.details["quarantine"]?["path"]?.string { unnamed.remove(path) }
    }
    for path in unnamed { try storage.removeIfPresent(path) }
  }

  /// Removes the directories of that version that the draft was to record, unless the log names them.
  private func sweepPlaced(_ version: Int64, draft: String) throws {
    // A draft that was cut off was never synced, so nothing was placed for it.
    guard let bytes = try storage.read(draft),
      let entry = try? LogEntry(version: version, bytes: bytes, modificationTime: 0, place: [table.name])
    else { return }
    let recorded = try log.entry(version)?.sha256
    guard recorded != entry.sha256 else { return }
    let kept = Set(try log.entry(version).map(Recovery.directories)?.map(ExactText.init) ?? [])
    for directory in Recovery.directories(entry) where !kept.contains(ExactText(directory)) {
      guard Layout.version(ofDirectoryName: Layout.name(directory)) == version else { continue }
      try storage.removeTree(directory)
      var parent = Layout.parent(directory)
      while !parent.isEmpty {
        try storage.removeEmptyDirectory(parent)
        parent = Layout.parent(parent)
      }
    }
  }

  /// The directories that an entry of ours placed.
  static func directories(_ entry: LogEntry) -> [String] {
    (entry.bookkeeping?.manifests ?? []).map { Layout.parent($0.path) }.filter(LogPath.isSafe)
  }

  /// Brings a proxy that follows the log up to it, and no further than each commit says.
  func rollProxyForward() throws {
    var proxy = try Proxy.read(storage)
    guard let head = try log.head(hint: proxy?.version) else { return }
    if let held = proxy, held.mode == .held, let version = held.heldFor,
      try log.entry(version)?.bookkeeping?.publishes ?? true
    {
      // The commit that it was held for never came.
      var following = held
      (following.mode, following.heldFor) = (.follow, nil)
      try following.publish(
        storage, timestamp: clock.milliseconds(), reason: "version \(version) was never recorded")
      proxy = try Proxy.read(storage)
    }
    // Some other writer made that head, and may have died before it was durable, and before it told the proxy.
    if proxy.map({ $0.newest?.version ?? $0.version }) != head { try table.sync() }
    guard proxy == nil || (proxy!.mode == .follow && proxy!.version < head) else { return }
    let snapshot = try log.snapshot(at: head)
    guard proxy?.table ?? snapshot.metadata.id == snapshot.metadata.id else {
      throw Problem(
        .damaged, at: [table.name, Layout.proxy], "belongs to another table", advice: "run varve repair")
    }
    var next = Proxy(
      table: snapshot.metadata.id, mode: .follow, version: head, entrySHA256: snapshot.entrySHA256,
      index: ManifestIndex(), ordinal: proxy?.ordinal ?? 0)
    for number in ((proxy?.version ?? -1) + 1)...head {
      if number > 0, try log.entry(number)?.bookkeeping?.publishes == false {
        (next.mode, next.version, next.heldFor) = (.held, number - 1, number)
        next.entrySHA256 = try log.entry(existing: number - 1).sha256
        break
      }
    }
    next.index = try log.manifestIndex(at: next.version)
    try next.write(storage, isDurable: next.mode == .held)
  }
}
