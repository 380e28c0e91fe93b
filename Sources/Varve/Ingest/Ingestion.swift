internal import VarveFeeds
internal import VarveLake
internal import VarveTables

extension Warehouse {
  /// Reads the feeds, and commits them as one version.
  ///
  /// Doing it again is harmless: a feed that is in the table already changes nothing, and says in which version it is.
  /// Nothing is visible before the commit, and nothing is left behind by an ingestion that fails.
  ///
  /// - Throws: a `Problem`: `failed` for what cannot be read or does not fit, `refused` for what would harm the table.
  public func ingest(
    _ request: IngestRequest, onEvent: @escaping (Event) -> Void = { _ in }
  ) throws -> IngestReport {
    try ingest(request, Attempt(self, request, onEvent: onEvent), onEvent: onEvent)
  }

  func ingest(_ request: IngestRequest, _ attempt: Attempt, onEvent: @escaping (Event) -> Void) throws -> IngestReport {
    do {
      let report = try ingestNoted(request, attempt, onEvent)
      attempt.finish(report)
      return report
    } catch {
      attempt.fail(error)
      throw error
    }
  }

  /// Does it without telling the ledger how it ended.
  package func ingestNoted(
    _ request: IngestRequest, _ attempt: Attempt, _ onEvent: @escaping (Event) -> Void
  ) throws -> IngestReport {
    guard !request.feeds.isEmpty else { throw Problem(.usage, "there is no feed to ingest") }
    try TableName.check(request.table)
    let files = try request.feeds.map { try SourceFile(path: $0.path, name: $0.name) }
    attempt.begin()
    let lake = try writable()
    let table = try lake.prepare(request.table)
    do {
      let report = try ingest(request, files: files, into: table, attempt, onEvent)
      if report.version == nil { try lake.discardIfUnused(table) }
      return report
    } catch {
      try? lake.discardIfUnused(table)
      throw error
    }
  }

  /// Into a table that the caller prepared. What its expectations say of the new version stands in the report.
  func ingest(
    _ request: IngestRequest, files: [SourceFile], into table: Table, _ attempt: Attempt,
    _ onEvent: @escaping (Event) -> Void
  ) throws -> IngestReport {
    var report = try ingestUnchecked(request, files: files, into: table, attempt, onEvent)
    if report.outcome != .planned, report.version != nil {
      report.broken = try settleChecks(table).map(BrokenExpectation.init)
    }
    return report
  }

  /// Begins anew, from the feeds, where another writer made the table or changed its schema meanwhile.
  private func ingestUnchecked(
    _ request: IngestRequest, files: [SourceFile], into table: Table, _ attempt: Attempt,
    _ onEvent: @escaping (Event) -> Void
  ) throws -> IngestReport {
    var files = files
    for _ in 0..<ingestionAttemptsMax {
      do {
        return try Ingestion(self, request, files: files, table: table, attempt: attempt, onEvent: onEvent).run()
      } catch is TableChanged {
        files = try request.feeds.map { try SourceFile(path: $0.path, name: $0.name) }
      }
    }
    throw Problem(
      .refused, at: [request.table],
      "other writers changed the schema or properties \(ingestionAttemptsMax) times meanwhile",
      advice: "ingest the feed again")
  }
}

/// How often an ingestion begins anew because the table's schema or properties were changed.
private let ingestionAttemptsMax = 5

/// One ingestion, from its files to its commit.
///
/// The files are digested while they are decoded; what is decoded goes through the spool, which types it; the spool goes
/// through the engine, unless it is the data file itself; what the engine staged goes to the committer.
final class Ingestion {
  let warehouse: Warehouse
  let request: IngestRequest
  let files: [SourceFile]
  let table: Table
  let attempt: Attempt
  let onEvent: (Event) -> Void
  /// The table as it was looked at last; nil of one that it makes.
  private(set) var base: Snapshot?
  /// Nobody vacuums the base meanwhile, however long the feed takes.
  private var lease: ReadLease?
  let schemaFile: SchemaFile?
  let settings: TableSettings
  let formats: [FeedFormat]
  let transformation: Transformation?
  private var remarks: [String] = []
  /// Whether it was looked up whether the table has the feeds already.
  var isCheckedForRepeat = false
  /// Whether what would be committed is left in `prepared`, for a transaction.
  var isHeldBack = false
  var prepared: Prepared?

  /// A commit in waiting: staged, and nothing of it visible.
  struct Prepared {
    var staging: StagingArea
    /// One, or those of a backfill.
    var steps: [Decision.Step]
    var ingestionID: String
  }

  init(
    _ warehouse: Warehouse, _ request: IngestRequest, files: [SourceFile], table: Table, attempt: Attempt,
    onEvent: @escaping (Event) -> Void
  ) throws {
    self.warehouse = warehouse
    self.request = request
    self.files = files
    self.table = table
    self.attempt = attempt
    self.onEvent = onEvent
    let held = try table.settledVersion() == nil ? nil : table.held(at: .settled)
    base = held?.snapshot
    lease = held?.lease
    attempt.begin(on: held?.snapshot.version)
    schemaFile = try SchemaFile.common(of: request.feeds)
    settings = try TableSettings(request, schema: schemaFile, table: base?.metadata) {
      try TableDefaults(warehouse.lake().flatMap { try Settings.read($0.storage) })
    }
    transformation = try Transformation(request)
    let detected = try request.feeds.map { try $0.detectFormat() }
    formats = detected.map(\.format)
    for remark in detected.compactMap(\.remark) { note(remark) }
  }

  var limits: EngineLimits {
    var limits = warehouse.limits
    limits.zstdLevel = settings.zstdLevel
    return limits
  }

  func run() throws -> IngestReport {
    for file in files { file.startDigest() }
    defer { for file in files { file.cancel() } }
    do {
      return try runStaged()
    } catch {
      noteSources()
      throw error
    }
  }

  private func runStaged() throws -> IngestReport {
    let staging = try StagingArea(
      table.storage, transaction: warehouse.surroundings.random.identifier(),
      checkInterrupted: { [warehouse] in try warehouse.surroundings.checkInterrupted() })
    do {
      let report = try run(staging)
      if prepared == nil, report.outcome != .committed { try staging.abandon() }
      return report
    } catch {
      // After a commit the staging area is gone, or the outcome is unknown and nothing may be removed.
      if !table.isInDoubt { try? staging.abandon() }
      throw error
    }
  }

  private func run(_ staging: StagingArea) throws -> IngestReport {
    onEvent(.phase(.reading))
    let spool = try spool(staging)
    let rowsRead: Int
    switch try read(into: spool, staging) {
    case .repeated(let report): return report
    case .rows(let count): rowsRead = count
    }
    let execution = try execution(staging)
    if let execution, case .unchanged(let before) = execution.situation { return try report(unchanged: before) }
    let ground = execution.map(\.ground) ?? base
    let plan = try plan(spool, rowsRead: rowsRead, onto: ground, staging)
    let sources = try sources()
    noteOtherReadings(sources)
    if let before = request.rowsLaidAside, spool.quarantine.rowCount >= before {
      return report(.unchanged, version: base?.version, RowCounts(), try id(sources))
    }

    onEvent(.phase(settings.key.isEmpty ? .sorting : .merging))
    let change = try plan.change(on: ground)
    note(change.collisions)
    if request.dryRun {
      return report(.planned, version: ground?.version, change.rows, try id(sources), plan: plan.lines(change))
    }
    if execution == nil, let reason = reasonToCommitNothing(change, plan, spool) {
      note(reason)
      if base != nil { try table.sync() }
      return report(.unchanged, version: base?.version, change.rows, try id(sources))
    }
    return try commit(change, plan, spool, sources, execution)
  }

  /// Turns to what others committed meanwhile, for planning anew.
  func lookAgain() throws {
    let held = try table.settledVersion() == nil ? nil : table.held(at: .settled)
    // What the feed was typed by.
    guard held?.snapshot.metadata == base?.metadata else { throw TableChanged() }
    (base, lease) = (held?.snapshot, held?.lease)
  }

  /// Joins the feed's columns with the table's, and ends the spool.
  private func plan(
    _ spool: Spool, rowsRead: Int, onto base: Snapshot?, _ staging: StagingArea
  ) throws -> IngestPlan {
    let joining = ColumnJoining(
      base: base, declared: schemaFile?.schema ?? Schema([]),
      instructions: instructions, decimal: request.feeds[0].csv.decimal ?? ".")
    let joined = try joining.join(spool.spooledColumns(), place: [files[0].name])
    for remark in joined.remarks { note(remark) }
    guard let spooled = try spool.finish(joined.decisions) else { throw rejected(spool) }
    // What has no rows either is told so, unless a table is to be made of it.
    guard !joined.schema.fields.isEmpty || (rowsRead == 0 && !request.allowEmpty) else {
      throw Problem(
        .failed, at: [files[0].name], "the feed has no columns, and no table can be made of it",
        advice: rowsRead == 0
          ? "declare them with --schema" : "leave empty records out, or declare columns with --schema")
    }
    tell(spool.rejections)
    for file in files { try file.checkUnchanged() }
    return IngestPlan(
      settings: settings, partitions: request.partitions,
      dynamicPartitionsMax: request.dynamicPartitionsMax.map { request.dryRun ? Int.max : $0 },
      allowEmpty: request.allowEmpty, spooled: spooled,
      schema: RecordKey.extend(
        try PartitionBy.extend(joined.schema, by: settings.partitionBy), by: settings.recordKey),
      basedOn: base?.metadata, rowsRead: rowsRead, rowsRejected: spool.rejections.rowCount, staging: staging,
      limits: limits, storage: table.storage)
  }

  private func reasonToCommitNothing(_ change: StagedChange, _ plan: IngestPlan, _ spool: Spool) -> String? {
    guard base != nil else {
      return change.added.isEmpty && !request.allowEmpty && !marksRows(spool) ? "the feed has no rows" : nil
    }
    return plan.isEmpty(change, on: base) && !marksRows(spool) ? "the feed changes nothing" : nil
  }

  /// Whether a version is to say what became of rows, even if it has none of its own: laid aside, or replayed.
  func marksRows(_ spool: Spool) -> Bool {
    replayed == nil ? spool.quarantine.rowCount > 0 : spool.rowsRead > spool.rejections.rowCount
  }

  var replayed: FeedRequest.Replayed? { request.feeds[0].replayed }

  // MARK: What is told

  func note(_ remark: String) {
    remarks.append(remark)
    onEvent(.remark(remark))
  }

  private func note(_ collisions: KeyCollisions) {
    for text in collisions.texts { note(text) }
    let others = collisions.count - collisions.texts.count
    if others > 0 { note("\(others) more row\(others == 1 ? "" : "s") with other content than the table's of the key") }
  }

  func report(
    _ outcome: IngestReport.Outcome, version: Int64?, _ counts: RowCounts, _ id: String, plan: [String] = []
  ) -> IngestReport {
    IngestReport(
      table: request.table, version: version.map(Int.init), outcome: outcome, rows: IngestReport.Rows(counts),
      ingestionID: id, remarks: remarks, plan: plan)
  }
}
