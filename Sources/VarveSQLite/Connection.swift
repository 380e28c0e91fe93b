internal import CSQLite
internal import VarveTables

/// A SQLite database that one owner holds open; used by one thread at a time.
///
/// Nothing in the file is trusted: no extensions, no schema that calls functions with side effects, no attaching, and
/// double-quoted text is always a name.
package final class Connection {
  package enum Mode: Sendable {
    /// The file must exist. Never writes.
    case readOnly
    case readWrite
    /// Makes the file if it is missing.
    case createOrReadWrite
  }

  let handle: OpaquePointer
  /// The place that problems name: the file's path, or nothing for memory.
  package let file: String
  private var kept: [String: Statement] = [:]

  /// How long another process's lock is waited for.
  private static let busyMillisecondsMax: Int32 = 10_000

  package convenience init(_ file: String, _ mode: Mode) throws {
    do { try self.init(opening: file, mode) } catch { throw error.problem(file) }
  }

  /// A database of its own, in memory.
  package convenience init() throws {
    do { try self.init(opening: nil, .readWrite) } catch { throw error.problem("") }
  }

  private init(opening file: String?, _ mode: Mode) throws(SQLiteError) {
    let flags =
      switch mode {
      case .readOnly: SQLITE_OPEN_READONLY
      case .readWrite: SQLITE_OPEN_READWRITE
      case .createOrReadWrite: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
      }
    var opened: OpaquePointer?
    let code = sqlite3_open_v2(
      file ?? ":memory:", &opened, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
    guard code == SQLITE_OK, let opened else {
      let error = SQLiteError(opened, code: code)
      sqlite3_close_v2(opened)
      throw error
    }
    handle = opened
    self.file = file ?? ""
    for (option, on) in [
      (SQLITE_DBCONFIG_DEFENSIVE, 1), (SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0), (SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0),
      (SQLITE_DBCONFIG_DQS_DDL, 0), (SQLITE_DBCONFIG_DQS_DML, 0), (SQLITE_DBCONFIG_ENABLE_TRIGGER, 0),
      (SQLITE_DBCONFIG_ENABLE_VIEW, 0),
    ] {
      try check(varve_sqlite3_db_switch(handle, Int32(option), Int32(on)), handle)
    }
    sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0)
    sqlite3_busy_timeout(handle, Connection.busyMillisecondsMax)
  }

  deinit {
    kept = [:]
    sqlite3_close_v2(handle)
  }

  /// Runs statements that answer nothing, one after the other.
  package func execute(_ script: String) throws {
    let code = sqlite3_exec(handle, script, nil, nil, nil)
    guard code == SQLITE_OK else { throw SQLiteError(handle, code: code).problem(file) }
  }

  /// A statement of its own. `sql` holds exactly one.
  package func prepare(_ sql: String) throws -> Statement { try prepare(sql, isKept: false) }

  private func prepare(_ sql: String, isKept: Bool) throws -> Statement {
    do { return try Statement(self, sql, isKept: isKept) } catch { throw error.problem(file) }
  }

  /// Runs one statement and hands over each row of its answer. The statement is kept for the next time.
  package func run(_ sql: String, _ values: [SQLValue] = [], eachRow: (borrowing Row) throws -> Void = { _ in }) throws
  {
    // A statement that is in use further up the stack is not taken again.
    let statement = try kept.removeValue(forKey: sql) ?? prepare(sql, isKept: true)
    defer {
      statement.reset()
      if kept.count < Connection.keptStatementsMax { kept[sql] = statement }
    }
    try statement.bind(values)
    while try statement.step() { try eachRow(Row(statement)) }
  }

  /// The rows of one statement's answer.
  package func rows(_ sql: String, _ values: [SQLValue] = []) throws -> [[SQLValue]] {
    var result: [[SQLValue]] = []
    try run(sql, values) { result.append($0.values) }
    return result
  }

  /// The first column of the first row, or nil where there is no row.
  package func value(_ sql: String, _ values: [SQLValue] = []) throws -> SQLValue? {
    try rows(sql, values).first?.first
  }

  package enum TransactionKind: String, Sendable {
    /// Sees one state throughout.
    case reading = "DEFERRED"
    /// Holds the write lock from the start, so that what it read cannot change before it writes.
    case writing = "IMMEDIATE"
  }

  /// Does `work` whole or not at all. One inside another joins it.
  package func transaction<Result>(_ kind: TransactionKind = .writing, _ work: () throws -> Result) throws -> Result {
    guard sqlite3_get_autocommit(handle) != 0 else { return try work() }
    try execute("BEGIN \(kind.rawValue)")
    do {
      let result = try work()
      try execute("COMMIT")
      return result
    } catch {
      // SQLite itself may have rolled back already (disk full, interrupted).
      if sqlite3_get_autocommit(handle) == 0 { sqlite3_exec(handle, "ROLLBACK", nil, nil, nil) }
      throw error
    }
  }

  /// Rows that the last statement inserted, updated or deleted.
  package var changes: Int { Int(sqlite3_changes64(handle)) }

  package var lastInsertedRowID: Int64 { sqlite3_last_insert_rowid(handle) }

  private static let keptStatementsMax = 64
}
