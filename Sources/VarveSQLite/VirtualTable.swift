internal import CSQLite
internal import VarveTables

/// The callbacks through which SQLite reads a `QueriedTable`.
///
/// Each table is a module of its own name that needs no CREATE (an eponymous virtual table). SQLite allocates nothing
/// here: `RawTable` and `RawCursor` begin with its own structures, and no reference is counted per row.
enum VirtualTable {
  /// Makes `table` visible to statements of the connection, which then owns it.
  static func register(_ table: QueriedTable, _ connection: Connection) throws(SQLiteError) {
    let owned = Unmanaged.passRetained(table).toOpaque()
    // SQLite lets go of the table also where this fails.
    try check(
      sqlite3_create_module_v2(connection.handle, table.name, module, owned) {
        if let table = $0 { Unmanaged<QueriedTable>.fromOpaque(table).release() }
      }, connection.handle)
  }

  private struct RawTable {
    var base = sqlite3_vtab()
    /// Owned by the module.
    var table: Unmanaged<QueriedTable>
  }

  private struct RawCursor {
    var base = sqlite3_vtab_cursor()
    var table: Unmanaged<QueriedTable>
    var cursor: Unmanaged<TableCursor>
    var window = RowWindow()
  }

  /// Written once, before any connection reads it, and never again.
  nonisolated(unsafe) private static let module: UnsafeMutablePointer<sqlite3_module> = {
    let module = UnsafeMutablePointer<sqlite3_module>.allocate(capacity: 1)
    var callbacks = sqlite3_module()
    callbacks.iVersion = 3
    callbacks.xConnect = connect
    callbacks.xDisconnect = disconnect
    callbacks.xBestIndex = { table, info in
      guard let table, let info else { return SQLITE_ERROR }
      raw(table).pointee.table.takeUnretainedValue().choose(info)
      return SQLITE_OK
    }
    callbacks.xOpen = open
    callbacks.xClose = close
    callbacks.xFilter = filter
    callbacks.xNext = next
    callbacks.xEof = { cursor in
      guard let cursor else { return 1 }
      return raw(cursor).pointee.window.isAtEnd ? 1 : 0
    }
    callbacks.xColumn = column
    callbacks.xRowid = { cursor, number in
      guard let cursor, let number else { return SQLITE_ERROR }
      let raw = raw(cursor)
      number.pointee = raw.pointee.cursor.takeUnretainedValue().rowNumber(raw.pointee.window.row)
      return SQLITE_OK
    }
    module.initialize(to: callbacks)
    return module
  }()

  /// The number of the row that an open cursor is at.
  static func rowNumber(_ cursor: UnsafeMutableRawPointer) -> Int64? {
    let raw = cursor.assumingMemoryBound(to: RawCursor.self)
    guard !raw.pointee.window.isAtEnd else { return nil }
    return raw.pointee.cursor.takeUnretainedValue().rowNumber(raw.pointee.window.row)
  }

  private static func raw(_ table: UnsafeMutablePointer<sqlite3_vtab>) -> UnsafeMutablePointer<RawTable> {
    UnsafeMutableRawPointer(table).assumingMemoryBound(to: RawTable.self)
  }

  private static func raw(_ cursor: UnsafeMutablePointer<sqlite3_vtab_cursor>) -> UnsafeMutablePointer<RawCursor> {
    UnsafeMutableRawPointer(cursor).assumingMemoryBound(to: RawCursor.self)
  }

  // MARK: Tables

  private typealias Connect =
    @convention(c) (
      OpaquePointer?, UnsafeMutableRawPointer?, Int32, UnsafePointer<UnsafePointer<CChar>?>?,
      UnsafeMutablePointer<UnsafeMutablePointer<sqlite3_vtab>?>?, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
    ) -> Int32

  private static let connect: Connect = { database, owned, _, _, result, message in
    guard let owned, let result else { return SQLITE_ERROR }
    let table = Unmanaged<QueriedTable>.fromOpaque(owned)
    let code = sqlite3_declare_vtab(database, table.takeUnretainedValue().declaration)
    guard code == SQLITE_OK else {
      message?.pointee = varve_sqlite3_copy(sqlite3_errmsg(database))
      return code
    }
    let raw = UnsafeMutablePointer<RawTable>.allocate(capacity: 1)
    raw.initialize(to: RawTable(table: table))
    result.pointee = UnsafeMutableRawPointer(raw).assumingMemoryBound(to: sqlite3_vtab.self)
    return SQLITE_OK
  }

  private static let disconnect: @convention(c) (UnsafeMutablePointer<sqlite3_vtab>?) -> Int32 = { table in
    guard let table else { return SQLITE_OK }
    raw(table).deallocate()
    return SQLITE_OK
  }

  // MARK: Cursors

  private static let open:
    @convention(c) (
      UnsafeMutablePointer<sqlite3_vtab>?, UnsafeMutablePointer<UnsafeMutablePointer<sqlite3_vtab_cursor>?>?
    ) -> Int32 = { table, result in
      guard let table, let result else { return SQLITE_ERROR }
      let owner = raw(table).pointee.table
      let cursor = UnsafeMutablePointer<RawCursor>.allocate(capacity: 1)
      let scan = Unmanaged.passRetained(TableCursor(owner.takeUnretainedValue().forms))
      cursor.initialize(to: RawCursor(table: owner, cursor: scan))
      owner.takeUnretainedValue().openCursor = UnsafeMutableRawPointer(cursor)
      result.pointee = UnsafeMutableRawPointer(cursor).assumingMemoryBound(to: sqlite3_vtab_cursor.self)
      return SQLITE_OK
    }

  private static let close: @convention(c) (UnsafeMutablePointer<sqlite3_vtab_cursor>?) -> Int32 = { cursor in
    guard let cursor else { return SQLITE_OK }
    let table = raw(cursor).pointee.table.takeUnretainedValue()
    if table.openCursor == UnsafeMutableRawPointer(cursor) { table.openCursor = nil }
    raw(cursor).pointee.cursor.release()
    raw(cursor).deallocate()
    return SQLITE_OK
  }

  private static let filter:
    @convention(c) (
      UnsafeMutablePointer<sqlite3_vtab_cursor>?, Int32, UnsafePointer<CChar>?, Int32,
      UnsafeMutablePointer<OpaquePointer?>?
    ) -> Int32 = { cursor, plan, _, _, values in
      guard let cursor else { return SQLITE_ERROR }
      return attempt(raw(cursor)) { table, scan in try table.start(plan, values, scan) }
    }

  private static let next: @convention(c) (UnsafeMutablePointer<sqlite3_vtab_cursor>?) -> Int32 = { cursor in
    guard let cursor else { return SQLITE_ERROR }
    let raw = raw(cursor)
    if let chain = raw.pointee.window.chain {
      let row = Int(chain[raw.pointee.window.row])
      raw.pointee.window.row = row
      raw.pointee.window.isAtEnd = row < 0
      return SQLITE_OK
    }
    raw.pointee.window.row += 1
    if raw.pointee.window.row < raw.pointee.window.rowCount { return SQLITE_OK }
    return attempt(raw) { table, scan in try table.advance(scan) }
  }

  /// Lets the scan move and takes over the rows that it shows; what it throws is kept for the one who asked.
  private static func attempt(
    _ raw: UnsafeMutablePointer<RawCursor>, _ body: (QueriedTable, TableCursor) throws -> Void
  ) -> Int32 {
    let table = raw.pointee.table.takeUnretainedValue()
    let scan = raw.pointee.cursor.takeUnretainedValue()
    do {
      try body(table, scan)
      raw.pointee.window = scan.window
      return SQLITE_OK
    } catch {
      table.failure = error
      raw.pointee.window = RowWindow()
      return SQLITE_ERROR
    }
  }

  // MARK: Values

  private static let column:
    @convention(c) (UnsafeMutablePointer<sqlite3_vtab_cursor>?, OpaquePointer?, Int32) -> Int32 = {
      cursor, context, column in
      guard let cursor else { return SQLITE_ERROR }
      let raw = raw(cursor)
      guard let readers = raw.pointee.window.readers else { return SQLITE_OK }
      let row = raw.pointee.window.row
      let reader = readers + Int(column)
      // What is left without a result is null.
      if let validity = reader.pointee.validity, !validity[row] { return SQLITE_OK }
      guard let values = reader.pointee.values else { return SQLITE_OK }
      switch reader.pointee.kind {
      case .null: break
      case .integer: sqlite3_result_int64(context, values.assumingMemoryBound(to: Int64.self)[row])
      case .real: sqlite3_result_double(context, values.assumingMemoryBound(to: Double.self)[row])
      case .scaledReal:
        let unscaled = values.assumingMemoryBound(to: Int64.self)[row]
        sqlite3_result_double(context, Double(unscaled) / reader.pointee.divisor)
      case .wideReal:
        let unscaled = values.assumingMemoryBound(to: Int128.self)[row]
        sqlite3_result_double(context, Double(unscaled) / reader.pointee.divisor)
      case .text:
        let ends = values.assumingMemoryBound(to: Int.self)
        let start = row == 0 ? 0 : ends[row - 1]
        // Copied, because SQLite keeps what is called static beyond the next row.
        guard let bytes = reader.pointee.bytes else { break }
        UnsafeRawPointer(bytes + start).withMemoryRebound(to: CChar.self, capacity: ends[row] - start) {
          sqlite3_result_text64(context, $0, UInt64(ends[row] - start), transient, UInt8(SQLITE_UTF8))
        }
      case .date: ResultText.setDate(context, values.assumingMemoryBound(to: Int64.self)[row])
      case .timestamp: ResultText.setTimestamp(context, values.assumingMemoryBound(to: Int64.self)[row])
      case .decimal:
        let unscaled = Int128(values.assumingMemoryBound(to: Int64.self)[row])
        ResultText.setDecimal(context, unscaled, scale: reader.pointee.scale)
      case .wideDecimal:
        let unscaled = values.assumingMemoryBound(to: Int128.self)[row]
        ResultText.setDecimal(context, unscaled, scale: reader.pointee.scale)
      }
      return SQLITE_OK
    }
}
