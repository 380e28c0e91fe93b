internal import VarveTables

/// A copy of a table in a scratch warehouse that grows version by version, so that each version can be made again on the
/// very one before it.
package final class ScratchTable {
  private let original: Table
  private let scratch: Warehouse
  /// The newest version that the copy has as the original has it.
  private var adopted: Int64 = -1

  package init(of original: Table, in scratch: Warehouse) {
    self.original = original
    self.scratch = scratch
  }

  /// An empty warehouse outside of any other, in TMPDIR.
  package static func makeWarehouse(random: RandomSource) throws -> Warehouse {
    let parent = try ScratchFile.directory()
    let name = ".varve-rerun-\(random.identifier())"
    guard try parent.makeDirectory(name) else {
      throw Problem(.failed, at: [parent.path], "the directory \(name) is taken", advice: "try again")
    }
    return try Warehouse.create(Layout.join(parent.path, name))
  }

  package static func remove(_ warehouse: Warehouse) throws {
    guard let parent = try Storage.open(Layout.parent(warehouse.storage.path)) else { return }
    try remove(Layout.name(warehouse.storage.path), in: parent)
  }

  /// Directories of immutable tables too.
  private static func remove(_ path: String, in storage: Storage) throws {
    guard let status = try storage.status(path) else { return }
    guard status.isDirectory else { return try storage.removeIfPresent(path) }
    try storage.unsealing(path) {
      for name in try storage.list(path) { try remove(Layout.join(path, name), in: storage) }
    }
    try storage.removeEmptyDirectory(path)
  }

  /// Copies what the original has up to before that version.
  package func stand(before version: Int64) throws {
    guard adopted < version - 1 else { return }
    let copy = try scratch.prepare(original.name)
    try forgetDerived(copy.storage)
    try copy.storage.makeDirectories(Layout.log)
    for number in (adopted + 1)...(version - 1) { try takeOver(number, into: copy.storage) }
    adopted = version - 1
  }

  /// The version was made again as it was. Its entry becomes the original's, whose digest the next one names.
  package func accept(_ version: Int64) throws {
    let copy = try scratch.prepare(original.name)
    try forgetDerived(copy.storage)
    for number in (adopted + 1)...version { try takeOver(number, into: copy.storage) }
    adopted = version
  }

  /// Takes away what was made after the versions that are as the original's.
  package func reject() throws {
    guard let copy = try scratch.directory(ofTable: original.name) else { return }
    let head = try copy.log.head() ?? -1
    guard head > adopted else { return }
    try forgetDerived(copy.storage)
    for number in stride(from: head, to: adopted, by: -1) {
      guard let entry = try copy.log.entry(number) else { continue }
      for directory in Recovery.directories(entry) { try ScratchTable.remove(directory, in: copy.storage) }
      try copy.storage.removeIfPresent(Layout.logEntry(number))
    }
  }

  /// What follows from the log, and is made again from it.
  private func forgetDerived(_ storage: Storage) throws {
    for path in [Layout.proxy, Layout.proxyHistory, Layout.states, Layout.lastCheckpoint] {
      try storage.removeTree(path)
    }
    for name in try storage.list(Layout.log) where Layout.version(ofCheckpointName: name) != nil {
      try storage.removeIfPresent(Layout.join(Layout.log, name))
    }
  }

  private func takeOver(_ version: Int64, into storage: Storage) throws {
    guard let file = try original.storage.openToRead(Layout.logEntry(version)) else {
      throw Problem(.damaged, at: [original.name, Layout.logEntry(version)], "is missing", advice: "run varve verify")
    }
    let entry = try original.log.entry(existing: version)
    let files = entry.adds.compactMap { LogPath.decode($0.path) } + (entry.bookkeeping?.manifests.map(\.path) ?? [])
    for path in files where LogPath.isSafe(path) {
      // What is gone is missed only by who needs it.
      guard let source = try original.storage.openToRead(path), try !storage.exists(path) else { continue }
      try storage.makeDirectories(Layout.parent(path))
      try storage.unsealing(Layout.parent(path)) {
        let copy = try storage.create(path)
        var offset = 0
        while offset < source.byteCount {
          let piece = try source.read(at: offset, count: min(ScratchTable.pieceBytesMax, source.byteCount - offset))
          try copy.write(piece)
          offset += piece.count
        }
      }
    }
    let bytes = try file.read(at: 0, count: file.byteCount)
    try storage.removeIfPresent(Layout.logEntry(version))
    try storage.write(Layout.logEntry(version), bytes, modificationMilliseconds: file.modificationMilliseconds)
  }

  private static let pieceBytesMax = 1 << 20

  /// How the version that was made again differs from the original's, a sentence for each file; none where manifests,
  /// and with them the digests of all Parquet files, are the same.
  package func differences(at version: Int64) throws -> [String] {
    guard let copy = try scratch.table(original.name), try copy.head() == version else {
      return ["another number of versions came of it"]
    }
    let (before, after) = (try original.log.entry(existing: version), try copy.log.entry(existing: version))
    func files(_ entry: LogEntry) throws -> [ExactText: String] {
      var files: [ExactText: String] = [:]
      for add in entry.adds { files[ExactText(LogPath.decode(add.path) ?? add.path)] = "\(add.byteCount)" }
      for remove in entry.removes { files[ExactText("drop of " + (LogPath.decode(remove.path) ?? remove.path))] = "" }
      for manifest in entry.bookkeeping?.manifests ?? [] { files[ExactText(manifest.path)] = manifest.sha256 }
      return files
    }
    let (was, now) = (try files(before), try files(after))
    return Set(was.keys).union(now.keys).sorted().compactMap { path in
      switch (was[path], now[path]) {
      case (let one, let other) where one == other: nil
      case (_, nil): "\(path.text) did not come again"
      case (nil, _): "\(path.text) is new"
      default: "\(path.text) holds other bytes"
      }
    }
  }
}
