internal import VarveTables

/// What is derived from the log: the proxy with its index, and the sums of history.
extension Audit {
  func checkProxy() throws {
    guard head >= 0 else { return }
    guard let bytes = try storage.read(Layout.proxy) else {
      // A table of another engine has none, and a crash in the first commit leaves none.
      let ours = entries.values.count { $0.isOurs }
      if ours > 2 { find(.missing, Layout.proxy, "is missing", versions: nil, remedy: try rebuiltProxy()) }
      return
    }
    report.fileCount += 1
    report.byteCount += bytes.count
    let proxy: Proxy
    do {
      proxy = try Proxy(bytes, place: [table, Layout.proxy])
    } catch let problem as Problem where problem.kind == .damaged {
      let kind: Finding.Kind = bytes.last == UInt8(ascii: "}") ? .altered : .truncated
      return find(kind, Layout.proxy, kind == .truncated ? "ends early" : "cannot be read", remedy: try rebuiltProxy())
    }
    guard isSumKnown, let metadata else { return }
    func wrong(_ kind: Finding.Kind, _ what: String) throws {
      find(kind, Layout.proxy, what, remedy: try rebuiltProxy())
    }
    guard proxy.table == metadata.id else { return try wrong(.swapped, "belongs to another table") }
    guard let entry = entries[proxy.version] else { return try wrong(.altered, "shows version \(proxy.version)") }
    guard entry.sha256 == proxy.entrySHA256 else {
      return try wrong(.altered, "names another entry of version \(proxy.version) than the one in the log")
    }
    if let newest = proxy.newest, entries[newest.version].map({ $0.sha256 != newest.entrySHA256 }) ?? true {
      return try wrong(.altered, "names another entry of version \(newest.version) than the one in the log")
    }
    guard sums[proxy.version]?.index == proxy.index, proxy.bytes == bytes else {
      let isExtended = bytes.count > proxy.bytes.count && bytes.starts(with: proxy.bytes)
      return try wrong(isExtended ? .extended : .altered, "does not hold what was written")
    }
    let past = try? Proxy.history(storage)
    let last = past?.last { $0.ordinal == proxy.ordinal }
    if past != nil, proxy.mode == .pinned || last?.mode == .pinned,
      last?.mode != proxy.mode || last?.version != proxy.version
    {
      return try wrong(.contradictory, "shows otherwise than its own history says")
    }
    let behind = entries.count { $0.key > proxy.version && $0.value.isOurs }
    if proxy.mode == .follow, behind > 1 {
      try wrong(.swapped, "holds an older state: it shows version \(proxy.version), and \(behind) commits came after")
    } else if proxy.mode == .follow, behind == 1 {
      find(.unfinished, Layout.proxy, "shows version \(proxy.version); the next writer shows \(head)")
    }
  }

  /// What was published when, up to what the proxy counts: a crash may have left the record of an act behind it.
  func checkPublications() throws {
    let current = (try? Proxy.read(storage)?.ordinal) ?? .max
    for name in try storage.list(Layout.proxyHistory) {
      let path = Layout.join(Layout.proxyHistory, name)
      guard let ordinal = Layout.version(ofLogName: name), ordinal <= current, let bytes = try storage.read(path)
      else { continue }
      report.fileCount += 1
      report.byteCount += bytes.count
      if Proxy.Past(bytes)?.ordinal != ordinal {
        find(bytes.last == UInt8(ascii: "}") ? .altered : .truncated, path, "does not hold what was written")
      }
    }
  }

  /// The proxy as the last deliberate publication left it, or as none was; the next writer lets it follow the log.
  ///
  /// Nil where the record of that act is not in keeping with the log.
  private func rebuiltProxy() throws -> Remedy? {
    guard isSumKnown, let metadata, first == 0 else { return nil }
    guard let past = try? Proxy.history(storage, isWhole: false) else { return nil }
    let last = past.last
    if let last, entries[last.version]?.sha256 != last.entrySHA256 { return nil }
    var version = last?.version ?? 0
    var mode = last?.mode ?? .follow
    var heldFor = last?.heldFor
    if mode == .follow {
      heldFor = entries.filter { $0.key > version && !$0.value.publishes }.keys.min()
      version = (heldFor ?? head + 1) - 1
      if heldFor != nil { mode = .held }
    }
    guard let entry = entries[version], let index = try sum(at: version)?.index else { return nil }
    var proxy = Proxy(
      table: metadata.id, mode: mode, version: version, entrySHA256: entry.sha256, index: index,
      ordinal: last?.ordinal ?? 0, heldFor: heldFor)
    if mode != .follow, version < head, let newest = entries[head] {
      proxy.newest = .init(version: head, entrySHA256: newest.sha256)
    }
    return .write(proxy.bytes, isSealed: false)
  }

  /// The manifests as of a version, from the log alone.
  func sum(at version: Int64) throws -> (index: ManifestIndex, shards: [String: [UInt8]])? {
    if let sum = sums[version] { return sum }
    guard first == 0, version >= 0 else { return nil }
    var manifests: [String: ManifestReference] = [:]
    var columns: [String] = []
    for number in 0...version {
      guard let read = entries[number], !read.isAltered, let entry = try log.entry(number) else { return nil }
      columns = entry.metadata?.partitionColumns ?? columns
      for (key, reference) in ManifestChanges.of(entry, partitionColumns: columns) { manifests[key] = reference }
    }
    let sum = ManifestIndex.made(of: manifests)
    sums[version] = sum
    return sum
  }

  // MARK: Vacuums

  func readVacuums() throws {
    let (vacuums, damaged, missing) = try Vacuums.readWhole(storage)
    vacuumed = vacuums.removed
    for number in damaged { find(.altered, Layout.vacuum(number), "does not hold what was written") }
    for number in missing { find(.missing, Layout.vacuum(number), "is missing") }
    for record in vacuums.records {
      report.fileCount += 1
      report.byteCount += try storage.status(Layout.vacuum(record.number))?.byteCount ?? 0
    }
  }

  // MARK: Tags

  func checkTags() throws {
    guard let bytes = try storage.read(Layout.tags) else { return }
    report.fileCount += 1
    report.byteCount += bytes.count
    guard let tags = try? Tags(bytes, place: [table, Layout.tags]) else {
      return find(
        bytes.last == UInt8(ascii: "}") ? .altered : .truncated, Layout.tags, "does not hold what was written")
    }
    let named =
      tags.tags.map { ($0.value.version, $0.value.entrySHA256) } + tags.holds.map { ($0.key, $0.value.entrySHA256) }
    if let (version, _) = named.first(where: { version, sha256 in
      entries[version].map { $0.sha256 != sha256 && !$0.isAltered } ?? true
    }) {
      find(.contradictory, Layout.tags, "names a version \(version) that is not the one in the log")
    }
  }

  // MARK: Symlink manifests

  /// They are made again from the version that readers are shown. Those of a table that lies elsewhere now name files that are
  /// not there: nothing of the table is damaged by that.
  func checkSymlinks() throws {
    let manifests = SymlinkManifests(storage: storage, log: log)
    guard isSumKnown, metadata?.listsSymlinks == true, let mark = try manifests.mark(),
      let shown = try? Proxy.read(storage)?.version, let snapshot = try? log.snapshot(at: shown)
    else { return }
    let root = try storage.absolutePath()
    guard mark.version == shown, mark.root == root else {
      let what = mark.root == root ? "show version \(mark.version)" : "were written where the table lay before"
      return find(.unfinished, Layout.symlinkManifests, "\(what); the next writer lists what is shown now")
    }
    guard let lists = try? SymlinkManifests.lists(of: snapshot, root: root) else { return }
    for (directory, bytes) in lists.sorted(by: { $0.key < $1.key }) {
      let path = Layout.symlinkManifest(partition: directory)
      let remedy = Remedy.write(bytes, isSealed: false)
      guard let actual = try storage.read(path) else {
        find(.missing, path, "is missing", remedy: remedy)
        continue
      }
      report.fileCount += 1
      report.byteCount += actual.count
      if actual != bytes { find(.altered, path, "does not list the files of version \(shown)", remedy: remedy) }
    }
    for directory in try manifests.present() where lists[directory] == nil {
      let path = Layout.symlinkManifest(partition: directory)
      find(.stray, path, "lists a partition that version \(shown) does not have", remedy: .remove)
    }
  }

  // MARK: Shards

  /// Those of the proxy and of the sums of history must be there; the others are whole, or were removed.
  func checkShards() throws {
    var needed = Set([(try? Proxy.read(storage))?.version].compactMap { $0 })
    for version in try storage.list(Layout.states).compactMap(Layout.version(ofLogName:)) {
      if try StateBlock.read(version, log) != nil { needed.insert(version) }
    }
    var expected: [String: [UInt8]] = [:]
    for (_, sum) in sums.filter({ needed.contains($0.key) }) { expected.merge(sum.shards) { one, _ in one } }
    var seen = Set<String>()
    for name in try storage.list(Layout.proxyShards) {
      let path = Layout.join(Layout.proxyShards, name)
      guard let bytes = try storage.read(path) else { continue }
      seen.insert(path)
      let sha256 = String(name.prefix(64))
      guard Digest.sha256(bytes) != sha256 else {
        report.fileCount += 1
        report.byteCount += bytes.count
        continue
      }
      let remedy = expected[path].map { Remedy.write($0, isSealed: true) } ?? .remove
      findContent(path, actual: bytes, sha256: sha256, versions: nil, remedy: remedy)
    }
    for (path, bytes) in expected where !seen.contains(path) {
      find(.missing, path, "is missing", remedy: .write(bytes, isSealed: true))
    }
    for name in try storage.list(Layout.proxyShardDrafts) {
      let path = Layout.join(Layout.proxyShardDrafts, name)
      find(.unfinished, path, "was left by a writer that died; the next one removes it", remedy: .remove)
    }
  }

  // MARK: States

  /// A block is written beside each checkpoint of ours, so where only one of the two is, the other was lost; but for
  /// the newest checkpoint, whose block a crash may have prevented.
  func checkStates() throws {
    guard isSumKnown, first == 0 else { return }
    let present = Set(try storage.list(Layout.states).compactMap(Layout.version(ofLogName:)))
    let hinted = try log.lastCheckpoint()?.version
    let newest = ownCheckpoints.max()
    var stack: [(version: Int64, start: Int64)] = []
    for version in present.union(ownCheckpoints).sorted() {
      guard let entry = entries[version], let index = try sum(at: version)?.index else { continue }
      let path = Layout.state(version)
      // Which blocks it took in is told by itself, if it is to be believed, else by those that are there.
      let block = present.contains(version) ? try StateBlock.read(version, log) : nil
      var start = stack.last?.version ?? -1
      while let before = stack.last, before.version - before.start <= version - start {
        start = before.start
        stack.removeLast()
      }
      if let block { start = version - Int64(block.lines.count) }
      guard start >= -1 else { continue }
      stack.append((version, start))
      let lines = Array(recordLines[Int(start + 1)...Int(version)])
      let expected = StateBlock.bytes(
        version: version, entrySHA256: entry.sha256, lines: lines, previous: start < 0 ? nil : start, index: index)
      let remedy = Remedy.write(expected, isSealed: true)
      guard let bytes = try storage.read(path) else {
        let isLost = version != newest || version == hinted
        find(isLost ? .missing : .unfinished, path, "is missing", remedy: remedy)
        continue
      }
      guard bytes != expected else {
        report.fileCount += 1
        report.byteCount += bytes.count
        continue
      }
      findContent(
        path, actual: bytes, sha256: Digest.sha256(expected), expectedByteCount: block == nil ? nil : expected.count,
        versions: nil, remedy: remedy)
    }
  }
}
