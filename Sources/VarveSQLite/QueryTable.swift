package import VarveTables

/// A table at one version, as the query engine sees it: it never changes while it is queried.
package protocol QueryTable {
  var schema: Schema { get }

  /// How many rows there are, about; the planner orders joins by it.
  var estimatedRowCount: Int { get }

  /// The rows that may satisfy the request's constraints, with the columns that it names.
  ///
  /// More rows than satisfy them may come: pruning leaves out files and row groups, and rows are checked again.
  func scan(_ request: ScanRequest) throws -> any BatchStream

  /// What `scan` would read, one line each: version, columns, files and why others are passed over.
  func explain(_ request: ScanRequest) throws -> [String]

  /// Between which values every value of a column lies, if statistics tell.
  func valueBounds(column: Int) -> (minimum: Value, maximum: Value)?
}

extension QueryTable {
  package func valueBounds(column: Int) -> (minimum: Value, maximum: Value)? { nil }
}

/// What a query wants of a table.
package struct ScanRequest: Sendable {
  /// Positions in the table's schema, ascending: the columns of the batches, in this order. Empty to count rows.
  package var columns: [Int]
  /// All of them hold for every row that is wanted.
  package var constraints: [ScanConstraint]
  /// No more rows than this will be asked for: a hint for how much to read at once.
  package var limit: Int?

  package init(columns: [Int], constraints: [ScanConstraint] = [], limit: Int? = nil) {
    self.columns = columns
    self.constraints = constraints
    self.limit = limit
  }
}

/// What holds for one column of every row that is wanted. Its values have the column's type, and are never null.
package struct ScanConstraint: Hashable, Sendable {
  /// Position in the table's schema.
  package var column: Int
  package var condition: Condition

  package enum Condition: Hashable, Sendable {
    case isNull
    case isNotNull
    case equals(Value)
    case isOneOf([Value])
    case isLess(Value)
    case isLessOrEqual(Value)
    case isGreater(Value)
    case isGreaterOrEqual(Value)
  }

  package init(column: Int, _ condition: Condition) {
    self.column = column
    self.condition = condition
  }
}

/// Rows of a scan, batch by batch, in the table's row order.
package protocol BatchStream: AnyObject {
  /// The next rows, or nil when there are no more.
  func next() throws -> ScanBatch?
}

/// Some rows of a table, and their numbers.
package struct ScanBatch: Sendable {
  /// One column for each that the request names.
  package var batch: Batch
  package var rowNumbers: RowNumbers

  package init(_ batch: Batch, rowNumbers: RowNumbers) {
    self.batch = batch
    self.rowNumbers = rowNumbers
  }
}

/// Numbers by which SQLite knows a row again. A row has the same number in every scan of its table, whatever is
/// pruned, and no other row has it: for example the file's ordinal times 2^40 plus the row in the file.
package enum RowNumbers: Sendable {
  case consecutive(from: Int64)
  case each([Int64])
}
