internal import CSQLite
internal import VarveTables

/// Turns comparisons as SQLite makes them (by affinity and collation) into conditions on the values of a column.
extension ColumnForm {
  /// `value` is the right side of the comparison.
  func outcome(_ comparison: ScanPlan.Comparison, _ value: OpaquePointer) -> ConstraintOutcome {
    if sqlite3_value_type(value) == SQLITE_NULL {
      return comparison == .isSame ? .conditions([.isNull]) : .never
    }
    switch self {
    case .json: return .unknown
    case .text: return textOutcome(comparison, value)
    case .date: return dateOutcome(comparison, value)
    case .timestamp:
      guard let time = ColumnForm.withText(value, InstantText.microseconds) ?? nil else { return .unknown }
      return .conditions([ColumnForm.condition(comparison, .timestamp(time))])
    case .decimalAsText(let scale): return decimalTextOutcome(comparison, value, scale)
    case .boolean, .integer, .wholeDecimal, .real, .decimalAsReal:
      // A column of numbers makes a text that looks like a number one.
      switch sqlite3_value_numeric_type(value) {
      case SQLITE_INTEGER: return numberOutcome(comparison, integer: sqlite3_value_int64(value))
      case SQLITE_FLOAT: return numberOutcome(comparison, real: sqlite3_value_double(value))
      default: return .unknown
      }
    }
  }

  /// The values of `x IN (…)`.
  func outcome(oneOf values: OpaquePointer) -> ConstraintOutcome {
    var found: [Value] = []
    var value: OpaquePointer?
    var code = sqlite3_vtab_in_first(values, &value)
    while code == SQLITE_OK, let element = value {
      switch outcome(.equals, element) {
      case .never: break
      case .conditions(let conditions):
        guard case .equals(let value)? = conditions.first, conditions.count == 1,
          found.count < ColumnForm.listedValuesMax
        else { return .unknown }
        found.append(value)
      }
      code = sqlite3_vtab_in_next(values, &value)
    }
    guard code == SQLITE_DONE else { return .unknown }
    return found.isEmpty ? .never : .conditions([.isOneOf(found)])
  }

  private static let listedValuesMax = 10_000

  // MARK: Numbers

  private func numberOutcome(_ comparison: ScanPlan.Comparison, integer: Int64) -> ConstraintOutcome {
    switch self {
    case .real, .decimalAsReal:
      guard let real = Double(exactly: integer) else { return .unknown }
      return numberOutcome(comparison, real: real)
    default:
      switch comparison {
      case .equals, .isSame, .isOneOf: return wholeOutcome(integer, integer)
      case .isLess: return integer == .min ? .never : wholeOutcome(nil, integer - 1)
      case .isLessOrEqual: return wholeOutcome(nil, integer)
      case .isGreater: return integer == .max ? .never : wholeOutcome(integer + 1, nil)
      case .isGreaterOrEqual: return wholeOutcome(integer, nil)
      }
    }
  }

  private func numberOutcome(_ comparison: ScanPlan.Comparison, real: Double) -> ConstraintOutcome {
    switch self {
    case .real: return .conditions([ColumnForm.condition(comparison, .double(real))])
    case .decimalAsReal(let scale):
      return decimalOutcome(comparison, ColumnForm.unscaled(around: real, scale: scale), scale: scale)
    default:
      guard real.magnitude < 9e18 else {
        return switch comparison {
        case .equals, .isSame, .isOneOf: real.magnitude > 1e19 ? .never : .unknown
        default: .unknown
        }
      }
      let atLeast = Int64(real.rounded(.up))
      let above = Int64(real.rounded(.down)) + 1
      switch comparison {
      case .equals, .isSame, .isOneOf: return wholeOutcome(atLeast, above - 1)
      case .isLess: return wholeOutcome(nil, atLeast - 1)
      case .isLessOrEqual: return wholeOutcome(nil, above - 1)
      case .isGreater: return wholeOutcome(above, nil)
      case .isGreaterOrEqual: return wholeOutcome(atLeast, nil)
      }
    }
  }

  private func wholeOutcome(_ lower: Int64?, _ upper: Int64?) -> ConstraintOutcome {
    if let lower, let upper, lower > upper { return .never }
    if self == .boolean {
      switch (max(lower ?? 0, 0), min(upper ?? 1, 1)) {
      case (0, 0): return .conditions([.equals(.boolean(false))])
      case (1, 1): return .conditions([.equals(.boolean(true))])
      case (0, 1): return .conditions([.isNotNull])
      default: return .never
      }
    }
    let value: (Int64) -> Value =
      self == .wholeDecimal ? { .decimal(unscaled: Int128($0), scale: 0) } : { .int64($0) }
    if let lower, lower == upper { return .conditions([.equals(value(lower))]) }
    return .conditions(
      (lower.map { [.isGreaterOrEqual(value($0))] } ?? []) + (upper.map { [.isLessOrEqual(value($0))] } ?? []))
  }

  /// The smallest unscaled values whose double is at least `real`, and above it.
  private static func unscaled(around real: Double, scale: Int) -> (atLeast: Int128, above: Int128) {
    let power = powerOfTen(scale)
    // Values have 15 digits at most, so that nothing lies beyond two units more than that.
    let limit = 1e15
    if real >= (limit + 2) / power { return (Int128(limit) + 2, Int128(limit) + 2) }
    if real <= -(limit + 2) / power { return (-Int128(limit) - 2, -Int128(limit) - 2) }
    var atLeast = (real * power).rounded(.down) - 2
    while atLeast / power < real { atLeast += 1 }
    var above = atLeast
    while above / power <= real { above += 1 }
    return (Int128(atLeast), Int128(above))
  }

  private func decimalOutcome(
    _ comparison: ScanPlan.Comparison, _ unscaled: (atLeast: Int128, above: Int128), scale: Int
  ) -> ConstraintOutcome {
    let value: (Int128) -> Value = { .decimal(unscaled: $0, scale: scale) }
    switch comparison {
    case .equals, .isSame, .isOneOf:
      if unscaled.above == unscaled.atLeast { return .never }
      if unscaled.above == unscaled.atLeast + 1 { return .conditions([.equals(value(unscaled.atLeast))]) }
      return .conditions([.isGreaterOrEqual(value(unscaled.atLeast)), .isLess(value(unscaled.above))])
    case .isLess: return .conditions([.isLess(value(unscaled.atLeast))])
    case .isLessOrEqual: return .conditions([.isLess(value(unscaled.above))])
    case .isGreater: return .conditions([.isGreaterOrEqual(value(unscaled.above))])
    case .isGreaterOrEqual: return .conditions([.isGreaterOrEqual(value(unscaled.atLeast))])
    }
  }

  private func decimalTextOutcome(
    _ comparison: ScanPlan.Comparison, _ value: OpaquePointer, _ scale: Int
  ) -> ConstraintOutcome {
    switch sqlite3_value_type(value) {
    case SQLITE_TEXT:
      guard let number = ColumnForm.withText(value, DecimalText.init) ?? nil, let floored = number.floored(scale: scale)
      else { return .unknown }
      let above = floored.unscaled + 1
      return decimalOutcome(comparison, (floored.isExact ? floored.unscaled : above, above), scale: scale)
    case SQLITE_INTEGER, SQLITE_FLOAT:
      // Compared as text of 15 digits, or both as doubles, by the affinity of the right side: leave room for either.
      let real = sqlite3_value_double(value)
      let power = ColumnForm.powerOfTen(scale)
      let room = real.magnitude * 1e-13 + 2 / power
      guard (real.magnitude + room) * power < 1e37 else { return .unknown }
      let atLeast = Int128(((real - room) * power).rounded(.down))
      let above = Int128(((real + room) * power).rounded(.up)) + 1
      let from = ScanConstraint.Condition.isGreaterOrEqual(.decimal(unscaled: atLeast, scale: scale))
      let below = ScanConstraint.Condition.isLess(.decimal(unscaled: above, scale: scale))
      switch comparison {
      case .equals, .isSame, .isOneOf: return .conditions([from, below])
      case .isLess, .isLessOrEqual: return .conditions([below])
      case .isGreater, .isGreaterOrEqual: return .conditions([from])
      }
    default: return .unknown
    }
  }

  static func powerOfTen(_ exponent: Int) -> Double {
    var power = 1.0
    for _ in 0..<exponent { power *= 10 }
    return power
  }

  // MARK: Text

  private func textOutcome(_ comparison: ScanPlan.Comparison, _ value: OpaquePointer) -> ConstraintOutcome {
    // A number on the right side may be compared as a number or as a text, which cannot be told from here.
    let text = ColumnForm.withText(value) { String(validating: $0, as: UTF8.self) }
    guard let text = text ?? nil else { return .unknown }
    return .conditions([ColumnForm.condition(comparison, .text(text))])
  }

  private func dateOutcome(_ comparison: ScanPlan.Comparison, _ value: OpaquePointer) -> ConstraintOutcome {
    let parsed = ColumnForm.withText(value) { text -> (Int64, Bool)? in
      guard text.count >= 10, let days = CivilTime.days(iso: UnsafeRawBufferPointer(rebasing: text[..<10]).bytes) else {
        return nil
      }
      return (days, text.count == 10)
    }
    guard let (days, isWhole) = parsed ?? nil else { return .unknown }
    if isWhole { return .conditions([ColumnForm.condition(comparison, .date(days))]) }
    // The right side is longer than any date, and so lies behind the one that it starts with.
    switch comparison {
    case .equals, .isSame, .isOneOf: return .never
    case .isLess, .isLessOrEqual: return .conditions([.isLessOrEqual(.date(days))])
    case .isGreater, .isGreaterOrEqual: return .conditions([.isGreater(.date(days))])
    }
  }

  private static func condition(_ comparison: ScanPlan.Comparison, _ value: Value) -> ScanConstraint.Condition {
    switch comparison {
    case .equals, .isSame, .isOneOf: .equals(value)
    case .isLess: .isLess(value)
    case .isLessOrEqual: .isLessOrEqual(value)
    case .isGreater: .isGreater(value)
    case .isGreaterOrEqual: .isGreaterOrEqual(value)
    }
  }

  /// Nil for what is no text.
  private static func withText<Result>(_ value: OpaquePointer, _ body: (UnsafeRawBufferPointer) -> Result) -> Result? {
    guard sqlite3_value_type(value) == SQLITE_TEXT else { return nil }
    let start = sqlite3_value_text(value)
    return body(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_value_bytes(value))))
  }
}

extension UnsafeRawBufferPointer {
  var bytes: UnsafeBufferPointer<UInt8> { assumingMemoryBound(to: UInt8.self) }
}
