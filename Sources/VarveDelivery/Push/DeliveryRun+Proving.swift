internal import VarveLake
internal import VarveTables

/// Deliveries to targets that are read back.
///
/// For each chunk: look at what is there, send what is missing or different, look again until it is there. A chunk is
/// proven when nothing differs; only then comes the next. So at most one chunk is on its way, and a delivery that was cut
/// off anywhere goes on with the first chunk that is not proven, by looking at it.
///
/// A target that takes nothing while it works on what it took (the Data Importer) shows by taking what is sent again that
/// it is done with what was sent before. What had no effect so often is given up: a dead letter.
extension DeliveryRun {
  func prove(_ target: any ProvableTarget) throws -> Completion {
    var (number, record) = try ledger.position(lease, proven: true)
    let chunks = chunksAhead(number, record)
    var proven: Set<Int> = []
    for chunk in try ledger.chunks(of: id) where chunk.state == .proven { proven.insert(chunk.number) }
    // Of a delivery that ran to its end only what it owes is looked at: newer ones have changed the rest since.
    let owed = lease.delivery.hasRunToEnd ? Set(try ledger.deadRecords(delivery: id).map(\.record)) : nil
    let population = owed == nil ? try target.population() : nil
    while let chunk = try chunks.next() {
      if !proven.contains(chunk.number) {
        try prove(
          chunk, (0..<chunk.recordCount).filter { owed?.contains(chunk.firstRecord + $0) ?? true }, target)
        if let loss = try population.flatMap({ before in try target.population().flatMap(before.loss) }) {
          // What was proven may be among it.
          try ledger.rewind(to: 0, lease)
          throw Stop(
            chunk: chunk.number,
            reason:
              "\(loss) objects are gone there, or hidden, that nothing from here deleted: cleanup may be on; switch it "
              + "off, and push with --again, which looks at every row")
        }
      }
      number = chunk.number + 1
      record = chunk.firstRecord + chunk.recordCount
      byteCount += chunk.records.count
      onEvent(.acknowledged(chunk: chunk.number, recordCount: record, byteCount: byteCount))
    }
    return Completion(chunkCount: number, recordCount: record)
  }

  /// One chunk under way.
  private struct Open {
    /// Records that are not known to be there, in order.
    var pending: [Int]
    /// How often each was taken.
    var drives: [Int: Int] = [:]
    /// What was said of single records when they were sent last.
    var refusals: [Int: String] = [:]
    var dead: [Int: String] = [:]
    /// Seconds waited since the last progress, and since anything was taken; nil before.
    var fruitless = 0.0
    var settling: Double?
    var pollCount = 0
    /// Sendings without progress.
    var unansweredCount = 0
    var refusalCount = 0
    var sendingCount = 0
  }

  private func prove(_ chunk: Chunk, _ records: [Int], _ target: any ProvableTarget) throws {
    try ledger.markSent(ChunkRecord(chunk), of: lease)
    var open = Open(pending: records)
    while let differences = try look(at: chunk, &open, target), !open.pending.isEmpty {
      onEvent(.proving(chunk: chunk.number, recordCount: open.pending.count))
      if let settling = open.settling, settling < target.pace.settleSeconds {
        try wait(&open, target.pace)
        continue
      }
      let spent = open.pending.filter { open.drives[$0, default: 0] >= target.pace.drivesMax }
      for record in spent {
        let reason = open.refusals[record] ?? differences[record]?.reason ?? "it is missing"
        open.dead[record] = "\(reason), although it was taken \(target.pace.drivesMax) times"
      }
      open.pending.removeAll { open.dead[$0] != nil }
      if !open.pending.isEmpty { try send(chunk, &open, differences, target) }
    }
    let keys = try target.keys(of: chunk)
    let dead = open.dead.sorted { $0.key < $1.key }.map { record, reason in
      DeadRecord(record: chunk.firstRecord + record, key: keys[record], reason: reason)
    }
    try ledger.settle(chunk.number, keys: records.map { keys[$0] }, dead: dead, of: lease)
    if let first = dead.first {
      onEvent(.deadLettered(chunk: chunk.number, recordCount: dead.count, reason: "\(first.key): \(first.reason)"))
    }
  }

  /// What of the open records is not there; an empty answer ends it.
  private func look(
    at chunk: Chunk, _ open: inout Open, _ target: any ProvableTarget
  ) throws -> [Int: Mismatch]? {
    var unansweredCount = 0
    while true {
      switch try target.compare(chunk, open.pending) {
      case .differs(let found):
        for (record, difference) in found where !difference.isSendable { open.dead[record] = difference.reason }
        let pending = open.pending.filter { found[$0]?.isSendable == true }
        if pending.count < open.pending.count {
          open.fruitless = 0
          open.pollCount = 0
          open.unansweredCount = 0
          if open.settling != nil { open.settling = 0 }
        }
        open.pending = pending
        return pending.isEmpty ? nil : found
      case .unanswered(let reason, let pauseSeconds):
        unansweredCount += 1
        try pause(chunk.number, reason, seconds: pauseSeconds ?? 0, attempts: unansweredCount)
      case .impossible(let reason): throw try park(chunk.number, reason)
      }
    }
  }

  /// Sends what is open, if it is taken.
  private func send(
    _ chunk: Chunk, _ open: inout Open, _ differences: [Int: Mismatch], _ target: any ProvableTarget
  ) throws {
    let number = chunk.number
    if open.sendingCount > 0 { try ledger.markSent(ChunkRecord(chunk), of: lease) }
    open.sendingCount += 1
    let attempt = "\(id.prefix(12)).\(number).\(lease.delivery.attempts).\(open.sendingCount)"
    let sending = try target.send(open.pending, of: chunk, attempt: attempt)
    switch sending.answer {
    case .acknowledged:
      let again = open.pending.filter { open.drives[$0] != nil }
      if let first = again.first, let difference = differences[first] {
        onEvent(.redriven(chunk: number, recordCount: again.count, reason: difference.reason))
      }
      for record in open.pending { open.drives[record, default: 0] += 1 }
      open.refusals = sending.refusals
      open.settling = 0
      open.fruitless = 0
      open.pollCount = 0
      open.unansweredCount = 0
      try ledger.markAcknowledged(number, of: lease)
    case .busy(let reason):
      guard open.fruitless < target.pace.drainSeconds else {
        throw try park(
          number,
          "\(reason), for \(Int(open.fruitless)) seconds without progress: its workers do not run, its "
            + "configuration is not active, or it cannot read what it is sent")
      }
      try ledger.markFailed(number, reason, of: lease)
      if open.pollCount == 0 {
        onEvent(.waiting(chunk: number, seconds: pollSeconds(open, target.pace), reason: reason))
      }
      try wait(&open, target.pace)
    case .unanswered(let reason, let pauseSeconds):
      open.unansweredCount += 1
      try pause(number, reason, seconds: pauseSeconds ?? 0, attempts: open.unansweredCount)
    case .refused(let reason), .outOfOrder(_, let reason):
      open.refusalCount += 1
      guard open.refusalCount < patience.refusalsMax else { throw try park(number, reason) }
      try pause(number, reason, seconds: 0, attempts: open.refusalCount)
    case .impossible(let reason): throw try park(number, reason)
    }
  }

  private func pollSeconds(_ open: Open, _ pace: ProvingPace) -> Double {
    var seconds = pace.pollSeconds
    for _ in 0..<min(open.pollCount, 64) where seconds < pace.pollSecondsMax { seconds *= 1.5 }
    return min(seconds, pace.pollSecondsMax)
  }

  private func wait(_ open: inout Open, _ pace: ProvingPace) throws {
    let seconds = pollSeconds(open, pace)
    open.pollCount += 1
    open.fruitless += seconds
    open.settling = open.settling.map { $0 + seconds }
    try patience.wait(seconds)
  }
}
