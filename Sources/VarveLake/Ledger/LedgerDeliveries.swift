internal import VarveSQLite
internal import VarveTables

/// One delivery of a version, or of what differs between two, to a target.
package struct DeliveryRecord: Hashable, Sendable {
  package enum State: String, Sendable {
    case planned
    /// Under way.
    case sending
    /// Every chunk and the end of it are acknowledged; where the target can be read back, proven.
    case complete
    /// All was sent, and some records are not at the target as they were sent: dead letters.
    case incomplete
    /// Waits for `nextTry`, or for a person, and goes on behind the last acknowledged chunk. One that was cut off is no
    /// different.
    case stopped
  }

  package var id: String
  package var target: String
  package var table: String
  package var version: Int64
  /// The version that the target has already; nil for all rows.
  package var since: Int64?
  /// How it is cut, so that chunk n is the same bytes for ever: `records=4000`, `bytes=1000000`.
  package var chunking: String
  /// All that decides the bytes of its chunks, as JSON of whoever makes them.
  package var plan: String
  package internal(set) var state = State.planned
  package internal(set) var attempts = 0
  package internal(set) var nextTry: Int64?
  package internal(set) var error: String?
  package internal(set) var owner: String?
  package internal(set) var noted: Int64 = 0
  package internal(set) var started: Int64?
  package internal(set) var ended: Int64?
  package internal(set) var recordCount: Int?

  /// Whether all was sent once; what is left is dead letters.
  package var hasRunToEnd: Bool { recordCount != nil }

  package init(
    id: String, target: String, table: String, version: Int64, since: Int64? = nil, chunking: String,
    plan: String = "{}"
  ) {
    self.id = id
    self.target = target
    self.table = table
    self.version = version
    self.since = since
    self.chunking = chunking
    self.plan = plan
  }
}

/// One chunk of a delivery.
package struct ChunkRecord: Hashable, Sendable {
  package enum State: String, Sendable {
    case planned, sent, acknowledged
    /// The target was read back, and holds it as it was sent.
    case proven
    case failed
  }

  /// From 0.
  package var number: Int
  package var firstRecord: Int
  package var recordCount: Int
  /// Of its records as they are sent.
  package var sha256: String
  package internal(set) var state = State.planned
  package internal(set) var attempts = 0
  package internal(set) var error: String?
  package internal(set) var sent: Int64?
  package internal(set) var acknowledged: Int64?
  package internal(set) var proven: Int64?

  package init(number: Int, firstRecord: Int, recordCount: Int, sha256: String) {
    self.number = number
    self.firstRecord = firstRecord
    self.recordCount = recordCount
    self.sha256 = sha256
  }
}

/// How far a delivery is.
package struct DeliveryProgress: Sendable {
  /// Chunks.
  package var sentCount: Int
  package var acknowledgedCount: Int
  /// Records.
  package var recordCount: Int
  package var provenCount: Int
  package var deadCount: Int
}

/// A delivery that this process makes. It holds its target, to which nobody else delivers meanwhile.
package struct DeliveryLease: Sendable {
  package var delivery: DeliveryRecord
  let row: Int64
  let lease: LedgerLease
}

extension Ledger {
  /// Notes a delivery, if its id is new, and takes its target; nil while another process delivers there.
  package func begin(_ delivery: DeliveryRecord) throws -> DeliveryLease? {
    try write { connection in
      let now = SQLValue.integer(clock.milliseconds())
      try connection.run(
        """
        INSERT INTO deliveries (id, target, source, version, since, chunking, plan, state, noted)
        VALUES (?, ?, ?, ?, ?, ?, ?, 'planned', ?) ON CONFLICT DO NOTHING
        """,
        [
          .text(delivery.id), .text(delivery.target), .text(delivery.table), .integer(delivery.version),
          delivery.since.map { .integer($0) } ?? .null, .text(delivery.chunking),
          .text(delivery.plan), now,
        ])
      try connection.run("INSERT INTO targets (name) VALUES (?) ON CONFLICT DO NOTHING", [.text(delivery.target)])
      guard
        let target = try connection.value("SELECT row FROM targets WHERE name = ?", [.text(delivery.target)])?.integer,
        let row = try connection.value("SELECT row FROM deliveries WHERE id = ?", [.text(delivery.id)])?.integer,
        let lease = try LedgerLease.take(storage, byte: LedgerLease.byte(target: target))
      else { return nil }
      // Whoever holds the target knows that nobody sends what else is being sent there.
      try connection.run(
        """
        UPDATE deliveries SET state = 'stopped', error = 'cut off: ' || owner || ' has ended', ended = ?
        WHERE target = ? AND state = 'sending'
        """, [now, .text(delivery.target)])
      try connection.run(
        """
        UPDATE deliveries SET state = 'sending', owner = ?, started = coalesce(started, ?), ended = NULL,
          attempts = attempts + 1, next_try = NULL
        WHERE row = ? AND state <> 'complete'
        """, [.text(LedgerLease.owner), now, .integer(row)])
      return try deliveryRecord(row, connection).map { DeliveryLease(delivery: $0, row: row, lease: lease) }
    }
  }

  /// A chunk is about to be sent. Durable before it is, and with it that the chunk `acknowledged` was.
  ///
  /// A chunk that was sent before must be the same bytes; anything else is damage, since versions never change.
  package func markSent(_ chunk: ChunkRecord, behind acknowledged: Int? = nil, of lease: DeliveryLease) throws {
    try write { connection in
      if let acknowledged { try noteAcknowledged(acknowledged, of: lease, connection) }
      let known = try connection.value(
        "SELECT sha256 FROM chunks WHERE delivery = ? AND number = ?", [.integer(lease.row), SQLValue(chunk.number)])
      guard known == nil || known == .text(chunk.sha256) else {
        throw Problem(
          .damaged, at: ["delivery \(lease.delivery.id)", "chunk \(chunk.number)"],
          "is not what was sent before under this number", advice: "run `varve verify`, or push with --again")
      }
      try connection.run(
        """
        INSERT INTO chunks (delivery, number, first_record, record_count, sha256, state, attempts, sent)
        VALUES (?, ?, ?, ?, ?, 'sent', 1, ?)
        ON CONFLICT DO UPDATE
          SET state = 'sent', attempts = attempts + 1, sent = excluded.sent, error = NULL, proven = NULL
        """,
        [
          .integer(lease.row), SQLValue(chunk.number), SQLValue(chunk.firstRecord), SQLValue(chunk.recordCount),
          .text(chunk.sha256), .integer(clock.milliseconds()),
        ])
    }
  }

  package func markAcknowledged(_ number: Int, of lease: DeliveryLease) throws {
    try write { connection in try noteAcknowledged(number, of: lease, connection) }
  }

  private func noteAcknowledged(_ number: Int, of lease: DeliveryLease, _ connection: Connection) throws {
    try connection.run(
      "UPDATE chunks SET state = 'acknowledged', acknowledged = ?, error = NULL WHERE delivery = ? AND number = ?",
      [.integer(clock.milliseconds()), .integer(lease.row), SQLValue(number)])
    guard connection.changes == 1 else {
      throw Problem(.damaged, at: [path], "chunk \(number) was acknowledged and never sent")
    }
  }

  package func markFailed(_ number: Int, _ error: String, of lease: DeliveryLease) throws {
    try write { connection in
      try connection.run(
        "UPDATE chunks SET state = 'failed', error = ? WHERE delivery = ? AND number = ?",
        [.text(error), .integer(lease.row), SQLValue(number)])
    }
  }

  /// The target forgot what it had: chunks from `number` on are sent again.
  package func rewind(to number: Int, _ lease: DeliveryLease) throws {
    try write { connection in
      try connection.run(
        "UPDATE chunks SET state = 'planned', acknowledged = NULL, proven = NULL WHERE delivery = ? AND number >= ?",
        [.integer(lease.row), SQLValue(number)])
    }
  }

  /// The end of the delivery is acknowledged. What is left as dead letters makes it incomplete.
  package func complete(_ lease: DeliveryLease, recordCount: Int) throws {
    try write { connection in
      let dead =
        try connection.value("SELECT count(*) FROM dead_records WHERE delivery = ?", [.integer(lease.row)])?.integer
        ?? 0
      try connection.run(
        """
        UPDATE deliveries SET state = ?, ended = ?, record_count = ?, error = ?, next_try = NULL,
          completion = coalesce(completion, (SELECT coalesce(max(completion), 0) + 1 FROM deliveries))
        WHERE row = ?
        """,
        [
          .text(dead == 0 ? "complete" : "stopped"), .integer(clock.milliseconds()), SQLValue(recordCount),
          dead == 0 ? .null : .text("dead letters: \(dead)"), .integer(lease.row),
        ])
    }
  }

  package func stop(_ lease: DeliveryLease, _ error: String, nextTry: Int64?) throws {
    try write { connection in
      try connection.run(
        "UPDATE deliveries SET state = 'stopped', error = ?, ended = ?, next_try = ? WHERE row = ?",
        [
          .text(error), .integer(clock.milliseconds()), nextTry.map { .integer($0) } ?? .null, .integer(lease.row),
        ])
    }
  }

  // MARK: Looking

  /// The first chunk that is not acknowledged, all before it being so, and the number of its first record; where proofs
  /// are asked for, of the first that is not proven.
  package func position(_ lease: DeliveryLease, proven: Bool = false) throws -> (chunk: Int, record: Int) {
    var position = (chunk: 0, record: 0)
    for chunk in try chunks(of: lease.delivery.id) {
      guard chunk.number == position.chunk, chunk.state == .proven || chunk.state == .acknowledged && !proven else {
        break
      }
      position = (chunk.number + 1, chunk.firstRecord + chunk.recordCount)
    }
    return position
  }

  package func delivery(_ id: String) throws -> DeliveryRecord? {
    try read { connection in
      try connection.value("SELECT row FROM deliveries WHERE id = ?", [.text(id)])?.integer.flatMap {
        try deliveryRecord($0, connection)
      }
    }
  }

  /// Newest first. `isUnderWay`: only those that are being sent.
  package func deliveries(
    target: String? = nil, table: String? = nil, isUnderWay: Bool = false, limit: Int = .max
  ) throws -> [DeliveryRecord] {
    try read { connection in
      try connection.rows(
        """
        SELECT row FROM deliveries WHERE (?1 IS NULL OR target = ?1) AND (?2 IS NULL OR source = ?2)
          AND (?3 IS NULL OR state = ?3) ORDER BY row DESC LIMIT ?4
        """, [SQLValue(target), SQLValue(table), isUnderWay ? .text("sending") : .null, SQLValue(limit)]
      ).compactMap { row in try row[0].integer.flatMap { try deliveryRecord($0, connection) } }
        .filter { !isUnderWay || $0.state == .sending }
    }
  }

  /// The version of the table that the target last took whole, but for dead letters; nil where it took none.
  package func deliveredVersion(of table: String, to target: String) throws -> Int64? {
    try read { connection in
      try connection.value(
        """
        SELECT version FROM deliveries WHERE target = ? AND source = ? AND completion IS NOT NULL
        ORDER BY completion DESC LIMIT 1
        """, [.text(target), .text(table)])?.integer
    }
  }

  /// How many chunks of a delivery were ever sent, and how many are acknowledged, with how many records; of how many
  /// records that is proven, and how many are dead letters.
  package func progress(of delivery: String) throws -> DeliveryProgress {
    try read { connection in
      let values =
        try connection.rows(
          """
          SELECT count(*), total(isTaken), total(isTaken * record_count),
            total(iif(proven IS NULL AND dead = 0, 0, record_count - dead)), total(dead)
          FROM (
            SELECT record_count, proven, dead, state = 'acknowledged' OR dead > 0 AS isTaken FROM (
              SELECT state, record_count, proven,
                (SELECT count(*) FROM dead_records d WHERE d.delivery = c.delivery AND d.chunk = c.number) AS dead
              FROM chunks c WHERE delivery = (SELECT row FROM deliveries WHERE id = ?)))
          """, [.text(delivery)]
        ).first ?? []
      func count(_ index: Int) -> Int {
        switch values.indices.contains(index) ? values[index] : .null {
        case .integer(let count): Int(count)
        case .real(let count): Int(count)
        default: 0
        }
      }
      return DeliveryProgress(
        sentCount: count(0), acknowledgedCount: count(1), recordCount: count(2), provenCount: count(3),
        deadCount: count(4))
    }
  }

  /// By number.
  package func chunks(of delivery: String) throws -> [ChunkRecord] {
    try read { connection in
      try connection.rows(
        """
        SELECT number, first_record, record_count, sha256, state, attempts, error, sent, acknowledged, proven FROM chunks
        WHERE delivery = (SELECT row FROM deliveries WHERE id = ?) ORDER BY number
        """, [.text(delivery)]
      ).map { values in
        var chunk = ChunkRecord(
          number: Int(values[0].integer ?? 0), firstRecord: Int(values[1].integer ?? 0),
          recordCount: Int(values[2].integer ?? 0), sha256: values[3].text ?? "")
        chunk.state = values[4].text.flatMap { ChunkRecord.State(rawValue: $0) } ?? .planned
        chunk.attempts = Int(values[5].integer ?? 0)
        chunk.error = values[6].text
        chunk.sent = values[7].integer
        chunk.acknowledged = values[8].integer
        chunk.proven = values[9].integer
        if chunk.proven != nil { chunk.state = .proven }
        return chunk
      }
    }
  }

  private func deliveryRecord(_ row: Int64, _ connection: Connection) throws -> DeliveryRecord? {
    let columns = """
      id, target, source, version, since, chunking, state, attempts, next_try, error, owner, noted, started, ended,
      record_count, plan, completion
      """
    guard let values = try connection.rows("SELECT \(columns) FROM deliveries WHERE row = ?", [.integer(row)]).first
    else { return nil }
    var record = DeliveryRecord(
      id: values[0].text ?? "", target: values[1].text ?? "", table: values[2].text ?? "",
      version: values[3].integer ?? 0, since: values[4].integer, chunking: values[5].text ?? "",
      plan: values[15].text ?? "{}")
    record.state = values[6].text.flatMap { DeliveryRecord.State(rawValue: $0) } ?? .stopped
    record.owner = values[10].text
    record.error = values[9].text
    if try record.state == .sending && !isHeld(record.target, connection) {
      record.state = .stopped
      record.error = "cut off: \(record.owner ?? "its process") has ended"
    }
    if record.state == .stopped, values[16] != .null { record.state = .incomplete }
    record.attempts = Int(values[7].integer ?? 0)
    record.nextTry = values[8].integer
    record.noted = values[11].integer ?? 0
    record.started = values[12].integer
    record.ended = values[13].integer
    record.recordCount = values[14].integer.map { Int($0) }
    return record
  }

  /// Whether somebody delivers to the target.
  package func isDelivering(to target: String) throws -> Bool { try read { try isHeld(target, $0) } }

  private func isHeld(_ target: String, _ connection: Connection) throws -> Bool {
    guard let row = try connection.value("SELECT row FROM targets WHERE name = ?", [.text(target)])?.integer else {
      return false
    }
    return LedgerLease.isHeld(storage, byte: LedgerLease.byte(target: row))
  }
}
