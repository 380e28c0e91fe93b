package import VarveTables

/// The rows of a query's answer, one after the other.
package final class QueryResult {
  package struct Column: Hashable, Sendable {
    package var name: String
    /// The type of the table's column that it is; nil for what is computed.
    package var type: DataType?
  }

  package let columns: [Column]
  /// Whether there were more rows than the limit allows.
  package private(set) var isCut = false

  private let session: QuerySession
  private let statement: Statement
  private var rowCount = 0
  private var isDone = false

  init(_ session: QuerySession, _ statement: Statement) {
    self.session = session
    self.statement = statement
    columns = (0..<statement.columnCount).map { column in
      Column(
        name: statement.columnName(column), type: statement.declaredType(column).flatMap { DataType(declared: $0) })
    }
  }

  /// No more rows come.
  func end() {
    isDone = true
    statement.reset()
  }

  /// The next row: one value per column, of the column's type where it has one; nil at the end.
  package func next() throws -> [Value]? {
    guard !isDone else { return nil }
    do {
      guard try statement.advance() else {
        isDone = true
        return nil
      }
    } catch {
      isDone = true
      throw session.problem(error)
    }
    if let limit = session.budget.limits.rowsMax, rowCount >= limit {
      isCut = true
      end()
      return nil
    }
    rowCount += 1
    return columns.indices.map { Value(statement[$0], as: columns[$0].type) }
  }
}

extension Value {
  /// What SQL gave for a column of that type. A value that is none of the type's (a UNION can bring such) stays as it is.
  init(_ value: SQLValue, as type: DataType?) {
    switch (value, type) {
    case (.integer(let integer), .boolean?) where integer == 0 || integer == 1: self = .boolean(integer == 1)
    case (.integer(let integer), .decimal(_, scale: 0)?): self = .decimal(unscaled: Int128(integer), scale: 0)
    case (.real(let real), .decimal(_, let scale)?):
      let unscaled = (real * ColumnForm.powerOfTen(scale)).rounded()
      self =
        unscaled.magnitude < 1e15 && unscaled / ColumnForm.powerOfTen(scale) == real
        ? .decimal(unscaled: Int128(unscaled), scale: scale) : .double(real)
    case (.text(let text), .decimal?), (.text(let text), .date?), (.text(let text), .timestamp?):
      self = type.flatMap { Value(text: text, type: $0) } ?? .text(text)
    case (.text(let text), .json?): self = .json(text)
    case (.null, _): self = .null
    case (.integer(let integer), _): self = .int64(integer)
    case (.real(let real), _): self = .double(real)
    case (.text(let text), _): self = .text(text)
    case (.blob(let bytes), _):
      // Tables hold no blobs, but functions can make some: in hexadecimal, which any output can carry.
      self = .text(bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
    }
  }
}
