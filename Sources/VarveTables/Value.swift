/// One value of a table, alone: a statistic, a partition value, a bound of a query.
public enum Value: Hashable, Sendable {
  case null
  case boolean(Bool)
  case int64(Int64)
  case double(Double)
  /// `unscaled` times 10 to the minus `scale`.
  case decimal(unscaled: Int128, scale: Int)
  /// Days since 1970-01-01.
  case date(Int64)
  /// Microseconds since 1970-01-01T00:00:00Z.
  case timestamp(Int64)
  case text(String)
  case json(String)
}
