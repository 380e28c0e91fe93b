internal import VarveJSON
internal import VarveTables

/// The log entry by entry: what each commit wrote, whether its manifests say the same, and what follows of it all.
extension Audit {
  func replay() throws {
    guard head >= 0 else { return }
    let wanted = try sumVersions()
    var replay = SnapshotReplay()
    if first > 0, let checkpoint = try log.checkpoint(atOrBefore: head), checkpoint.version >= first - 1 {
      let read = try log.readCheckpoint(checkpoint)
      replay = try SnapshotReplay(checkpoint: read.actions, files: read.files, rowCount: read.rowCount)
      for add in try read.files.all() { track(add, at: first, sha256: nil) }
      metadata = read.actions.lazy.compactMap { if case .metadata(let metadata) = $0 { metadata } else { nil } }.last
      replay.version = checkpoint.version
    } else if first > 0 {
      isSumKnown = false
    }
    for version in first...head {
      guard let read = entries[version], !read.isAltered, read.problem == nil else {
        isSumKnown = false
        recordLines.append([])
        continue
      }
      let entry = try log.entry(existing: version)
      metadata = entry.metadata ?? metadata
      recordLines.append(ArraySlice(HistoryRecord(entry).json.bytes()))
      try take(entry)
      guard isSumKnown else { continue }
      if version > replay.version { try replay.apply(entry) }
      if wanted.contains(version) { sums[version] = ManifestIndex.made(of: manifests) }
      let isSummed = try storage.exists(Layout.checkpoint(version)) || storage.exists(Layout.state(version))
      if version >= replay.version, isSummed {
        try checkCheckpoint(version, entry, replay)
      }
    }
  }

  /// Versions at which a derived file stands for the sum of the log.
  private func sumVersions() throws -> Set<Int64> {
    var versions: Set<Int64> = [head]
    versions.formUnion(try storage.list(Layout.states).compactMap(Layout.version(ofLogName:)))
    if let proxy = try? Proxy.read(storage) { versions.insert(proxy.version) }
    return versions
  }

  private func track(_ add: AddAction, at version: Int64, sha256: String?) {
    guard let path = LogPath.decode(add.path) else {
      return find(.contradictory, Layout.logEntry(version), "names a file outside the table: \(add.path)")
    }
    note(add, at: version)
    let key = ExactText(path)
    if var known = tracked[key] {
      known.lastLive = nil
      if let count = known.byteCount, count != add.byteCount {
        find(.contradictory, path, "has different sizes in the log", versions: version...version)
      }
      tracked[key] = known
      return
    }
    // Ours are called by their content, so that without a manifest there is still something to go by.
    let name = Layout.name(path)
    let isOurs =
      Layout.partNumber(ofName: name) != nil && Layout.version(ofDirectoryName: Layout.name(Layout.parent(path))) != nil
    let head = isOurs ? name.split(separator: "-").last.map { String($0.prefix(16)) } : nil
    tracked[key] = TrackedFile(
      byteCount: add.byteCount, sha256: sha256 ?? head, addedAt: version, lastLive: nil)
  }

  private func take(_ entry: LogEntry) throws {
    let version = entry.version
    let columns = metadata?.partitionColumns ?? []
    for remove in entry.removes {
      guard let path = LogPath.decode(remove.path) else { continue }
      tracked[ExactText(path)]?.lastLive = version - 1
    }
    for add in entry.adds { track(add, at: version, sha256: nil) }
    let before = manifests
    for (key, reference) in ManifestChanges.of(entry, partitionColumns: columns) { manifests[key] = reference }
    for reference in entry.bookkeeping?.manifests ?? [] { try check(reference, entry, before: before) }
    if let kept = entry.bookkeeping?.details["quarantine"], let path = kept["path"]?.string,
      let sha256 = kept["sha256"]?.string, LogPath.isSafe(path)
    {
      tracked[ExactText(path)] = TrackedFile(sha256: sha256, addedAt: version, lastLive: version - 1, isData: false)
    }
    try takeChangeSet(entry)
  }

  /// The input that was kept of an execution, by which it can be replayed.
  private func takeChangeSet(_ entry: LogEntry) throws {
    guard let bookkeeping = entry.bookkeeping, bookkeeping.mode == ExecutionState.mode,
      let execution = bookkeeping.execution, let name = bookkeeping.changeSet
    else { return }
    let path = ChangeSet.document(execution: execution, name: name)
    guard LogPath.isSafe(path), changeSets.insert(ExactText(path)).inserted else { return }
    guard let bytes = try storage.read(path) else {
      let removed = vacuumed[ExactText(path)] != nil
      return find(removed ? .vacuumed : .missing, path, removed ? "was removed by a vacuum" : "is missing")
    }
    report.fileCount += 1
    report.byteCount += bytes.count
    guard let rows = ChangeSet.rows(toldBy: bytes) else {
      return find(
        bytes.last == UInt8(ascii: "}") ? .altered : .truncated, path, "does not hold what was written")
    }
    tracked[ExactText(Layout.join(Layout.parent(path), rows.name))] = TrackedFile(
      byteCount: rows.byteCount, sha256: rows.sha256, addedAt: entry.version, lastLive: entry.version - 1, isData: false
    )
  }

  // MARK: One manifest

  private func check(_ reference: ManifestReference, _ entry: LogEntry, before: [String: ManifestReference]) throws {
    let directory = Layout.parent(reference.path)
    guard LogPath.isSafe(reference.path), Layout.version(ofDirectoryName: Layout.name(directory)) == entry.version
    else {
      return find(
        .contradictory, Layout.logEntry(entry.version), "names a manifest of another version: \(reference.path)")
    }
    namedDirectories.insert(ExactText(directory))
    pathsByDigest[reference.sha256, default: []].append(reference.path)
    let added = entry.adds.compactMap { add in LogPath.decode(add.path).map { (path: $0, add: add) } }
      .filter { ExactText(Layout.parent($0.path)) == ExactText(directory) }
    guard let bytes = try storage.read(reference.path) else {
      return find(
        .missing, reference.path, "is missing", versions: nil,
        remedy: try rebuilt(reference, entry, before: before))
    }
    guard Digest.sha256(bytes) == reference.sha256 else {
      damagedManifests.append((reference.path, reference.sha256, try rebuilt(reference, entry, before: before)))
      return
    }
    report.fileCount += 1
    report.byteCount += bytes.count
    let manifest = try Manifest(bytes, place: [table, reference.path])
    let own = manifest.files.map { (path: Layout.join(directory, $0.path), bytes: $0.bytes, sha256: $0.sha256) }
    for file in own {
      guard let sha256 = file.sha256 else { continue }
      tracked[ExactText(file.path)]?.sha256 = sha256
      pathsByDigest[sha256, default: []].append(file.path)
    }
    let isSame =
      own.count == added.count
      && zip(own, added).allSatisfy { ExactText($0.path) == ExactText($1.path) && $0.bytes == $1.add.byteCount }
    if !isSame {
      find(.contradictory, reference.path, "names other files than the log entry of version \(entry.version)")
    }
  }

  /// The bytes that a manifest must have had: made again from the log and the data, and believed only where their
  /// digest is the one that was committed.
  private func rebuilt(
    _ reference: ManifestReference, _ entry: LogEntry, before: [String: ManifestReference]
  ) throws -> Remedy? {
    guard isSumKnown, let metadata, let bookkeeping = entry.bookkeeping else { return nil }
    let rebuilding = ManifestRebuilding(
      reference: reference, entry: entry, metadata: metadata, bookkeeping: bookkeeping,
      predecessor: before[ManifestIndex.key(ofDirectory: Layout.parent(Layout.parent(reference.path)))],
      baseSHA256: entry.bookkeeping?.previousEntry, storage: storage)
    return try rebuilding.bytes().map { .write($0, isSealed: true) }
  }

  func judgeManifests() throws {
    for (path, sha256, remedy) in damagedManifests {
      guard let bytes = try storage.read(path) else { continue }
      findContent(path, actual: bytes, sha256: sha256, versions: nil, remedy: remedy)
    }
  }

  // MARK: Checkpoints

  /// A checkpoint of ours is made again and compared; of somebody else's, what it says.
  private func checkCheckpoint(_ version: Int64, _ entry: LogEntry, _ replay: SnapshotReplay) throws {
    let path = Layout.checkpoint(version)
    let snapshot: Snapshot
    do {
      snapshot = try replay.finish(entry, storage: storage, place: [table])
    } catch let problem as Problem where problem.kind == .refused {
      return
    }
    let isOurs = try storage.exists(Layout.state(version))
    let expected = (try? log.rows(snapshot)).map {
      CheckpointFile.bytes($0, hasDeletionVectors: snapshot.tableProtocol.hasDeletionVectors)
    }
    let remedy = expected.map { Remedy.write($0, isSealed: true) }
    guard let bytes = try storage.read(path) else {
      // A block stands beside a checkpoint of ours, in whatever number of files another engine wrote others.
      if try log.checkpoint(atOrBefore: version)?.version != version {
        find(.missing, path, "is missing", remedy: remedy)
      }
      return
    }
    if let expected, expected == bytes {
      ownCheckpoints.insert(version)
      report.fileCount += 1
      report.byteCount += bytes.count
      return
    }
    if isOurs, let expected, bytes.count == expected.count || bytes.starts(with: expected) {
      return findContent(
        path, actual: bytes, sha256: Digest.sha256(expected), expectedByteCount: expected.count, versions: nil,
        remedy: remedy)
    }
    report.fileCount += 1
    report.byteCount += bytes.count
    guard let read = try? log.readCheckpoint(DeltaLog.Checkpoint(version: version)), let live = try? read.files.all()
    else {
      return find(.altered, path, "cannot be read as a checkpoint", remedy: remedy)
    }
    if Set(live.map(\.key)) != Set(try snapshot.entries.map(\.key)) {
      find(.contradictory, path, "says otherwise than the log which files version \(version) has", remedy: remedy)
    }
  }
}
