internal import VarveTables

/// What is no data of a version.
extension VacuumPlanning {
  /// Inputs of executions that none of those that may run again would replay.
  func changeSets() throws -> [VacuumPlan.File] {
    let needed = Set(try runs().map { ExactText(Layout.changeSet($0.key.description, $0.changeSet)) })
    let all = Set(
      try ExecutionState(table.history()).runs.map { ExactText(Layout.changeSet($0.key.description, $0.changeSet)) })
    var files: [VacuumPlan.File] = []
    for execution in try storage.list(Layout.changeSets) {
      for fingerprint in try storage.list(Layout.join(Layout.changeSets, execution)) {
        let directory = Layout.changeSet(execution, fingerprint)
        guard !needed.contains(ExactText(directory)) else { continue }
        for name in try storage.list(directory) {
          let path = Layout.join(directory, name)
          guard let status = try storage.status(path), status.isRegular else { continue }
          // One of no version may belong to a commit that is under way.
          guard all.contains(ExactText(directory)) || isOld(status) else { continue }
          files.append(.init(path: path, byteCount: status.byteCount, kind: .changeSet))
        }
      }
    }
    return files
  }

  private func isOfATable(_ path: String) -> Bool {
    path.hasSuffix(".parquet") || (path.hasSuffix(".bin") && Layout.name(path).hasPrefix("deletion_vector_"))
  }

  /// Data files and deletion vectors that no entry names.
  func orphans(but lives: [ExactText: Life]) throws -> [VacuumPlan.File] {
    var files: [VacuumPlan.File] = []
    func walk(_ path: String) throws {
      guard let status = try storage.status(path) else { return }
      if status.isDirectory {
        for name in try storage.list(path) where !name.hasPrefix("_") && !name.hasPrefix(".") {
          try walk(Layout.join(path, name))
        }
      } else if status.isRegular, isOfATable(path), lives[ExactText(path)] == nil, isOld(status) {
        files.append(.init(path: path, byteCount: status.byteCount, kind: .orphan))
      }
    }
    for name in try storage.list("")
    where !name.hasPrefix("_") && !name.hasPrefix(".") && name != Layout.icebergMetadata {
      try walk(name)
    }
    return files
  }

  private func isOld(_ status: Storage.Status) -> Bool { status.modificationMilliseconds <= now - orphanMilliseconds }

  /// Shards that neither the proxy nor a sum of history names: from these alone an index is gone on from.
  ///
  /// None where something that names shards cannot be read, or a named one is missing: then there is first something to
  /// be repaired.
  func unnamedShards() throws -> [VacuumPlan.File] {
    guard let proxy = try Proxy.read(storage) else { return [] }
    var named = Set(proxy.index.shards.values)
    for version in try storage.list(Layout.states).compactMap(Layout.version(ofLogName:)) {
      guard let block = try StateBlock.read(version, table.log) else { return [] }
      named.formUnion(block.index.shards.values)
    }
    let paths = Set(named.map(Layout.proxyShard))
    let present = try storage.list(Layout.proxyShards).map { Layout.join(Layout.proxyShards, $0) }
    guard paths.isSubset(of: present) else { return [] }
    return try present.filter { !paths.contains($0) }.sorted().compactMap { path in
      guard Layout.isProxyShard(path), let status = try storage.status(path), status.isRegular else { return nil }
      return VacuumPlan.File(path: path, byteCount: status.byteCount, kind: .shard)
    }
  }
}
