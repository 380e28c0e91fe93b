internal import VarveLake
internal import VarveSQLite
public import VarveTables

/// The rows of a query's answer, one after the other.
public final class QueryResult {
  public struct Column: Sendable {
    public var name: String
    /// The type of the table's column that it is; nil for what is computed.
    public var type: DataType?
  }

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
  public var secondsMax: Double?
  /// Memory for tables that a join looks at again and again.
  public var joinBytesMax: Int
  /// Looked at often, from the thread that asks for rows; once true, the query ends with a problem.
  public var isInterrupted: @Sendable () -> Bool

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
  /// whatever is committed meanwhile.
  public func query(_ sql: String, limits: QueryLimits = QueryLimits()) throws -> QueryResult {
    QueryResult(try session(limits).query(sql))
  }

  /// What a query would read, in the order of its loops.
  public func explain(_ sql: String) throws -> [QueryPlan] {
    try session(QueryLimits()).explain(sql).map {
      QueryPlan(table: $0.table, lines: $0.lines, lookupColumns: $0.lookupColumns)
    }
  }

  private func session(_ limits: QueryLimits) throws -> QuerySession {
    try QuerySession(
      Catalog(warehouse: self),
      limits: VarveSQLite.QueryLimits(
        rowsMax: limits.rowsMax, secondsMax: limits.secondsMax, joinBytesMax: limits.joinBytesMax,
        isInterrupted: { [surroundings] in limits.isInterrupted() || surroundings.isInterrupted() }))
  }
}

/// The tables of a warehouse as a query finds them, by reference.
private struct Catalog: QueryCatalog {
  let warehouse: Warehouse

  func table(named name: String) throws -> (any QueryTable)? {
    if name.hasSuffix("@history") {
      let table = try warehouse.table(String(name.dropLast("@history".count)))
      let random = warehouse.surroundings.random
      return try RowHistory(table, limits: warehouse.limits) { try ScratchFile.temporary(random: random) }
    }
    guard let reference = try? TableReference(parsing: name) else {
      // A name without version that cannot be one of ours is SQL's to complain about.
      if name.contains("@") { _ = try TableReference(parsing: name) }
      return nil
    }
    guard let table = try warehouse.lake()?.table(reference.table) else { return nil }
    let snapshot = try table.snapshot(at: Table.Selector(reference.version, table: reference.table))
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
