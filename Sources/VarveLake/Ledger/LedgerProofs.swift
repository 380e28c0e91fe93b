internal import VarveSQLite

/// A record that was sent and is not at its target as it was sent.
package struct DeadRecord: Hashable, Sendable {
  /// From 0, in the delivery.
  package var record: Int
  /// What the target knows it by.
  package var key: String
  package var reason: String
  package internal(set) var delivery = ""
  package internal(set) var version: Int64 = 0
  package internal(set) var noted: Int64 = 0

  package init(record: Int, key: String, reason: String) {
    self.record = record
    self.key = key
    self.reason = reason
  }
}

extension Ledger {
  /// All was done for a chunk: it is proven, or what is not becomes dead letters.
  ///
  /// `keys` are those of the records that were looked at. What older deliveries of the table owed the target of them is settled by it, so
  /// that a delivery that owes nothing else is complete.
  package func settle(
    _ number: Int, keys: some Sequence<String>, dead: [DeadRecord], of lease: DeliveryLease
  ) throws {
    try write { connection in
      let now = SQLValue.integer(clock.milliseconds())
      let pair: [SQLValue] = [.text(lease.delivery.target), .text(lease.delivery.table)]
      let owed = "delivery IN (SELECT row FROM deliveries WHERE target = ?1 AND source = ?2)"
      if try connection.value("SELECT 1 FROM dead_records WHERE \(owed) LIMIT 1", pair) != nil {
        for key in keys {
          try connection.run("DELETE FROM dead_records WHERE key = ?3 AND \(owed)", pair + [.text(key)])
        }
      }
      for letter in dead {
        try connection.run(
          "INSERT INTO dead_records (delivery, record, chunk, key, reason, noted) VALUES (?, ?, ?, ?, ?, ?)",
          [
            .integer(lease.row), SQLValue(letter.record), SQLValue(number), .text(letter.key), .text(letter.reason),
            now,
          ])
      }
      if dead.isEmpty {
        try connection.run(
          """
          UPDATE chunks SET state = 'acknowledged', acknowledged = coalesce(acknowledged, ?1), proven = ?1, error = NULL
          WHERE delivery = ?2 AND number = ?3
          """, [now, .integer(lease.row), SQLValue(number)])
      } else {
        try connection.run(
          "UPDATE chunks SET state = 'failed', error = ?, proven = NULL WHERE delivery = ? AND number = ?",
          [.text("dead letters: \(dead.count)"), .integer(lease.row), SQLValue(number)])
      }
      try forgive(lease, now, connection)
    }
  }

  /// Other deliveries to the target that were run to their ends and owe nothing any more.
  private func forgive(_ lease: DeliveryLease, _ now: SQLValue, _ connection: Connection) throws {
    let values: [SQLValue] = [.text(lease.delivery.target), .text(lease.delivery.table), .integer(lease.row)]
    let settled = """
      SELECT row FROM deliveries d WHERE target = ?1 AND source = ?2 AND row <> ?3 AND state = 'stopped'
        AND completion IS NOT NULL AND NOT EXISTS (SELECT 1 FROM dead_records WHERE delivery = d.row)
      """
    guard try connection.value(settled + " LIMIT 1", values) != nil else { return }
    try connection.run(
      """
      UPDATE chunks SET state = 'acknowledged', proven = ?4, error = NULL
      WHERE state = 'failed' AND delivery IN (\(settled))
      """, values + [now])
    try connection.run("UPDATE deliveries SET state = 'complete', error = NULL WHERE row IN (\(settled))", values)
  }

  /// Oldest first.
  package func deadRecords(target: String? = nil, table: String? = nil, delivery: String? = nil) throws -> [DeadRecord]
  {
    try read { connection in
      try connection.rows(
        """
        SELECT record, key, reason, id, version, r.noted FROM dead_records r JOIN deliveries d ON d.row = r.delivery
        WHERE (?1 IS NULL OR target = ?1) AND (?2 IS NULL OR source = ?2) AND (?3 IS NULL OR id = ?3)
        ORDER BY d.row, record
        """, [SQLValue(target), SQLValue(table), SQLValue(delivery)]
      ).map { values in
        var letter = DeadRecord(
          record: Int(values[0].integer ?? 0), key: values[1].text ?? "", reason: values[2].text ?? "")
        letter.delivery = values[3].text ?? ""
        letter.version = values[4].integer ?? 0
        letter.noted = values[5].integer ?? 0
        return letter
      }
    }
  }
}
