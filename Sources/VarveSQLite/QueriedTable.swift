internal import CSQLite
internal import VarveTables

/// A table that queries of one session name, and how they read it.
final class QueriedTable {
  let name: String
  let table: any QueryTable
  let schema: Schema
  let forms: [ColumnForm]
  let budget: QueryBudget
  /// By the number that SQLite hands back with each scan.
  private var plans: [Int32: ScanPlan] = [:]
  private var histories: [Int32: ScanHistory] = [:]
  /// Columns beyond the 63 that SQLite tells by bit, by what the statement being prepared reads.
  var columnsRead: Set<String> = []
  /// The cursor that was opened last, while it is open.
  var openCursor: UnsafeMutableRawPointer?
  /// What a callback threw; SQLite only carries its text.
  var failure: (any Error)?

  /// How often a plan has run, for the choice to keep the table in memory.
  private struct ScanHistory {
    var runs = 0
    var rowsRead = 0
    var kept: KeptRows?
  }

  init(_ name: String, _ table: any QueryTable, _ budget: QueryBudget) throws {
    self.name = name
    self.table = table
    self.budget = budget
    schema = table.schema
    guard schema.fields.count <= QueriedTable.columnsMax else {
      throw Problem(
        .failed, at: ["table \"\(name)\""],
        "has \(schema.fields.count) columns, and queries see at most \(QueriedTable.columnsMax)")
    }
    forms = schema.fields.enumerated().map { index, field in
      ColumnForm(field.type, bounds: table.valueBounds(column: index))
    }
  }

  /// SQLite's own limit, fixed when it was compiled.
  static let columnsMax = 2_000

  var declaration: String {
    let columns = zip(schema.fields, forms).map { "\(quoted($0.name)) \($1.declaration($0.type))" }
    return "CREATE TABLE x (\(columns.joined(separator: ", ")))"
  }

  // MARK: Planning

  /// Answers xBestIndex.
  func choose(_ info: UnsafeMutablePointer<sqlite3_index_info>) {
    var plan = ScanPlan(columns: columns(info.pointee.colUsed))
    let rowCount = Double(max(1, table.estimatedRowCount))
    var rows = rowCount
    for index in 0..<info.pointee.nConstraint {
      let constraint = info.pointee.aConstraint[Int(index)]
      let column = Int(constraint.iColumn)
      if Int32(constraint.op) == SQLITE_INDEX_CONSTRAINT_LIMIT { plan.limit = constantInteger(info, index) }
      guard constraint.usable != 0, forms.indices.contains(column) else { continue }
      switch Int32(constraint.op) {
      case SQLITE_INDEX_CONSTRAINT_ISNULL:
        plan.fixed.append(ScanConstraint(column: column, .isNull))
        rows /= 10
      case SQLITE_INDEX_CONSTRAINT_ISNOTNULL: plan.fixed.append(ScanConstraint(column: column, .isNotNull))
      default:
        guard let argument = argument(info, index, column, Int32(constraint.op)) else { continue }
        plan.arguments.append(argument)
        info.pointee.aConstraintUsage[Int(index)].argvIndex = Int32(plan.arguments.count)
        rows /= argument.comparison == .equals ? 200 : argument.comparison == .isOneOf ? 50 : 4
      }
    }
    rows = max(1, rows)
    let number = budget.nextPlanNumber()
    plans[number] = plan
    info.pointee.idxNum = number
    info.pointee.estimatedRows = Int64(rows)
    // Of two plans with as many rows the one that looks more closely wins.
    info.pointee.estimatedCost =
      plan.arguments.isEmpty && plan.fixed.isEmpty ? rowCount + 10 : rows + 10 / Double(1 + plan.arguments.count)
  }

  private func columns(_ used: UInt64) -> [Int] {
    schema.fields.indices.filter { column in
      column < 63 ? used & (1 << UInt64(column)) != 0 : columnsRead.contains(schema.fields[column].name)
    }
  }

  private func argument(
    _ info: UnsafeMutablePointer<sqlite3_index_info>, _ index: Int32, _ column: Int, _ operation: Int32
  ) -> ScanPlan.Argument? {
    let form = forms[column]
    if form == .json { return nil }
    if form.isText {
      let collation = sqlite3_vtab_collation(info, index).map { String(cString: $0) } ?? ""
      guard collation == form.collation else { return nil }
    }
    if operation == SQLITE_INDEX_CONSTRAINT_EQ, sqlite3_vtab_in(info, index, -1) != 0 {
      sqlite3_vtab_in(info, index, 1)
      return ScanPlan.Argument(column: column, comparison: .isOneOf)
    }
    let comparison: ScanPlan.Comparison
    switch operation {
    case SQLITE_INDEX_CONSTRAINT_EQ: comparison = .equals
    case SQLITE_INDEX_CONSTRAINT_IS: comparison = .isSame
    case SQLITE_INDEX_CONSTRAINT_LT: comparison = .isLess
    case SQLITE_INDEX_CONSTRAINT_LE: comparison = .isLessOrEqual
    case SQLITE_INDEX_CONSTRAINT_GT: comparison = .isGreater
    case SQLITE_INDEX_CONSTRAINT_GE: comparison = .isGreaterOrEqual
    default: return nil
    }
    var value: OpaquePointer?
    let isConstant = sqlite3_vtab_rhs_value(info, index, &value) == SQLITE_OK
    let constant = isConstant ? value.map { form.outcome(comparison, $0) } : nil
    return ScanPlan.Argument(column: column, comparison: comparison, constant: constant)
  }

  private func constantInteger(_ info: UnsafeMutablePointer<sqlite3_index_info>, _ index: Int32) -> Int? {
    // An offset counts rows that are passed over.
    let hasOffset = (0..<Int(info.pointee.nConstraint)).contains {
      Int32(info.pointee.aConstraint[$0].op) == SQLITE_INDEX_CONSTRAINT_OFFSET
    }
    var value: OpaquePointer?
    guard !hasOffset, sqlite3_vtab_rhs_value(info, index, &value) == SQLITE_OK, let value,
      sqlite3_value_type(value) == SQLITE_INTEGER
    else { return nil }
    let limit = sqlite3_value_int64(value)
    return limit >= 0 ? Int(limit) : nil
  }

  /// The plan of that number, which explanations show.
  func plan(_ number: Int32) -> ScanPlan? { plans[number] }

  // MARK: Running

  /// Starts one run of a plan, with the right sides of its constraints.
  func start(_ number: Int32, _ values: UnsafeMutablePointer<OpaquePointer?>?, _ cursor: TableCursor) throws {
    guard let plan = plans[number] else { preconditionFailure("SQLite runs plans that it was given") }
    var request = ScanRequest(columns: plan.columns, constraints: plan.fixed, limit: plan.limit)
    var key: [(column: Int, value: Value)] = []
    for (index, argument) in plan.arguments.enumerated() {
      guard let value = values?[index] else { preconditionFailure("SQLite hands over each right side") }
      let form = forms[argument.column]
      let outcome =
        argument.comparison == .isOneOf ? form.outcome(oneOf: value) : form.outcome(argument.comparison, value)
      switch outcome {
      case .never: return cursor.finish()
      case .conditions(let conditions):
        request.constraints += conditions.map { ScanConstraint(column: argument.column, $0) }
        if argument.isJoinKey, case .equals(let value)? = conditions.first { key.append((argument.column, value)) }
      }
    }
    if let kept = try kept(number, plan) {
      if let rows = kept.rows(key) { return cursor.follow(kept, rows.first, rows.next) }
      return cursor.walk(kept)
    }
    histories[number, default: ScanHistory()].runs += 1
    cursor.stream(
      try table.scan(request), RowBlock(plan.columns.map { schema.fields[$0].type }), RowFilter(request, schema),
      plan: number, columns: plan.columns)
    try advance(cursor)
  }

  /// Moves a streaming cursor to its next batch that has rows.
  func advance(_ cursor: TableCursor) throws {
    try cursor.advance { rows in
      histories[cursor.plan]?.rowsRead += rows
      try budget.check()
    }
  }

  /// The table's rows, once reading them again and again has cost as much as reading all of them.
  private func kept(_ number: Int32, _ plan: ScanPlan) throws -> KeptRows? {
    guard let history = histories[number], history.runs > 0 else { return nil }
    if let kept = history.kept { return kept }
    guard history.rowsRead + history.runs * QueriedTable.rowsPerRun > table.estimatedRowCount,
      let request = plan.constantRequest
    else { return nil }
    let filter = RowFilter(request, schema)
    let block = RowBlock(plan.columns.map { schema.fields[$0].type })
    let stream = try table.scan(ScanRequest(columns: request.columns, constraints: request.constraints))
    while let scanned = try stream.next() {
      block.append(scanned, filter.selection(scanned.batch))
      try budget.check()
      try budget.checkKept(block.byteCount, name)
    }
    budget.keep(block.byteCount)
    let kept = KeptRows(block, columns: plan.columns)
    histories[number]?.kept = kept
    return kept
  }

  /// What starting a scan costs, in rows read.
  private static let rowsPerRun = 4_096

  /// Forgets what one statement's runs kept.
  func forget() {
    histories = [:]
    plans = [:]
    columnsRead = []
    failure = nil
  }
}
