internal import VarveParquet
internal import VarveTables

/// The files themselves: every byte of those that the log names, and what lies there beside them.
extension Audit {
  private struct Look: Sendable {
    var byteCount = 0
    var sha256: String?
    /// Of as many bytes as were written, where there are more.
    var sha256OfWritten: String?
    var isMissing = false
    var problem: String?
  }

  func checkContents() throws {
    let files = tracked.sorted { $0.key < $1.key }
    let storage = storage
    // A few at a time, so that there is something to tell in between.
    let stride = max(1, parallelism) * 4
    for start in Swift.stride(from: 0, to: files.count, by: stride) {
      let batch = Array(files[start..<min(files.count, start + stride)])
      let looks = try concurrently(batch.count, parallelism: parallelism) { number in
        Audit.look(storage, batch[number].key.text, batch[number].value)
      }
      for (file, look) in zip(batch, looks) { try judge(file.key.text, file.value, look) }
      try progress(report.byteCount)
    }
    try findCopies()
  }

  private static func look(_ storage: Storage, _ path: String, _ file: TrackedFile) -> Look {
    var look = Look()
    do {
      guard let source = try storage.openToRead(path) else {
        look.isMissing = true
        return look
      }
      look.byteCount = source.byteCount
      if file.sha256 == nil {
        if file.byteCount == source.byteCount { _ = try ParquetFile(source, name: path) }
        return look
      }
      look.sha256 = try digest(source, source.byteCount)
      if let byteCount = file.byteCount, byteCount < source.byteCount {
        look.sha256OfWritten = try digest(source, byteCount)
      }
    } catch let problem as Problem {
      look.problem = problem.what
    } catch {
      look.problem = "\(error)"
    }
    return look
  }

  private static let pieceBytes = 1 << 20

  private static func digest(_ source: FileByteSource, _ byteCount: Int) throws -> String {
    let digest = Digest()
    var offset = 0
    while offset < byteCount {
      let count = min(pieceBytes, byteCount - offset)
      digest.update(try source.read(at: offset, count: count))
      offset += count
    }
    return digest.finish()
  }

  private func judge(_ path: String, _ file: TrackedFile, _ look: Look) throws {
    let last = max(file.addedAt, file.lastLive ?? head)
    let versions = file.isData ? file.addedAt...last : nil
    if look.isMissing { return try judgeMissing(path, file, versions) }
    report.fileCount += 1
    report.byteCount += look.byteCount
    if let problem = look.problem {
      return find(.altered, path, "cannot be read: \(problem)", versions: versions)
    }
    let isRightSize = file.byteCount == nil || file.byteCount == look.byteCount
    guard let wanted = file.sha256, let sha256 = look.sha256 else {
      if !isRightSize, let byteCount = file.byteCount {
        find(
          look.byteCount < byteCount ? .truncated : .extended, path,
          "has \(look.byteCount) bytes, and the log says \(byteCount)", versions: versions)
      }
      return
    }
    if isRightSize, sha256.hasPrefix(wanted) { return }
    pathsByActualDigest[sha256, default: []].append(path)
    let remedy = wanted.utf8.count == 64 ? Remedy.copy(from: "", sha256: wanted) : nil
    if look.sha256OfWritten?.hasPrefix(wanted) == true, let byteCount = file.byteCount {
      return find(
        .extended, path, "has \(look.byteCount - byteCount) bytes more than were written", versions: versions,
        remedy: remedy)
    }
    let (kind, what) = describe(path, byteCount: look.byteCount, digest: sha256, expectedByteCount: file.byteCount)
    find(kind, path, what, versions: versions, remedy: remedy)
  }

  private func judgeMissing(_ path: String, _ file: TrackedFile, _ versions: ClosedRange<Int64>?) throws {
    if let lastLive = file.lastLive {
      if vacuumed[ExactText(path)] != nil {
        return find(.vacuumed, path, "was removed by a vacuum", versions: versions)
      }
      let stranger = entries.filter { $0.key > lastLive && $0.value.operation == "VACUUM END" }.keys.min()
      if let stranger {
        return find(
          .vacuumed, path, "was removed by another engine's vacuum (version \(stranger))", versions: versions)
      }
    }
    // A vacuum may have come while the others were read.
    if vacuumed[ExactText(path)] == nil, try Vacuums.readWhole(storage).vacuums.removed[ExactText(path)] != nil {
      return find(.vacuumed, path, "was removed by a vacuum", versions: versions)
    }
    find(
      .missing, path, "is missing", versions: versions,
      remedy: file.sha256.flatMap { $0.utf8.count == 64 ? .copy(from: "", sha256: $0) : nil })
  }

  /// Finds, for each file that is lost, another that holds the very bytes: one that took another's place, one of equal
  /// content, or what a repair laid aside.
  private func findCopies() throws {
    let damaged = Set(report.findings.map { ExactText($0.path) })
    for index in report.findings.indices {
      guard case .copy(_, let sha256)? = report.findings[index].remedy else { continue }
      let whole = (pathsByDigest[sha256] ?? []).filter { !damaged.contains(ExactText($0)) }
      let aside = Layout.join(Layout.trash, sha256)
      var sources = (pathsByActualDigest[sha256] ?? []) + whole
      if try storage.exists(aside) { sources.append(aside) }
      let own = ExactText(report.findings[index].path)
      let source = sources.first { ExactText($0) != own }
      report.findings[index].remedy = source.map { .copy(from: $0, sha256: sha256) }
    }
  }

  // MARK: What nobody named

  func findStrays() throws {
    guard isSumKnown else { return }
    for name in try storage.list("") where name != Layout.log && name != Layout.bookkeeping {
      try walk(name)
    }
    for name in try storage.list(Layout.staging) {
      if let lock = try? storage.lock(Layout.staging(name), isDirectory: true, waits: false) {
        withExtendedLifetime(lock) {}
        find(.unfinished, Layout.staging(name), "was left by a writer that died; the next one removes it")
      }
    }
  }

  private func walk(_ path: String) throws {
    guard try storage.status(path)?.isDirectory == true else { return }
    if Layout.version(ofDirectoryName: Layout.name(path)) != nil {
      guard namedDirectories.contains(ExactText(path)) else {
        if !holdsTracked(path) { find(.unfinished, path, "is named by no entry; a writer that died left it") }
        return
      }
      if metadata?.immutability != nil, try storage.isSealed(directory: path) == false {
        find(.unfinished, path, "can be written to; varve repair or the next writer makes it read-only", remedy: .seal)
      }
      for name in try storage.list(path) where name != Layout.manifestName {
        let file = Layout.join(path, name)
        if tracked[ExactText(file)] == nil, !name.hasPrefix(".") {
          report.findings.append(
            Finding(.stray, file, "is no file of this version", versions: nil))
        }
      }
      return
    }
    for name in try storage.list(path) { try walk(Layout.join(path, name)) }
  }

  private func holdsTracked(_ directory: String) -> Bool {
    tracked.keys.contains { ExactText(Layout.parent($0.text)) == ExactText(directory) }
  }
}
