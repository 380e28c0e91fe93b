internal import VarveTables

/// Looks at every byte of every version of a table, offline, and names what is not as it was written.
///
/// What there is to go by: each log entry of ours names the digests of its manifests and of the entry before it, each
/// manifest the digests of its files, and the proxy, its history and the state files the digest of some entry. All else
/// (shards, states, checkpoints) follows from the log and is compared with what it must be, byte for byte.
///
/// A digest that a damaged file names is not believed, so one flip is one finding.
///
/// The log, and what follows from it, changes with every commit, and so is looked at in the writers' turn, where there
/// is a lock to wait for; data never changes, and is read beside them.
package final class Audit {
  let storage: Storage
  let log: DeltaLog
  let table: String
  let parallelism: Int
  /// Whether the caller holds the table's lock.
  let isLocked: Bool
  /// Called now and then with the bytes looked at so far; may throw to stop.
  let progress: (Int) throws -> Void

  var report: AuditReport
  /// By version; what was read of the log.
  var entries: [Int64: ReadEntry] = [:]
  var first: Int64 = 0
  var head: Int64 = -1
  /// Who says what the digest of an entry is, beside the entry after it.
  var witnesses: [Int64: [Witness]] = [:]
  /// Every file that the log names, by path.
  var tracked: [ExactText: TrackedFile] = [:]
  /// Paths by the digest that they must have, to name what took another's place.
  var pathsByDigest: [String: [String]] = [:]
  /// Where the bytes of damaged files are found, by their digest.
  var pathsByActualDigest: [String: [String]] = [:]
  /// What strikes rows out of files that were live at some time.
  var vectors: [FileKey: ReadVector] = [:]
  /// Directories `<partition>/v<N>` that an entry names.
  var namedDirectories = Set<ExactText>()
  /// Whether the sum of the log is known: no entry so far was damaged.
  var isSumKnown = true
  /// Manifests by partition, as of the last entry that was replayed.
  var manifests: [String: ManifestReference] = [:]
  /// What derived files must hold, at the versions that they stand for.
  var sums: [Int64: (index: ManifestIndex, shards: [String: [UInt8]])] = [:]
  /// Versions whose checkpoint is ours to the byte.
  var ownCheckpoints = Set<Int64>()
  var recordLines: [ArraySlice<UInt8>] = []
  var metadata: TableMetadata?
  /// What was removed on purpose.
  var vacuumed: [ExactText: Int64] = [:]
  var changeSets = Set<ExactText>()
  /// Judged when all digests are known.
  var damagedManifests: [(path: String, sha256: String, remedy: Remedy?)] = []

  struct ReadEntry {
    var sha256: String
    var byteCount: Int
    /// Nil where it cannot be parsed.
    var previous: String?
    var problem: String?
    var isOurs: Bool
    var timestamp: Int64
    var modificationTime: Int64
    var publishes: Bool
    var operation: String
    var isAltered = false
  }

  struct Witness {
    var sha256: String
    var path: String
  }

  struct TrackedFile {
    var byteCount: Int?
    /// All 64 digits, or the first 16 where only the name tells.
    var sha256: String?
    var addedAt: Int64
    /// The last version that it is live in; nil while it is.
    var lastLive: Int64?
    /// Whether versions need it; else it is kept for later.
    var isData = true
  }

  package init(
    _ table: Table, parallelism: Int = 1, isLocked: Bool = false,
    progress: @escaping (_ bytesRead: Int) throws -> Void = { _ in }
  ) {
    storage = table.storage
    log = table.log
    self.table = table.name
    self.parallelism = parallelism
    self.isLocked = isLocked
    self.progress = progress
    report = AuditReport(table: table.name)
  }

  package func run() throws -> AuditReport {
    try checkBookkeeping()
    try checkContents()
    report.findings.sort { one, other in
      one.isDamage == other.isDamage ? ExactText(one.path) < ExactText(other.path) : one.isDamage
    }
    return report
  }

  private func checkBookkeeping() throws {
    let lock = isLocked ? nil : try? storage.lock(Layout.lock, waits: true, creates: false)
    defer { withExtendedLifetime(lock) {} }
    try readWitnesses()
    try readVacuums()
    try readLog()
    judgeEntries()
    try replay()
    try judgeManifests()
    try checkProxy()
    try checkPublications()
    try checkShards()
    try checkStates()
    try checkTags()
    try checkSymlinks()
    try checkVectors()
    try findStrays()
  }

  func find(
    _ kind: Finding.Kind, _ path: String, _ what: String, versions: ClosedRange<Int64>? = nil, remedy: Remedy? = nil
  ) {
    report.findings.append(Finding(kind, path, what, versions: versions, remedy: remedy))
  }

  /// A file whose bytes are not those that were written: says in which way.
  func findContent(
    _ path: String, actual: [UInt8], sha256: String, expectedByteCount: Int? = nil, versions: ClosedRange<Int64>?,
    remedy: Remedy? = nil
  ) {
    report.fileCount += 1
    report.byteCount += actual.count
    let digest = Digest.sha256(actual)
    if let byteCount = expectedByteCount, actual.count > byteCount,
      Digest.sha256(Array(actual.prefix(byteCount))) == sha256
    {
      return find(
        .extended, path, "has \(actual.count - byteCount) bytes more than were written", versions: versions,
        remedy: remedy)
    }
    if expectedByteCount == nil, let count = prefix(of: actual, with: sha256) {
      return find(
        .extended, path, "has \(actual.count - count) bytes more than were written", versions: versions, remedy: remedy)
    }
    let (kind, what) = describe(path, byteCount: actual.count, digest: digest, expectedByteCount: expectedByteCount)
    find(kind, path, what, versions: versions, remedy: remedy)
  }

  func describe(_ path: String, byteCount: Int, digest: String, expectedByteCount: Int?) -> (Finding.Kind, String) {
    if let others = pathsByDigest[digest], let other = others.first(where: { ExactText($0) != ExactText(path) }) {
      return (.swapped, "holds the bytes of \(other)")
    }
    guard let expectedByteCount, expectedByteCount != byteCount else {
      return (.altered, "does not hold what was written")
    }
    return byteCount < expectedByteCount
      ? (.truncated, "has \(byteCount) bytes, and \(expectedByteCount) were written")
      : (.altered, "has \(byteCount) bytes, and \(expectedByteCount) others were written")
  }

  /// How many of the first bytes, up to a line's end, have that digest.
  private func prefix(of bytes: [UInt8], with sha256: String) -> Int? {
    for (index, byte) in bytes.enumerated().reversed() where byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "}") {
      if index + 1 < bytes.count, Digest.sha256(Array(bytes.prefix(index + 1))) == sha256 { return index + 1 }
    }
    return nil
  }
}
