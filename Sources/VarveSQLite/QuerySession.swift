internal import CSQLite
internal import VarveTables

/// Where queries find tables.
package protocol QueryCatalog {
  /// The table that a query names: `products`, `products@7`; nil where there is none.
  func table(named name: String) throws -> (any QueryTable)?

  /// All of them, for advice to those who misspell one.
  var tableNames: [String] { get }
}

/// SQL over tables of a catalog: queries only, one at a time.
///
/// A table is looked up when a statement first names it, and stays what it was for the whole session.
package final class QuerySession {
  private let connection: Connection
  private let catalog: any QueryCatalog
  let budget: QueryBudget
  private var tables: [QueriedTable] = []
  /// What the authorizer refused in the statement being prepared.
  private var refused: String?
  private var stopped: Problem?
  private let repeatable: RepeatableFunctions?
  private weak var running: QueryResult?

  /// One that is repeatable refuses what would give another answer another time: the clock, `random()`.
  package init(_ catalog: any QueryCatalog, limits: QueryLimits = QueryLimits(), isRepeatable: Bool = false) throws {
    self.catalog = catalog
    budget = QueryBudget(limits)
    connection = try Connection()
    // Memory for sorting before it spills to a temporary file.
    try connection.execute("PRAGMA cache_size = -65536")
    do {
      try SQLFunctions.register(connection)
      try SumFunctions.register(connection)
    } catch { throw error.problem("") }
    repeatable = try isRepeatable ? RepeatableFunctions(connection) : nil
    sqlite3_limit(connection.handle, SQLITE_LIMIT_LENGTH, 256 << 20)
    let session = Unmanaged.passUnretained(self).toOpaque()
    sqlite3_set_authorizer(
      connection.handle,
      { session, action, first, second, _, _ in
        guard let session else { return SQLITE_DENY }
        return Unmanaged<QuerySession>.fromOpaque(session).takeUnretainedValue().authorize(action, first, second)
      }, session)
    sqlite3_progress_handler(
      connection.handle, 5_000,
      { session in
        guard let session else { return 1 }
        return Unmanaged<QuerySession>.fromOpaque(session).takeUnretainedValue().mayGoOn ? 0 : 1
      }, session)
  }

  deinit {
    sqlite3_set_authorizer(connection.handle, nil, nil)
    sqlite3_progress_handler(connection.handle, 0, nil, nil)
  }

  /// Starts a query; its parameters are bound by position. The one before it ends.
  package func query(_ sql: String, _ values: [SQLValue] = []) throws -> QueryResult {
    let statement = try prepare(sql)
    try statement.bind(values)
    let result = QueryResult(self, statement)
    running = result
    return result
  }

  /// How a query would be carried out: for each scan what it reads, in the order of the loops.
  package func explain(_ sql: String) throws -> [ScanExplanation] {
    _ = try prepare(sql)
    let statement = try prepare("EXPLAIN QUERY PLAN " + sql, keepingPlans: true)
    var result: [ScanExplanation] = []
    do {
      while try statement.advance() {
        guard case .text(let detail) = statement[3], let number = QuerySession.planNumber(detail),
          let (table, plan) = tables.lazy.compactMap({ table in table.plan(number).map { (table, $0) } }).first
        else { continue }
        result.append(try ScanExplanation(table, plan))
      }
    } catch { throw problem(error) }
    return result
  }

  /// Whether each row of the answer comes of one row of the one table that is read, which the table is at while the row is
  /// handed out: nothing is sorted, grouped, joined or put together first.
  package func keepsRows(_ sql: String) throws -> Bool {
    let statement = try prepare("EXPLAIN " + sql)
    var scans = 0
    do {
      while try statement.advance() {
        guard case .text(let operation) = statement[1] else { continue }
        if operation == "VOpen" { scans += 1 }
        if QuerySession.gatheringOperations.contains(operation) { return false }
      }
    } catch { throw problem(error, sql) }
    return scans == 1
  }

  /// Of SQLite's programs, those with which rows are kept for later, or looked up elsewhere.
  private static let gatheringOperations: Set<String> = [
    "SorterOpen", "SorterSort", "Sort", "AggStep", "AggStep1", "AggFinal", "AggValue", "Rewind", "Last",
    "OpenAutoindex",
    "OpenDup",
  ]

  /// The number of the row that a table is at, while a row of the answer is handed out.
  package func currentRow(of table: String) -> Int64? {
    tables.first { $0.name.lowercased() == table }?.openCursor.flatMap(VirtualTable.rowNumber)
  }

  // MARK: Preparing

  private func prepare(_ sql: String, keepingPlans: Bool = false) throws -> Statement {
    running?.end()
    for table in tables where !keepingPlans { table.forget() }
    budget.start()
    stopped = nil
    repeatable?.forget()
    while true {
      refused = nil
      do {
        return try Statement(connection, sql)
      } catch {
        guard let name = QuerySession.missingTable(error.message), try add(name) else { throw problem(error, sql) }
      }
    }
  }

  private static func missingTable(_ message: String) -> String? {
    let start = "no such table: "
    guard message.hasPrefix(start) else { return nil }
    // `main.products` is `products`; no table of ours has a point in its name before the `@`.
    let name = message.dropFirst(start.count)
    return String(name.hasPrefix("main.") ? name.dropFirst(5) : name)
  }

  /// False where there is no such table; whoever asked has the better error then.
  private func add(_ name: String) throws -> Bool {
    guard tables.count < QuerySession.tablesMax else {
      throw Problem(.failed, "a query can name at most \(QuerySession.tablesMax) tables")
    }
    guard !tables.contains(where: { $0.name == name }), let found = try catalog.table(named: name) else { return false }
    let table = try QueriedTable(name, found, budget)
    do { try VirtualTable.register(table, connection) } catch { throw error.problem("") }
    tables.append(table)
    return true
  }

  private static let tablesMax = 64

  /// `SCAN p VIRTUAL TABLE INDEX 7:` has plan number 7.
  private static func planNumber(_ detail: String) -> Int32? {
    let mark = "VIRTUAL TABLE INDEX "
    var rest = detail.utf8[...]
    while !rest.isEmpty {
      if rest.starts(with: mark.utf8) {
        let digits = rest.dropFirst(mark.utf8.count).prefix { $0 != UInt8(ascii: ":") }
        return Int32(String(decoding: digits, as: UTF8.self))
      }
      rest = rest.dropFirst()
    }
    return nil
  }

  // MARK: Limits

  /// Allows what reads, and learns which columns are read.
  private func authorize(_ action: Int32, _ first: UnsafePointer<CChar>?, _ second: UnsafePointer<CChar>?) -> Int32 {
    switch action {
    case SQLITE_SELECT, SQLITE_RECURSIVE: return SQLITE_OK
    case SQLITE_FUNCTION:
      let name = second.map { String(cString: $0).lowercased() } ?? ""
      if name != "load_extension" { return repeatable?.allows(name) == false ? SQLITE_DENY : SQLITE_OK }
    case SQLITE_READ:
      if let first, let second {
        let name = String(cString: first)
        tables.first { $0.name == name }?.columnsRead.insert(String(cString: second))
      }
      return SQLITE_OK
    case SQLITE_UPDATE where first.map({ String(cString: $0) }) == "sqlite_master":
      // Declaring a virtual table asks for this, though nothing is written. A statement cannot: SQLite itself forbids
      // changes of its schema, and creating anything starts with an INSERT.
      return SQLITE_OK
    default: break
    }
    refused = refused ?? QuerySession.actions[action] ?? "That"
    return SQLITE_DENY
  }

  private static let actions: [Int32: String] = [
    SQLITE_INSERT: "INSERT", SQLITE_UPDATE: "UPDATE", SQLITE_DELETE: "DELETE", SQLITE_PRAGMA: "PRAGMA",
    SQLITE_ATTACH: "ATTACH", SQLITE_DETACH: "DETACH", SQLITE_TRANSACTION: "a transaction", SQLITE_ANALYZE: "ANALYZE",
    SQLITE_REINDEX: "REINDEX", SQLITE_SAVEPOINT: "a savepoint", SQLITE_FUNCTION: "load_extension",
    SQLITE_ALTER_TABLE: "ALTER TABLE", SQLITE_CREATE_TABLE: "CREATE TABLE", SQLITE_CREATE_VIEW: "CREATE VIEW",
    SQLITE_CREATE_INDEX: "CREATE INDEX", SQLITE_CREATE_TEMP_TABLE: "CREATE TABLE",
    SQLITE_CREATE_TEMP_VIEW: "CREATE VIEW", SQLITE_CREATE_VTABLE: "CREATE VIRTUAL TABLE", SQLITE_DROP_TABLE: "DROP",
    SQLITE_DROP_VTABLE: "DROP", SQLITE_DROP_VIEW: "DROP",
  ]

  private var mayGoOn: Bool {
    do {
      try budget.check()
      return true
    } catch {
      stopped = error
      return false
    }
  }

  // MARK: Problems

  /// What the person who wrote the query should read.
  func problem(_ error: any Error, _ sql: String = "") -> any Error {
    for table in tables {
      if let failure = table.failure { return failure }
    }
    if let problem = stopped ?? repeatable?.refused { return problem }
    guard let error = error as? SQLiteError else { return error }
    if let refused { return QueryProblems.refused(refused) }
    return QueryProblems.problem(
      error, sql, tables: catalog.tableNames, columns: tables.flatMap { $0.schema.fields.map(\.name) })
  }
}

/// What one scan of a query reads.
package struct ScanExplanation: Sendable {
  /// As the query names it: `products@7`.
  package var table: String
  /// The table's own account: version, columns, files, and why others are passed over.
  package var lines: [String]
  /// Columns by whose values rows are looked up for each row of the loops before.
  package var lookupColumns: [String]

  init(_ table: QueriedTable, _ plan: ScanPlan) throws {
    self.table = table.name
    lookupColumns = plan.arguments.filter { $0.constant == nil }.map { table.schema.fields[$0.column].name }
    lines = try plan.constantRequest.map { try table.table.explain($0) } ?? ["nothing is read: no row can match"]
  }
}
