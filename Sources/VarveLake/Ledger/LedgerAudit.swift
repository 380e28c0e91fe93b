internal import VarveJSON
internal import VarveSQLite
internal import VarveTables

/// The ledger compared with itself and with the logs.
package struct LedgerAudit: Sendable {
  /// What is wrong, a sentence each; no more than a few of a kind.
  package var damage: [String] = []
  /// Ingestions that the logs tell of and the ledger does not, as after its loss: none of its own is wrong.
  package var missingCount = 0
  package var byteCount = 0
  /// Nil where there is no ledger.
  package var entryCount: Int?
  /// Whether the damage is within rows, and all else is whole.
  var isWithinRows = false

  fileprivate static let findingsMax = 10

  /// Writes nothing, unless SQLite must first take back what a crash left half done.
  package init(of warehouse: Warehouse, clock: WallClock = .system) throws {
    let told = try LoggedIngestion.all(in: warehouse)
    missingCount = told.count
    do {
      byteCount = try warehouse.storage.status(Layout.ledger)?.byteCount ?? 0
      guard let ledger = try Ledger.openToRead(warehouse.storage, clock: clock) else { return }
      damage = try ledger.findings()
      guard damage.isEmpty else { return }
      damage = try ledger.damagedRows()
      isWithinRows = !damage.isEmpty
      guard damage.isEmpty else { return }
      let known = try ledger.ingestions()
      entryCount = known.count
      let byID = Dictionary(known.map { ($0.id, $0) }) { first, _ in first }
      missingCount = 0
      for ingestion in told where ingestion.isMarked {
        guard let record = byID[ingestion.id] else {
          missingCount += 1
          continue
        }
        // Where it was tried again since, the entry is about that.
        guard record.state == .done, record.outcome == "committed", record.version == ingestion.version else {
          continue
        }
        if !ingestion.isTold(by: record), damage.count < LedgerAudit.findingsMax {
          damage.append(
            "the ingestion \(record.id) is told otherwise than by version \(ingestion.version) of \(ingestion.table)")
        }
      }
    } catch let problem as Problem where problem.kind == .damaged || problem.kind == .failed {
      damage = [problem.what]
    }
  }
}

extension Ledger {
  /// Throws damage.
  package func verify() throws {
    guard let finding = try findings().first ?? damagedRows().first else { return }
    throw Problem(.damaged, at: [path], "the ledger is damaged: \(finding)", advice: "run `varve repair`")
  }

  /// Every page, row, type and reference, and whether the tables are ours.
  fileprivate func findings() throws -> [String] {
    try read { connection in
      var findings = try connection.rows("PRAGMA integrity_check(10)").compactMap { $0.first?.text }.filter {
        $0 != "ok"
      }
      if try !connection.rows("PRAGMA foreign_key_check").isEmpty { findings.append("rows belong to no entry") }
      let fresh = try Connection()
      try LedgerFormat.makeTables(fresh)
      let schema = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"
      if try connection.rows(schema) != fresh.rows(schema) { findings.append("its tables are not those of a ledger") }
      return findings
    }
  }

  /// Rows that are not as they were written, of a ledger that is whole otherwise.
  fileprivate func damagedRows() throws -> [String] {
    try read { try LedgerChecksums.findings($0, max: LedgerAudit.findingsMax) }
  }
}

/// An ingestion as a table's log tells it.
struct LoggedIngestion {
  /// Of the ledger's entry.
  var id: String
  var attempts: Int
  /// Whether the version names the entry. The first of a warehouse does not: there was no ledger before it.
  var isMarked: Bool
  var table: String
  var version: Int64
  /// Milliseconds since 1970.
  var timestamp: Int64
  var bookkeeping: Bookkeeping

  /// The newest version of each, in the order of time.
  static func all(in warehouse: Warehouse) throws -> [LoggedIngestion] {
    var newest: [String: LoggedIngestion] = [:]
    for name in try warehouse.tableNames() {
      // A table that cannot be read is the table's audit's to name.
      guard let history = try? warehouse.table(name)?.history() else { continue }
      for record in history.reversed() {
        guard let bookkeeping = record.bookkeeping, !bookkeeping.sources.isEmpty, !bookkeeping.awaitsFirstFeed,
          bookkeeping.details["replayed_from"] == nil, bookkeeping.details["reapplied_from"] == nil
        else { continue }
        let parts = bookkeeping.details["attempt"]?.string?.split(separator: "/") ?? []
        let attempts = parts.count == 2 ? Int(parts[1]) : nil
        let found = LoggedIngestion(
          id: attempts == nil ? bookkeeping.ingestion : String(parts[0]), attempts: attempts ?? 1,
          isMarked: attempts != nil, table: name, version: record.version, timestamp: record.timestamp,
          bookkeeping: bookkeeping)
        if newest[found.id].map({ $0.timestamp <= found.timestamp }) ?? true { newest[found.id] = found }
      }
    }
    return newest.values.sorted { ($0.timestamp, $0.id) < ($1.timestamp, $1.id) }
  }

  /// The ledger names the table as it was called then; its directory may have been renamed since.
  func isTold(by record: IngestionRecord) -> Bool {
    record.rows == bookkeeping.rows
      && record.sources.map(\.sha256) == bookkeeping.sources.map(\.sha256)
      && record.sources.map(\.byteCount) == bookkeeping.sources.map(\.byteCount)
  }
}

/// Makes the ledger again from the logs.
package struct LedgerRepair: Sendable {
  /// Where the damaged one lies since.
  package var laidAside: String?
  /// Entries with damaged rows that were removed from one that is whole otherwise.
  package var removedCount = 0
  package var restoredCount = 0

  /// A damaged ledger is laid aside by a rename, and entries with damaged rows are removed in one transaction; then what
  /// the logs know is entered in another: a crash leaves the old one, none, one without these entries, or the new one, and the
  /// next repair goes on.
  package init(of warehouse: Warehouse, clock: WallClock) throws {
    let storage = warehouse.storage
    let audit = try LedgerAudit(of: warehouse, clock: clock)
    guard !audit.damage.isEmpty || audit.missingCount > 0 else { return }
    try storage.checkOwner()
    if audit.isWithinRows {
      removedCount = try Ledger.open(storage, clock: clock).write { try LedgerChecksums.removeDamaged($0) }
    } else if !audit.damage.isEmpty {
      if try storage.makeDirectory(Layout.droppedTables) { try storage.sync() }
      var time = clock.milliseconds()
      // What is left of a journal belongs to the damaged file.
      while try storage.exists(Layout.droppedTable(Layout.ledger, at: time))
        || storage.exists(Layout.droppedTable(Layout.ledgerJournal, at: time))
      { time += 1 }
      for name in [Layout.ledgerJournal, Layout.ledger] where try storage.exists(name) {
        _ = try storage.rename(name, to: Layout.droppedTable(name, at: time))
      }
      for directory in [Layout.droppedTables, ""] { try storage.sync(directory) }
      laidAside = Layout.droppedTable(Layout.ledger, at: time)
    }
    restoredCount = try Ledger.open(storage, clock: clock).enter(LoggedIngestion.all(in: warehouse))
  }
}

extension Ledger {
  /// Enters what is not there yet, and returns how many.
  fileprivate func enter(_ told: [LoggedIngestion]) throws -> Int {
    try write { connection in
      var count = 0
      let isNew = try connection.value("SELECT 1 FROM ingestions LIMIT 1") == nil
      for ingestion in told where ingestion.isMarked || isNew {
        guard try connection.value("SELECT 1 FROM ingestions WHERE id = ?", [.text(ingestion.id)]) == nil else {
          continue
        }
        let rows = ingestion.bookkeeping.rows
        let time = SQLValue.integer(ingestion.timestamp)
        try connection.run(
          """
          INSERT INTO ingestions (id, target, schema_version, request, state, attempts, noted, started, ended, outcome,
            version, rows_read, rows_inserted, rows_updated, rows_deleted, rows_unchanged, rows_rejected)
          VALUES (?, ?, '', '{}', 'done', ?, ?, ?, ?, 'committed', ?, ?, ?, ?, ?, ?, ?)
          """,
          [
            .text(ingestion.id), .text(ingestion.table), SQLValue(ingestion.attempts), time, time, time,
            .integer(ingestion.version), SQLValue(rows.read), SQLValue(rows.inserted), SQLValue(rows.updated),
            SQLValue(rows.deleted), SQLValue(rows.unchanged), SQLValue(rows.rejected),
          ])
        let row = connection.lastInsertedRowID
        for (ordinal, source) in ingestion.bookkeeping.sources.enumerated() {
          // Where the file lay, only the ledger knew.
          try connection.run(
            """
            INSERT INTO sources (ingestion, ordinal, path, name, sha256, byte_count, selector)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            """,
            [
              .integer(row), SQLValue(ordinal), .text(source.name), .text(source.name), .text(source.sha256),
              SQLValue(source.byteCount), .text(source.selector),
            ])
        }
        count += 1
      }
      return count
    }
  }
}
