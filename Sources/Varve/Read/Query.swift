internal import VarveLake
internal import VarveSQLite
public import VarveTables

/// The rows of a query's answer, one after the other.
public final class QueryResult {
  /// A column of the answer.
  public struct Column: Sendable {
    /// Its name.
    public var name: String
    /// The type of the table's column that it is; nil for what is computed.
    public var type: DataType?
  }

  /// The columns, in order.
  public let columns: [Column]
  /// Whether there were more rows than the limits allow.
  public var isCut: Bool { result.isCut }
  private let result: VarveSQLite.QueryResult

  init(_ result: VarveSQLite.QueryResult) {
    self.result = result
    columns = result.columns.map { Column(name: $0.name, type: $0.type) }
  }

  /// The next row, a value per column; nil at the end.
  public func next() throws -> [Value]? { try result.next() }
}

/// How much a query may use.
public struct QueryLimits: Sendable {
  /// Rows of the answer beyond which it is cut.
  public var rowsMax: Int?
  /// Time after which it is stopped.
  public var secondsMax: Double?
  /// Memory for tables that a join looks at again and again.
  public var joinBytesMax: Int
  /// Looked at often, from the thread that asks for rows; once true, the query ends with a problem.
  public var isInterrupted: @Sendable () -> Bool

  /// No limits but those given.
  public init(
    rowsMax: Int? = nil, secondsMax: Double? = nil, joinBytesMax: Int = 1 << 30,
    isInterrupted: @escaping @Sendable () -> Bool = { false }
  ) {
    self.rowsMax = rowsMax
    self.secondsMax = secondsMax
    self.joinBytesMax = joinBytesMax
    self.isInterrupted = isInterrupted
  }
}

/// What one scan of a query reads.
public struct QueryPlan: Sendable {
  /// As the query names it: `products@7`.
  public var table: String
  /// Version, columns, files, and why others are passed over.
  public var lines: [String]
  /// Columns by whose values rows are looked up for each row of the scans before.
  public var lookupColumns: [String]
}

extension Warehouse {
  /// One SELECT over any versions of any tables: `SELECT * FROM products p JOIN "products@7" …`.
  ///
  /// `"products@history"` has every state that a row was in, and from which version to which it was (`HistoryColumn`).
  /// Readers' versions are what each table's proxy shows. A table stays as it was when the statement first named it,
  /// whatever is committed meanwhile; of a transaction over several of the tables, all is seen or nothing.
  public func query(_ sql: String, limits: QueryLimits = QueryLimits()) throws -> QueryResult {
    QueryResult(try inOneMoment(limits) { try $0.query(sql) })
  }

  /// What a query would read, in the order of its loops.
  public func explain(_ sql: String) throws -> [QueryPlan] {
    try inOneMoment(QueryLimits()) { try $0.explain(sql) }.map {
      QueryPlan(table: $0.table, lines: $0.lines, lookupColumns: $0.lookupColumns)
    }
  }

  /// Prepares a statement, and again where a transaction was shown between the looks at its tables.
  private func inOneMoment<Result>(_ limits: QueryLimits, _ prepare: (QuerySession) throws -> Result) throws -> Result {
    for _ in 0..<looksMax {
      let catalog = Catalog(self)
      let session = try QuerySession(
        catalog,
        limits: VarveSQLite.QueryLimits(
          rowsMax: limits.rowsMax, secondsMax: limits.secondsMax, joinBytesMax: limits.joinBytesMax,
          isInterrupted: { [surroundings] in limits.isInterrupted() || surroundings.isInterrupted() }))
      let result = try prepare(session)
      if try catalog.sawOneMoment() { return result }
    }
    throw Problem(
      .failed, "transactions changed the tables of the query faster than it could look at them, \(looksMax) times",
      advice: "try again")
  }
}

/// How often a query looks at its tables while transactions change them.
private let looksMax = 1_000

/// The tables of a warehouse as a query finds them, by reference.
private final class Catalog: QueryCatalog {
  private let warehouse: Warehouse
  /// What readers were shown of the tables that the query names without a version.
  private var shown: [(table: Table, version: Int64)] = []

  init(_ warehouse: Warehouse) { self.warehouse = warehouse }

  /// Whether all tables could be seen so at one moment: none of them has since been shown a step of a decision, which
  /// a table that was looked at later would show already.
  func sawOneMoment() throws -> Bool {
    guard shown.count > 1 else { return true }
    return try shown.allSatisfy { table, version in
      guard let now = try table.publishedVersion(), now > version else { return true }
      return try ((version + 1)...now).allSatisfy { try table.log.entry($0)?.isStepOfDecision != true }
    }
  }

  func table(named name: String) throws -> (any QueryTable)? {
    if name.hasSuffix("@history") {
      let table = try warehouse.table(String(name.dropLast("@history".count)))
      let random = warehouse.surroundings.random
      return try RowHistory(table, limits: warehouse.limits) { try ScratchFile.temporary(random: random) }
    }
    if name.hasSuffix(QuarantineTable.suffix) {
      let table = try warehouse.lake()?.table(String(name.dropLast(QuarantineTable.suffix.count)))
      return try table.map { try QuarantineTable($0) }
    }
    guard let reference = try? TableReference(parsing: name) else {
      // A name without version that cannot be one of ours is SQL's to complain about.
      if name.contains("@") { _ = try TableReference(parsing: name) }
      return nil
    }
    guard let table = try warehouse.lake()?.table(reference.table) else { return nil }
    let snapshot: Snapshot
    var lease: ReadLease?
    defer { withExtendedLifetime(lease) {} }
    if reference.version == .latest {
      // One that a transaction makes is not there before all of it is.
      guard try table.publishedVersion() != nil else { return nil }
      (snapshot, lease) = try table.held(at: .published)
      shown.append((table, snapshot.version))
    } else {
      snapshot = try table.snapshot(at: Table.Selector(reference.version, table: reference.table))
    }
    return TableVersion(contents: try snapshot.contents(), version: snapshot.version)
  }

  var tableNames: [String] { (try? warehouse.lake()?.tableNames()) ?? [] }
}

/// A table's rows, and the version that they are of.
private struct TableVersion: QueryTable {
  let contents: TableContents
  let version: Int64

  var schema: Schema { contents.schema }
  var estimatedRowCount: Int { contents.estimatedRowCount }

  func scan(_ request: ScanRequest) -> any BatchStream { contents.scan(request) }
  func explain(_ request: ScanRequest) -> [String] { ["version: \(version)"] + contents.explain(request) }
  func valueBounds(column: Int) -> (minimum: Value, maximum: Value)? { contents.valueBounds(column: column) }
}
