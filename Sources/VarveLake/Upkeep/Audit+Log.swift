internal import VarveJSON
internal import VarveTables

/// The log by itself: every entry there, and each the one that the next names.
extension Audit {
  /// What others say about entries.
  func readWitnesses() throws {
    func testify(_ version: Int64, _ sha256: String, _ path: String) {
      witnesses[version, default: []].append(Witness(sha256: sha256, path: path))
    }
    if let bytes = try storage.read(Layout.proxy), let proxy = try? Proxy(bytes, place: []) {
      testify(proxy.version, proxy.entrySHA256, Layout.proxy)
      if let newest = proxy.newest { testify(newest.version, newest.entrySHA256, Layout.proxy) }
    }
    for name in try storage.list(Layout.proxyHistory) where Layout.version(ofLogName: name) != nil {
      let path = Layout.join(Layout.proxyHistory, name)
      guard let bytes = try storage.read(path), let past = Proxy.Past(bytes) else { continue }
      testify(past.version, past.entrySHA256, path)
    }
    for name in try storage.list(Layout.states) {
      guard let version = Layout.version(ofLogName: name), let block = try StateBlock.read(version, log) else {
        continue
      }
      testify(version, block.entrySHA256, Layout.state(version))
    }
  }

  func readLog() throws {
    let names = try storage.list(Layout.log)
    let versions = names.compactMap(Layout.version(ofLogName:))
    guard let least = versions.min(), let greatest = versions.max() else {
      find(.missing, Layout.log, "has no entries", versions: nil)
      isSumKnown = false
      return
    }
    (first, head) = (least, greatest)
    for version in least...greatest {
      guard let file = try storage.openToRead(Layout.logEntry(version)) else { continue }
      let bytes = try file.read(at: 0, count: file.byteCount)
      report.fileCount += 1
      report.byteCount += bytes.count
      try progress(report.byteCount)
      var read = ReadEntry(
        sha256: Digest.sha256(bytes), byteCount: bytes.count, isOurs: false, timestamp: 0,
        modificationTime: file.modificationMilliseconds, publishes: true, operation: "")
      do {
        let entry = try LogEntry(
          version: version, bytes: bytes, modificationTime: file.modificationMilliseconds, place: [table])
        read.previous = entry.bookkeeping?.previousEntry
        read.isOurs = entry.bookkeeping != nil
        read.timestamp = entry.timestamp
        read.publishes = entry.bookkeeping?.publishes ?? true
        read.operation = entry.commitInfo?["operation"]?.string ?? ""
      } catch let problem as Problem where problem.kind == .damaged {
        read.problem = problem.what
      }
      entries[version] = read
      if version > 0 || read.operation != "CREATE TABLE" { report.versionCount += 1 }
      pathsByDigest[read.sha256, default: []].append(Layout.logEntry(version))
    }
    try findGaps(names)
  }

  /// Entries that must have been there: those between others, those before the first, and those that others speak of.
  private func findGaps(_ names: [String]) throws {
    for version in first...head where entries[version] == nil {
      find(.missing, Layout.logEntry(version), "is missing", versions: version...version)
    }
    if first > 0 {
      if try log.checkpoint(atOrBefore: head).map({ $0.version >= first - 1 }) ?? false {
        find(
          .vacuumed, Layout.logEntry(first - 1),
          "and the entries before it were removed by another engine, "
            + "which left a checkpoint", versions: 0...(first - 1))
      } else {
        find(.missing, Layout.logEntry(first - 1), "is missing, and so is all before it", versions: 0...(first - 1))
      }
    }
    let spokenOf = witnesses.keys.filter { $0 > head }
      .map { ($0, witnesses[$0]![0].path) }
    let last = try log.lastCheckpoint().flatMap { $0.version > head ? ($0.version, Layout.lastCheckpoint) : nil }
    for (version, path) in (spokenOf + [last].compactMap { $0 }).sorted(by: { $0.0 < $1.0 }).suffix(1) {
      find(
        .missing, Layout.logEntry(version), "is missing: \(path) speaks of it", versions: (head + 1)...version)
      isSumKnown = false
    }
  }

  /// From the newest down, since a digest counts only where the entry that names it is whole.
  func judgeEntries() {
    for version in stride(from: head, through: first, by: -1) {
      guard let entry = entries[version] else { continue }
      let path = Layout.logEntry(version)
      let next = entries[version + 1]
      let chained = next?.isAltered == false ? next?.previous : nil
      let others = witnesses[version] ?? []
      let claims = (chained.map { [$0] } ?? []) + others.map(\.sha256)
      // One that is off by a few digits was damaged itself; a digest of other bytes differs almost everywhere.
      let isProven = claims.contains { $0 == entry.sha256 || isMisspelled($0, entry.sha256) }
      if isProven {
        if let chained, chained != entry.sha256 {
          entries[version + 1]?.isAltered = true
          find(.altered, Layout.logEntry(version + 1), "does not hold what was written", versions: (version + 1)...head)
        }
      } else if let wanted = chained ?? others.first?.sha256 {
        entries[version]!.isAltered = true
        judge(path, entry, wanted: wanted, version)
        continue
      }
      if let problem = entry.problem {
        entries[version]!.isAltered = true
        find(.altered, path, problem, versions: version...head)
      } else if entry.isOurs, entry.modificationTime != entry.timestamp {
        find(
          .time, path, "does not have the time of its commit, as after a copy without times",
          remedy: .setTime(entry.timestamp))
      }
    }
  }

  private func isMisspelled(_ one: String, _ other: String) -> Bool {
    one.utf8.count == other.utf8.count && zip(one.utf8, other.utf8).count { $0 != $1 } <= 8
  }

  private func judge(_ path: String, _ entry: ReadEntry, wanted: String, _ version: Int64) {
    guard let bytes = try? storage.read(path) else { return }
    findContent(path, actual: bytes, sha256: wanted, versions: version...head)
    report.fileCount -= 1
    report.byteCount -= bytes.count
    // What took its place says nothing of what was there; cut off is what ends within a line.
    if let index = report.findings.indices.last, report.findings[index].kind == .altered, bytes.last != 0x0A {
      report.findings[index].kind = .truncated
      report.findings[index].what = "ends within a line"
    }
  }
}
