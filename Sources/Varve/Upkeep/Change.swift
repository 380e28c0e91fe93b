internal import VarveLake
internal import VarveTables

/// What became of a command that changes a table without a feed.
public struct ChangeReport: Sendable {
  /// How a change ended.
  public enum Outcome: String, Sendable {
    case committed
    /// There was nothing to change.
    case unchanged
    /// A dry run.
    case planned
  }

  /// The table's name.
  public var table: String
  /// The version committed, or the one that stands.
  public var version: Int
  /// How it ended.
  public var outcome: Outcome
  /// What became of the rows.
  public var rows: IngestReport.Rows
  /// What went wrong after the commit, and is put right by the next writer.
  public var remarks: [String]
}

extension Warehouse {
  /// Commits a change that is planned from the newest version alone, whatever that is when its turn comes. `plan` gives
  /// nil where there is nothing to change.
  func commitChange(
    to name: String, bookkeeping: Bookkeeping, isDryRun: Bool = false,
    plan: @escaping @Sendable (Snapshot) throws -> (change: StagedChange, properties: [String: String?])?
  ) throws -> ChangeReport {
    let table = try tableToChange(name)
    let base = try table.snapshot(at: .settled)
    guard let planned = try plan(base) else {
      try table.sync()
      return report(name, base.version, .unchanged, RowCounts())
    }
    if isDryRun { return report(name, base.version, .planned, planned.change.rows) }
    try table.prepare()
    let staging = try StagingArea(
      table.storage, transaction: surroundings.random.identifier(),
      checkInterrupted: { [surroundings] in try surroundings.checkInterrupted() })
    do {
      try surroundings.checkInterrupted()
      let commit = Commit(
        planned.change, to: table, base: base, staging: staging, bookkeeping: bookkeeping,
        properties: planned.properties, refusesRepeat: false
      ) { head in
        // What is set beside the rows was planned on the base, and so must still be right.
        guard head.metadata == base.metadata else {
          throw Problem(
            .refused, at: [name], "its schema or properties were changed meanwhile", advice: "try again")
        }
        return try plan(head)?.change
      }
      switch try committer.commit(commit) {
      case .committed(let committed):
        return report(
          name, committed.version, .committed, committed.rows, remarks: committed.remarks.map { "\($0)" })
      case .alreadyIngested(let version), .unchanged(let version):
        return report(name, version, .unchanged, RowCounts())
      }
    } catch {
      if !table.isInDoubt { try? staging.abandon() }
      throw error
    }
  }

  private func report(
    _ table: String, _ version: Int64, _ outcome: ChangeReport.Outcome, _ rows: RowCounts, remarks: [String] = []
  ) -> ChangeReport {
    ChangeReport(
      table: table, version: Int(version), outcome: outcome, rows: IngestReport.Rows(rows), remarks: remarks)
  }
}
