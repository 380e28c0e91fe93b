internal import VarveSQLite

/// The checksum that each row of the ledger carries, so that a flip is also found within what nothing else tells: an
/// error's words, where a file lay, the digest of a chunk.
///
/// Triggers set it whenever a row is written. They belong to the writing connection and not to the file, of which nothing is
/// run; so a statement that writes need not know of them, and no row can be without.
enum LedgerChecksums {
  /// What version 3 of the format added.
  static let columns = tables.map { "ALTER TABLE \($0) ADD COLUMN checksum INTEGER;" }.joined(separator: "\n") + "\n"

  private static let tables = ["ingestions", "sources", "targets", "deliveries", "chunks", "dead_records"]

  /// A table as the format has it, whatever the file says.
  private struct Form {
    var table: String
    var key: [String]
    var columns: [String]
    /// The table whose rows have these, and the column that names them.
    var owner: (table: String, column: String)?

    func sum(of row: String = "") -> String { "row_checksum(\(columns.map { row + $0 }.joined(separator: ", ")))" }
    func isSame(as row: String) -> String { key.map { "\($0) = \(row)\($0)" }.joined(separator: " AND ") }
  }

  private static let forms = Result { () throws -> [Form] in
    let fresh = try Connection()
    try LedgerFormat.makeTables(fresh)
    return try tables.map { table in
      let owner = try fresh.rows("PRAGMA foreign_key_list(\(table))").first
      let columns = try fresh.rows("PRAGMA table_info(\(table))").map { (name: $0[1].text ?? "", key: $0[5].integer) }
      return Form(
        table: table, key: columns.filter { $0.key != 0 }.map(\.name),
        columns: columns.map(\.name).filter { $0 != "checksum" },
        owner: owner.map { (table: $0[2].text ?? "", column: $0[3].text ?? "") })
    }
  }

  /// On a connection that writes.
  static func install(_ connection: Connection) throws {
    try connection.execute("PRAGMA temp_store = MEMORY;")
    for form in try forms.get() {
      let body =
        "BEGIN UPDATE \(form.table) SET checksum = \(form.sum(of: "NEW.")) WHERE \(form.isSame(as: "NEW.")); END;"
      try connection.execute(
        """
        CREATE TEMP TRIGGER \(form.table)_inserted AFTER INSERT ON main.\(form.table) \(body)
        CREATE TEMP TRIGGER \(form.table)_updated
        AFTER UPDATE OF \(form.columns.joined(separator: ", ")) ON main.\(form.table) \(body)
        """)
    }
  }

  /// Sums of rows that an older Varve wrote.
  static func fill(_ connection: Connection) throws {
    for form in try forms.get() { try connection.execute("UPDATE \(form.table) SET checksum = \(form.sum());") }
  }

  /// Removes the entries that have rows which are not as they were written, with all that belongs to them; returns how many.
  static func removeDamaged(_ connection: Connection) throws -> Int {
    var count = 0
    for form in try forms.get() {
      let damaged = "\(form.table) WHERE checksum IS NOT \(form.sum())"
      let entries = form.owner.map { "\($0.table) WHERE row IN (SELECT \($0.column) FROM \(damaged))" } ?? damaged
      try connection.run("DELETE FROM \(entries)")
      count += connection.changes
    }
    return count
  }

  /// Which rows are not as they were written: a sentence each, up to so many.
  static func findings(_ connection: Connection, max: Int) throws -> [String] {
    var findings: [String] = []
    for form in try forms.get() where findings.count < max {
      let key = form.key.joined(separator: " || ', ' || ")
      let rows = try connection.rows(
        "SELECT '' || \(key) FROM \(form.table) WHERE checksum IS NOT \(form.sum()) LIMIT \(max - findings.count)")
      findings += rows.map { "row \($0[0].text ?? "") of \(form.table) is not what was written" }
    }
    return findings
  }
}
