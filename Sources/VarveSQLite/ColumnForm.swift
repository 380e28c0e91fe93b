internal import VarveTables

/// How the values of a column look in SQL: what people compare, sort and add is a number wherever that loses nothing.
///
/// | type | in SQL | declared as |
/// | --- | --- | --- |
/// | boolean | 0 or 1 | `BOOLEAN` |
/// | int64 | integer | `BIGINT` |
/// | double | real | `DOUBLE` |
/// | decimal(p,0) up to 18 digits | integer | `DECIMAL(p,0)` |
/// | decimal, no value of more than 15 digits | real: each such decimal has a double of its own | `DECIMAL(p,s)` |
/// | decimal otherwise | text with all digits, compared and sorted as a number | `TEXT DECIMAL(p,s)` |
/// | date | text `2024-01-31` | `TEXT DATE` |
/// | timestamp | text `2024-01-31T08:30:00Z`, compared as a time | `TEXT TIMESTAMP` |
/// | text, json | text | `TEXT`, `TEXT JSON` |
enum ColumnForm: Hashable, Sendable {
  case boolean
  case integer
  case wholeDecimal
  case real
  case decimalAsReal(scale: Int)
  case decimalAsText(scale: Int)
  case date
  case timestamp
  case text
  case json

  /// Every decimal of that many digits is told from every other by its nearest double (IEEE 754 binary64).
  static let exactDigitsOfDouble = 15
  /// 10 to this power is the largest that a double holds exactly.
  static let exactPowerOfTenMax = 22

  init(_ type: DataType, bounds: @autoclosure () -> (minimum: Value, maximum: Value)?) {
    switch type {
    case .boolean: self = .boolean
    case .int64: self = .integer
    case .double: self = .real
    case .date: self = .date
    case .timestamp: self = .timestamp
    case .text: self = .text
    case .json: self = .json
    case .decimal(let precision, scale: 0) where precision <= DataType.int64DecimalPrecisionMax: self = .wholeDecimal
    case .decimal(let precision, let scale):
      let fits =
        scale <= ColumnForm.exactPowerOfTenMax
        && (precision <= ColumnForm.exactDigitsOfDouble || ColumnForm.fitsDouble(bounds(), scale: scale))
      self = fits ? .decimalAsReal(scale: scale) : .decimalAsText(scale: scale)
    }
  }

  private static func fitsDouble(_ bounds: (minimum: Value, maximum: Value)?, scale: Int) -> Bool {
    guard case (.decimal(let minimum, scale), .decimal(let maximum, scale))? = bounds else { return false }
    let limit: Int128 = 1_000_000_000_000_000
    return minimum > -limit && maximum < limit
  }

  /// The type and, where text is no plain text, the collation, for a column declaration.
  func declaration(_ type: DataType) -> String {
    switch self {
    case .boolean: "BOOLEAN"
    case .integer: "BIGINT"
    case .real: "DOUBLE"
    case .wholeDecimal, .decimalAsReal: "DECIMAL" + type.name.dropFirst("decimal".count)
    case .decimalAsText: "TEXT DECIMAL" + type.name.dropFirst("decimal".count) + " COLLATE \(collation)"
    case .date: "TEXT DATE"
    case .timestamp: "TEXT TIMESTAMP COLLATE \(collation)"
    case .text: "TEXT"
    case .json: "TEXT JSON"
    }
  }

  /// What a comparison must go by for its constraint to be used for pruning.
  var collation: String {
    switch self {
    case .decimalAsText: "decimal"
    case .timestamp: "timestamp"
    default: "BINARY"
    }
  }

  var isText: Bool {
    switch self {
    case .decimalAsText, .date, .timestamp, .text, .json: true
    default: false
    }
  }
}

extension DataType {
  /// The type of a result column that is taken from a column declared so.
  init?(declared: String) {
    switch declared {
    case "BOOLEAN": self = .boolean
    case "BIGINT": self = .int64
    case "DOUBLE": self = .double
    case "TEXT DATE": self = .date
    case "TEXT TIMESTAMP": self = .timestamp
    case "TEXT": self = .text
    case "TEXT JSON": self = .json
    default:
      let decimal = declared.hasPrefix("TEXT ") ? declared.dropFirst(5) : declared[...]
      guard decimal.hasPrefix("DECIMAL(") else { return nil }
      self.init(name: "decimal" + decimal.dropFirst("DECIMAL".count))
    }
  }
}
