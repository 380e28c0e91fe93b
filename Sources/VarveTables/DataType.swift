/// The types a column can have.
public enum DataType: Hashable, Sendable {
  case boolean
  case int64
  /// IEEE 754 binary64. NaN and infinities are never ingested.
  case double
  /// `precision` digits in all (1 to 38), `scale` of them after the point (0 to `precision`).
  case decimal(precision: Int, scale: Int)
  /// Days since 1970-01-01, proleptic Gregorian.
  case date
  /// Microseconds since 1970-01-01T00:00:00Z.
  case timestamp
  /// UTF-8.
  case text
  /// Canonical JSON (keys sorted by code point, numbers as spelled), stored as UTF-8 text.
  case json

  /// The largest precision that an int64 can hold.
  package static let int64DecimalPrecisionMax = 18
  package static let decimalPrecisionMax = 38

  /// As written in schema files, on the command line and in JSON: `decimal(10,2)`.
  public var name: String {
    switch self {
    case .boolean: "boolean"
    case .int64: "int64"
    case .double: "double"
    case .decimal(let precision, let scale): "decimal(\(precision),\(scale))"
    case .date: "date"
    case .timestamp: "timestamp"
    case .text: "text"
    case .json: "json"
    }
  }

  /// The type of that name, or nil. `decimal(p,s)` needs 1 ≤ p ≤ 38 and 0 ≤ s ≤ p.
  public init?(name: String) {
    switch name {
    case "boolean": self = .boolean
    case "int64": self = .int64
    case "double": self = .double
    case "date": self = .date
    case "timestamp": self = .timestamp
    case "text": self = .text
    case "json": self = .json
    default:
      guard name.hasPrefix("decimal("), name.hasSuffix(")") else { return nil }
      let parts = name.dropFirst(8).dropLast().split(separator: ",", omittingEmptySubsequences: false)
      guard parts.count == 2,
        let precision = Int(parts[0].filter { $0 != " " }), let scale = Int(parts[1].filter { $0 != " " }),
        (1...DataType.decimalPrecisionMax).contains(precision), (0...precision).contains(scale)
      else { return nil }
      self = .decimal(precision: precision, scale: scale)
    }
  }

  /// Which of the four stores of `Column.Values` holds it.
  package var storage: Storage {
    switch self {
    case .boolean, .int64, .date, .timestamp: .int64
    case .decimal(let precision, _): precision <= DataType.int64DecimalPrecisionMax ? .int64 : .int128
    case .double: .double
    case .text, .json: .bytes
    }
  }

  package enum Storage: Sendable { case int64, int128, double, bytes }
}
