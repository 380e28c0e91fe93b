internal import VarveJSON
internal import VarveTables

/// A version that lies in staging, complete and durable, and needs only its place and its link.
struct Sealed {
  let version: Int64
  let entry: LogEntry
  /// The entry's bytes in staging.
  let draft: String
  /// Staged directories, and the partitions that they go to.
  let directories: [(staged: String, partition: String)]
  /// The manifests before this version.
  let baseIndex: ManifestIndex
  let metadata: TableMetadata
}

/// The step that writes the manifests and the entry of a version: they need to know what it stands on.
struct Sealing {
  let commit: Commit
  let head: Snapshot
  let clock: WallClock
  let writer: String

  private var storage: Storage { commit.table.storage }
  private var area: StagingArea { commit.staging }
  private var version: Int64 { head.version + 1 }
  private var place: [String] { [commit.table.name] }

  /// One partition that the version touches.
  private struct Touched {
    var values: [String?]
    var directory: String
    var staged: StagedPartition?
    var removed: [AddAction] = []
    var restored: [LiveFile] = []
    var key: String { ManifestIndex.key(ofDirectory: directory) }
  }

  func seal() throws -> Sealed {
    try head.tableProtocol.checkWritable(place)
    let removesRows = !commit.change.removed.isEmpty && commit.bookkeeping.operation != .optimize
    try head.metadata.checkWritable(place, removes: removesRows)
    let metadata = newMetadata()
    try checkSymlinks(metadata)
    let removed = try removedActions()
    try commit.change.checkRestored(storage, place)
    let touched = try touchedPartitions(removed)
    let index = try commit.table.log.manifestIndex(at: head.version)
    let live = try liveFiles(of: touched, index)

    try area.syncParts()
    let syncsSingly = touched.count <= Storage.syncsSingleMax
    var references: [ManifestReference] = []
    var directories: [(staged: String, partition: String)] = []
    for partition in touched {
      let key = partition.key
      let manifest = try manifest(
        partition, index: index, live: live[PartitionText(partition.values)], schema: metadata.schema)
      guard let manifest else { continue }
      let directory = try partition.staged?.directory ?? area.makePartition()
      let staged = Layout.join(area.path, directory)
      let bytes = manifest.bytes
      // One of an earlier attempt may be a dead writer's, and was perhaps not synced.
      let path = Layout.join(staged, Layout.manifestName)
      try storage.removeIfPresent(path)
      try storage.write(path, bytes, isSealed: true, isSynced: syncsSingly)
      if syncsSingly { try storage.sync(staged) }
      directories.append((staged, partition.directory))
      let target = Layout.versionDirectory(partition: partition.directory, version: version)
      references.append(
        ManifestReference(path: Layout.join(target, Layout.manifestName), sha256: Digest.sha256(bytes)))
      precondition(key == ManifestIndex.key(ofDirectory: partition.directory), "a partition has one key")
    }

    let entry = try entry(metadata, touched, removed, references)
    let draft = Layout.logEntryDraft(area.transaction, version)
    try storage.removeIfPresent(draft)
    try storage.write(draft, entry.bytes, isSealed: true, modificationMilliseconds: entry.entry.timestamp)
    if syncsSingly { try area.syncNames() } else { try storage.syncFileSystem() }
    return Sealed(
      version: version, entry: entry.entry, draft: draft, directories: directories, baseIndex: index,
      metadata: metadata)
  }

  // MARK: What is touched

  private func newMetadata() -> TableMetadata {
    var metadata = head.metadata
    if metadata.schema != commit.change.schema { metadata.schema = commit.change.schema }
    for (name, value) in commit.properties { metadata.setProperty(name, value) }
    if let immutability = head.metadata.immutability {
      metadata.immutability = immutability.joined(with: metadata.immutability)
    }
    return metadata
  }

  /// Who reads lists of files sees the rows that are struck out of them.
  private func checkSymlinks(_ metadata: TableMetadata) throws {
    guard metadata.listsSymlinks else { return }
    let isStruck =
      try metadata.strikesRows || commit.change.restored.contains { $0.deletionVector != nil }
      || (!head.metadata.listsSymlinks && head.entries.contains { $0.deletionVector != nil })
    guard !isStruck else {
      throw Problem(
        .refused, at: place, "rows are struck out of its files, and lists of files for Hive would show them",
        advice: "keep to copy-on-write for such a table (varve alter \(commit.table.name) --updates copy-on-write)")
    }
  }

  private func removedActions() throws -> [AddAction] {
    let adds = try head.adds(of: commit.change.removed)
    return try commit.change.removed.map { file in
      guard let add = adds[file.key] else {
        throw Problem(.refused, at: place + [file.path], "is live no more", advice: "try again on the new version")
      }
      return add
    }
  }

  /// In the order of the change: partitions that get files, then those that only lose some.
  private func touchedPartitions(_ removed: [AddAction]) throws -> [Touched] {
    var touched: [Touched] = []
    var positions: [PartitionText: Int] = [:]
    func position(of values: [String?]) throws -> Int {
      let text = PartitionText(values)
      if let position = positions[text] { return position }
      let directory = try PartitionDirectory.path(columns: head.partitionColumns, values: values)
      positions[text] = touched.count
      touched.append(Touched(values: values, directory: directory))
      return touched.count - 1
    }
    for staged in commit.change.added {
      let position = try position(of: staged.partition)
      precondition(touched[position].staged == nil, "a change has one staged directory per partition")
      touched[position].staged = staged
    }
    for add in removed { touched[try position(of: head.partition(of: add))].removed.append(add) }
    for file in commit.change.restored { touched[try position(of: file.partition)].restored.append(file) }
    return touched
  }

  /// The live files of the touched partitions whose manifests do not tell them: those without manifest, those that only
  /// lose files, since they may be empty afterwards, and those that get files back, whose manifests are complete.
  private func liveFiles(of touched: [Touched], _ index: ManifestIndex) throws -> [PartitionText: [AddAction]] {
    var live: [PartitionText: [AddAction]] = [:]
    for partition in touched {
      let isTold =
        try partition.staged != nil && partition.restored.isEmpty && index.manifest(of: partition.key, storage) != nil
      if !isTold { live[PartitionText(partition.values)] = [] }
    }
    guard !live.isEmpty else { return [:] }
    for entry in try head.entries { live[PartitionText(head.partition(of: entry))]?.append(entry) }
    return live
  }

  // MARK: Manifests

  /// Nil for a partition that is empty from now on.
  private func manifest(
    _ partition: Touched, index: ManifestIndex, live: [AddAction]?, schema: Schema
  ) throws -> Manifest? {
    let gone = Set(partition.removed.map(\.key))
    let kept = live.map { $0.filter { !gone.contains($0.key) } }
    if partition.staged == nil, partition.restored.isEmpty, kept?.isEmpty ?? false { return nil }
    let gonePaths = try Set(partition.removed.map { ExactText(try path($0)) })
    let changed = partition.restored.filter { gonePaths.contains(ExactText($0.path)) }
    let changedPaths = Set(changed.map { ExactText($0.path) })
    let returned = partition.restored.filter { !changedPaths.contains(ExactText($0.path)) }.map(Manifest.File.init)
    var manifest = Manifest(
      partition: zip(head.partitionColumns, partition.values).map { .init(column: $0, value: $1) },
      files: (partition.staged?.files ?? []).map(own), predecessor: .nothing,
      dropped: try partition.removed.map(path).filter { !changedPaths.contains(ExactText($0)) }, kept: nil, depth: 0,
      schema: schema,
      ingestion: commit.bookkeeping.ingestion, execution: commit.bookkeeping.execution,
      sources: commit.bookkeeping.sources)
    let changes = changed.map {
      Manifest.Change(path: $0.path, struck: $0.deletionVector.map(Manifest.Struck.init))
    }.sorted { ExactText($0.path) < ExactText($1.path) }
    if let reference = try index.manifest(of: partition.key, storage) {
      manifest.changed = changes
      manifest.predecessor = .manifest(reference)
      manifest.depth = try Manifest.read(reference, storage).depth + 1
      if manifest.depth == Manifest.chainMax || !returned.isEmpty {
        manifest.depth = 0
        let dropped = Set(manifest.dropped.map(ExactText.init))
        let told = try Manifest.files(of: reference, storage).filter { !dropped.contains(ExactText($0.path)) }
        manifest.kept = (Manifest.files(told, with: changes) + returned).sorted {
          ExactText($0.path) < ExactText($1.path)
        }
        manifest.changed = []
      }
    } else {
      if let live, !live.isEmpty { manifest.predecessor = .log(version: head.version, sha256: head.entrySHA256) }
      let told = try (kept ?? []).map { add in
        var file = Manifest.File(path: try path(add), rows: rowCount(add), bytes: add.byteCount)
        file.struck = add.deletionVector.map(Manifest.Struck.init)
        return file
      }
      manifest.kept = (told + partition.restored.map(Manifest.File.init)).sorted {
        ExactText($0.path) < ExactText($1.path)
      }
    }
    return manifest
  }

  private func own(_ file: StagedFile) -> Manifest.File {
    let key = head.metadata.key
    let bounds = key.map { file.statistics.columns[$0] }
    let isKeyed = !key.isEmpty && bounds.allSatisfy { $0 != nil }
    return Manifest.File(
      path: file.name, rows: file.statistics.rowCount, bytes: file.byteCount, sha256: file.sha256,
      keyMinimum: isKeyed ? bounds.map { $0?.minimum?.text } : nil,
      keyMaximum: isKeyed ? bounds.map { $0?.maximum?.text } : nil)
  }

  private func path(_ add: AddAction) throws -> String {
    guard let path = LogPath.decode(add.path) else {
      throw Problem(.refused, at: place, "the log names a file outside the table: \(add.path)")
    }
    return path
  }

  private func rowCount(_ add: AddAction) -> Int? {
    add.statistics.flatMap { StatisticsText.parse($0, Schema([])) }?.rowCount
  }

  // MARK: The entry

  private func entry(
    _ metadata: TableMetadata, _ touched: [Touched], _ removed: [AddAction], _ references: [ManifestReference]
  ) throws -> (entry: LogEntry, bytes: [UInt8]) {
    let timestamp = max(clock.milliseconds(), head.timestamp + 1, head.entryModificationTime + 1)
    var bookkeeping = commit.bookkeeping
    bookkeeping.rows = commit.change.rows
    for member in commit.change.details.members { bookkeeping.details[member.key] = member.value }
    bookkeeping.manifests = references
    bookkeeping.previousEntry = head.entrySHA256
    let info = CommitInfo(
      bookkeeping, timestamp: timestamp, writer: writer, readVersion: head.version, change: commit.change,
      partitionColumns: head.partitionColumns)
    let dataChange = bookkeeping.operation != .optimize
    var actions: [Action] = [
      .commitInfo(info.json),
      .transaction(TransactionAction(appID: "varve:\(metadata.id)", version: version, lastUpdated: timestamp)),
    ]
    let tableProtocol = metadata.strikesRows ? head.tableProtocol.withDeletionVectors : head.tableProtocol
    if tableProtocol != head.tableProtocol { actions.append(.protocol(tableProtocol)) }
    if metadata != head.metadata { actions.append(.metadata(metadata)) }
    for add in removed {
      actions.append(
        .remove(
          RemoveAction(
            path: add.path, deletionTimestamp: timestamp, dataChange: dataChange, partitionValues: add.partitionValues,
            byteCount: add.byteCount, deletionVector: add.deletionVector)))
    }
    let before = Dictionary(removed.map { (ExactText($0.path), $0) }, uniquingKeysWith: { $1 })
    for file in commit.change.restored {
      let path = LogPath.encode(file.path)
      let known = before[ExactText(path)]
      var statistics = file.statistics.map { StatisticsText.text($0, metadata.schema) }
      // Told once, bounds are told the same for ever, and not rounded again.
      if file.deletionVector != nil { statistics = (known?.statistics ?? statistics).map(StatisticsText.loosened) }
      actions.append(
        .add(
          AddAction(
            path: path,
            partitionValues: Array(zip(head.partitionColumns, file.partition)).map { (column: $0, value: $1) },
            byteCount: file.byteCount, modificationTime: known?.modificationTime ?? file.modificationTime,
            dataChange: dataChange, statistics: statistics, deletionVector: file.deletionVector)))
    }
    for partition in touched {
      let directory = Layout.versionDirectory(partition: partition.directory, version: version)
      for file in partition.staged?.files ?? [] {
        actions.append(
          .add(
            AddAction(
              path: LogPath.encode(Layout.join(directory, file.name)),
              partitionValues: Array(zip(head.partitionColumns, partition.values)).map { (column: $0, value: $1) },
              byteCount: file.byteCount, modificationTime: timestamp, dataChange: dataChange,
              statistics: StatisticsText.text(file.statistics, metadata.schema), deletionVector: nil)))
      }
    }
    let bytes = LogEntry.bytes(actions)
    return (LogEntry(version: version, actions: actions, bytes: bytes, commitInfo: info), bytes)
  }
}

extension StagedChange {
  /// What is to be live again must still be there, under the table's lock: a vacuum may have come in between.
  func checkRestored(_ storage: Storage, _ place: [String]) throws {
    for file in restored {
      guard try storage.status(file.path)?.byteCount == file.byteCount else {
        throw Problem(
          .refused, at: place, "\(file.path), which was to be live again, is gone since this was begun",
          advice: "see varve vacuum --undo, and try again")
      }
    }
  }
}
