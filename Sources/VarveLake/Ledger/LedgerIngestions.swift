internal import VarveSQLite
internal import VarveTables

extension Ledger {
  /// Notes an ingestion for somebody to do.
  package func enqueue(_ ingestion: IngestionRecord) throws -> IngestionRecord {
    try write { connection in
      try insert(ingestion, connection)
      return try found(ingestion.id, connection).record
    }
  }

  /// Notes an ingestion and takes it.
  package func begin(_ ingestion: IngestionRecord) throws -> IngestionLease {
    try write { connection in
      try insert(ingestion, connection)
      guard let lease = try take(try found(ingestion.id, connection), connection) else {
        throw Problem(.refused, at: [path], "a new entry of the ledger is locked by another process")
      }
      return lease
    }
  }

  /// Takes an ingestion whatever its state, and notes it where it is new; nil while somebody else holds it.
  package func start(_ ingestion: IngestionRecord) throws -> IngestionLease? {
    try write { connection in
      guard
        let row = try connection.value("SELECT row FROM ingestions WHERE id = ?", [.text(ingestion.id)])?.integer,
        let before = try record(row, connection)
      else {
        try insert(ingestion, connection)
        var lease = try take(try found(ingestion.id, connection), connection)
        lease?.before = nil
        return lease
      }
      guard var lease = try take((row, before), connection) else { return nil }
      try connection.run(
        """
        UPDATE ingestions SET request = ?, schema_version = ?,
          attempts = CASE WHEN ? THEN 1 ELSE attempts END
        WHERE row = ?
        """,
        [
          .text(ingestion.request), .text(ingestion.schemaVersion), .integer(before.state == .done ? 1 : 0),
          .integer(row),
        ])
      lease.before = before
      if let taken = try record(row, connection) { lease.ingestion = taken }
      return lease
    }
  }

  /// Puts an ingestion back as it was before it was taken: this was no attempt.
  package func withdraw(_ lease: IngestionLease) throws {
    try write { connection in
      guard let before = lease.before else {
        try connection.run("DELETE FROM ingestions WHERE row = ?", [.integer(lease.row)])
        return
      }
      let state = before.state == .inProgress ? IngestionRecord.State.pending : before.state
      try connection.run(
        """
        UPDATE ingestions SET state = ?, attempts = ?, next_try = ?, error = ?, outcome = ?, version = ?, ended = ?
        WHERE row = ?
        """,
        [
          .text(state.rawValue), SQLValue(before.attempts), before.nextTry.map { .integer($0) } ?? .null,
          SQLValue(before.error), SQLValue(before.outcome), before.version.map { .integer($0) } ?? .null,
          before.ended.map { .integer($0) } ?? .null, .integer(lease.row),
        ])
    }
  }

  /// Takes an ingestion that waits, failed, or was left by a process that died; nil when it is done, dead, or held.
  package func take(_ id: String) throws -> IngestionLease? {
    try write { connection in
      let (row, record) = try found(id, connection)
      guard record.state != .done, record.state != .dead else { return nil }
      return try take((row, record), connection)
    }
  }

  /// Takes the ingestion that has been due longest: pending ones and failed ones whose time has come. A time further off
  /// than anybody waits was set by a clock that was put back since.
  package func takeNextDue(for worker: IngestionRecord.Worker = .command) throws -> IngestionLease? {
    try write { connection in
      let rows = try connection.rows(
        """
        SELECT row FROM ingestions WHERE \(worker.condition)
          AND (state = 'pending' OR state = 'failed' AND next_try NOT BETWEEN ?1 + 1 AND ?1 + ?2)
        ORDER BY coalesce(next_try, noted), row
        """, [.integer(clock.milliseconds()), .integer(RetryPolicy.millisecondsMax)])
      for row in rows {
        guard let number = row[0].integer, let record = try record(number, connection) else { continue }
        if let lease = try take((number, record), connection) { return lease }
      }
      return nil
    }
  }

  /// Takes all ingestions whose process died. The log tells whether their commit was made.
  package func takeAbandoned(for worker: IngestionRecord.Worker = .command) throws -> [IngestionLease] {
    try write { connection in
      try connection.rows("SELECT row FROM ingestions WHERE state = 'in_progress' AND \(worker.condition) ORDER BY row")
        .compactMap { row in
          guard let number = row[0].integer, let record = try record(number, connection),
            let lease = try LedgerLease.take(storage, byte: LedgerLease.byte(ingestion: number))
          else { return nil }
          return IngestionLease(ingestion: record, before: record, row: number, lease: lease)
        }
    }
  }

  /// What a source's content turned out to be, once it has been read.
  package func note(_ sources: [IngestionRecord.Source], of lease: IngestionLease) throws {
    try write { connection in try replace(sources, lease, connection) }
  }

  private func replace(
    _ sources: [IngestionRecord.Source], _ lease: IngestionLease, _ connection: Connection
  ) throws {
    try connection.run("DELETE FROM sources WHERE ingestion = ?", [.integer(lease.row)])
    try insert(sources, lease.row, connection)
  }

  /// The ingestion is done. `version` is what it committed, or where its feeds already were.
  package func finish(
    _ lease: IngestionLease, outcome: String, version: Int64?, rows: RowCounts,
    sources: [IngestionRecord.Source]? = nil
  ) throws {
    try write { connection in
      if let sources { try replace(sources, lease, connection) }
      try connection.run(
        """
        UPDATE ingestions SET state = 'done', outcome = ?, version = ?, ended = ?, next_try = NULL, error = NULL,
          rows_read = ?, rows_inserted = ?, rows_updated = ?, rows_deleted = ?, rows_unchanged = ?, rows_rejected = ?
        WHERE row = ?
        """,
        [
          .text(outcome), version.map { .integer($0) } ?? .null, .integer(clock.milliseconds()), SQLValue(rows.read),
          SQLValue(rows.inserted), SQLValue(rows.updated), SQLValue(rows.deleted), SQLValue(rows.unchanged),
          SQLValue(rows.rejected), .integer(lease.row),
        ])
    }
  }

  /// The attempt did not work. With a policy it is due again later, and dead after too many attempts; without one it
  /// waits for a person. Attempts are counted per content: a file that was replaced meanwhile starts anew.
  package func fail(
    _ lease: IngestionLease, _ error: String, retry: RetryPolicy?, chance: Double = 0.5,
    sources: [IngestionRecord.Source]? = nil
  ) throws {
    try write { connection in
      let now = clock.milliseconds()
      var attempts = lease.ingestion.attempts
      if let sources {
        let known = lease.ingestion.sources.map(\.sha256)
        if !known.contains(""), !sources.contains(where: { $0.sha256.isEmpty }), known != sources.map(\.sha256) {
          attempts = 1
          try connection.run("UPDATE ingestions SET attempts = 1 WHERE row = ?", [.integer(lease.row)])
        }
        try replace(sources, lease, connection)
      }
      let next = retry?.nextTry(attempts: attempts, now: now, chance: chance)
      let state = retry != nil && next == nil ? IngestionRecord.State.dead : .failed
      try connection.run(
        "UPDATE ingestions SET state = ?, error = ?, ended = ?, next_try = ? WHERE row = ?",
        [
          .text(state.rawValue), .text(error), .integer(now), next.map { .integer($0) } ?? .null, .integer(lease.row),
        ])
    }
  }

  /// Gives a failed or dead ingestion its attempts back; false where it is neither.
  package func requeue(_ id: String) throws -> Bool {
    try write { connection in
      try connection.run(
        """
        UPDATE ingestions SET state = 'pending', attempts = 0, next_try = NULL
        WHERE id = ? AND state IN ('failed', 'dead')
        """, [.text(id)])
      return connection.changes > 0
    }
  }

  /// Forgets a dead ingestion; false where it is not dead.
  package func purge(_ id: String) throws -> Bool {
    try write { connection in
      try connection.run("DELETE FROM ingestions WHERE id = ? AND state = 'dead'", [.text(id)])
      return connection.changes > 0
    }
  }

  // MARK: Looking

  /// The ingestion of that id; nil where the ledger knows none.
  package func ingestion(_ id: String) throws -> IngestionRecord? {
    try read { connection in
      try connection.value("SELECT row FROM ingestions WHERE id = ?", [.text(id)])?.integer.flatMap {
        try record($0, connection)
      }
    }
  }

  /// The ids that begin so, two at most.
  package func ingestionIDs(beginning start: String) throws -> [String] {
    try read { connection in
      try connection.rows(
        "SELECT id FROM ingestions WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id = ?1 DESC LIMIT 2", [.text(start)]
      ).compactMap { $0[0].text }
    }
  }

  /// Newest first.
  package func ingestions(
    table: String? = nil, state: IngestionRecord.State? = nil, limit: Int = .max
  ) throws -> [IngestionRecord] {
    try read { connection in
      try records(
        """
        SELECT row FROM ingestions WHERE (?1 IS NULL OR target = ?1) AND (?2 IS NULL OR state = ?2)
        ORDER BY row DESC LIMIT ?3
        """, [SQLValue(table), SQLValue(state?.rawValue), SQLValue(limit)], connection)
    }
  }

  /// How many ingestions are in each state; states that none is in are left out.
  package func ingestionCounts() throws -> [IngestionRecord.State: Int] {
    try read { connection in
      try connection.rows("SELECT state, count(*) FROM ingestions GROUP BY state").reduce(into: [:]) { counts, row in
        guard let state = row[0].text.flatMap({ IngestionRecord.State(rawValue: $0) }) else { return }
        counts[state] = row[1].integer.map { Int($0) }
      }
    }
  }

  /// Ingestions of that content into that table, newest first.
  package func ingestions(ofContent sha256: String, table: String) throws -> [IngestionRecord] {
    try read { connection in
      try records(
        """
        SELECT row FROM ingestions WHERE target = ? AND row IN (SELECT ingestion FROM sources WHERE sha256 = ?)
        ORDER BY row DESC
        """, [.text(table), .text(sha256)], connection)
    }
  }

  /// Where files of that content were when they were ingested, newest first.
  package func paths(ofContent sha256: String) throws -> [String] {
    try read { connection in
      try connection.rows("SELECT path FROM sources WHERE sha256 = ? ORDER BY ingestion DESC", [.text(sha256)])
        .compactMap { $0[0].text }
    }
  }

  /// The version that the newest other content of a file became; nil where the file came with no other.
  package func version(ofOther sha256: String, path: String, table: String) throws -> Int64? {
    try read { connection in
      try connection.value(
        """
        SELECT i.version FROM sources s JOIN ingestions i ON i.row = s.ingestion
        WHERE s.path = ? AND i.target = ? AND s.sha256 NOT IN ('', ?) AND i.version IS NOT NULL
        ORDER BY i.version DESC LIMIT 1
        """, [.text(path), .text(table), .text(sha256)])?.integer
    }
  }

  // MARK: Rows

  private func insert(_ ingestion: IngestionRecord, _ connection: Connection) throws {
    guard try connection.value("SELECT 1 FROM ingestions WHERE id = ?", [.text(ingestion.id)]) == nil else {
      throw Problem(.refused, at: [path], "there is already an ingestion \(ingestion.id)")
    }
    try connection.run(
      "INSERT INTO ingestions (id, target, schema_version, request, state, noted) VALUES (?, ?, ?, ?, 'pending', ?)",
      [
        .text(ingestion.id), .text(ingestion.table), .text(ingestion.schemaVersion), .text(ingestion.request),
        .integer(clock.milliseconds()),
      ])
    try insert(ingestion.sources, connection.lastInsertedRowID, connection)
  }

  private func insert(_ sources: [IngestionRecord.Source], _ row: Int64, _ connection: Connection) throws {
    for (ordinal, source) in sources.enumerated() {
      try connection.run(
        """
        INSERT INTO sources (ingestion, ordinal, path, name, sha256, byte_count, selector)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """,
        [
          .integer(row), SQLValue(ordinal), .text(source.path), .text(source.name), .text(source.sha256),
          SQLValue(source.byteCount), .text(source.selector),
        ])
    }
  }

  private func take(_ entry: (row: Int64, record: IngestionRecord), _ connection: Connection) throws -> IngestionLease?
  {
    guard let lease = try LedgerLease.take(storage, byte: LedgerLease.byte(ingestion: entry.row)) else { return nil }
    try connection.run(
      """
      UPDATE ingestions SET state = 'in_progress', owner = ?, started = ?, ended = NULL, attempts = attempts + 1
      WHERE row = ?
      """, [.text(LedgerLease.owner), .integer(clock.milliseconds()), .integer(entry.row)])
    return try record(entry.row, connection).map {
      IngestionLease(ingestion: $0, before: entry.record, row: entry.row, lease: lease)
    }
  }

  private func found(_ id: String, _ connection: Connection) throws -> (row: Int64, record: IngestionRecord) {
    guard let row = try connection.value("SELECT row FROM ingestions WHERE id = ?", [.text(id)])?.integer,
      let record = try record(row, connection)
    else {
      throw Problem(.failed, "there is no ingestion \(id)", advice: "`varve ingestions` lists them")
    }
    return (row, record)
  }

  private func records(_ sql: String, _ values: [SQLValue], _ connection: Connection) throws -> [IngestionRecord] {
    try connection.rows(sql, values).compactMap { row in try row[0].integer.flatMap { try record($0, connection) } }
  }

  private func record(_ row: Int64, _ connection: Connection) throws -> IngestionRecord? {
    let columns = """
      id, target, schema_version, request, state, attempts, next_try, error, owner, noted, started, ended, outcome,
      version, rows_read, rows_inserted, rows_updated, rows_deleted, rows_unchanged, rows_rejected
      """
    guard
      let values = try connection.rows("SELECT \(columns) FROM ingestions WHERE row = ?", [.integer(row)]).first
    else { return nil }
    let sources = try connection.rows(
      "SELECT path, name, sha256, byte_count, selector FROM sources WHERE ingestion = ? ORDER BY ordinal",
      [.integer(row)]
    ).map {
      IngestionRecord.Source(
        path: $0[0].text ?? "", name: $0[1].text ?? "", sha256: $0[2].text ?? "", byteCount: Int($0[3].integer ?? 0),
        selector: $0[4].text ?? "")
    }
    var record = IngestionRecord(
      id: values[0].text ?? "", table: values[1].text ?? "", sources: sources, schemaVersion: values[2].text ?? "",
      request: values[3].text ?? "")
    record.state = values[4].text.flatMap { IngestionRecord.State(rawValue: $0) } ?? .failed
    record.attempts = Int(values[5].integer ?? 0)
    record.nextTry = values[6].integer
    record.error = values[7].text
    record.owner = values[8].text
    record.noted = values[9].integer ?? 0
    record.started = values[10].integer
    record.ended = values[11].integer
    record.outcome = values[12].text
    record.version = values[13].integer
    record.rows.read = Int(values[14].integer ?? 0)
    record.rows.inserted = Int(values[15].integer ?? 0)
    record.rows.updated = Int(values[16].integer ?? 0)
    record.rows.deleted = Int(values[17].integer ?? 0)
    record.rows.unchanged = Int(values[18].integer ?? 0)
    record.rows.rejected = Int(values[19].integer ?? 0)
    return record
  }
}
