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
  private let result: VarveSQLite.QueryResult

  init(_ result: VarveSQLite.QueryResult) {
    self.result = result
    columns = result.columns.map { Column(name: $0.name, type: $0.type) }
  }

  /// The next row, a value per column; nil at the end.
  public func next() throws -> [Value]? { try result.next() }
}

/// What one scan of a query reads.
public struct QueryPlan: Sendable {
  /// As the query names it: `products@7`.
  public var table: String
  /// Columns, files, and why others are passed over.
  public var lines: [String]
  /// Columns by whose values rows are looked up for each row of the scans before.
  public var lookupColumns: [String]
}

extension Warehouse {
  /// One SELECT over any versions of any tables: `SELECT * FROM products p JOIN "products@7" …`.
  ///
  /// Each table stays as it was when the statement was prepared, whatever is committed meanwhile.
  public func query(_ sql: String) throws -> QueryResult { QueryResult(try session().query(sql)) }

  /// What a query would read, in the order of its loops.
  public func explain(_ sql: String) throws -> [QueryPlan] {
    try session().explain(sql).map {
      QueryPlan(table: $0.table, lines: $0.lines, lookupColumns: $0.lookupColumns)
    }
  }

  private func session() throws -> QuerySession { try QuerySession(Catalog(warehouse: self)) }
}

/// The tables of a warehouse as a query finds them, by reference.
private struct Catalog: QueryCatalog {
  let warehouse: Warehouse

  func table(named name: String) throws -> (any QueryTable)? {
    guard let reference = try? TableReference(parsing: name) else {
      // A name without version that cannot be one of ours is SQL's to complain about.
      if name.contains("@") { _ = try TableReference(parsing: name) }
      return nil
    }
    guard let table = try warehouse.lake()?.table(reference.table) else { return nil }
    return try table.snapshot(at: Table.Selector(reference.version, table: reference.table)).contents()
  }

  var tableNames: [String] { (try? warehouse.lake()?.tableNames()) ?? [] }
}
