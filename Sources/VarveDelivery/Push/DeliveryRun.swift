package import VarveLake
internal import VarveTables

/// One delivery under way: chunk after chunk to the target, each noted in the ledger before it is sent and when it is
/// acknowledged, until the end is acknowledged too or the target stops it.
///
/// - Not known whether a chunk arrived: it is sent again, after growing pauses, a bounded number of times.
/// - The target lost what it had: chunks are sent again from the one it expects on.
/// - The target refuses a chunk again and again: the chunk is parked and the delivery stopped with the reason; the next
///   push goes on with that chunk.
package final class DeliveryRun {
  let ledger: Ledger
  let lease: DeliveryLease
  private let target: any DeliveryTarget
  private let chunking: Chunking
  private let open: RecordOpening
  let patience: Patience
  let onEvent: (DeliveryEvent) -> Void
  private var rewindCount = 0
  var byteCount = 0

  var id: String { lease.delivery.id }

  package init(
    _ lease: DeliveryLease, _ ledger: Ledger, _ target: any DeliveryTarget, _ chunking: Chunking, _ patience: Patience,
    onEvent: @escaping (DeliveryEvent) -> Void, open: @escaping RecordOpening
  ) {
    self.lease = lease
    self.ledger = ledger
    self.target = target
    self.chunking = chunking
    self.patience = patience
    self.onEvent = onEvent
    self.open = open
  }

  /// Delivers what is left. `recordCount` is how many records there are in all, if that is known.
  package func run(recordCount: Int? = nil) throws -> Completion {
    let start = try ledger.position(lease, proven: target is any ProvableTarget)
    onEvent(
      .began(
        delivery: id, target: lease.delivery.target, table: lease.delivery.table, version: Int(lease.delivery.version),
        chunk: start.chunk, record: start.record, recordCount: recordCount))
    do {
      let completion = try deliver()
      try ledger.complete(lease, recordCount: completion.recordCount)
      onEvent(.completed(delivery: id, chunkCount: completion.chunkCount, recordCount: completion.recordCount))
      return completion
    } catch let stop as Stop {
      try ledger.stop(lease, stop.reason, nextTry: stop.nextTry)
      throw problem(stop)
    } catch let problem as Problem {
      // The reason to be shown; if the ledger itself is what fails, that is the problem already.
      try? ledger.stop(lease, problem.description, nextTry: nil)
      throw problem
    }
  }

  private func deliver() throws -> Completion {
    if let target = target as? any ProvableTarget { return try prove(target) }
    var (number, record) = try ledger.position(lease)
    var chunks = chunksAhead(number, record)
    // Noted together with the next chunk, or with the end.
    var acknowledged: Int?
    while true {
      let chunk = try chunks.next()
      let answer: Insistence
      if let chunk {
        try ledger.markSent(ChunkRecord(chunk), behind: acknowledged, of: lease)
        acknowledged = nil
        answer = try insist(on: chunk.number) { attempt in
          if attempt > 0 { try ledger.markSent(ChunkRecord(chunk), of: lease) }
          return try target.deliver(chunk, of: id)
        }
      } else {
        if let last = acknowledged { try ledger.markAcknowledged(last, of: lease) }
        acknowledged = nil
        let completion = Completion(chunkCount: number, recordCount: record)
        answer = try insist(on: number) { _ in try target.complete(completion, of: id) }
        if case .acknowledged = answer { return completion }
      }
      switch (answer, chunk) {
      case (.acknowledged, let chunk?):
        acknowledged = chunk.number
        number = chunk.number + 1
        record = chunk.firstRecord + chunk.recordCount
        byteCount += chunk.records.count
        onEvent(.acknowledged(chunk: chunk.number, recordCount: record, byteCount: byteCount))
      case (.acknowledged, nil): preconditionFailure("the end was acknowledged above")
      case (.rewind(let expected, let reason), _):
        try ledger.rewind(to: expected, lease)
        (number, record) = try ledger.position(lease)
        onEvent(.rewound(chunk: number, reason: reason))
        chunks = chunksAhead(number, record)
      }
    }
  }

  func chunksAhead(_ number: Int, _ record: Int) -> ChunksAhead {
    ChunksAhead(chunking, number: number, firstRecord: record, open)
  }

  // MARK: One chunk, or the end

  private enum Insistence {
    case acknowledged
    case rewind(to: Int, String)
  }

  /// Why a delivery does not go on.
  struct Stop: Error {
    var chunk: Int
    var reason: String
    var nextTry: Int64?
  }

  /// Sends until there is an answer that counts. `send` is told how often it was called before.
  private func insist(on number: Int, send: (Int) throws -> Answer) throws -> Insistence {
    var attempts = 0
    var refusals = 0
    while true {
      let answer = try send(attempts)
      attempts += 1
      let reason: String
      var pauseSeconds = 0.0
      switch answer {
      case .acknowledged: return .acknowledged
      case .outOfOrder(let expected, let said):
        guard let expected = rewound(to: expected, from: number) else {
          refusals += 1
          reason = said
          break
        }
        rewindCount += 1
        guard rewindCount <= patience.rewindsMax else {
          throw try park(number, "it has lost what it had \(rewindCount) times: \(said)")
        }
        return .rewind(to: expected, said)
      case .refused(let said):
        refusals += 1
        reason = said
      case .unanswered(let said, let pause):
        reason = said
        pauseSeconds = pause ?? 0
      case .busy(let said): reason = said
      case .impossible(let said): throw try park(number, said)
      }
      guard refusals < patience.refusalsMax else { throw try park(number, reason) }
      try pause(number, reason, seconds: pauseSeconds, attempts: attempts)
    }
  }

  /// Waits until chunk `number` may be tried again, after so many attempts; `seconds` is what the target asked for.
  func pause(_ number: Int, _ reason: String, seconds pauseSeconds: Double, attempts: Int) throws {
    try ledger.markFailed(number, reason, of: lease)
    guard pauseSeconds <= patience.pauseSecondsMax else {
      let until = ledger.now + Int64(pauseSeconds * 1000)
      throw Stop(chunk: number, reason: "\(reason); it asks to wait \(Int(pauseSeconds)) seconds", nextTry: until)
    }
    guard let pause = patience.pause(attempts: attempts) else {
      throw try park(number, attempts == 1 ? reason : "\(reason), \(attempts) times")
    }
    let seconds = max(pause, pauseSeconds)
    onEvent(.waiting(chunk: number, seconds: seconds, reason: reason))
    try patience.wait(seconds)
  }

  /// The chunk to go back to; nil where going back makes no sense: to the same chunk, or forward.
  private func rewound(to expected: Int?, from number: Int) -> Int? {
    guard number > 0, expected ?? 0 < number, expected ?? 0 >= 0 else { return nil }
    return expected ?? 0
  }

  func park(_ number: Int, _ reason: String) throws -> Stop {
    try ledger.markFailed(number, reason, of: lease)
    return Stop(chunk: number, reason: reason)
  }

  private func problem(_ stop: Stop) -> Problem {
    Problem(
      .failed, at: ["delivery \(id)", "chunk \(stop.chunk)"],
      "\(lease.delivery.target) does not take it: \(stop.reason)",
      advice: "push again when that is mended, and it goes on with this chunk")
  }
}

extension ChunkRecord {
  init(_ chunk: Chunk) {
    self.init(
      number: chunk.number, firstRecord: chunk.firstRecord, recordCount: chunk.recordCount, sha256: chunk.sha256)
  }
}
