internal import Dispatch
internal import Synchronization
internal import Varve
// Not the lake's class of that name.
internal import class Varve.Warehouse
internal import VarveDelivery
internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// Where ingestions are accepted and done: accepted is what the ledger holds, and workers take from there whatever is
/// due, what a process that died had begun first.
final class ServiceDesk: Sendable {
  let warehouse: Warehouse
  let ledger: Ledger
  let options: Service.Options
  let journal: Journal
  let metrics = Metrics()
  private let inbox: Inbox
  private let callbacks: CallbackRule
  private let rules: TableRules

  private struct State: Sendable {
    var progress: [String: Progress] = [:]
    var busyTargets: Set<String> = []
    var abandoned: [IngestionLease] = []
    /// Finished ones whose completion is to be said again.
    var repeats: [IngestionRecord] = []
    /// Ingestions of the command line that somebody asks to be tried again here.
    var retries: [String] = []
    /// Deliveries that somebody asks to go on here, by their ids: those that wait, and those with them that are being sent.
    var waitingDeliveries: ArraySlice<DeliverySummary> = []
    var resumedDeliveries: Set<String> = []
    /// What was asked under an idempotency key: the digest of the body, and the ingestion.
    var asked: [String: (bodySHA256: String, ingestion: String)] = [:]
  }

  private let state = Mutex(State())
  private let accepting = Mutex<Void>(())
  private let wake = DispatchSemaphore(value: 0)
  private let stopping = Atomic<Bool>(false)
  private let workers = DispatchGroup()

  init(_ warehouse: Warehouse, _ storage: Storage, _ options: Service.Options, _ journal: Journal) throws {
    self.warehouse = warehouse
    self.options = options
    self.journal = journal
    ledger = try Ledger.open(storage, clock: warehouse.surroundings.clock)
    inbox = try Inbox(options.roots)
    callbacks = CallbackRule(prefixes: options.callbacks)
    rules = try TableRules(storage)
  }

  var isStopping: Bool { stopping.load(ordering: .relaxed) || warehouse.surroundings.isInterrupted() }

  func start() throws {
    let abandoned = try ledger.takeAbandoned(for: .service)
    let records = try ledger.ingestions()
    state.withLock { state in
      state.abandoned = abandoned
      for record in records.reversed() {
        guard let job = try? Job(record), let key = job.idempotencyKey else { continue }
        state.asked[key] = (job.bodySHA256, record.id)
      }
    }
    let queue = DispatchQueue(label: "varve.service", attributes: .concurrent)
    for _ in 0..<options.workerCount { queue.async(group: workers) { [self] in work() } }
  }

  func stop() {
    stopping.store(true, ordering: .sequentiallyConsistent)
    for _ in 0..<options.workerCount { wake.signal() }
    let ended = workers.wait(timeout: .now() + .seconds(options.stopSecondsMax))
    journal.write(.info, "stopped", ["is_clean": JSONValue(ended == .success)])
  }

  // MARK: Accepting

  /// Notes what a caller asks for and gives the id under which the receiver will see it.
  func accept(_ body: [UInt8], idempotencyKey: String?) throws -> String {
    guard !isStopping else { throw Refusal(503, "The service is stopping; ask again when it is back.") }
    let bodySHA256 = Digest.sha256(body)
    if let key = idempotencyKey, let known = try asked(key, bodySHA256) { return known }
    let request = try CallbackRequest(body)
    try callbacks.check(request.callback)
    let name = Layout.name(request.filePath)
    let file = try inbox.open(request.filePath)
    let rule = rules.rule(for: name)
    let table = rule.table ?? TableRules.tableName(ofFile: name)
    let sha256 = try file.digest()
    var identity: JSONObject = [
      "path": .string(request.filePath), "type": .string(request.fileType.rawValue), "sha256": .string(sha256),
      "table": .string(table), "callback": .string(request.callback),
    ]
    if request.isAgain {
      identity["again"] = .string(idempotencyKey ?? warehouse.surroundings.random.identifier())
    }
    let id = Digest.sha256(JSONValue.object(identity).bytes(.canonical))
    let job = Job(request, rule, idempotencyKey: idempotencyKey, bodySHA256: bodySHA256)
    let record = IngestionRecord(
      id: id, table: table,
      sources: [.init(path: request.filePath, name: name, sha256: sha256, byteCount: file.byteCount)],
      request: job.json.text())
    return try accepting.withLock { _ in
      // Somebody may have come between.
      if let key = idempotencyKey, let known = try asked(key, bodySHA256) { return known }
      try note(record)
      if let key = idempotencyKey { state.withLock { $0.asked[key] = (bodySHA256, id) } }
      metrics.count("varve_ingestions_accepted_total")
      journal.write(.info, "accepted", ["ingestion_id": .string(id), "table": .string(table)])
      wake.signal()
      return id
    }
  }

  private func asked(_ key: String, _ bodySHA256: String) throws -> String? {
    guard (1...200).contains(key.utf8.count), key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw Refusal(400, "Idempotency-Key must be 1 to 200 printable characters without blanks.")
    }
    guard let known = state.withLock({ $0.asked[key] }) else { return nil }
    guard known.bodySHA256 == bodySHA256 else {
      throw Refusal(409, "This Idempotency-Key came before with another body.")
    }
    return known.ingestion
  }

  private func note(_ record: IngestionRecord) throws {
    guard let known = try ledger.ingestion(record.id) else {
      _ = try ledger.enqueue(record)
      return
    }
    switch known.state {
    case .pending, .inProgress: break
    case .failed, .dead: _ = try ledger.requeue(known.id)
    case .done: state.withLock { $0.repeats.append(known) }
    }
  }

  /// Gives a failed or dead ingestion its attempts back.
  func requeue(_ record: IngestionRecord) throws -> Bool {
    defer { wake.signal() }
    guard try ledger.requeue(record.id) else { return false }
    if record.worker == .command { state.withLock { $0.retries.append(record.id) } }
    return true
  }

  /// Lets a delivery that stopped go on; that of an ingestion by trying that again.
  func resume(_ delivery: DeliverySummary) throws {
    guard delivery.state != "complete" else { throw Refusal(409, "The delivery is complete.") }
    guard delivery.state != "sending" else { throw Refusal(409, "The delivery is under way.") }
    if let record = try ledger.ingestion(delivery.id) {
      guard try requeue(record) else { throw Refusal(409, "The ingestion that it belongs to is under way.") }
      return
    }
    try warehouse.checkResumption(ofDelivery: delivery.id)
    guard try state.withLock({ $0.busyTargets.contains(delivery.target) }) || !ledger.isDelivering(to: delivery.target)
    else { throw Refusal(409, "Another process is delivering to \(delivery.target).") }
    guard !isStopping else { throw Refusal(503, "The service is stopping; ask again when it is back.") }
    let isNew = state.withLock { state in
      guard state.resumedDeliveries.insert(delivery.id).inserted else { return false }
      state.waitingDeliveries.append(delivery)
      return true
    }
    guard isNew else { throw Refusal(409, "The delivery waits for its turn.") }
    wake.signal()
  }

  func progress(of id: String) -> Progress? { state.withLock { $0.progress[id] } }

  // MARK: Working

  private func work() {
    while !isStopping {
      do {
        if let lease = state.withLock({ $0.abandoned.popLast() }) {
          journal.write(.info, "taken up again", ["ingestion_id": .string(lease.ingestion.id)])
          try perform(lease)
        } else if let record = state.withLock({ $0.repeats.popLast() }) {
          try repeatCompletion(record)
        } else if let id = state.withLock({ $0.retries.popLast() }) {
          retry(id)
        } else if let delivery = state.withLock({ $0.waitingDeliveries.popFirst() }) {
          goOn(delivery)
        } else if let lease = try ledger.takeNextDue(for: .service) {
          try perform(lease)
        } else {
          _ = wake.wait(timeout: .now() + .seconds(1))
        }
      } catch {
        journal.write(.error, "the work cannot be noted", ["error": .string("\(error)")])
        _ = wake.wait(timeout: .now() + .seconds(5))
      }
    }
  }

  private func perform(_ lease: IngestionLease) throws {
    let record = lease.ingestion
    let ids: JSONObject = ["ingestion_id": .string(record.id), "table": .string(record.table)]
    journal.write(.info, "begun", ids)
    state.withLock { $0.progress[record.id] = Progress() }
    defer { _ = state.withLock { $0.progress.removeValue(forKey: record.id) } }
    var isDelivering = false
    do {
      let job = try Job(record)
      let held = try ingested(job, lease)
      isDelivering = true
      try deliver(job, record, held)
      try ledger.finish(
        lease, outcome: held.outcome, version: held.version.map { Int64($0) }, rows: held.rows)
      metrics.count("varve_ingestions_total{outcome=\"\(held.outcome)\"}")
      journal.write(.info, "done", ids)
    } catch let problem as Problem where problem.kind == .interrupted {
      // It stays as it is, and is taken up at the next start.
      journal.write(.info, "interrupted", ids)
    } catch {
      // What the file is does not change by waiting; what the receiver says may.
      let reason = (error as? Problem)?.description ?? (error as? Refusal)?.sentence ?? "\(error)"
      try ledger.fail(lease, reason, retry: isDelivering ? RetryPolicy() : nil, chance: chance())
      metrics.count("varve_ingestions_total{outcome=\"failed\"}")
      var fields = ids
      fields["error"] = .string(reason)
      journal.write(.error, "failed", fields)
    }
  }

  private func chance() -> Double { Double(RandomSource.system.bytes(1)[0]) / 256 }

  /// What became of the feed in the table.
  private struct Held {
    var outcome: String
    /// Nil where no version holds rows of it.
    var version: Int?
    var isMerge = false
    var rows = RowCounts()
  }

  private func ingested(_ job: Job, _ lease: IngestionLease) throws -> Held {
    let record = lease.ingestion
    // It may have been committed by a process that died right after.
    if let held = try held(record, key: record.id) { return held }
    let file = try inbox.open(job.filePath)
    guard try file.digest() == record.sources.first?.sha256 else {
      throw Problem(
        .failed, at: [record.sources.first?.name ?? ""], "the file is not the one that was asked for any more",
        advice: "ask for it again; it will have another id")
    }
    var feed = FeedRequest(path: file.path)
    feed.name = record.sources.first?.name
    if job.isWorkbook { feed.format = .xlsx }
    var request = IngestRequest([feed], into: record.table)
    request.mode = job.mode.flatMap { IngestMode(rawValue: $0) }
    request.key = job.key
    request.idempotencyKey = record.id
    let id = record.id
    let onEvent: (Event) -> Void = { event in
      self.state.withLock { $0.progress[id]?.note(event) }
      if case .remark(let text) = event {
        self.journal.write(.debug, "remark", ["ingestion_id": .string(id), "remark": .string(text)])
      }
    }
    let attempt = Attempt(warehouse, request, ledger: ledger, lease: lease, onEvent: onEvent)
    let report = try withExtendedLifetime(file) { try warehouse.ingestNoted(request, attempt, onEvent) }
    if report.outcome == .committed, let held = try held(record, key: record.id) { return held }
    guard let version = report.version else { return Held(outcome: report.outcome.rawValue) }
    return try held(record, version: Int64(version), outcome: report.outcome.rawValue)
  }

  private func held(_ record: IngestionRecord, key: String) throws -> Held? {
    guard let table = try warehouse.lake()?.table(record.table), let head = try table.head(),
      let made = try table.log.committed(key: key, upTo: head)
    else { return nil }
    try table.sync()
    return try held(record, version: made.version, outcome: IngestReport.Outcome.committed.rawValue)
  }

  private func held(_ record: IngestionRecord, version: Int64, outcome: String) throws -> Held {
    let entry = try warehouse.table(record.table).log.entry(existing: version)
    let holdsIt = entry.bookkeeping?.sources.contains { $0.sha256 == record.sources.first?.sha256 } ?? false
    guard let bookkeeping = entry.bookkeeping, holdsIt else { return Held(outcome: outcome) }
    let isMerge = [IngestMode.merge, .statefulMerge].contains { $0.rawValue == bookkeeping.mode }
    return Held(outcome: outcome, version: Int(version), isMerge: isMerge, rows: bookkeeping.rows)
  }

  private func deliver(_ job: Job, _ record: IngestionRecord, _ held: Held) throws {
    try takeTurn(job.callback)
    defer { _ = state.withLock { $0.busyTargets.remove(job.callback) } }
    let id = record.id
    let delivery = IngestionDelivery(
      id: id, table: record.table, version: held.version, isMerge: held.isMerge, callback: job.callback,
      chunking: job.chunking)
    var before = 0
    _ = try warehouse.deliver(delivery, isInterrupted: { self.isStopping }) { event in
      self.state.withLock { $0.progress[id]?.note(event) }
      note(event, of: "ingestion_id", id, &before)
    }
  }

  /// Counts and writes down what a delivery tells. `before` is how many of its records were acknowledged.
  private func note(_ event: DeliveryEvent, of name: String, _ id: String, _ before: inout Int) {
    func write(_ what: String, _ chunk: Int, _ reason: String) {
      journal.write(.info, what, [name: .string(id), "chunk": JSONValue(chunk), "reason": .string(reason)])
    }
    switch event {
    case .acknowledged(let chunk, let count, _):
      metrics.count("varve_records_acknowledged_total", by: max(0, count - before))
      metrics.count("varve_chunks_acknowledged_total")
      before = count
      journal.write(
        .debug, "acknowledged", [name: .string(id), "chunk": JSONValue(chunk), "records": JSONValue(count)])
    case .began(_, _, _, _, _, let record, _): before = record
    case .waiting(let chunk, _, let reason):
      metrics.count("varve_chunks_retried_total")
      write("waiting", chunk, reason)
    case .rewound(let chunk, let reason): write("rewound", chunk, reason)
    case .redriven(let chunk, _, let reason): write("sent again", chunk, reason)
    case .deadLettered(let chunk, _, let reason): write("given up", chunk, reason)
    case .proving, .completed: break
    }
  }

  /// What becomes of it stands in the ledger.
  private func goOn(_ delivery: DeliverySummary) {
    defer { _ = state.withLock { $0.resumedDeliveries.remove(delivery.id) } }
    let ids: JSONObject = ["delivery_id": .string(delivery.id), "table": .string(delivery.table)]
    do {
      try takeTurn(delivery.target)
      defer { _ = state.withLock { $0.busyTargets.remove(delivery.target) } }
      journal.write(.info, "goes on", ids)
      var before = 0
      _ = try warehouse.resumeDelivery(delivery.id, isInterrupted: { self.isStopping }) {
        note($0, of: "delivery_id", delivery.id, &before)
      }
      journal.write(.info, "delivered", ids)
    } catch {
      var fields = ids
      fields["error"] = .string((error as? Problem)?.description ?? "\(error)")
      journal.write(.error, "not delivered", fields)
    }
  }

  /// Does an ingestion of the command line. What becomes of it stands in the ledger.
  private func retry(_ id: String) {
    do {
      let reports = try warehouse.retry([id])
      journal.write(.info, "tried again", ["ingestion_id": .string(id), "state": text(reports.first?.state.rawValue)])
    } catch {
      journal.write(.error, "could not be tried again", ["ingestion_id": .string(id), "error": .string("\(error)")])
    }
  }

  private func repeatCompletion(_ record: IngestionRecord) throws {
    do {
      let job = try Job(record)
      try deliver(job, record, Held(outcome: "unchanged", version: record.version.map { Int($0) }))
      journal.write(.info, "completion repeated", ["ingestion_id": .string(record.id)])
    } catch {
      journal.write(
        .error, "the completion could not be repeated",
        ["ingestion_id": .string(record.id), "error": .string("\(error)")])
    }
  }

  /// One delivery at a time per target.
  private func takeTurn(_ target: String) throws {
    while !state.withLock({ $0.busyTargets.insert(target).inserted }) {
      guard !isStopping else { throw Problem(.interrupted, "interrupted") }
      _ = wake.wait(timeout: .now() + .milliseconds(100))
    }
  }

  // MARK: Watching

  /// A line for each request, without what it carried.
  func noteAnswer(_ request: HTTPServer.Request, _ route: String, _ status: Int, nanoseconds: Int64) {
    metrics.count("varve_http_requests_total{route=\"\(route)\",status=\"\(status)\"}")
    journal.write(
      .debug, "request",
      [
        "method": .string(Answer.shown(request.method)), "path": .string(Answer.shown(request.path)),
        "status": JSONValue(status), "microseconds": JSONValue(nanoseconds / 1000),
      ])
  }
}
