internal import VarveLake
internal import VarveTables

/// What lies on disk of one table, compared with what was written.
public struct Verification: Sendable {
  /// Something that is not as it was written.
  public struct Finding: Sendable {
    /// `missing`, `altered`, `truncated`, `extended`, `swapped`, `stray`, `contradictory`; and what is no damage:
    /// `vacuumed`, `time`, `unfinished`.
    public var kind: String
    /// Relative to the table.
    public var path: String
    /// A sentence's rest.
    public var what: String
    /// Versions that cannot be read as they were committed because of it.
    public var versions: ClosedRange<Int>?
    /// Whether data or history was lost or changed.
    public var isDamage: Bool
    /// Whether `repair` can put it right.
    public var isRepairable: Bool
  }

  /// The table's name.
  public var table: String
  /// How many versions were looked at.
  public var versionCount: Int
  /// How many data files.
  public var fileCount: Int
  /// How many bytes.
  public var byteCount: Int
  /// Damage first, each by path.
  public var findings: [Finding]

  /// Whether nothing is damaged.
  public var isWhole: Bool { !findings.contains(where: \.isDamage) }
}

/// What the ledger says, compared with itself and with the tables' logs.
public struct LedgerVerification: Sendable {
  /// Nil where there is no ledger that can be read.
  public var entryCount: Int?
  /// How many bytes.
  public var byteCount: Int
  /// Sentences; none where it is whole.
  public var damage: [String]
  /// Ingestions that the logs tell of and the ledger does not: none of its own is wrong, and a repair enters them.
  public var missingCount: Int

  /// Whether nothing is damaged.
  public var isWhole: Bool { damage.isEmpty }
}

/// What became of the ledger.
public struct LedgerRepairReport: Sendable {
  /// Where the damaged one lies, relative to the warehouse. What only it knew is lost: failed attempts, dead letters, where
  /// files lay, and deliveries, which begin again at their first chunk.
  public var laidAside: String?
  /// How many entries had damaged rows and were removed, where the ledger was whole otherwise: ingestions, which are
  /// entered again if the logs know them, and deliveries, which begin again at their first chunk.
  public var removedCount: Int
  /// How many ingestions were entered from the logs.
  public var restoredCount: Int
}

/// What a repair did, and what it left.
public struct RepairReport: Sendable {
  /// The table's name.
  public var table: String
  /// What was put right.
  public var mended: [Verification.Finding]
  /// The table as it is now.
  public var verification: Verification
}

extension Warehouse {
  /// Looks at every byte of every version of a table, or of all tables. Needs nothing but the directory, and writes
  /// nothing.
  ///
  /// Damage is a finding, not an error.
  public func verify(_ table: String? = nil) throws -> [Verification] {
    try tablesForUpkeep(table).map { table in
      Verification(try Audit(table, parallelism: threads, progress: progress()).run())
    }
  }

  /// Puts right what follows from the log or is proven by a digest. Of data nothing is guessed: a part whose bytes are
  /// nowhere stays as it is.
  public func repair(_ table: String? = nil) throws -> [RepairReport] {
    if let lake = try lake() {
      do {
        try committer.carryOutPending(in: lake)
      } catch let problem as Problem where problem.kind == .damaged {
        // The audit names what is in its way.
      }
    }
    return try tablesForUpkeep(table).map { table in
      let report = try Repair(table, clock: surroundings.clock, parallelism: threads, progress: progress()).run()
      return RepairReport(
        table: table.name, mended: report.mended.map(Verification.Finding.init),
        verification: Verification(report.audit))
    }
  }

  /// Looks at the ledger: every page, row and reference, and whether it says of ingestions what the logs say.
  public func verifyLedger() throws -> LedgerVerification {
    guard let lake = try lake() else { return LedgerVerification(byteCount: 0, damage: [], missingCount: 0) }
    let audit = try LedgerAudit(of: lake, clock: surroundings.clock)
    return LedgerVerification(
      entryCount: audit.entryCount, byteCount: audit.byteCount, damage: audit.damage, missingCount: audit.missingCount)
  }

  /// Makes the ledger again from the logs where it is damaged, gone, or lacks what they tell. The tables are repaired
  /// before.
  public func repairLedger() throws -> LedgerRepairReport {
    guard let lake = try lake() else { return LedgerRepairReport(removedCount: 0, restoredCount: 0) }
    let repair = try LedgerRepair(of: lake, clock: surroundings.clock)
    return LedgerRepairReport(
      laidAside: repair.laidAside, removedCount: repair.removedCount, restoredCount: repair.restoredCount)
  }

  private func progress() -> (Int) throws -> Void {
    { _ in try self.surroundings.checkInterrupted() }
  }

  /// Also tables whose log cannot be read.
  private func tablesForUpkeep(_ name: String?) throws -> [Table] {
    guard let lake = try lake() else {
      if name == nil { return [] }
      return [try table(name!)]
    }
    if let name {
      if let table = try lake.directory(ofTable: name) { return [table] }
      return [try table(name)]
    }
    return try lake.tableDirectories()
  }
}

extension Verification {
  init(_ report: AuditReport) {
    self.init(
      table: report.table, versionCount: report.versionCount, fileCount: report.fileCount, byteCount: report.byteCount,
      findings: report.findings.map(Finding.init))
  }
}

extension Verification.Finding {
  init(_ finding: VarveLake.Finding) {
    self.init(
      kind: finding.kind.rawValue, path: finding.path, what: finding.what,
      versions: finding.versions.map { Int($0.lowerBound)...Int($0.upperBound) }, isDamage: finding.isDamage,
      isRepairable: finding.remedy != nil)
  }
}
