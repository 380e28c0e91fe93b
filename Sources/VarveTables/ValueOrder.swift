/// The order of values: null first, numbers by size whatever their type, text by its bytes.
///
/// Text is compared as bytes, never by Unicode equivalence: `é` in one code point and in two are two values.
extension Value: Comparable {
  /// Equal by their bytes and digits, as keys are.
  public static func == (left: Value, right: Value) -> Bool {
    switch (left, right) {
    case (.null, .null): true
    case (.boolean(let left), .boolean(let right)): left == right
    case (.int64(let left), .int64(let right)): left == right
    case (.double(let left), .double(let right)): left == right
    case (.decimal(let left, let leftScale), .decimal(let right, let rightScale)):
      left == right && leftScale == rightScale
    case (.date(let left), .date(let right)): left == right
    case (.timestamp(let left), .timestamp(let right)): left == right
    case (.text(let left), .text(let right)), (.json(let left), .json(let right)):
      left.utf8.elementsEqual(right.utf8)
    default: false
    }
  }

  /// As they are equal.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(rank)
    switch self {
    case .null: break
    case .boolean(let value): hasher.combine(value)
    case .int64(let value), .date(let value), .timestamp(let value): hasher.combine(value)
    case .double(let value): hasher.combine(value)
    case .decimal(let unscaled, let scale):
      hasher.combine(unscaled)
      hasher.combine(scale)
    case .text(let text), .json(let text):
      for byte in text.utf8 { hasher.combine(byte) }
    }
  }

  /// Values of different types follow the order of `DataType`'s cases; a table never compares such.
  public static func < (left: Value, right: Value) -> Bool {
    switch (left, right) {
    case (.boolean(let left), .boolean(let right)): !left && right
    case (.int64(let left), .int64(let right)): left < right
    case (.double(let left), .double(let right)): left < right
    case (.decimal(let left, let leftScale), .decimal(let right, let rightScale)):
      if leftScale == rightScale {
        left < right
      } else {
        isLess(left, leftScale, right, rightScale)
      }
    case (.date(let left), .date(let right)): left < right
    case (.timestamp(let left), .timestamp(let right)): left < right
    case (.text(let left), .text(let right)), (.json(let left), .json(let right)):
      left.utf8.lexicographicallyPrecedes(right.utf8)
    default: left.rank < right.rank
    }
  }

  /// By size, and of the same size (`1.5`, `1.50`) the smaller scale first.
  private static func isLess(_ left: Int128, _ leftScale: Int, _ right: Int128, _ rightScale: Int) -> Bool {
    let leftParts = left.quotientAndRemainder(dividingBy: Int128(UInt128.power(ofTen: leftScale)))
    let rightParts = right.quotientAndRemainder(dividingBy: Int128(UInt128.power(ofTen: rightScale)))
    if leftParts.quotient != rightParts.quotient { return leftParts.quotient < rightParts.quotient }
    // Fractions at the same scale, at most 38 digits.
    let scale = max(leftScale, rightScale)
    let leftFraction = leftParts.remainder * Int128(UInt128.power(ofTen: scale - leftScale))
    let rightFraction = rightParts.remainder * Int128(UInt128.power(ofTen: scale - rightScale))
    return leftFraction == rightFraction ? leftScale < rightScale : leftFraction < rightFraction
  }

  private var rank: Int {
    switch self {
    case .null: 0
    case .boolean: 1
    case .int64: 2
    case .double: 3
    case .decimal: 4
    case .date: 5
    case .timestamp: 6
    case .text: 7
    case .json: 8
    }
  }
}
