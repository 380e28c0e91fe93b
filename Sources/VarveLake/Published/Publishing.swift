internal import VarveJSON
internal import VarveTables

extension Table {
  /// Shows readers who are held before it a version that was looked at. They follow from then on, unless a newer one has
  /// come meanwhile.
  package func publish(passed version: Int64, clock: WallClock = .system, reason: String) throws {
    try publish(version, clock: clock, reason: reason) { proxy, newest in
      guard let proxy, proxy.mode == .held, proxy.version < version else { return nil }
      return version == newest ? .follow : .held
    }
  }

  /// Notes why readers who are held at a version stay there.
  package func hold(at version: Int64, clock: WallClock = .system, reason: String) throws {
    try publish(version, clock: clock, reason: reason) { proxy, _ in
      proxy?.mode == .held && proxy?.version == version ? .held : nil
    }
  }

  /// Changes what readers are shown.
  ///
  /// `mode` is asked under the lock with the proxy as it is and the newest version; with nil it stays as it is. Only
  /// readers of the newest version can follow. Returns the newest version.
  @discardableResult
  package func publish(
    _ version: Int64, clock: WallClock = .system, reason: String, mode: (Proxy?, Int64) -> Proxy.Mode?
  ) throws -> Int64 {
    let lock = try lock()
    defer { withExtendedLifetime(lock) {} }
    try Recovery(table: self, clock: clock).run()
    let head = try snapshot(at: .head)
    // Whoever acts on a head that another writer made must know that it lasts.
    try sync()
    let shown = try snapshot(at: .version(version))
    try shown.checkReadable()
    let before = try Proxy.read(storage)
    guard let mode = mode(before, head.version) else {
      // Who left it as it is to be may have died before its name was durable.
      try storage.sync()
      return head.version
    }
    precondition(mode != .follow || shown.version == head.version, "a proxy that follows shows the head")
    var proxy = Proxy(
      table: shown.metadata.id, mode: mode, version: shown.version, entrySHA256: shown.entrySHA256,
      index: try log.manifestIndex(at: shown.version), ordinal: before?.ordinal ?? 0)
    if shown.version < head.version { proxy.newest = .init(version: head.version, entrySHA256: head.entrySHA256) }
    try proxy.publish(storage, timestamp: clock.milliseconds(), reason: reason)
    try SymlinkManifests(self).settle()
    return head.version
  }
}

extension DeltaLog {
  /// The manifests of the partitions as of a version: from the nearest sum that is known, and the entries after it.
  package func manifestIndex(at version: Int64) throws -> ManifestIndex {
    if version < 0 { return ManifestIndex() }
    let proxy = try? Proxy.read(storage)
    if let proxy, proxy.version == version { return proxy.index }
    var (base, index) = (Int64(-1), ManifestIndex())
    if let proxy, proxy.version < version { (base, index) = (proxy.version, proxy.index) }
    if let block = try StateBlock.newest(atOrBefore: version, self), block.version > base {
      (base, index) = (block.version, block.index)
    }
    return try advance(index, after: base, to: version)
  }

  /// The index after the entries of some more versions. Writes the shards that they change.
  func advance(_ index: ManifestIndex, after base: Int64, to version: Int64) throws -> ManifestIndex {
    guard base < version else { return index }
    var index = index
    var changes: [String: ManifestReference?] = [:]
    var columns: [String]?
    for number in (base + 1)...version {
      guard let entry = try entry(number) else {
        // A stranger cleaned the log up: of what was before, nothing is known.
        (index, changes) = (ManifestIndex(), [:])
        continue
      }
      if let metadata = entry.metadata { columns = metadata.partitionColumns }
      if columns == nil { columns = try snapshot(at: number).partitionColumns }
      changes.merge(ManifestChanges.of(entry, partitionColumns: columns ?? [])) { $1 }
    }
    try index.update(changes, storage)
    return index
  }
}

/// Which partitions an entry touched, and the manifest that each has since; nil where it has none.
enum ManifestChanges {
  static func of(_ entry: LogEntry, partitionColumns: [String]) -> [String: ManifestReference?] {
    var changes: [String: ManifestReference?] = [:]
    for action in entry.actions {
      switch action {
      case .add(let add): changes.updateValue(nil, forKey: key(add.path, add.partitionValues, partitionColumns))
      case .remove(let remove):
        changes.updateValue(nil, forKey: key(remove.path, remove.partitionValues, partitionColumns))
      default: break
      }
    }
    for reference in entry.bookkeeping?.manifests ?? [] {
      // `<partition>/v<version>/_manifest.json`
      let directory = Layout.parent(Layout.parent(reference.path))
      changes.updateValue(reference, forKey: ManifestIndex.key(ofDirectory: directory))
    }
    return changes
  }

  /// From the values where they stand in the log, else from where the file lies.
  static func key(
    _ path: String, _ values: [(column: String, value: String?)]?, _ columns: [String]
  ) -> String {
    if let values {
      let ordered = columns.map { column in
        values.first { $0.column.utf8.elementsEqual(column.utf8) }?.value
      }
      if let directory = try? PartitionDirectory.path(columns: columns, values: ordered) {
        return ManifestIndex.key(ofDirectory: directory)
      }
    }
    var directory = Layout.parent(path)
    if Layout.version(ofDirectoryName: Layout.name(directory)) != nil { directory = Layout.parent(directory) }
    return directory
  }
}
