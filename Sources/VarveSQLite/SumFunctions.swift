internal import CSQLite

/// `sum`, `total` and `avg` that add what people see: 0.1 + 0.2 is 0.3.
///
/// Doubles that stand for a decimal of few digits, as prices do, are added as these decimals, exactly; the result is the
/// double nearest to the exact sum. Others are added as doubles with compensation (Neumaier). In all else the functions
/// behave as SQLite's own, as window functions too: whole numbers stay whole, and their overflow is an error.
enum SumFunctions {
  static func register(_ connection: Connection) throws(SQLiteError) {
    let flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS
    for (name, finish) in [("sum", finishSum), ("total", finishTotal), ("avg", finishAverage)] {
      try check(
        sqlite3_create_window_function(
          connection.handle, name, 1, flags, nil, add, finish, finish, subtract, nil), connection.handle)
    }
  }

  private typealias Step = @convention(c) (OpaquePointer?, Int32, UnsafeMutablePointer<OpaquePointer?>?) -> Void
  private typealias Finish = @convention(c) (OpaquePointer?) -> Void

  private static let add: Step = { context, _, values in SumFunctions.take(context, values?[0], sign: 1) }
  private static let subtract: Step = { context, _, values in SumFunctions.take(context, values?[0], sign: -1) }

  private static func take(_ context: OpaquePointer?, _ value: OpaquePointer?, sign: Int64) {
    guard let value, let state = state(context) else { return }
    switch sqlite3_value_numeric_type(value) {
    case SQLITE_NULL: return
    case SQLITE_INTEGER: state.pointee.whole += Int128(sqlite3_value_int64(value)) * Int128(sign)
    default:
      state.pointee.realCount += sign
      state.pointee.add(sqlite3_value_double(value), sign)
    }
    state.pointee.count += sign
  }

  private static let finishSum: Finish = { context in
    guard let state = SumFunctions.state(context)?.pointee, state.count > 0 else { return }
    if state.realCount > 0 { return sqlite3_result_double(context, state.real()) }
    guard let whole = Int64(exactly: state.whole) else { return sqlite3_result_error(context, "integer overflow", -1) }
    sqlite3_result_int64(context, whole)
  }

  private static let finishTotal: Finish = { context in
    sqlite3_result_double(context, SumFunctions.state(context)?.pointee.real() ?? 0)
  }

  private static let finishAverage: Finish = { context in
    guard let state = SumFunctions.state(context)?.pointee, state.count > 0 else { return }
    sqlite3_result_double(context, state.real(over: Double(state.count)))
  }

  /// Zeroed when a group begins.
  private static func state(_ context: OpaquePointer?) -> UnsafeMutablePointer<State>? {
    sqlite3_aggregate_context(context, Int32(MemoryLayout<State>.size))?.assumingMemoryBound(to: State.self)
  }

  private struct State {
    var count: Int64
    /// Of these, the ones that are no integers.
    var realCount: Int64
    private var wholeParts: Wide
    /// Times 10 to the power of `scaleMax`.
    private var decimalParts: Wide
    private var inexact: Double
    private var compensation: Double
    /// Digits after the point that the last decimal was tried with first.
    private var scale: Int

    /// 128 bits that need no more than the eight-byte alignment of SQLite's memory.
    private struct Wide {
      var low: UInt64
      var high: Int64

      var value: Int128 {
        get { Int128(high) << 64 | Int128(low) }
        set { (low, high) = (UInt64(truncatingIfNeeded: newValue), Int64(truncatingIfNeeded: newValue >> 64)) }
      }
    }

    var whole: Int128 {
      get { wholeParts.value }
      set { wholeParts.value = newValue }
    }

    mutating func add(_ value: Double, _ sign: Int64) {
      // What is a decimal of 15 digits is told from all others by its double.
      if value.magnitude < 1e15 {
        for step in 0...SumFunctions.scaleMax {
          let tried = (scale + step) % (SumFunctions.scaleMax + 1)
          let unscaled = (value * SumFunctions.powersOfTen[tried]).rounded()
          if unscaled.magnitude < 1e15, unscaled / SumFunctions.powersOfTen[tried] == value {
            scale = tried
            let factor = Int64(SumFunctions.powersOfTen[SumFunctions.scaleMax - tried])
            decimalParts.value += Int128(Int64(unscaled)) * Int128(factor * sign)
            return
          }
        }
      }
      let value = value * Double(sign)
      let sum = inexact + value
      if sum.isFinite {
        compensation += inexact.magnitude >= value.magnitude ? inexact - sum + value : value - sum + inexact
      }
      inexact = sum
    }

    /// The sum, or a part of it: dividing once, by all there is to divide by, rounds once.
    func real(over divisor: Double = 1) -> Double {
      var unscaled = decimalParts.value
      var scale = SumFunctions.scaleMax
      while scale > 0, unscaled % 10 == 0 {
        unscaled /= 10
        scale -= 1
      }
      let power = SumFunctions.powersOfTen[scale]
      let (shifted, overflow) = whole.multipliedReportingOverflow(by: Int128(power))
      let exact =
        overflow
        ? Double(unscaled) / (power * divisor) + Double(whole) / divisor
        : Double(unscaled + shifted) / (power * divisor)
      return inexact == 0 && compensation == 0 ? exact : exact + (inexact + compensation) / divisor
    }
  }

  /// Digits after the point that decimals are recognised with.
  private static let scaleMax = 9
  private static let powersOfTen: [Double] = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9]
}
