internal import CSQLite
internal import VarveTables

/// What a call of SQLite's answered, other than success.
struct SQLiteError: Error {
  /// The extended result code.
  var code: Int32
  /// SQLite's own words.
  var message: String
  /// Where in the statement, in bytes, if it is known.
  var offset: Int?

  var primary: Int32 { code & 0xFF }

  init(code: Int32, message: String, offset: Int? = nil) {
    self.code = code
    self.message = message
    self.offset = offset
  }

  /// The last error of a connection.
  init(_ handle: OpaquePointer?, code: Int32) {
    let offset = handle.map { Int(sqlite3_error_offset($0)) } ?? -1
    self.init(
      code: handle.map { sqlite3_extended_errcode($0) } ?? code,
      message: String(cString: handle.map { sqlite3_errmsg($0) } ?? sqlite3_errstr(code)),
      offset: offset < 0 ? nil : offset)
  }

  /// As it leaves the module, with the database file as its place.
  func problem(_ file: String) -> Problem {
    let place = file.isEmpty ? [] : [file]
    return switch primary {
    case SQLITE_BUSY, SQLITE_LOCKED:
      Problem(.refused, at: place, "another process holds it", advice: "try again when that one is done")
    case SQLITE_CORRUPT, SQLITE_NOTADB:
      Problem(.damaged, at: place, "not a sound SQLite database (\(message))", advice: "run `varve repair`")
    case SQLITE_FULL: Problem(.failed, at: place, "the disk is full")
    case SQLITE_READONLY: Problem(.failed, at: place, "cannot be written (\(message))")
    case SQLITE_CANTOPEN: Problem(.failed, at: place, "cannot be opened (\(message))")
    case SQLITE_IOERR: Problem(.failed, at: place, "reading or writing failed (\(message))")
    case SQLITE_INTERRUPT: Problem(.interrupted, at: place, "interrupted")
    default: Problem(.failed, at: place, message)
    }
  }
}

/// Passes success and rows on; throws anything else.
@discardableResult
func check(_ code: Int32, _ handle: OpaquePointer?) throws(SQLiteError) -> Int32 {
  guard code != SQLITE_OK, code != SQLITE_ROW, code != SQLITE_DONE else { return code }
  throw SQLiteError(handle, code: code)
}
