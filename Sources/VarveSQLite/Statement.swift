internal import CSQLite
internal import VarveTables

/// One prepared SQL statement. It holds its connection open.
package final class Statement {
  let handle: OpaquePointer
  unowned let connection: Connection
  private let owner: Connection?

  /// Throws for text that holds no statement, or more than one. One that its connection keeps does not hold it open.
  init(_ connection: Connection, _ sql: String, isKept: Bool = false) throws(SQLiteError) {
    self.connection = connection
    owner = isKept ? nil : connection
    var prepared: OpaquePointer?
    var rest = 0
    var text = sql
    let code = text.withUTF8 { bytes -> Int32 in
      guard let start = bytes.baseAddress else { return SQLITE_OK }
      return start.withMemoryRebound(to: CChar.self, capacity: bytes.count) { start in
        var tail: UnsafePointer<CChar>?
        let code = sqlite3_prepare_v2(connection.handle, start, Int32(clamping: bytes.count), &prepared, &tail)
        rest = tail.map { $0 - start } ?? bytes.count
        return code
      }
    }
    guard code == SQLITE_OK else { throw SQLiteError(connection.handle, code: code) }
    guard let prepared else { throw SQLiteError(code: SQLITE_MISUSE, message: "there is no SQL statement") }
    handle = prepared
    guard Statement.isBlank(text.utf8.dropFirst(rest), connection) else {
      throw SQLiteError(code: SQLITE_MISUSE, message: "there is more than one SQL statement", offset: rest)
    }
  }

  deinit { sqlite3_finalize(handle) }

  /// Binds parameters by position, the first one first; those without a value are null.
  package func bind(_ values: [SQLValue]) throws {
    reset()
    sqlite3_clear_bindings(handle)
    precondition(values.count <= sqlite3_bind_parameter_count(handle), "more values than the statement has parameters")
    for (index, value) in values.enumerated() {
      let position = Int32(index + 1)
      let code =
        switch value {
        case .null: sqlite3_bind_null(handle, position)
        case .integer(let value): sqlite3_bind_int64(handle, position, value)
        case .real(let value): sqlite3_bind_double(handle, position, value)
        case .text(let value): bindText(value, position)
        case .blob(let value):
          value.withUnsafeBytes {
            $0.isEmpty
              ? sqlite3_bind_zeroblob(handle, position, 0)
              : sqlite3_bind_blob64(handle, position, $0.baseAddress, UInt64($0.count), transient)
          }
        }
      guard code == SQLITE_OK else { throw SQLiteError(connection.handle, code: code).problem(connection.file) }
    }
  }

  private func bindText(_ value: String, _ position: Int32) -> Int32 {
    var value = value
    return value.withUTF8 { bytes in
      // An empty string may have no address, and SQLite takes none for null.
      guard let start = bytes.baseAddress else { return sqlite3_bind_text(handle, position, "", 0, transient) }
      return start.withMemoryRebound(to: CChar.self, capacity: bytes.count) {
        sqlite3_bind_text64(handle, position, $0, UInt64(bytes.count), transient, UInt8(SQLITE_UTF8))
      }
    }
  }

  /// Moves to the next row; false at the end.
  package func step() throws -> Bool {
    do { return try advance() } catch { throw error.problem(connection.file) }
  }

  func advance() throws(SQLiteError) -> Bool {
    try check(sqlite3_step(handle), connection.handle) == SQLITE_ROW
  }

  /// Ends the answer and frees its locks.
  package func reset() { sqlite3_reset(handle) }

  package var columnCount: Int { Int(sqlite3_column_count(handle)) }

  package func columnName(_ column: Int) -> String {
    sqlite3_column_name(handle, Int32(column)).map { String(cString: $0) } ?? ""
  }

  /// How the table declares the column that a result column is taken from; nil for an expression.
  package func declaredType(_ column: Int) -> String? {
    sqlite3_column_decltype(handle, Int32(column)).map { String(cString: $0) }
  }

  /// A column of the row that `step` moved to.
  package subscript(_ column: Int) -> SQLValue {
    let index = Int32(column)
    switch sqlite3_column_type(handle, index) {
    case SQLITE_INTEGER: return .integer(sqlite3_column_int64(handle, index))
    case SQLITE_FLOAT: return .real(sqlite3_column_double(handle, index))
    case SQLITE_TEXT:
      // The order matters: the text first, then its length.
      let start = sqlite3_column_text(handle, index)
      let bytes = UnsafeBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, index)))
      return .text(String(decoding: bytes, as: UTF8.self))
    case SQLITE_BLOB:
      let start = sqlite3_column_blob(handle, index)
      return .blob([UInt8](UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, index)))))
    default: return .null
    }
  }

  /// Whether nothing but blanks, comments and semicolons is left.
  private static func isBlank(_ rest: Substring.UTF8View, _ connection: Connection) -> Bool {
    let rest = String(Substring(rest))
    guard rest.utf8.contains(where: { !" \t\r\n\u{0C};".utf8.contains($0) }) else { return true }
    var prepared: OpaquePointer?
    let code = sqlite3_prepare_v2(connection.handle, rest, -1, &prepared, nil)
    defer { sqlite3_finalize(prepared) }
    return code == SQLITE_OK && prepared == nil && !rest.utf8.contains(0)
  }
}

/// The row that a running statement is at.
package struct Row: ~Copyable {
  private let statement: Statement

  init(_ statement: Statement) { self.statement = statement }

  package subscript(_ column: Int) -> SQLValue { statement[column] }

  package var values: [SQLValue] { (0..<statement.columnCount).map { statement[$0] } }
}

/// Tells SQLite to copy what it is handed: the macro SQLITE_TRANSIENT, which Swift cannot see.
let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
