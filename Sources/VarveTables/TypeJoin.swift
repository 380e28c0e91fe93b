/// What becomes of a table's column when a feed brings values of perhaps another type.
package enum TypeJoin: Hashable, Sendable {
  /// The feed's values are stored in the table's type.
  case same
  /// The column becomes this type, and its files are rewritten.
  case widen(to: DataType)
  /// It depends on the numbers that the table holds: add them up with `TypeEvidence.add(stored:)` and ask again.
  case needsStoredValues
  /// Nothing holds both; the reason names the feed's first value that does not fit.
  case refuse(String)
}

extension TypeEvidence {
  /// By the widening rules (Documentation/Schema.md, "What widens"): int64 becomes double if every number involved is below 2^53, else
  /// decimal; decimals grow; double becomes decimal if exact.
  package func join(table: DataType, stored: TypeEvidence? = nil) -> TypeJoin {
    guard let feed = type, feed != table, !isOnlyEmpty else { return .same }
    switch (table, feed) {
    case (.text, _), (.json, _), (.timestamp, .date): return .same
    case (.date, .timestamp): return .widen(to: .timestamp)
    case (.double, .int64) where !has(.largeInteger): return .same
    case (.int64, .double), (.int64, .decimal), (.double, .int64), (.double, .decimal):
      guard let stored else { return .needsStoredValues }
      var sum = self
      sum.add(stored)
      return sum.joinedNumbers(table).map { .widen(to: $0) } ?? refusal(table, feed)
    case (.decimal(let precision, let scale), .int64), (.decimal(let precision, let scale), .double),
      (.decimal(let precision, let scale), .decimal):
      return grown(precision, scale)
    case (.int64, .text) where isOnlyLongNumbers && self.scale == 0 && integerDigits <= 18: return .same
    case (.decimal(let precision, let scale), .text) where isOnlyLongNumbers: return grown(precision, scale)
    default: return refusal(table, feed)
    }
  }

  /// One type for all the numbers, wide enough for a column that is a double already.
  private func joinedNumbers(_ table: DataType) -> DataType? {
    if table == .int64 || has(.fraction) {
      guard let type, type != .text else { return nil }
      return type
    }
    return integerDigits <= DataType.decimalPrecisionMax ? .decimal(precision: integerDigits, scale: 0) : nil
  }

  private func grown(_ precision: Int, _ scale: Int) -> TypeJoin {
    let integer = max(precision - scale, integerDigits)
    let fraction = max(scale, self.scale)
    if integer == precision - scale, fraction == scale { return .same }
    guard integer + fraction <= DataType.decimalPrecisionMax else {
      return .refuse(
        "decimal(\(precision),\(scale)) would have to grow beyond \(DataType.decimalPrecisionMax) digits (feed: \(reason))"
      )
    }
    return .widen(to: .decimal(precision: integer + fraction, scale: fraction))
  }

  private func refusal(_ table: DataType, _ feed: DataType) -> TypeJoin {
    .refuse("the table has \(table.name), the feed \(reason)")
  }

  private var isOnlyEmpty: Bool {
    Fact.allCases.allSatisfy { $0 == .quotedEmpty || !has($0) }
  }

  /// Numbers that only their length made text: the table's type says that they are numbers.
  private var isOnlyLongNumbers: Bool {
    Fact.allCases.allSatisfy { [.quotedEmpty, .integer, .fraction, .groupLike, .longNumber].contains($0) || !has($0) }
  }
}
