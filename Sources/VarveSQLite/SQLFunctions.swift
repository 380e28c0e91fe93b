internal import CSQLite
internal import VarveTables

/// What Varve adds to SQL: the order of decimals and times that are text, and exact arithmetic on decimals.
enum SQLFunctions {
  static func register(_ connection: Connection) throws(SQLiteError) {
    let handle = connection.handle
    try check(sqlite3_create_collation_v2(handle, "decimal", SQLITE_UTF8, nil, orderDecimals, nil), handle)
    try check(sqlite3_create_collation_v2(handle, "timestamp", SQLITE_UTF8, nil, orderTimes, nil), handle)
    let flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS
    try check(
      sqlite3_create_function_v2(handle, "decimal_cmp", 2, flags, nil, compareDecimals, nil, nil, nil), handle)
    try check(
      sqlite3_create_function_v2(handle, "decimal_sum", 1, flags, nil, nil, addToSum, finishSum, nil), handle)
  }

  private typealias Order =
    @convention(c) (
      UnsafeMutableRawPointer?, Int32, UnsafeRawPointer?, Int32, UnsafeRawPointer?
    ) -> Int32

  private static let orderDecimals: Order = { _, leftCount, left, rightCount, right in
    SQLFunctions.compare(left, leftCount, right, rightCount, DecimalText.init, DecimalText.compare)
  }

  private static let orderTimes: Order = { _, leftCount, left, rightCount, right in
    if let order = InstantText.orderOfSeconds(
      UnsafeRawBufferPointer(start: left, count: Int(leftCount)),
      UnsafeRawBufferPointer(start: right, count: Int(rightCount)))
    {
      return order
    }
    return SQLFunctions.compare(left, leftCount, right, rightCount, InstantText.microseconds) {
      $0 == $1 ? 0 : $0 < $1 ? -1 : 1
    }
  }

  /// What parses comes first, by its value; the rest by its bytes.
  private static func compare<Parsed>(
    _ left: UnsafeRawPointer?, _ leftCount: Int32, _ right: UnsafeRawPointer?, _ rightCount: Int32,
    _ parse: (UnsafeRawBufferPointer) -> Parsed?, _ compareParsed: (Parsed, Parsed) -> Int32
  ) -> Int32 {
    let left = UnsafeRawBufferPointer(start: left, count: Int(leftCount))
    let right = UnsafeRawBufferPointer(start: right, count: Int(rightCount))
    if left.elementsEqual(right) { return 0 }
    switch (parse(left), parse(right)) {
    case (let left?, let right?): return compareParsed(left, right)
    case (_?, nil): return -1
    case (nil, _?): return 1
    case (nil, nil): return left.lexicographicallyPrecedes(right) ? -1 : 1
    }
  }

  // MARK: decimal_cmp(a, b): -1, 0 or 1

  private static let compareDecimals:
    @convention(c) (OpaquePointer?, Int32, UnsafeMutablePointer<OpaquePointer?>?) -> Void = { context, _, values in
      guard let left = values?[0], let right = values?[1] else { return }
      guard sqlite3_value_type(left) != SQLITE_NULL, sqlite3_value_type(right) != SQLITE_NULL else { return }
      guard let first = decimal(left), let second = decimal(right) else {
        return sqlite3_result_error(context, "decimal_cmp compares numbers only", -1)
      }
      sqlite3_result_int(context, DecimalText.compare(first, second))
    }

  /// A number exactly as its shortest text shows it.
  private static func decimal(_ value: OpaquePointer) -> DecimalText? {
    if sqlite3_value_type(value) == SQLITE_FLOAT {
      var text = sqlite3_value_double(value).description
      return text.withUTF8 { DecimalText(UnsafeRawBufferPointer($0)) }
    }
    guard let start = sqlite3_value_text(value) else { return nil }
    return DecimalText(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_value_bytes(value))))
  }

  // MARK: decimal_sum(x): the exact sum, as text

  /// SQLite hands out zeroed memory that is aligned to eight bytes only.
  private struct Sum {
    var low: UInt64
    var high: Int64
    var scale: Int32
    var hasValue: Bool
    var isBroken: Bool

    var unscaled: Int128 {
      get { Int128(high) << 64 | Int128(low) }
      set { (low, high) = (UInt64(truncatingIfNeeded: newValue), Int64(truncatingIfNeeded: newValue >> 64)) }
    }
  }

  private static func sum(_ context: OpaquePointer?) -> UnsafeMutablePointer<Sum>? {
    sqlite3_aggregate_context(context, Int32(MemoryLayout<Sum>.size))?.assumingMemoryBound(to: Sum.self)
  }

  private static let addToSum: @convention(c) (OpaquePointer?, Int32, UnsafeMutablePointer<OpaquePointer?>?) -> Void = {
    context, _, values in
    guard let value = values?[0], sqlite3_value_type(value) != SQLITE_NULL, let sum = sum(context),
      !sum.pointee.isBroken
    else { return }
    guard let number = decimal(value) else {
      sum.pointee.isBroken = true
      return sqlite3_result_error(context, "decimal_sum adds numbers only", -1)
    }
    let scale = max(Int(sum.pointee.scale), number.digits.count - number.exponent)
    let grown = number.floored(scale: scale)?.unscaled
    var total = sum.pointee.unscaled
    var overflows = grown == nil
    for _ in Int(sum.pointee.scale)..<scale {
      let (product, overflow) = total.multipliedReportingOverflow(by: 10)
      overflows = overflows || overflow
      total = product
    }
    let (added, overflow) = total.addingReportingOverflow(grown ?? 0)
    guard !overflows, !overflow, added.magnitude < largest else {
      sum.pointee.isBroken = true
      return sqlite3_result_error(context, "decimal_sum needs more than 38 digits", -1)
    }
    sum.pointee.unscaled = added
    sum.pointee.scale = Int32(scale)
    sum.pointee.hasValue = true
  }

  /// 10 to the power of 38.
  private static let largest: UInt128 = 100_000_000_000_000_000_000_000_000_000_000_000_000

  private static let finishSum: @convention(c) (OpaquePointer?) -> Void = { context in
    guard let sum = sum(context)?.pointee, sum.hasValue, !sum.isBroken else { return }
    ResultText.setDecimal(context, sum.unscaled, scale: Int(sum.scale))
  }
}
