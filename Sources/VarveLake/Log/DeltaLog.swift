internal import VarveJSON
internal import VarveTables

/// A table's log as it lies on disk: which versions there are, and what each entry says.
package struct DeltaLog: Sendable {
  let storage: Storage
  /// For messages: the table.
  let place: [String]

  /// The newest version, or nil where there is no table.
  ///
  /// Never lists the directory when something tells where to look: from the last checkpoint, or `hint`, it probes
  /// forward. A hint that is too high (a table set back by hand) is found out and passed over.
  package func head(hint: Int64? = nil) throws -> Int64? {
    let known = try max(lastCheckpoint()?.version ?? 0, hint ?? 0)
    if try storage.exists(Layout.logEntry(known)) {
      var head = known
      while try storage.exists(Layout.logEntry(head + 1)) { head += 1 }
      return head
    }
    return try storage.list(Layout.log).compactMap(Layout.version(ofLogName:)).max()
  }

  /// The entry of that version, or nil where there is none.
  package func entry(_ version: Int64) throws -> LogEntry? {
    guard let file = try storage.openToRead(Layout.logEntry(version)) else { return nil }
    let bytes = try file.read(at: 0, count: file.byteCount)
    return try LogEntry(
      version: version, bytes: bytes, modificationTime: file.modificationMilliseconds, place: place)
  }

  /// The entry of a version that must be there.
  package func entry(existing version: Int64) throws -> LogEntry {
    guard let entry = try entry(version) else {
      throw Problem(
        .damaged, at: place, "the log entry of version \(version) is missing",
        advice: "versions before the next checkpoint can no longer be read")
    }
    return entry
  }

  /// Refuses an entry that is not the one that the entry after it was committed on.
  func check(_ entry: LogEntry, before next: LogEntry) throws {
    guard let told = next.bookkeeping?.previousEntry, told != entry.sha256 else { return }
    throw Problem(
      .damaged, at: place, "the log entries of versions \(entry.version) and \(next.version) do not fit together",
      advice: "run varve verify")
  }

  /// Refuses an entry that is not the one that the proxy names: the newest has none after it that would tell.
  func checkShown(_ entry: LogEntry) throws {
    guard let proxy = try? Proxy.read(storage) else { return }
    let told = [(proxy.version, proxy.entrySHA256)] + (proxy.newest.map { [($0.version, $0.entrySHA256)] } ?? [])
    guard told.contains(where: { $0.0 == entry.version && $0.1 != entry.sha256 }) else { return }
    throw Problem(
      .damaged, at: place, "the log entry of version \(entry.version) is not the one that the proxy names",
      advice: "run varve verify")
  }

  /// The SHA-256 of an entry, or nil where there is none. One that names many files is not read for it, where the entry
  /// after it says what it is.
  func digest(ofEntry version: Int64) throws -> String? {
    guard let file = try storage.openToRead(Layout.logEntry(version)) else { return nil }
    if file.byteCount > DeltaLog.digestedBytesMax,
      let next = try storage.status(Layout.logEntry(version + 1)), next.byteCount <= DeltaLog.digestedBytesMax,
      let told = try entry(version + 1)?.bookkeeping?.previousEntry
    {
      return told
    }
    return Digest.sha256(try file.read(at: 0, count: file.byteCount))
  }

  private static let digestedBytesMax = 1 << 16

  /// A checkpoint: the sum of the log up to a version, in one file or several.
  package struct Checkpoint: Hashable, Sendable {
    package var version: Int64
    package var parts: Int?

    package var paths: [String] {
      guard let parts else { return [Layout.checkpoint(version)] }
      return (1...max(parts, 1)).map { part in
        let head = Layout.checkpoint(version).dropLast(".parquet".utf8.count)
        return "\(head).\(Layout.digits(Int64(part), 10)).\(Layout.digits(Int64(parts), 10)).parquet"
      }
    }
  }

  /// What `_last_checkpoint` says, which anybody may have written: nothing where it makes no sense.
  func lastCheckpoint() throws -> Checkpoint? {
    guard let bytes = try storage.read(Layout.lastCheckpoint),
      let json = try? JSONValue(parsing: bytes, duplicateKeys: .lastWins),
      let version = json["version"]?.int64, version >= 0
    else { return nil }
    let parts = json["parts"]?.int
    if let parts, !(1...DeltaLog.checkpointPartsMax).contains(parts) { return nil }
    return Checkpoint(version: version, parts: parts)
  }

  private static let checkpointPartsMax = 10_000

  /// The newest checkpoint at or before that version; nil where the entries from 0 on must do.
  ///
  /// Ours lie beside state files, which are few; the log's own directory, which is long, is listed only if entries
  /// are missing from it.
  func checkpoint(atOrBefore version: Int64) throws -> Checkpoint? {
    var best: Checkpoint?
    if let last = try lastCheckpoint(), last.version <= version, try isComplete(last) { best = last }
    let ours = try storage.list(Layout.states).compactMap(Layout.version(ofLogName:)).filter { $0 <= version }
    for candidate in ours.sorted(by: >) {
      if let best, best.version >= candidate { break }
      let checkpoint = Checkpoint(version: candidate)
      if try isComplete(checkpoint) {
        best = checkpoint
        break
      }
    }
    if try storage.exists(Layout.logEntry((best?.version ?? -1) + 1)) || best?.version == version { return best }
    return try listedCheckpoint(atOrBefore: version) ?? best
  }

  private func isComplete(_ checkpoint: Checkpoint) throws -> Bool {
    try checkpoint.paths.allSatisfy { try storage.status($0)?.isRegular == true }
  }

  private func listedCheckpoint(atOrBefore version: Int64) throws -> Checkpoint? {
    var best: Checkpoint?
    for name in try storage.list(Layout.log) {
      var candidate: Checkpoint?
      if let version = Layout.version(ofCheckpointName: name) {
        candidate = Checkpoint(version: version)
      } else {
        // `<version>.checkpoint.<part>.<parts>.parquet`
        let pieces = name.split(separator: ".")
        if pieces.count == 5, pieces[1] == "checkpoint", let version = Int64(pieces[0]), let parts = Int(pieces[3]),
          (1...DeltaLog.checkpointPartsMax).contains(parts)
        {
          candidate = Checkpoint(version: version, parts: parts)
        }
      }
      if let candidate, candidate.version <= version, candidate.version > best?.version ?? -1,
        try isComplete(candidate)
      {
        best = candidate
      }
    }
    return best
  }
}
