public import Varve
// Not the lake's class of that name.
public import class Varve.Warehouse
internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// What is to be delivered, and where.
public struct PushRequest: Sendable {
  /// Which version the target has already.
  public enum Since: Sendable {
    /// `7`, `2024-10-06`: what may stand behind the `@` of a reference.
    case version(String)
    /// The one that was delivered to it last; nothing where none was.
    case delivered
  }

  /// `products`, `products@7`.
  public var reference: String
  /// A target declared in `varve.json`, a URL, or `dir:PATH`.
  public var target: String
  /// Only what differs from that version, with `_change_type` in each record; nil for all rows.
  public var changesSince: Since?
  /// Nil for the target's own, else a thousand records.
  public var chunking: Chunking?
  /// Delivers under a new id what was delivered before.
  public var again = false

  /// A delivery of a version to a target, as `varve push` spells them.
  public init(_ reference: String, to target: String) {
    self.reference = reference
    self.target = target
  }
}

/// What a push came to.
public struct PushReport: Sendable {
  /// How a delivery ended.
  public enum Outcome: String, Sendable {
    case delivered
    /// The target had it already.
    case unchanged
  }

  /// How it ended.
  public var outcome: Outcome
  /// What receivers know as `ingestion_id`; nil where there was nothing to deliver.
  public var deliveryID: String?
  /// Where it is delivered to.
  public var target: String
  /// The table's name.
  public var table: String
  /// The version's number.
  public var version: Int
  /// Of a delivery of changes, the version that they start from.
  public var since: Int?
  /// How many records.
  public var recordCount: Int
  /// Whether the target was read back, and had all of it.
  public var isProven = false
}

extension Warehouse {
  /// Delivers a committed version of a table, or what differs between two, and returns when the target has acknowledged
  /// all of it. The same push again resumes exactly behind the last acknowledged chunk, or finds nothing to do.
  ///
  /// A target that stops the delivery is a `failed` problem, another process that delivers there a `refused` one.
  public func push(
    _ request: PushRequest, isInterrupted: @escaping @Sendable () -> Bool = { false },
    onEvent: (DeliveryEvent) -> Void = { _ in }
  ) throws -> PushReport {
    let (table, snapshot) = try resolve(request.reference)
    let desk = try DeliveryDesk(self, isInterrupted)
    let target = try desk.target(request.target)
    // Somebody else may have made this version, and not yet have made it durable.
    try table.storage.sync(Layout.log)
    return try withoutActuallyEscaping(onEvent) { onEvent in
      var request = request
      if target.isProvable, request.changesSince == nil {
        // All rows would leave there what is not in them: what differs is brought over first, deletions too.
        request.changesSince = .delivered
        if request.again {
          var difference = request
          difference.again = false
          _ = try desk.push(difference, table, snapshot, target, onEvent)
          request.changesSince = nil
        }
      }
      let report = try desk.push(request, table, snapshot, target, onEvent)
      // What newer states have settled by now is not tried again.
      try desk.retryOwed(table, target, but: report.deliveryID, onEvent)
      try desk.checkOwed(report)
      return report
    }
  }

  /// Goes on with a delivery that was cut off or stopped, as the ledger knows it. `id` may be the beginning of one.
  public func resumeDelivery(
    _ id: String, isInterrupted: @escaping @Sendable () -> Bool = { false },
    onEvent: (DeliveryEvent) -> Void = { _ in }
  ) throws -> PushReport {
    let desk = try DeliveryDesk(self, isInterrupted)
    let record = try desk.ledger.deliveryRecord(beginning: id)
    return try withoutActuallyEscaping(onEvent) { onEvent in
      let report = try desk.resume(record, onEvent)
      try desk.checkOwed(report)
      return report
    }
  }

  /// Whether a delivery can go on: what stands in its way before anything is sent, a target that is not declared any more
  /// or a version that is gone, is the problem that is thrown.
  package func checkResumption(ofDelivery id: String) throws {
    let desk = try DeliveryDesk(self, { false })
    let record = try desk.ledger.deliveryRecord(beginning: id)
    _ = try desk.target(record.target)
    _ = try desk.records(DeliveryPlan(record), table(record.table))
  }
}

/// What a push works with.
struct DeliveryDesk {
  let warehouse: Warehouse
  let ledger: Ledger
  private let settings: JSONValue?
  let isInterrupted: @Sendable () -> Bool

  init(_ warehouse: Warehouse, _ isInterrupted: @escaping @Sendable () -> Bool) throws {
    guard let lake = try warehouse.lake() else { throw Problem(.failed, "there is no warehouse \(warehouse.path)") }
    self.warehouse = warehouse
    self.isInterrupted = isInterrupted
    settings = try Settings.read(lake.storage)
    ledger = try Ledger.open(lake.storage, clock: warehouse.surroundings.clock)
  }

  func push(
    _ request: PushRequest, _ table: Table, _ snapshot: Snapshot, _ target: TargetSettings,
    _ onEvent: @escaping (DeliveryEvent) -> Void
  ) throws -> PushReport {
    let rows = try rows(request.changesSince, table, target, onEvent)
    if case .changes(let since?) = rows, since == DeliveryPlan.Side(snapshot) {
      return PushReport(
        outcome: .unchanged, deliveryID: nil, target: target.name, table: table.name, version: Int(snapshot.version),
        since: Int(since.version), recordCount: 0)
    }
    var plan = DeliveryPlan(
      side: DeliveryPlan.Side(snapshot), rows: rows, chunking: request.chunking ?? target.chunking ?? .standard,
      mapping: target.mapping)
    if !request.again { plan = try begun(plan, table.name, target.name, isAnyChunking: request.chunking == nil) }
    if try request.again || isBehind(plan, request, table, target) {
      plan.repetition = try newRepetition(table.name, target.name)
    }
    return try deliver(plan, table, target, onEvent)
  }

  /// Whether the same was delivered before, and the target was brought to another version since.
  private func isBehind(
    _ plan: DeliveryPlan, _ request: PushRequest, _ table: Table, _ target: TargetSettings
  ) throws -> Bool {
    guard case .delivered = request.changesSince else { return false }
    return try ledger.delivery(plan.id(table: table.name, target: target.name))?.state == .complete
  }

  /// Sends once more what deliveries that ran to their ends owe a target. No newer one has touched these records, so that
  /// their state of then is that of now.
  func retryOwed(
    _ table: Table, _ target: TargetSettings, but last: String?, _ onEvent: @escaping (DeliveryEvent) -> Void
  ) throws {
    for record in try ledger.deliveries(target: target.name, table: table.name).reversed()
    where record.hasRunToEnd && record.state != .complete && record.id != last {
      _ = try resume(record, onEvent)
    }
  }

  /// What is not at the target is no success, although nothing stops it.
  func checkOwed(_ report: PushReport) throws {
    let owed = try ledger.deadRecords(target: report.target, table: report.table)
    guard let first = owed.first else { return }
    let count = owed.count == 1 ? "a record is a dead letter" : "\(owed.count) records are dead letters"
    throw Problem(
      .failed, at: [report.target, "\(report.table)@\(report.version)"],
      "\(count) there: \(Answer.shown(first.key)): \(first.reason)",
      advice: "see varve deliveries --dead; mend what is wrong there or in the data, and push again")
  }

  func target(_ text: String) throws -> TargetSettings { try TargetSettings.named(text, settings: settings) }

  /// What is to be delivered of a version. Where the target's own state decides, deliveries that were begun are finished
  /// first: what differs between two versions says nothing about a target that is on the way from one to the other.
  func rows(
    _ since: PushRequest.Since?, _ table: Table, _ target: TargetSettings,
    _ onEvent: @escaping (DeliveryEvent) -> Void
  ) throws -> DeliveryPlan.Rows {
    switch since {
    case nil: return .all
    case .version(let text):
      if target.isProvable { _ = try rows(.delivered, table, target, onEvent) }
      return .changes(since: DeliveryPlan.Side(try warehouse.resolve("\(table.name)@\(text)").snapshot))
    case .delivered:
      for record in try begun(table, target) where try ledger.progress(of: record.id).sentCount > 0 {
        _ = try resume(record, onEvent)
      }
      guard let delivered = try ledger.deliveredVersion(of: table.name, to: target.name) else {
        return .changes(since: nil)
      }
      return .changes(since: DeliveryPlan.Side(try table.snapshot(at: .version(delivered))))
    }
  }

  /// The deliveries that are to be finished first, oldest first.
  private func begun(_ table: Table, _ target: TargetSettings) throws -> [DeliveryRecord] {
    let known = try ledger.deliveries(target: target.name, table: table.name)
    return known.prefix { !$0.hasRunToEnd }.reversed()
  }

  /// A name that no delivery of the table to the target has, also where randomness is rehearsed.
  func newRepetition(_ table: String, _ target: String) throws -> String {
    "\(warehouse.surroundings.random.identifier())-\(try ledger.deliveries(target: target, table: table).count)"
  }

  /// The plan of the last delivery of the same records to the same target, if there was one: what is complete is not
  /// made again by cutting it otherwise, and what was cut off goes on as it was begun, unless another way of cutting is
  /// asked for.
  func begun(
    _ plan: DeliveryPlan, _ table: String, _ target: String, isAnyChunking: Bool
  ) throws -> DeliveryPlan {
    for record in try ledger.deliveries(target: target, table: table) where record.version == plan.side.version {
      guard let made = try? DeliveryPlan(record), made.hasSameRecords(as: plan) else { continue }
      if record.state == .complete || isAnyChunking || made.chunking == plan.chunking { return made }
    }
    return plan
  }

  func resume(_ record: DeliveryRecord, _ onEvent: @escaping (DeliveryEvent) -> Void) throws -> PushReport {
    let plan = try DeliveryPlan(record)
    return try deliver(plan, try warehouse.table(record.table), try target(record.target), onEvent)
  }

  func deliver(
    _ plan: DeliveryPlan, _ table: Table, _ settings: TargetSettings, _ onEvent: @escaping (DeliveryEvent) -> Void
  ) throws -> PushReport {
    let record = plan.record(table: table.name, target: settings.name)
    var report = PushReport(
      outcome: .delivered, deliveryID: record.id, target: settings.name, table: table.name,
      version: Int(record.version),
      since: record.since.map { Int($0) }, recordCount: 0, isProven: settings.isProvable)
    let (open, recordCount) = try records(plan, table)
    guard let lease = try ledger.begin(record) else {
      throw Problem(
        .refused, "another process is delivering to \(settings.name)", advice: "wait for it, see varve deliveries")
    }
    if lease.delivery.state == .complete {
      report.outcome = .unchanged
      report.recordCount = lease.delivery.recordCount ?? 0
      return report
    }
    let clock = warehouse.surroundings.clock
    let target: any DeliveryTarget
    do {
      target = try settings.open(
        keyFields: try keyFields(plan, table), milliseconds: clock.milliseconds, isInterrupted: isInterrupted)
    } catch let problem as Problem {
      try ledger.stop(lease, problem.description, nextTry: nil)
      throw problem
    }
    var patience = Patience(warehouse.surroundings.random, isInterrupted: isInterrupted)
    patience.policy = settings.policy
    let run = DeliveryRun(lease, ledger, target, plan.chunking, patience, onEvent: onEvent, open: open)
    report.recordCount = try run.run(recordCount: recordCount).recordCount
    return report
  }

  /// The fields under which the columns of the table's key are sent.
  func keyFields(_ plan: DeliveryPlan, _ table: Table) throws -> [String] {
    let snapshot = try table.snapshot(at: .version(plan.side.version))
    let sent = try plan.mapping.resolved(snapshot.schema, place: [table.name]).map(\.column)
    let fields = snapshot.metadata.key.map { key in sent.first { $0.column == key }?.field }
    return fields.contains(nil) ? [] : fields.compactMap(\.self)
  }

  /// How the records of a plan are made, and how many there are, if that is known.
  func records(_ plan: DeliveryPlan, _ table: Table) throws -> (RecordOpening, Int?) {
    let new = try plannedContents(plan, table)
    let place = ["\(table.name)@\(plan.side.version)"]
    let mapping = plan.mapping
    let count = new.contents.files.reduce(Int?(0)) { sum, file in
      sum.flatMap { sum in file.rowCount.map { sum + $0 } }
    }
    // A mapping that does not fit the table is told before anything is sent.
    _ = try mapping.resolved(new.contents.schema, place: place)
    switch plan.rows {
    case .all, .added:
      return ({ try VersionRecords(new.contents, mapping, firstRecord: $0, place: place) }, count)
    case .changes(nil):
      return ({ try VersionRecords(new.contents, mapping, firstRecord: $0, kind: .insert, place: place) }, count)
    case .changes(let since?):
      let old = try contents(since, table)
      let limits = warehouse.limits
      let random = warehouse.surroundings.random
      return (
        { first in
          let diff = try Diff(
            from: old.contents, to: new.contents, key: new.key, limits: limits,
            scratch: { try ScratchFile.temporary(random: random) })
          return try ChangeRecords(diff, mapping, firstRecord: first, place: place)
        }, nil
      )
    }
  }

  /// The files whose rows a plan delivers.
  private func plannedContents(
    _ plan: DeliveryPlan, _ table: Table
  ) throws -> (contents: TableContents, key: [String]) {
    var new = try contents(plan.side, table)
    if case .added(let since?) = plan.rows {
      // The log knows them, also where a vacuum took the files.
      let before = Set(try snapshot(since, table).files().map(\.path))
      new.contents.files.removeAll { before.contains($0.path) }
    }
    return new
  }

  private func contents(_ side: DeliveryPlan.Side, _ table: Table) throws -> (contents: TableContents, key: [String]) {
    let snapshot = try snapshot(side, table)
    return (try snapshot.contents(), snapshot.metadata.key)
  }

  /// One side, which must be the version that the plan was made for.
  private func snapshot(_ side: DeliveryPlan.Side, _ table: Table) throws -> Snapshot {
    let snapshot = try table.snapshot(at: .version(side.version))
    guard snapshot.entrySHA256 == side.entrySHA256 else {
      throw Problem(
        .refused, at: ["\(table.name)@\(side.version)"], "is not the version that this delivery was begun with",
        advice: "push the table anew")
    }
    return snapshot
  }
}
