internal import VarveFeeds
internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// One execution of a stateful merge on a version: where in the past it belongs, and what follows from that.
struct StatefulRun {
  let key: ExecutionKey
  /// Of everything the result depends on: content, selectors, contract and key.
  let fingerprint: String
  let situation: ExecutionCase
  /// The version that it is merged into; nil of a table that it makes.
  private(set) var base: Snapshot?
  /// The base in the columns that the table has now; nil of a table that it makes.
  private(set) var ground: Snapshot?
  private var isAltered = false
  /// The steps that lead back to the base, and on from there; nil of what goes onto the head.
  private(set) var replay: Replay?
  /// Versions made by other means since the base, that are to be applied again; in order.
  private(set) var reapplied: [LogEntry] = []
  private let table: Table
  private let head: Snapshot?

  /// `begunOn` is the version that the table had when the request came, -1 where there was none: what is newer, nobody
  /// saw who made the request.
  init(
    _ request: IngestRequest, _ settings: TableSettings, sources: [FeedSource], schema: SchemaFile?, table: Table,
    head: Snapshot?, begunOn: Int64
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
    let metadata = head?.metadata ?? settings.metadata(id: "", schema: schema?.schema ?? Schema([]), createdTime: 0)
    if let rules = metadata.contracts { contract["contract"] = rules }
    fingerprint = Digest.sha256(JSONValue.object(contract).bytes(.canonical))
    self.table = table
    self.head = head
    let state = try ExecutionState(head.map { try table.log.history(upTo: $0.version, limit: nil) } ?? [])
    let rival = state.current(key).flatMap { state.input(of: $0).record.version > begunOn ? $0 : nil }
    if let rival, rival.fingerprint == fingerprint, rival.status == .active {
      situation = .unchanged(rival)
    } else {
      situation = try ExecutionCase(
        key, fingerprint: fingerprint, in: state, isForced: request.reingest, table: request.table)
    }
    base = head
    ground = head
    if let rival, rival.fingerprint != fingerprint {
      let names = rival.record.bookkeeping?.sources.map { "\"\($0.name)\"" } ?? []
      throw Problem(
        .refused, at: [request.table],
        "execution \(key) was committed meanwhile from other input (\(names.joined(separator: ", "))), as version "
          + "\(rival.record.version)",
        advice: "run it again if this input is to replace that one")
    }
    guard case .again(let version, _) = situation else { return }
    guard !request.discardsInterposed || !request.reappliesInterposed else {
      throw Problem(
        .usage, at: [request.table], "what was done by other means is discarded or applied again, and not both")
    }
    base = try table.snapshot(at: .version(version))
    ground = base
    let interposed = try versionsByOtherMeans(since: version)
    if request.reappliesInterposed { reapplied = interposed }
    let unseen = interposed.filter { $0.version > begunOn }
    if request.discardsInterposed, !unseen.isEmpty {
      throw Problem(
        .refused, at: [table.name],
        "running \(key) again would drop what came meanwhile by other means, in version \(StatefulRun.names(unseen))",
        advice: "look at it, and run \(key) again")
    }
    guard interposed.isEmpty || request.discardsInterposed || request.reappliesInterposed else {
      throw Problem(
        .refused, at: [table.name],
        "running \(key) again goes back to version \(version), and would drop what was done by other means in version "
          + StatefulRun.names(interposed),
        advice: "do it again behind that with --reapply, or drop it with --discard-interposed")
    }
  }

  /// Takes the first steps of what does not go onto the head: those that lead back to the base.
  mutating func goBack(
    _ settings: TableSettings, staging: StagingArea, limits: EngineLimits, random: RandomSource
  ) throws {
    guard case .again = situation, let base, let head else { return }
    var replay = Replay(
      onto: try base.contents(), head: head, table: table.name, partitionBy: settings.partitionBy, key: settings.key,
      recordKey: settings.recordKey, staging: staging, limits: limits)
    if isAltered {
      var bookkeeping = Bookkeeping(
        ingestion: random.identifier(), operation: .restore, mode: Bookkeeping.alterMode)
      bookkeeping.details["restored"] = JSONValue(base.version)
      try replay.alter(bookkeeping: bookkeeping)
      ground = replay.snapshot()
    }
    self.replay = replay
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

  /// Versions that would be lost with what is taken back; columns stay as they were altered.
  private mutating func versionsByOtherMeans(since base: Int64) throws -> [LogEntry] {
    guard let head, head.version > base else { return [] }
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
    return interposed
  }

  private static func names(_ entries: [LogEntry]) -> String {
    entries.map { entry in
      "\(entry.version) (\(entry.bookkeeping?.mode ?? entry.commitInfo?["operation"]?.string ?? "unknown"))"
    }.joined(separator: ", ")
  }
}

extension Ingestion {
  /// The execution on the table as it is.
  func execution(_ staging: StagingArea) throws -> StatefulRun? {
    guard settings.mode == .statefulMerge else { return nil }
    var run = try StatefulRun(
      request, settings, sources: sources(), schema: schemaFile, table: table, head: base, begunOn: attempt.begunOn)
    try run.goBack(settings, staging: staging, limits: limits, random: warehouse.surroundings.random)
    return run
  }

  /// Commits an execution by itself, with the replays behind it.
  ///
  /// Where others were faster, it is planned anew on what they left: twice beside them, then once in its turn.
  func commit(
    _ run: StatefulRun, _ change: StagedChange, _ plan: IngestPlan, _ bookkeeping: Bookkeeping
  ) throws -> IngestReport {
    var (run, change) = (run, change)
    var turn: FileLock?
    defer { withExtendedLifetime(turn) {} }
    for count in 0..<Committer.attemptsMax {
      do {
        let versions = try commit(run, steps(of: run, change, plan, bookkeeping), plan.staging, turn)
        return report(run, change, versions, bookkeeping.ingestion)
      } catch is Overtaken {
        if count >= Committer.replansOutsideLockMax, turn == nil { turn = try table.lock() }
        try lookAgain()
      }
      guard let again = try execution(plan.staging) else { preconditionFailure("an execution stays one") }
      if case .unchanged(let rival) = again.situation { return try report(unchanged: rival) }
      (run, change) = (again, try plan.change(on: again.ground))
    }
    throw Committer.isOutrun([table.name])
  }

  /// The execution's commit, and behind it the replay of those after it.
  func steps(
    of run: StatefulRun, _ change: StagedChange, _ plan: IngestPlan, _ bookkeeping: Bookkeeping
  ) throws -> [Decision.Step] {
    var bookkeeping = bookkeeping
    bookkeeping.execution = run.key.description
    bookkeeping.fingerprint = run.fingerprint
    bookkeeping.base = run.base?.version ?? 0
    let set = try plan.changeSet()
    bookkeeping.changeSet = try set.set.keep(
      set.bytes, storage: table.storage, execution: run.key, fingerprint: run.fingerprint)

    let isReplayed = replays(run)
    if !run.later.isEmpty, !isReplayed {
      bookkeeping.publishes = bookkeeping.publishes && request.publishesIncomplete
      bookkeeping.awaitsExecutions = !request.publishesIncomplete
    }
    guard var replay = run.replay, let base = run.base else {
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
          let set = try ChangeSet(table.storage, of: later)
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
        kept.awaitsExecutions = false
        try replay.merge(set, bookkeeping: kept)
      }
    }
    try reapply(before: .max)
    var steps = replay.steps
    // They are shown together or not at all, whatever made them.
    for index in steps.indices { steps[index].bookkeeping.awaitsChecks = bookkeeping.awaitsChecks }
    steps[steps.count - 1].completes = true
    return steps
  }

  private func replays(_ run: StatefulRun) -> Bool { request.cascades && !run.later.isEmpty && run.replay != nil }

  private func commit(
    _ run: StatefulRun, _ steps: [Decision.Step], _ staging: StagingArea, _ turn: FileLock?
  ) throws -> [Committed] {
    guard run.replay != nil, let head = base else {
      let step = steps[0]
      let commit: Commit
      if let creation = step.creation {
        commit = Commit(step.change, creating: table, as: creation, staging: staging, bookkeeping: step.bookkeeping)
      } else {
        guard let head = base else { preconditionFailure("a table that is not made has a head") }
        commit = Commit(
          step.change, to: table, base: head, staging: staging, bookkeeping: step.bookkeeping, refusesRepeat: false,
          needsBaseAsHead: true)
      }
      guard case .committed(let committed) = try warehouse.committer.commit(commit, turn: turn) else {
        preconditionFailure("an execution is repeated by its own state alone")
      }
      if step.completes, step.bookkeeping.publishes {
        try warehouse.committer.showHead(table, turn: turn, reason: "complete since \(run.key) ran again")
      }
      return [committed]
    }
    // Of the head too, so that ids differ even where randomness is rehearsed.
    let seed = [warehouse.surroundings.random.identifier(), head.entrySHA256, run.key.description, run.fingerprint]
    let id = String(Digest.sha256(Array(seed.joined(separator: "\n").utf8)).prefix(32))
    guard let lake = try warehouse.lake() else { preconditionFailure("the warehouse holds the table") }
    return try warehouse.committer.commit(
      Decision(id: id, steps: steps), in: lake, areas: [staging.transaction: staging],
      turns: turn.map { [table.name: $0] } ?? [:])
  }

  func report(unchanged run: ExecutionState.Run) throws -> IngestReport {
    note("execution \(run.key) ran with the same input; `--reingest` runs it again")
    try table.sync()
    return report(.unchanged, version: run.record.version, RowCounts(), try id(sources()))
  }

  private func report(
    _ run: StatefulRun, _ change: StagedChange, _ versions: [Committed], _ ingestionID: String
  ) -> IngestReport {
    for committed in versions { onEvent(.committed(table: request.table, version: Int(committed.version))) }
    if !run.reapplied.isEmpty {
      let versions = run.reapplied.map { "\($0.version)" }.joined(separator: ", ")
      note("what was done by other means in version \(versions) is done again")
    }
    if replays(run) {
      note(
        "\(run.later.count) later execution\(run.later.count == 1 ? "" : "s") replayed, up to version "
          + "\(versions.last?.version ?? 0)")
    } else if !run.later.isEmpty {
      note("stale now, and to be run again in order: \(run.later.map(\.key.description).joined(separator: ", "))")
    }
    return report(.committed, version: versions.last?.version, change.rows, ingestionID)
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
