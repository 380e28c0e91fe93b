internal import Synchronization
internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// What became of a table's small files.
public struct CompactionReport: Sendable {
  /// The table's name.
  public var table: String
  /// The version committed, or the one that stands.
  public var version: Int
  /// How it ended.
  public var outcome: ChangeReport.Outcome
  /// Partitions that were written anew.
  public var partitionCount: Int
  /// Files of those partitions.
  public var fileCountBefore: Int
  /// Their size.
  public var byteCountBefore: Int
  /// Nil of a dry run.
  public var fileCountAfter: Int?
  /// What they take now; nil of a dry run.
  public var byteCountAfter: Int?
  /// The rows that were written anew, and the digest of them, equal before and after; nil of a dry run.
  public var rowCount: Int?
  /// SHA-256 of the rows' values, the same before and after; nil of a dry run.
  public var rowsSHA256: String?
  /// What went wrong after the commit, and is put right by the next writer.
  public var remarks: [String]
}

extension Warehouse {
  /// Writes small files of a table, or of the partitions that have these values, anew as larger ones: a version with
  /// the same rows in the same order, which is known as such (`dataChange` false).
  ///
  /// `targetBytes` is how large the new files become, about; those of less than half of it are written anew.
  public func compact(
    _ name: String, partitions: [[String: String?]] = [], targetBytes: Int = Warehouse.targetBytesStandard,
    isDryRun: Bool = false
  ) throws -> CompactionReport {
    try compact(
      name, partitions, targetBytes: targetBytes, isDryRun: isDryRun, called: surroundings.random.identifier())
  }

  func compact(
    _ name: String, _ partitions: [[String: String?]], targetBytes: Int, isDryRun: Bool = false, called id: String
  ) throws -> CompactionReport {
    guard targetBytes > 0 else { throw Problem(.usage, "a file has at least one byte") }
    let table = try table(name)
    let base = try table.snapshot(at: .settled)
    let surroundings = surroundings
    let limits = limits
    let planned = Mutex(Compaction.Sizes())
    let plan: @Sendable (Snapshot) throws -> Compaction? = { head in
      var limits = limits
      limits.zstdLevel = head.metadata.zstdLevel
      let scope = try PartitionScope(partitions, head.metadata, table: name)
      let compaction = Compaction(
        try head.contents(), targetBytes: targetBytes, limits: limits, where: { scope.isWhole || scope.holds($0) })
      planned.withLock { $0 = compaction.sizes }
      return compaction.isNeeded ? compaction : nil
    }
    func report(_ version: Int64, _ outcome: ChangeReport.Outcome, remarks: [String] = []) -> CompactionReport {
      let sizes = planned.withLock { $0 }
      return CompactionReport(
        table: name, version: Int(version), outcome: outcome, partitionCount: sizes.partitionCount,
        fileCountBefore: sizes.fileCountBefore, byteCountBefore: sizes.byteCountBefore, remarks: remarks)
    }
    guard let first = try plan(base) else {
      try table.sync()
      return report(base.version, .unchanged)
    }
    if isDryRun { return report(base.version, .planned) }
    _ = try writable()
    try table.prepare()
    let staging = try StagingArea(
      table.storage, transaction: surroundings.random.identifier(),
      checkInterrupted: { [surroundings] in try surroundings.checkInterrupted() })
    do {
      let stage: @Sendable (Compaction) throws -> StagedChange = { compaction in
        try compaction.stage(in: staging) { try surroundings.checkInterrupted() }
      }
      var bookkeeping = Bookkeeping(ingestion: id, operation: .optimize, mode: "compact")
      bookkeeping.details["target_bytes"] = JSONValue(targetBytes)
      if !partitions.isEmpty { bookkeeping.details["partitions"] = .array(partitions.map(\.json)) }
      let commit = Commit(
        try stage(first), to: table, base: base, staging: staging, bookkeeping: bookkeeping, refusesRepeat: false
      ) { head in try plan(head).map(stage) }
      switch try committer.commit(commit) {
      case .committed(let committed):
        var report = report(committed.version, .committed, remarks: committed.remarks.map { "\($0)" })
        let told = try table.log.entry(existing: committed.version).bookkeeping?.details["compaction"]
        report.fileCountAfter = told?["files_after"]?.int
        report.byteCountAfter = told?["bytes_after"]?.int
        report.rowCount = told?["rows"]?.int
        report.rowsSHA256 = told?["rows_sha256"]?.string
        return report
      case .alreadyIngested(let version), .unchanged(let version): return report(version, .unchanged)
      }
    } catch {
      if !table.isInDoubt { try? staging.abandon() }
      throw error
    }
  }

  /// How large compacted files become, about, where nothing else is said.
  public static let targetBytesStandard = Compaction.targetBytesStandard
}
