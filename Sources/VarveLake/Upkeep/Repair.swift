internal import VarveTables

/// Puts right what follows from the log or is proven by a digest, and nothing else: shards, sums of history,
/// checkpoints, the proxy, the times of entries, manifests that come out with the digest that was committed, and files
/// whose very bytes lie elsewhere in the table.
///
/// Each remedy is one atomic step, and an audit follows that starts from what is there. So a crash leaves a table that
/// is partly repaired, and the next repair goes on.
package struct Repair {
  let table: Table
  let clock: WallClock
  let parallelism: Int
  let progress: (Int) throws -> Void
  private var storage: Storage { table.storage }

  package struct Report: Sendable {
    package var mended: [Finding] = []
    /// What the last audit saw.
    package var audit: AuditReport
  }

  /// A remedy may make another one possible: a manifest is made again from the one before it.
  private static let roundsMax = 8

  package init(
    _ table: Table, clock: WallClock = .system, parallelism: Int = 1,
    progress: @escaping (_ bytesRead: Int) throws -> Void = { _ in }
  ) {
    self.table = table
    self.clock = clock
    self.parallelism = parallelism
    self.progress = progress
  }

  package func run() throws -> Report {
    try storage.checkOwner()
    let lock = try table.lock()
    defer { withExtendedLifetime(lock) {} }
    var mended: [Finding] = []
    for _ in 0..<Repair.roundsMax {
      let audit = try look()
      let curable = audit.findings.filter { $0.remedy != nil }
      guard !curable.isEmpty else { break }
      try layAside(curable)
      for finding in curable { try apply(finding.remedy!, to: finding.path) }
      mended += curable
    }
    do {
      let before = try look()
      try Recovery(table: table, clock: clock).run()
      mended += before.findings.filter { $0.kind == .unfinished }
    } catch let problem as Problem where problem.kind == .damaged || problem.kind == .refused {
      // Damage that cannot be put right stands in the way of it, and the audit names it; or of a decision.
    }
    let audit = try look()
    let left = Set(audit.findings.map { ExactText($0.path) })
    return Report(mended: mended.filter { !left.contains(ExactText($0.path)) }, audit: audit)
  }

  private func look() throws -> AuditReport {
    try Audit(table, parallelism: parallelism, isLocked: true, progress: progress).run()
  }

  /// Gives what is to be copied a second name by its digest, since its own place may be taken by what belongs there.
  private func layAside(_ findings: [Finding]) throws {
    var isAnyAside = false
    for finding in findings {
      guard case .copy(let source, let sha256)? = finding.remedy else { continue }
      let aside = Layout.join(Layout.trash, sha256)
      if try storage.exists(aside) { continue }
      try storage.makeDurableDirectories(Layout.trash)
      _ = try storage.link(source, as: aside)
      isAnyAside = true
    }
    if isAnyAside { try storage.sync(Layout.trash) }
  }

  /// A directory that is sealed is so again afterwards; where a crash comes between, the next audit finds it.
  private func apply(_ remedy: Remedy, to path: String) throws {
    try storage.unsealing(Layout.parent(path)) { try put(remedy, path) }
  }

  private func put(_ remedy: Remedy, _ path: String) throws {
    let directory = Layout.parent(path)
    let draft = Layout.join(directory, ".\(Layout.name(path)).tmp")
    switch remedy {
    case .write(let bytes, let isSealed, let milliseconds):
      try storage.makeDurableDirectories(directory)
      try storage.replace(path, bytes, draft: draft, isSealed: isSealed, modificationMilliseconds: milliseconds)
    case .copy(_, let sha256):
      let aside = Layout.join(Layout.trash, sha256)
      guard let bytes = try storage.read(aside), Digest.sha256(bytes) == sha256 else {
        // What lay there is not what its name says; the next audit finds no copy.
        return try storage.removeIfPresent(aside)
      }
      try storage.makeDurableDirectories(directory)
      try storage.removeIfPresent(draft)
      guard try storage.link(aside, as: draft) else { return }
      try storage.renameOver(draft, to: path)
    case .remove:
      try storage.removeIfPresent(path)
      try storage.sync(directory)
    case .setTime(let milliseconds):
      try storage.setModificationTime(path, milliseconds)
    case .seal: try storage.seal(directory: path)
    }
  }
}
