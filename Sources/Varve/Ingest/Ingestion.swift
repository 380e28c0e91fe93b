internal import VarveFeeds
internal import VarveJSON
internal import VarveLake
internal import VarveParquet
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

  /// Begins anew, from the feeds, where another writer made the table or changed its schema meanwhile.
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
  private let files: [SourceFile]
  let table: Table
  private let attempt: Attempt
  let onEvent: (Event) -> Void
  let base: Snapshot?
  /// Nobody vacuums the base meanwhile, however long the feed takes.
  private let lease: ReadLease?
  private let schemaFile: SchemaFile?
  let settings: TableSettings
  private let formats: [FeedFormat]
  private var remarks: [String] = []
  private let transformation: Transformation?
  /// Whether what would be committed is left in `prepared`, for a transaction.
  var isHeldBack = false
  private(set) var prepared: Prepared?

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
    let held = try table.head() == nil ? nil : table.held(at: .head)
    base = held?.snapshot
    lease = held?.lease
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

  /// The ledger is told what the content was that failed, unless that takes long to find out.
  private func noteSources() {
    guard files.reduce(0, { $0 + $1.byteCount }) <= Ingestion.digestedBytesMax else { return }
    attempt.sources = (try? sources()) ?? []
  }

  private static let digestedBytesMax = 1 << 28

  private func runStaged() throws -> IngestReport {
    let staging = try StagingArea(
      table.storage, transaction: warehouse.surroundings.random.identifier(),
      checkInterrupted: { [warehouse] in try warehouse.surroundings.checkInterrupted() })
    do {
      return try run(staging)
    } catch {
      // After a commit the staging area is gone, or the outcome is unknown and nothing may be removed.
      if !table.isInDoubt { try? staging.abandon() }
      throw error
    }
  }

  private func run(_ staging: StagingArea) throws -> IngestReport {
    onEvent(.phase(.reading))
    let spool = try Spool(
      staging: staging, known: knownSchema(), fixed: Set(schemaFile?.schema.fields.map(\.name) ?? []),
      options: spoolOptions(staging), limits: limits)
    var rowsRead: Int?
    if let transformation {
      guard let raw = try readTyped(staging) else { return try repeated(staging) }
      let booleans = spool.known.fields.filter { $0.type == .boolean }.map(\.name)
      let (withOrigin, execution) = (settings.withOrigin, request.execution)
      try transformation.run(
        raw.feed, booleans: Set(booleans), needsPlaces: withOrigin, surroundings: warehouse.surroundings
      ) { batch in
        let origins = OriginColumns(file: batch.origins.file, execution: execution)
        try spool.append(withOrigin ? origins.extend(batch) : batch)
      }
      rowsRead = raw.rowsRead
    } else if let report = try read(into: spool) {
      try staging.abandon()
      return report
    }
    let stateful = try statefulRun()
    if let stateful, case .unchanged(let before) = stateful.situation {
      try staging.abandon()
      note("execution \(stateful.key) ran with the same input; `--reingest` runs it again")
      return report(.unchanged, version: before.record.version, RowCounts(), try id(sources()))
    }
    let replay = try stateful?.replay(
      settings, staging: staging, limits: limits, random: warehouse.surroundings.random)
    let base = stateful.map { $0.isAltered ? replay?.snapshot() : $0.base } ?? base
    let joining = ColumnJoining(
      base: base, declared: schemaFile?.schema ?? Schema([]),
      instructions: instructions, computed: [], decimal: request.feeds[0].csv.decimal ?? ".")
    let joined = try joining.join(spool.spooledColumns(), place: [files[0].name])
    for remark in joined.remarks { note(remark) }
    guard let spooled = try spool.finish(joined.decisions) else { throw rejected(spool) }
    for rejection in spool.rejections.first {
      onEvent(.rejected(place: rejection.place.joined(separator: ", "), reason: rejection.reason))
    }
    for file in files { try file.checkUnchanged() }
    let sources = try sources()

    let plan = IngestPlan(
      settings: settings, partitions: request.partitions,
      dynamicPartitionsMax: request.dynamicPartitionsMax.map { request.dryRun ? Int.max : $0 },
      allowEmpty: request.allowEmpty, spooled: spooled,
      schema: RecordKey.extend(
        try PartitionBy.extend(joined.schema, by: settings.partitionBy), by: settings.recordKey),
      basedOn: base?.metadata,
      rowsRead: rowsRead ?? spool.rowsRead, rowsRejected: spool.rejections.rowCount, staging: staging, limits: limits,
      storage: table.storage)
    onEvent(.phase(settings.key.isEmpty ? .sorting : .merging))
    let change = try plan.change(on: base)
    note(change.collisions)
    if request.dryRun {
      defer { try? staging.abandon() }
      return report(.planned, version: base?.version, change.rows, try id(sources), plan: plan.lines(change))
    }
    if let stateful { return try commit(change, plan, staging, sources, spool, (stateful, replay)) }
    if base == nil || (plan.isEmpty(change, on: base) && !marksRows(spool)) {
      guard base != nil else {
        guard !change.added.isEmpty || request.allowEmpty else {
          try staging.abandon()
          note("the feed has no rows")
          return report(.unchanged, version: nil, change.rows, try id(sources))
        }
        return try commit(change, plan, staging, sources, spool)
      }
      try staging.abandon()
      note("the feed changes nothing")
      return report(.unchanged, version: base?.version, change.rows, try id(sources))
    }
    return try commit(change, plan, staging, sources, spool)
  }

  /// Whether a version is to say what became of rows, even if it has none of its own: laid aside, or replayed.
  private func marksRows(_ spool: Spool) -> Bool {
    replayed == nil ? spool.quarantine.rowCount > 0 : spool.rowsRead > spool.rejections.rowCount
  }

  private var replayed: FeedRequest.Replayed? { request.feeds[0].replayed }

  // MARK: Reading

  private func knownSchema() -> Schema {
    var known = base?.schema ?? Schema([])
    for field in schemaFile?.schema.fields ?? [] {
      guard let index = known.index(of: field.name) else {
        known.fields.append(field)
        continue
      }
      var field = field
      field.contract = field.contract ?? known.fields[index].contract
      known.fields[index] = field
    }
    if let decimal = request.feeds[0].csv.decimal {
      for index in known.fields.indices { known.fields[index].decimal = decimal }
    }
    return known
  }

  private func spoolOptions(_ staging: StagingArea) throws -> Spool.Options {
    var options = Spool.Options()
    let isWhole = settings.mode == .append || (settings.mode == .overwrite && request.partitions.isEmpty)
    if isWhole, settings.key.isEmpty, settings.partitionBy.isEmpty {
      options.directory = try staging.makePartition()
      options.parquet = ParquetOptions(compression: .zstd(level: settings.zstdLevel))
    }
    options.keepsAbsent = settings.mode == .merge || settings.mode == .statefulMerge
    options.keepsOrigins = options.directory == nil || base != nil
    options.quarantines = request.badRows == .quarantine
    if let expectations = try base?.metadata.expectations ?? settings.expected() { options.rules = expectations.ofRows }
    options.contract = base?.metadata.contract ?? schemaFile?.contract ?? .evolve
    options.instructions = instructions.union(settings.withOrigin ? OriginColumns.names : [])
    options.typing = try typing()
    return options
  }

  private func typing() throws -> TypingOptions {
    TypingOptions(
      zone: try Zone(named: settings.timezone),
      errorCells: TypingOptions.ErrorCells(rawValue: request.feeds[0].errorCells.rawValue) ?? .reject,
      absentIsNull: settings.absentIsNull, decimal: request.feeds[0].csv.decimal ?? ".",
      canonicalJSON: { (try? JSONValue(parsing: $0))?.bytes(.canonical) })
  }

  /// Columns that say what to do with a row, and are in the table only if it has them anyway.
  private var instructions: Set<String> {
    guard let deleteWhen = settings.deleteWhen, base?.schema.index(of: deleteWhen) == nil else { return [] }
    return [deleteWhen]
  }

  /// The feeds typed by themselves, for a transformation; nil where the table has them already, which `isRepeated` tells.
  private func readTyped(_ staging: StagingArea) throws -> (feed: Feed, rowsRead: Int)? {
    // Text of the table is text here, however it looks: nothing else gives its spelling back.
    let texts = knownSchema().fields.filter { $0.type == .text || $0.type == .json }
    var options = Spool.Options()
    options.keepsAbsent = true
    options.keepsOrigins = true
    options.typing = try typing()
    let spool = try Spool(
      staging: staging, known: Schema(texts.map { Field($0.name, $0.type) }), fixed: [], options: options,
      limits: limits)
    if let report = try read(into: spool) {
      isRepeated = report
      return nil
    }
    let columns = spool.spooledColumns()
    let fields = try ColumnName.fields(forHeaders: columns.map(\.header), place: [files[0].name])
    let decisions = zip(columns, fields).map { column, field in
      // A column without values is one that a SELECT may name.
      ColumnDecision(Field(field.name, column.type ?? .text))
    }
    guard let feed = try spool.finish(decisions)?.feed else { throw rejected(spool) }
    return (feed, spool.rowsRead)
  }

  private func repeated(_ staging: StagingArea) throws -> IngestReport {
    guard let report = isRepeated else { preconditionFailure("a feed that was not read is in the table already") }
    try staging.abandon()
    return report
  }

  /// Spools all feeds. Returns a report when it turns out that the table has them already.
  private func read(into spool: Spool) throws -> IngestReport? {
    let byteCount = files.reduce(0) { $0 + $1.byteCount }
    var bytesBefore = 0
    for (index, feed) in request.feeds.enumerated() {
      spool.beginFeed()
      let format = formats[index]
      let ahead = ReadAhead { try feed.open(format) }
      let origin =
        settings.withOrigin && transformation == nil && replayed == nil
        ? OriginColumns(file: files[index].name, execution: request.execution) : nil
      reading: while true {
        try warehouse.surroundings.checkInterrupted()
        switch ahead.next() {
        case .batch(let batch, let bytesRead, _):
          try spool.append(origin?.extend(batch) ?? batch)
          onEvent(.progress(bytesRead: bytesBefore + bytesRead, byteCount: byteCount, rows: spool.rowsRead))
          if let report = try reportIfIngested(waits: false) { return report }
        case .end(_, let found):
          for remark in found { note(remark) }
          break reading
        case .failure(let error): throw error
        }
      }
      bytesBefore += files[index].byteCount
    }
    onEvent(.progress(bytesRead: byteCount, byteCount: byteCount, rows: spool.rowsRead))
    return try reportIfIngested(waits: true)
  }

  func note(_ remark: String) {
    remarks.append(remark)
    onEvent(.remark(remark))
  }

  private func note(_ collisions: KeyCollisions) {
    for text in collisions.texts { note(text) }
    let others = collisions.count - collisions.texts.count
    if others > 0 { note("\(others) more row\(others == 1 ? "" : "s") with other content than the table's of the key") }
  }

  private func statefulRun() throws -> StatefulRun? {
    guard settings.mode == .statefulMerge else { return nil }
    return try StatefulRun(
      request, settings, sources: sources(), schema: schemaFile, table: table, head: base)
  }

  // MARK: The same feed again

  private var isCheckedForRepeat = false
  private var isRepeated: IngestReport?

  private func sources() throws -> [FeedSource] {
    let sources = try zip(files, zip(request.feeds, formats)).map { file, feed in
      FeedSource(
        name: file.name, sha256: try file.digest(), byteCount: file.byteCount,
        selector: [feed.0.selector(feed.1), transformation?.selector ?? ""].filter { !$0.isEmpty }.joined(
          separator: ";"),
        schemaVersion: schemaFile?.version ?? "")
    }
    attempt.sources = sources
    return sources
  }

  private func reportIfIngested(waits: Bool) throws -> IngestReport? {
    guard settings.mode != .statefulMerge, !isCheckedForRepeat, !request.reingest, !request.dryRun, let base else {
      return nil
    }
    if !waits, try files.contains(where: { try $0.digestIfDone() == nil }) { return nil }
    isCheckedForRepeat = true
    let sources = try sources()
    guard
      let version = try RepeatedFeed(table: table, base: base, request: request, settings: settings)
        .version(holding: sources)
    else { return nil }
    return unchanged(in: version, head: base.version, sources)
  }

  private func unchanged(in version: Int64, head: Int64, _ sources: [FeedSource]) -> IngestReport {
    let later = head - version
    let since = later == 0 ? "" : "; \(later) later version\(later == 1 ? "" : "s") changed the table"
    for remark in duplicates(sources, upTo: version) { note(remark) }
    note("already in version \(version)\(since); `--reingest` applies it again")
    return report(.unchanged, version: version, RowCounts(), (try? id(sources)) ?? "")
  }

  /// Says of each feed whose content came under another name what that name was.
  private func duplicates(_ sources: [FeedSource], upTo version: Int64) -> [String] {
    sources.compactMap { source in
      guard let record = try? table.log.ingested(source, upTo: version),
        let earlier = record.bookkeeping?.sources.first(where: { $0.isSameFeed(as: source) }),
        earlier.name != source.name
      else { return nil }
      return "\"\(source.name)\" has the content of \"\(earlier.name)\", which is version \(record.version)"
    }
  }

  // MARK: Ending

  private func rejected(_ spool: Spool) -> Problem {
    let summary = spool.rejections
    for rejection in summary.first {
      onEvent(.rejected(place: rejection.place.joined(separator: ", "), reason: rejection.reason))
    }
    guard let first = spool.failure else {
      return Problem(.failed, at: [files[0].name], "\(summary.rowCount) rows were rejected")
    }
    let others = summary.cellCount - 1
    let more = others == 0 ? "" : " (and \(others) more cell\(others == 1 ? "" : "s"))"
    let contract = base?.schema[first.column]?.contract ?? base?.metadata.contract ?? .evolve
    guard contract != .freeze else {
      return Problem(
        .refused, at: first.place, first.reason + more,
        advice: "mend the feed, or change the column or its contract, freeze, with varve alter")
    }
    return Problem(
      .failed, at: first.place, first.reason + more,
      advice: "mend the feed, or lay such rows aside with --on-bad-row quarantine")
  }

  /// Names the ingestion by what it is of: the same feed into the same table, asked for in the same way, has one id.
  private func id(_ sources: [FeedSource]) throws -> String {
    if let id = request.ingestionID { return id }
    var object: JSONObject = [
      "mode": .string(settings.mode.rawValue), "sources": .array(sources.map(\.json)), "table": .string(request.table),
    ]
    if let execution = request.execution { object["execution"] = .string(execution) }
    if request.dynamicPartitionsMax != nil { object["dynamic"] = true }
    if !request.partitions.isEmpty { object["partitions"] = .array(request.partitions.map(\.json)) }
    if request.reingest || settings.mode == .overwrite, let base { object["base"] = JSONValue(base.version) }
    return String(Digest.sha256(Array(JSONValue.object(object).text(.canonical).utf8)).prefix(32))
  }

  private func commit(
    _ change: StagedChange, _ plan: IngestPlan, _ staging: StagingArea, _ sources: [FeedSource], _ spool: Spool,
    _ stateful: (run: StatefulRun, replay: Replay?)? = nil
  ) throws -> IngestReport {
    try warehouse.surroundings.checkInterrupted()
    onEvent(.phase(.committing))
    let ingestionID = try id(sources)
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
    do {
      return try commit(change, plan, staging, sources, ingestionID, details, stateful, marksRows: marksRows(spool))
    } catch {
      if !table.isInDoubt, replayed == nil { try? spool.quarantine.discard(table.storage, ingestion: ingestionID) }
      throw error
    }
  }

  private func commit(
    _ change: StagedChange, _ plan: IngestPlan, _ staging: StagingArea, _ sources: [FeedSource], _ ingestionID: String,
    _ details: JSONObject, _ stateful: (run: StatefulRun, replay: Replay?)?, marksRows: Bool
  ) throws -> IngestReport {
    let awaitsChecks = try base?.metadata.expectations != nil || (base == nil && settings.expected() != nil)
    var bookkeeping = Bookkeeping(
      ingestion: ingestionID, idempotencyKey: request.idempotencyKey,
      operation: settings.mode == .append || settings.mode == .overwrite ? .write : .merge,
      mode: settings.mode.rawValue,
      sources: sources, execution: try request.execution.map { try ExecutionKey(parsing: $0).description },
      rows: change.rows, publishes: !request.holdsPublication && !awaitsChecks, details: details)
    bookkeeping.awaitsChecks = awaitsChecks && !request.holdsPublication
    if isHeldBack {
      let steps =
        try stateful.map { try self.steps(of: $0.run, $0.replay, change, plan, staging, bookkeeping) }
        ?? [step(change, plan, staging, bookkeeping)]
      prepared = Prepared(staging: staging, steps: steps, ingestionID: ingestionID)
      return report(.planned, version: nil, change.rows, ingestionID)
    }
    if let (run, replay) = stateful {
      let versions = try commit(run, steps(of: run, replay, change, plan, staging, bookkeeping), staging)
      for committed in versions { onEvent(.committed(table: request.table, version: Int(committed.version))) }
      if !run.reapplied.isEmpty {
        let versions = run.reapplied.map { "\($0.version)" }.joined(separator: ", ")
        note("what was done by other means in version \(versions) is done again")
      }
      let replayed = run.isAgain && request.cascades ? run.later.count : 0
      if replayed > 0 {
        note(
          "\(replayed) later execution\(replayed == 1 ? "" : "s") replayed, up to version \(versions.last?.version ?? 0)"
        )
      }
      return report(.committed, version: versions.last?.version, change.rows, ingestionID)
    }
    let commit: Commit
    if let base {
      commit = Commit(
        change, to: table, base: base, staging: staging, bookkeeping: bookkeeping,
        refusesRepeat: !request.reingest && settings.mode != .overwrite
      ) { try marksRows ? plan.change(on: $0) : plan.changeIfAny(on: $0) }
    } else {
      commit = Commit(change, creating: table, as: metadata(plan), staging: staging, bookkeeping: bookkeeping) {
        try plan.changeIfAny(on: $0)
      }
    }
    switch try warehouse.committer.commit(commit) {
    case .committed(let committed):
      for problem in committed.remarks { note("\(problem)") }
      onEvent(.committed(table: request.table, version: Int(committed.version)))
      return report(.committed, version: committed.version, committed.rows, ingestionID)
    case .alreadyIngested(let version):
      return unchanged(in: version, head: try table.head() ?? version, sources)
    case .unchanged(let version):
      note("the feed changes nothing")
      return report(.unchanged, version: version, change.rows, ingestionID)
    }
  }

  /// The commit as a step of a decision.
  func step(
    _ change: StagedChange, _ plan: IngestPlan, _ staging: StagingArea, _ bookkeeping: Bookkeeping
  ) -> Decision.Step {
    guard let base else {
      return Decision.Step(
        creating: table.name, as: metadata(plan), staging: staging.transaction, change: change, bookkeeping: bookkeeping
      )
    }
    return Decision.Step(
      table: table.name, staging: staging.transaction, change: change, bookkeeping: bookkeeping, base: base.version)
  }

  func discardQuarantine(_ ingestion: String) throws {
    try table.storage.removeIfPresent(Layout.quarantine(ingestion))
  }

  private func metadata(_ plan: IngestPlan) -> TableMetadata {
    settings.metadata(
      id: warehouse.surroundings.random.uuid(), schema: plan.schema,
      createdTime: warehouse.surroundings.clock.milliseconds())
  }

  private func report(
    _ outcome: IngestReport.Outcome, version: Int64?, _ counts: RowCounts, _ id: String, plan: [String] = []
  ) -> IngestReport {
    IngestReport(
      table: request.table, version: version.map(Int.init), outcome: outcome, rows: IngestReport.Rows(counts),
      ingestionID: id, remarks: remarks, plan: plan)
  }
}
