internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// From what is staged to the version, and what it says of where it came from.
extension Ingestion {
  /// Commits the change: as one version, as those of a backfill, or, as part of a transaction, only prepares it.
  func commit(
    _ change: StagedChange, _ plan: IngestPlan, _ spool: Spool, _ sources: [FeedSource],
    _ execution: StatefulRun?
  ) throws -> IngestReport {
    try warehouse.surroundings.checkInterrupted()
    onEvent(.phase(.committing))
    let ingestionID = try id(sources)
    do {
      let details = try details(change, spool, sources, ingestionID)
      let bookkeeping = try bookkeeping(change, sources, ingestionID, details)
      if isHeldBack {
        var steps =
          try execution.map { try self.steps(of: $0, change, plan, bookkeeping) } ?? [step(change, plan, bookkeeping)]
        try warehouse.checkBeforehand(&steps, of: table, on: base)
        prepared = Prepared(staging: plan.staging, steps: steps, ingestionID: ingestionID)
        return report(.planned, version: nil, change.rows, ingestionID)
      }
      if let execution { return try commit(execution, change, plan, bookkeeping) }
      return try commit(change, plan, bookkeeping, marksRows: marksRows(spool))
    } catch {
      if !table.isInDoubt, replayed == nil { try? spool.quarantine.discard(table.storage, ingestion: ingestionID) }
      throw error
    }
  }

  /// Commits one version by itself.
  private func commit(
    _ change: StagedChange, _ plan: IngestPlan, _ bookkeeping: Bookkeeping, marksRows: Bool
  ) throws -> IngestReport {
    let commit: Commit
    if let base {
      commit = Commit(
        change, to: table, base: base, staging: plan.staging, bookkeeping: bookkeeping,
        refusesRepeat: !request.reingest && settings.mode != .overwrite
      ) { try marksRows ? plan.change(on: $0) : plan.changeIfAny(on: $0) }
    } else {
      commit = Commit(change, creating: table, as: metadata(plan), staging: plan.staging, bookkeeping: bookkeeping) {
        try plan.changeIfAny(on: $0)
      }
    }
    switch try warehouse.committer.commit(commit) {
    case .committed(let committed):
      for problem in committed.remarks { note("\(problem)") }
      onEvent(.committed(table: request.table, version: Int(committed.version)))
      return report(.committed, version: committed.version, committed.rows, bookkeeping.ingestion)
    case .alreadyIngested(let version):
      return unchanged(in: version, head: try table.head() ?? version, bookkeeping.sources)
    case .unchanged(let version):
      note("the feed changes nothing")
      // What was counted is what would have become of the version that another writer replaced.
      var rows = RowCounts()
      (rows.read, rows.rejected) = (change.rows.read, change.rows.rejected)
      return report(.unchanged, version: version, rows, bookkeeping.ingestion)
    }
  }

  // MARK: What the version says

  private func bookkeeping(
    _ change: StagedChange, _ sources: [FeedSource], _ ingestionID: String, _ details: JSONObject
  ) throws -> Bookkeeping {
    // A transaction holds what is staged against them, before it is decided.
    let awaitsChecks =
      try !isHeldBack && (base?.metadata.expectations != nil || (base == nil && settings.expected() != nil))
    var bookkeeping = Bookkeeping(
      ingestion: ingestionID, idempotencyKey: request.idempotencyKey,
      operation: settings.mode == .append || settings.mode == .overwrite ? .write : .merge,
      mode: settings.mode.rawValue,
      sources: sources, execution: try request.execution.map { try ExecutionKey(parsing: $0).description },
      rows: change.rows, publishes: !request.holdsPublication && !awaitsChecks, details: details)
    bookkeeping.awaitsChecks = awaitsChecks && !request.holdsPublication
    return bookkeeping
  }

  /// Keeps the rows that were laid aside, too, for it names their file.
  private func details(
    _ change: StagedChange, _ spool: Spool, _ sources: [FeedSource], _ ingestionID: String
  ) throws -> JSONObject {
    var details = JSONObject()
    details["transform"] = transformation?.json
    details["request"] = try request.lasting(names: sources.map(\.name))
    details["attempt"] = attempt.mark.map(JSONValue.string)
    let revised = attempt.revisions(of: sources).sorted { $0.key < $1.key }
    for (name, version) in revised { note("\"\(name)\" was ingested before with other content, as version \(version)") }
    if !revised.isEmpty {
      details["revises"] = .array(revised.map { ["name": .string($0.key), "version": JSONValue($0.value)] })
    }
    if request.dynamicPartitionsMax != nil { details["dynamic"] = true }
    if change.collisions.count > 0 { details["collisions"] = JSONValue(change.collisions.count) }
    if !request.partitions.isEmpty { details["partitions"] = .array(request.partitions.map(\.json)) }
    if let replayed {
      let left = Set(spool.quarantine.positions.map { $0 - 1 })
      details["replayed"] = [
        "path": .string(replayed.path), "lines": .string(LineRanges.text(replayed.lines.filter { !left.contains($0) })),
      ]
    } else if let kept = try spool.quarantine.keep(table.storage, ingestion: ingestionID) {
      details["quarantine"] = [
        "path": .string(kept.path), "rows": JSONValue(spool.quarantine.rowCount), "sha256": .string(kept.sha256),
      ]
    }
    return details
  }

  /// The commit as a step of a decision.
  func step(_ change: StagedChange, _ plan: IngestPlan, _ bookkeeping: Bookkeeping) -> Decision.Step {
    guard let base else {
      return Decision.Step(
        creating: table.name, as: metadata(plan), staging: plan.staging.transaction, change: change,
        bookkeeping: bookkeeping)
    }
    return Decision.Step(
      table: table.name, staging: plan.staging.transaction, change: change, bookkeeping: bookkeeping, base: base.version
    )
  }

  func discardQuarantine(_ waiting: Prepared) throws {
    try table.storage.removeIfPresent(Layout.quarantine(waiting.ingestionID, waiting.staging.transaction))
  }

  private func metadata(_ plan: IngestPlan) -> TableMetadata {
    settings.metadata(
      id: warehouse.surroundings.random.uuid(), schema: plan.schema,
      createdTime: warehouse.surroundings.clock.milliseconds())
  }
}
