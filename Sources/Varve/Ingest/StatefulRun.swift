internal import VarveFeeds
internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// One execution of a stateful merge: where in the past it belongs, and what follows from that.
struct StatefulRun {
  let key: ExecutionKey
  /// Of everything the result depends on: content, selectors, contract and key.
  let fingerprint: String
  let situation: ExecutionCase
  /// What it is merged into; nil of a table that it makes.
  let base: Snapshot?
  /// Whether the table's columns were altered since that version.
  private(set) var isAltered = false
  /// Versions made by other means since the base, that are to be applied again; in order.
  private(set) var reapplied: [LogEntry] = []
  private let table: Table
  private let head: Snapshot?

  init(
    _ request: IngestRequest, _ settings: TableSettings, sources: [FeedSource], schema: SchemaFile?, table: Table,
    head: Snapshot?
  ) throws {
    guard let execution = request.execution else {
      throw Problem(
        .usage, at: [request.table], "--mode stateful-merge needs to know which execution this is",
        advice: "name it with --execution, by a date, a UTC time or an integer")
    }
    key = try ExecutionKey(parsing: execution)
    var contract: JSONObject = [
      "key": .array(settings.key.map(JSONValue.string)), "absent_is_null": .boolean(settings.absentIsNull),
      "timezone": .string(settings.timezone),
      "sources": .array(sources.map { .object(["sha256": .string($0.sha256), "selector": .string($0.selector)]) }),
    ]
    if let recordKey = settings.recordKey {
      contract["key_from"] = .array(recordKey.columns.map(JSONValue.string))
    }
    if let deleteWhen = settings.deleteWhen { contract["delete_when"] = .string(deleteWhen) }
    if let newestBy = settings.newestBy { contract["newest_by"] = .string(newestBy) }
    if let schema { contract["schema"] = schema.json }
    if let head, let rules = head.metadata.contracts { contract["contract"] = rules }
    fingerprint = Digest.sha256(JSONValue.object(contract).bytes(.canonical))
    self.table = table
    self.head = head
    let state = try ExecutionState(head == nil ? [] : table.history())
    situation = try ExecutionCase(
      key, fingerprint: fingerprint, in: state, isForced: request.reingest, table: request.table)
    switch situation {
    case .normal, .replay, .unchanged: base = head
    case .again(let version, _):
      base = try table.snapshot(at: .version(version))
      guard !request.discardsInterposed || !request.reappliesInterposed else {
        throw Problem(
          .usage, at: [request.table], "what was done by other means is discarded or applied again, and not both")
      }
      try lookAtVersions(
        since: version, mayDiscard: request.discardsInterposed, mayReapply: request.reappliesInterposed)
    }
  }

  /// The steps that lead back to the base, and with `change` on from there; nil for what goes onto the head.
  func replay(
    _ settings: TableSettings, staging: StagingArea, limits: EngineLimits, random: RandomSource
  ) throws -> Replay? {
    guard isAgain, let base, let head else { return nil }
    var replay = Replay(
      onto: try base.contents(), head: head, table: table.name, partitionBy: settings.partitionBy, key: settings.key,
      recordKey: settings.recordKey, staging: staging, limits: limits)
    if isAltered {
      var bookkeeping = Bookkeeping(
        ingestion: random.identifier(), operation: .restore, mode: Bookkeeping.alterMode)
      bookkeeping.details["restored"] = JSONValue(base.version)
      try replay.alter(bookkeeping: bookkeeping)
    }
    return replay
  }

  /// What is said of a version that is applied again.
  func again(_ entry: LogEntry, random: RandomSource, publishes: Bool) -> Bookkeeping {
    let before = entry.bookkeeping
    var bookkeeping = Bookkeeping(
      ingestion: before?.ingestion ?? random.identifier(), idempotencyKey: before?.idempotencyKey, operation: .merge,
      mode: "reapply", sources: before?.sources ?? [], publishes: publishes)
    bookkeeping.details["reapplied_from"] = JSONValue(entry.version)
    bookkeeping.details["reapplied_mode"] = .string(
      before?.details["reapplied_mode"]?.string ?? before?.mode ?? entry.commitInfo?["operation"]?.string ?? "unknown")
    return bookkeeping
  }

  /// Later executions that its result makes stale, or that are replayed behind it.
  var later: [ExecutionState.Run] {
    switch situation {
    case .again(_, let later): later
    case .replay(let stale): stale
    case .normal, .unchanged: []
    }
  }

  /// Versions that were made by other means would be lost with what is restored; but columns stay as they were altered.
  private mutating func lookAtVersions(since base: Int64, mayDiscard: Bool, mayReapply: Bool) throws {
    guard let head, head.version > base else { return }
    var interposed: [LogEntry] = []
    /// The next version, downwards, that the head's rows stand on: an execution that went back left out what was between.
    var standing = head.version
    for version in (base + 1...head.version).reversed() {
      let entry = try table.log.entry(existing: version)
      let mode = entry.bookkeeping?.mode
      if mode == Bookkeeping.alterMode { isAltered = true }
      guard version == standing else { continue }
      standing = entry.bookkeeping?.details["restored_from"]?.int64 ?? version - 1
      guard entry.changesRows, mode != ExecutionState.mode, mode != Bookkeeping.alterMode,
        entry.bookkeeping?.operation != .optimize
      else { continue }
      interposed.insert(entry, at: 0)
    }
    if mayReapply { reapplied = interposed }
    guard interposed.isEmpty || mayDiscard || mayReapply else {
      let names = interposed.map { entry in
        "\(entry.version) (\(entry.bookkeeping?.mode ?? entry.commitInfo?["operation"]?.string ?? "unknown"))"
      }
      throw Problem(
        .refused, at: [table.name],
        "running \(key) again goes back to version \(base), and would drop what was done by other means in version "
          + names.joined(separator: ", "),
        advice: "do it again behind that with --reapply, or drop it with --discard-interposed")
    }
  }
}

extension Ingestion {
  /// The execution's commit, and behind it the replay of those after it.
  func steps(
    of run: StatefulRun, _ replay: Replay?, _ change: StagedChange, _ plan: IngestPlan,
    _ bookkeeping: Bookkeeping
  ) throws -> [Decision.Step] {
    var bookkeeping = bookkeeping
    bookkeeping.execution = run.key.description
    bookkeeping.fingerprint = run.fingerprint
    bookkeeping.base = run.base?.version ?? 0
    let set = try plan.changeSet()
    try set.set.keep(set.bytes, storage: table.storage, execution: run.key, fingerprint: run.fingerprint)

    let isReplayed = request.cascades && !run.later.isEmpty && run.isAgain
    if !run.later.isEmpty, !isReplayed {
      bookkeeping.publishes = request.publishesIncomplete && !request.holdsPublication
    }
    guard var replay, let base = run.base else {
      var change = change
      change.reads = .everything
      var step = step(change, plan, bookkeeping)
      if case .replay(let stale) = run.situation { step.completes = stale.isEmpty }
      return [step]
    }
    bookkeeping.details["restored_from"] = JSONValue(base.version)
    try replay.append(change, bookkeeping: bookkeeping)
    var reapplied = run.reapplied[...]
    func reapply(before version: Int64) throws {
      while let entry = reapplied.first, entry.version < version {
        onEvent(.remark("applying version \(entry.version) again"))
        try replay.reapply(
          version: entry.version, from: table.snapshot(at: .version(entry.version - 1)).contents(),
          to: table.snapshot(at: .version(entry.version)).contents(),
          bookkeeping: run.again(entry, random: warehouse.surroundings.random, publishes: bookkeeping.publishes))
        reapplied.removeFirst()
      }
    }
    if isReplayed {
      for later in run.later {
        try reapply(before: later.record.version)
        guard var kept = later.record.bookkeeping,
          let set = try ChangeSet(table.storage, execution: later.key, fingerprint: later.fingerprint)
        else {
          throw Problem(
            .refused, at: [table.name], "the input of execution \(later.key) was not kept, so it cannot be replayed",
            advice: "say --no-cascade, and run \(later.key) again by hand")
        }
        onEvent(.remark("replaying execution \(later.key)"))
        kept.details["replayed_from"] = JSONValue(later.record.version)
        kept.details["decision"] = nil
        // It stands on the step before it now, whatever its own run went back to.
        kept.details["restored_from"] = nil
        kept.publishes = bookkeeping.publishes
        kept.awaitsChecks = bookkeeping.awaitsChecks
        try replay.merge(set, bookkeeping: kept)
      }
    } else if !run.later.isEmpty {
      note("stale now, and to be run again in order: \(run.later.map(\.key.description).joined(separator: ", "))")
    }
    try reapply(before: .max)
    var steps = replay.steps
    steps[steps.count - 1].completes = true
    return steps
  }

  /// Commits an execution by itself.
  func commit(_ run: StatefulRun, _ steps: [Decision.Step], _ staging: StagingArea) throws -> [Committed] {
    guard run.isAgain, let head = base else {
      let step = steps[0]
      let commit: Commit
      if let creation = step.creation {
        commit = Commit(step.change, creating: table, as: creation, staging: staging, bookkeeping: step.bookkeeping)
      } else {
        guard let head = base else { preconditionFailure("a table that is not made has a head") }
        commit = Commit(
          step.change, to: table, base: head, staging: staging, bookkeeping: step.bookkeeping,
          refusesRepeat: !request.reingest)
      }
      let outcome = try committed(warehouse.committer.commit(commit))
      if step.completes, step.bookkeeping.publishes {
        try warehouse.committer.showHead(table, reason: "complete since \(run.key) ran again")
      }
      return outcome
    }
    // Of the head too, so that ids differ even where randomness is rehearsed.
    let seed = [warehouse.surroundings.random.identifier(), head.entrySHA256, run.key.description, run.fingerprint]
    let id = String(Digest.sha256(Array(seed.joined(separator: "\n").utf8)).prefix(32))
    guard let lake = try warehouse.lake() else { preconditionFailure("the warehouse holds the table") }
    return try warehouse.committer.commit(
      Decision(id: id, steps: steps), in: lake, areas: [staging.transaction: staging])
  }

  private func committed(_ outcome: CommitOutcome) throws -> [Committed] {
    guard case .committed(let committed) = outcome else {
      throw Problem(
        .refused, at: [table.name], "the same execution was committed meanwhile, as version \(outcome.version)",
        advice: "see varve executions \(table.name)")
    }
    return [committed]
  }
}

extension TableMetadata {
  /// What feeds may do to the columns, where it is not what any table allows.
  fileprivate var contracts: JSONValue? {
    let columns = schema.fields.compactMap { field in field.contract.map { (field.name, JSONValue.string($0.rawValue)) }
    }
    guard contract != .evolve || !columns.isEmpty else { return nil }
    return ["table": .string(contract.rawValue), "columns": .object(JSONObject(columns))]
  }
}

extension StatefulRun {
  var isAgain: Bool { if case .again = situation { true } else { false } }
}

/// One run of an execution, as `executions` lists it.
public struct ExecutionRow: Sendable {
  /// The run of a schedule, as given.
  public var execution: String
  /// `active`, `stale` or `superseded`.
  public var status: String
  /// The version that it was merged into, and the one that came of it.
  public var base: Int
  /// The version that it made.
  public var version: Int
  /// When it was committed: `2024-10-06T12:00:00Z`.
  public var committed: String
  /// What became of the rows.
  public var rows: IngestReport.Rows
  /// The names of the files that were ingested.
  public var sources: [String]
  /// Of everything that its result depends on.
  public var fingerprint: String
}

extension Warehouse {
  /// What each execution of a table did, in the order of executions; superseded runs only when asked.
  public func executions(_ name: String, includesSuperseded: Bool = false) throws -> [ExecutionRow] {
    let table = try table(name)
    let state = try ExecutionState(table.history())
    let runs =
      includesSuperseded
      ? state.runs.sorted { ($0.key, $0.record.version) < ($1.key, $1.record.version) } : state.current
    return runs.map { run in
      ExecutionRow(
        execution: run.key.description, status: run.status.rawValue, base: Int(run.base),
        version: Int(run.record.version),
        committed: Value.timestamp(run.record.timestamp * 1000).text ?? "",
        rows: IngestReport.Rows(run.record.bookkeeping?.rows ?? RowCounts()),
        sources: run.record.bookkeeping?.sources.map(\.name) ?? [], fingerprint: run.fingerprint)
    }
  }
}
