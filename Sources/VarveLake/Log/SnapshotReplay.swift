internal import VarveTables

extension DeltaLog {
  /// The table at that version, from the newest checkpoint at or before it and the entries after that.
  ///
  /// `known`: an older snapshot of the same table, to start from where it is newer than the checkpoint.
  package func snapshot(at version: Int64, known: Snapshot? = nil) throws -> Snapshot {
    var replay: SnapshotReplay
    // The table may have been dropped and made anew since.
    if let known, known.version <= version, try entry(known.version)?.sha256 == known.entrySHA256 {
      if known.version == version { return known }
      replay = SnapshotReplay(known)
    } else if let checkpoint = try checkpoint(atOrBefore: version) {
      let read = try readCheckpoint(checkpoint)
      replay = try SnapshotReplay(checkpoint: read.actions, files: read.files, rowCount: read.rowCount)
      replay.version = checkpoint.version
    } else {
      replay = SnapshotReplay()
    }
    var last: LogEntry?
    if replay.version < version {
      for number in (replay.version + 1)...version {
        let entry = try entry(existing: number)
        if let last { try check(last, before: entry) }
        try replay.apply(entry)
        last = entry
      }
    }
    let newest = try last ?? entry(existing: version)
    try checkShown(newest)
    return try replay.finish(newest, storage: storage, place: place)
  }
}

/// The sum of log actions: the last of each kind counts.
struct SnapshotReplay {
  var version: Int64 = -1
  private var tableProtocol: TableProtocol?
  private var metadata: TableMetadata?
  private var transactions: [String: TransactionAction] = [:]
  /// Live files before the entries that are applied here, and what these entries did to them.
  private var base = LiveEntries.Base([])
  private var added: [FileKey: (ordinal: Int, add: AddAction)] = [:]
  private var addedCount = 0
  private var touched = Set<FileKey>()
  /// Actions on files that the newest checkpoint does not hold, one at least per version, and rows that it does.
  private var actionsSinceCheckpoint = 0
  private var checkpointRows = 0

  init() {}

  init(_ snapshot: Snapshot) {
    version = snapshot.version
    tableProtocol = snapshot.tableProtocol
    metadata = snapshot.metadata
    transactions = snapshot.transactions
    base = snapshot.live.base
    touched = snapshot.live.touched
    for add in snapshot.live.added {
      added[add.key] = (addedCount, add)
      addedCount += 1
    }
    actionsSinceCheckpoint = snapshot.actionsSinceCheckpoint
    checkpointRows = snapshot.checkpointRows
  }

  /// From the actions of a checkpoint, in which every file is live.
  init(checkpoint actions: [Action], files: LiveEntries.Base, rowCount: Int) throws {
    checkpointRows = rowCount
    base = files
    for action in actions { try apply(action) }
  }

  mutating func apply(_ entry: LogEntry) throws {
    for action in entry.actions { try apply(action) }
    actionsSinceCheckpoint += max(1, entry.actions.count { $0.isOnFile })
    version = entry.version
  }

  private mutating func apply(_ action: Action) throws {
    switch action {
    case .protocol(let action): tableProtocol = action
    case .metadata(let action): metadata = action
    case .transaction(let action): transactions[action.appID] = action
    case .add(let add):
      touched.insert(add.key)
      added[add.key] = (addedCount, add)
      addedCount += 1
    case .remove(let remove):
      touched.insert(remove.key)
      added[remove.key] = nil
    case .commitInfo, .other: break
    }
  }

  func finish(_ entry: LogEntry, storage: Storage, place: [String]) throws -> Snapshot {
    guard let tableProtocol, let metadata else {
      throw Problem(.damaged, at: place, "the log has no protocol or no metaData up to version \(entry.version)")
    }
    try tableProtocol.checkReadable(place)
    let added = added.values.sorted { $0.ordinal < $1.ordinal }.map(\.add)
    return Snapshot(
      version: entry.version, timestamp: entry.timestamp, entryModificationTime: entry.modificationTime,
      entrySHA256: entry.sha256, tableProtocol: tableProtocol,
      metadata: metadata, live: LiveEntries(base: base, touched: touched, added: added), transactions: transactions,
      actionsSinceCheckpoint: actionsSinceCheckpoint,
      checkpointRows: checkpointRows, storage: storage, place: place)
  }
}
