internal import VarveJSON
internal import VarveTables

extension Committer {
  /// Commits all steps as one decision: every table ends behind its last step, or stays as it is.
  ///
  /// `areas` are the staging areas by transaction; `mark` is what `begin` gave, where the transaction was begun before;
  /// `turns` are the tables' locks by name, where the caller has them. Throws `Overtaken` when a table moved on since its
  /// steps were planned.
  package func commit(
    _ decision: Decision, in warehouse: Warehouse, areas: [String: StagingArea], mark: FileLock? = nil,
    turns: [String: FileLock] = [:]
  ) throws -> [Committed] {
    var tables: [String: Table] = [:]
    for name in decision.tables { tables[name] = try warehouse.prepare(name) }
    var locks: [FileLock] = []
    defer { withExtendedLifetime(locks) {} }
    for name in decision.tables { locks.append(try turns[name] ?? tables[name]!.lock()) }
    for step in decision.steps {
      guard let table = tables[step.table] else { continue }
      try Recovery(table: table, clock: clock).run()
      let head = try table.log.head(hint: step.hint)
      guard head == (step.creation == nil ? step.base : nil) else {
        throw Overtaken(table: step.table, by: head.map { "version \($0) came" } ?? "it was dropped")
      }
      try step.change.checkRestored(table.storage, [step.table])
    }
    let mark = try mark ?? warehouse.begin(decision.id)
    defer { withExtendedLifetime(mark) {} }
    for step in decision.steps {
      guard let area = areas[step.staging] else { continue }
      try area.storage.sync(directories: step.change.added.map { Layout.join(area.path, $0.directory) })
    }
    for area in areas.values {
      try area.syncParts()
      try area.syncNames()
      // The decision stands on what is staged for a table that has no log yet, and so no names that last.
      if try !area.storage.exists(Layout.log) {
        for directory in [Layout.bookkeeping, ""] { try area.storage.sync(directory) }
      }
      try area.storage.write(Layout.join(area.path, Layout.decisionMark), Array(decision.id.utf8), isSealed: true)
      try area.storage.sync(area.path)
    }
    try decide(decision, in: warehouse, areas: areas)
    do {
      return try carryOut(decision, in: warehouse, tables: tables, areas: areas)
    } catch {
      throw Problem(
        .failed, at: decision.tables, "it is decided, and could not be carried out to its end: \(error)",
        advice: "mend what is in its way; the next command that writes goes on with it")
    }
  }

  /// From here on what is staged is needed, even where it is not known whether the decision lasts.
  private func decide(_ decision: Decision, in warehouse: Warehouse, areas: [String: StagingArea]) throws {
    do {
      try warehouse.decide(decision)
    } catch let problem as Problem where problem.kind == .refused {
      throw problem
    } catch {
      guard (try? warehouse.storage.exists(Layout.transaction(decision.id))) == false else {
        for area in areas.values { area.keepForDecision() }
        throw Problem(
          .failed, at: decision.tables,
          "the disk failed in the moment of the commit, and whether it counts is not known",
          advice: "mend the disk, start again and look at the history")
      }
      throw error
    }
    for area in areas.values { area.keepForDecision() }
  }

  /// Carries out decisions whose writers died. Called before anything else is written into the warehouse.
  package func carryOutPending(in warehouse: Warehouse) throws {
    for id in try warehouse.pendingDecisions() {
      // Its writer lives as long as it holds the mark.
      guard let mark = try warehouse.lockPending(id) else { continue }
      defer { withExtendedLifetime(mark) {} }
      try warehouse.storage.removeIfPresent(Layout.transactionDraft(id))
      guard let decision = try warehouse.decision(id) else {
        try warehouse.end(id, .ofDeadWriter)
        continue
      }
      // Nothing of it may last longer than the decision, nor any of its versions longer than those before.
      try warehouse.storage.sync(Layout.transactions)
      var tables: [String: Table] = [:]
      var areas: [String: StagingArea] = [:]
      var locks: [FileLock] = []
      defer { withExtendedLifetime(locks) {} }
      for name in decision.tables {
        let table = try warehouse.prepare(name)
        tables[name] = table
        locks.append(try table.lock())
        // Nor may what readers are shown fall back once the mark is gone.
        if try table.storage.exists(Layout.log) {
          for directory in [Layout.log, ""] { try table.storage.sync(directory) }
        }
      }
      for step in decision.steps where areas[step.staging] == nil {
        // Gone when all was recorded and the writer died while it cleaned up.
        guard let storage = tables[step.table]?.storage, try storage.exists(Layout.staging(step.staging)) else {
          continue
        }
        areas[step.staging] = try StagingArea(adopting: step.staging, in: storage)
      }
      _ = try carryOut(decision, in: warehouse, tables: tables, areas: areas)
    }
  }

  /// Records each step that is not in its log yet; then readers are shown the end. All locks are held.
  private func carryOut(
    _ decision: Decision, in warehouse: Warehouse, tables: [String: Table], areas: [String: StagingArea]
  ) throws -> [Committed] {
    var committed: [Committed] = []
    /// By table: the version that each step became.
    var versions: [Int: Int64] = [:]
    for (index, step) in decision.steps.enumerated() {
      guard let table = tables[step.table] else { preconditionFailure("each step's table is open") }
      let done = try recorded(index, of: decision, in: table)
      if let done {
        versions[index] = done.version
        committed.append(done)
        continue
      }
      guard let area = areas[step.staging] else {
        throw Problem(.damaged, at: [step.table], "the staged files of decision \(decision.id) are gone")
      }
      let next = try record(index, of: decision, in: table, area: area, versions: versions)
      versions[index] = next.version
      committed.append(next)
    }
    for name in decision.tables {
      guard let table = tables[name], let last = decision.steps.last(where: { $0.table == name }) else { continue }
      // Whoever recorded the step may have died before it came to the proxy.
      try Recovery(table: table, clock: clock).rollProxyForward()
      if last.completes, last.bookkeeping.publishes { try show(table, reason: "decision \(decision.id)") }
    }
    for area in areas.values { try area.remove() }
    try warehouse.unmarkPending(decision.id)
    return committed
  }

  private func recorded(_ index: Int, of decision: Decision, in table: Table) throws -> Committed? {
    let base = decision.steps[index].base
    guard let head = try table.log.head(hint: decision.steps[index].hint), head > base else { return nil }
    for version in (base + 1)...head {
      let entry = try table.log.entry(existing: version)
      guard decision.step(of: entry) == index else { continue }
      return Committed(
        version: version, timestamp: entry.timestamp, entrySHA256: entry.sha256,
        rows: entry.bookkeeping?.rows ?? RowCounts(),
        remarks: [])
    }
    return nil
  }

  private func record(
    _ index: Int, of decision: Decision, in table: Table, area: StagingArea, versions: [Int: Int64]
  ) throws -> Committed {
    var step = decision.steps[index]
    if let creation = step.creation, try table.log.head() == nil {
      _ = try create(
        Commit(step.change, creating: table, as: creation, staging: area, bookkeeping: step.bookkeeping), creation)
    }
    try takeBackPlaced(step, table: table, area: area)
    for _ in 0..<Committer.attemptsMax {
      guard let version = try table.log.head(hint: step.hint) else {
        throw Problem(.refused, at: [step.table], "the table is gone")
      }
      let head = try table.log.snapshot(at: version)
      step.change.removed = try decision.steps[index].change.removed.map {
        try placed($0, decision: decision, versions: versions, columns: head.partitionColumns)
      }
      step.change.restored = try decision.steps[index].change.restored.map {
        try placed($0, decision: decision, versions: versions, columns: head.partitionColumns)
      }
      if index > 0, decision.steps[..<index].contains(where: { $0.table == step.table }) {
        step.bookkeeping.base = version
      }
      var commit = Commit(
        step.change, to: table, base: head, staging: area, bookkeeping: step.bookkeeping, refusesRepeat: false)
      commit.keepsStaging = true
      if let committed = try record(commit, on: head) { return committed }
    }
    throw Problem(
      .refused, at: [step.table], "other writers were faster \(Committer.attemptsMax) times",
      advice: "the next command that writes goes on with decision \(decision.id)")
  }

  /// Where a file that an earlier step staged lies since that step was placed.
  private func placed(
    _ file: LiveFile, decision: Decision, versions: [Int: Int64], columns: [String]
  ) throws -> LiveFile {
    guard file.path.hasPrefix(Layout.staging + "/") else { return file }
    for (index, step) in decision.steps.enumerated() {
      for partition in step.change.added
      where Layout.join(Layout.stagedDirectory(step.staging, partition.directory), Layout.name(file.path)) == file.path
      {
        guard let version = versions[index] else { preconditionFailure("steps are recorded in their order") }
        var file = file
        let directory = try PartitionDirectory.path(columns: columns, values: partition.partition)
        file.path = Layout.join(
          Layout.versionDirectory(partition: directory, version: version), Layout.name(file.path))
        return file
      }
    }
    throw Problem(.damaged, at: [file.path], "is a staged file of no step")
  }

  /// Brings back into staging what a dead writer had placed for a step that it did not come to record.
  private func takeBackPlaced(_ step: Decision.Step, table: Table, area: StagingArea) throws {
    let storage = table.storage
    guard let metadata = try table.log.head(hint: step.hint).map({ try table.log.snapshot(at: $0).metadata }) else {
      return
    }
    for name in try storage.list(area.path) {
      guard let version = Layout.version(ofLogName: name), try table.log.entry(version) == nil else { continue }
      for partition in step.change.added {
        let staged = Layout.join(area.path, partition.directory)
        let directory = try PartitionDirectory.path(columns: metadata.partitionColumns, values: partition.partition)
        let target = Layout.versionDirectory(partition: directory, version: version)
        if try !storage.exists(staged), try storage.exists(target) { _ = try storage.rename(target, to: staged) }
      }
      try storage.removeIfPresent(Layout.join(area.path, name))
    }
  }

  /// Shows readers the head, where they were held before it.
  package func showHead(_ table: Table, turn: FileLock? = nil, reason: String) throws {
    let lock = try turn ?? table.lock()
    defer { withExtendedLifetime(lock) {} }
    try show(table, reason: reason)
  }

  /// Readers that were held see the head. The table's lock is held.
  private func show(_ table: Table, reason: String) throws {
    guard let head = try table.log.head(hint: nil), let proxy = try Proxy.read(table.storage),
      proxy.mode == .held || (proxy.mode == .follow && proxy.version < head)
    else { return }
    let snapshot = try table.log.snapshot(at: head)
    var next = proxy
    (next.mode, next.heldFor) = (.follow, nil)
    next.version = head
    next.entrySHA256 = snapshot.entrySHA256
    next.index = try table.log.manifestIndex(at: head)
    try next.publish(table.storage, timestamp: snapshot.timestamp, reason: reason)
    try SymlinkManifests(table).settle()
  }
}

extension Decision.Step {
  /// A version that is in the log, to look for its head from.
  fileprivate var hint: Int64? { base < 0 ? nil : base }
}
