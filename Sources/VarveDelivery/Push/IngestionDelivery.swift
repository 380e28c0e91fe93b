// Not the lake's class of that name.
package import class Varve.Warehouse
internal import VarveLake
internal import VarveTables

/// What a caller is to be sent of one ingestion, under the id that it was told before there was a version.
package struct IngestionDelivery: Sendable {
  /// What the receiver knows as `ingestion_id`.
  package var id: String
  package var table: String
  /// The version that holds the ingestion's rows; nil where there are none.
  package var version: Int?
  /// A merge has no files of its own rows: what it changed is sent, with `_change_type`.
  package var isMerge: Bool
  package var callback: String
  package var chunking: Chunking

  package init(id: String, table: String, version: Int?, isMerge: Bool, callback: String, chunking: Chunking) {
    self.id = id
    self.table = table
    self.version = version
    self.isMerge = isMerge
    self.callback = callback
    self.chunking = chunking
  }
}

extension Warehouse {
  /// Delivers the records of one ingestion, in feed order and under the headers of the feed. One that was cut off goes on
  /// behind the last acknowledged chunk; of one that is complete only the completion is repeated.
  package func deliver(
    _ delivery: IngestionDelivery, isInterrupted: @escaping @Sendable () -> Bool,
    onEvent: (DeliveryEvent) -> Void = { _ in }
  ) throws -> PushReport {
    let desk = try DeliveryDesk(self, isInterrupted)
    let settings = try desk.target(delivery.callback)
    let known = try desk.ledger.delivery(delivery.id)
    if let known, known.state == .complete {
      let count = known.recordCount ?? 0
      let chunkCount = try desk.ledger.progress(of: known.id).acknowledgedCount
      return try desk.announce(delivery, settings, Completion(chunkCount: chunkCount, recordCount: count))
    }
    guard let version = delivery.version else {
      return try desk.announce(delivery, settings, Completion(chunkCount: 0, recordCount: 0))
    }
    let table = try table(delivery.table)
    let plan = try known.map { try DeliveryPlan($0) } ?? desk.plan(delivery, table, Int64(version))
    try table.storage.sync(Layout.log)
    return try withoutActuallyEscaping(onEvent) { try desk.deliver(plan, table, settings, $0) }
  }
}

extension DeliveryDesk {
  fileprivate func plan(_ delivery: IngestionDelivery, _ table: Table, _ version: Int64) throws -> DeliveryPlan {
    let snapshot = try table.snapshot(at: .version(version))
    let before = version > 0 ? DeliveryPlan.Side(try table.snapshot(at: .version(version - 1))) : nil
    let columns = snapshot.schema.fields.compactMap { field in
      field.header.map { RecordMapping.Column(field.name, field: $0) }
    }
    var plan = DeliveryPlan(
      side: DeliveryPlan.Side(snapshot), rows: delivery.isMerge ? .changes(since: before) : .added(since: before),
      chunking: delivery.chunking, mapping: RecordMapping(columns, sendsUnlisted: true))
    plan.ingestion = delivery.id
    return plan
  }

  /// Says that all is sent, until that is acknowledged.
  fileprivate func announce(
    _ delivery: IngestionDelivery, _ settings: TargetSettings, _ completion: Completion
  ) throws -> PushReport {
    let clock = warehouse.surroundings.clock
    let target = try settings.open(milliseconds: clock.milliseconds, isInterrupted: isInterrupted)
    var patience = Patience(warehouse.surroundings.random, isInterrupted: isInterrupted)
    patience.policy = settings.policy
    var attempts = 0
    while true {
      let reason: String
      var pauseSeconds = 0.0
      switch try target.complete(completion, of: delivery.id) {
      case .acknowledged:
        return PushReport(
          outcome: .unchanged, deliveryID: delivery.id, target: settings.name, table: delivery.table,
          version: delivery.version ?? 0, since: nil, recordCount: completion.recordCount)
      case .outOfOrder(_, let said), .refused(let said), .impossible(let said):
        throw Problem(
          .failed, at: [settings.name], "the completion is not acknowledged: \(said)",
          advice: "ask for it again with re_ingestion, under a new id")
      case .unanswered(let said, let pause):
        reason = said
        pauseSeconds = pause ?? 0
      case .busy(let said): reason = said
      }
      attempts += 1
      guard pauseSeconds <= patience.pauseSecondsMax, let seconds = patience.pause(attempts: attempts) else {
        throw Problem(.failed, at: [settings.name], "the completion is not acknowledged: \(reason)")
      }
      try patience.wait(max(seconds, pauseSeconds))
    }
  }
}
