internal import CSQLite
internal import VarveTables

extension Connection {
  /// Gives this connection `row_checksum(values…)`: a 64-bit sum (FNV-1a) over the values with their types and lengths, which
  /// differs for certain where a single byte of one of them does. It finds what a disk did, not who knows how it is made.
  package func addRowChecksum() throws {
    let flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS
    let code = sqlite3_create_function_v2(handle, "row_checksum", -1, flags, nil, rowChecksum, nil, nil, nil)
    guard code == SQLITE_OK else { throw SQLiteError(handle, code: code).problem(file) }
  }
}

private let rowChecksum: @convention(c) (OpaquePointer?, Int32, UnsafeMutablePointer<OpaquePointer?>?) -> Void = {
  context, count, values in
  var sum: UInt64 = 0xCBF2_9CE4_8422_2325
  func add(_ byte: UInt8) { sum = (sum ^ UInt64(byte)) &* 0x100_0000_01B3 }
  func add(_ number: UInt64) { for shift in 0..<8 { add(UInt8(truncatingIfNeeded: number >> (8 * shift))) } }
  for place in 0..<Int(count) {
    guard let value = values?[place] else { continue }
    let type = sqlite3_value_type(value)
    add(UInt8(truncatingIfNeeded: type))
    switch type {
    case SQLITE_NULL: break
    case SQLITE_INTEGER: add(UInt64(bitPattern: sqlite3_value_int64(value)))
    default:
      // First the bytes, then their number: the other way round, SQLite may convert them in between.
      let bytes = sqlite3_value_blob(value)
      let length = Int(sqlite3_value_bytes(value))
      add(UInt64(length))
      for byte in UnsafeRawBufferPointer(start: bytes, count: length) { add(byte) }
    }
  }
  sqlite3_result_int64(context, Int64(bitPattern: sum))
}
