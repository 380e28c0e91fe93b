/// The values of one column in one batch.
///
/// Every row has a slot in `values`, null ones too (zero, or no bytes), so that row i is slot i everywhere.
public struct Column: Sendable {
  /// The type of every value.
  public var type: DataType
  /// A slot per row.
  public var values: Values
  /// Per row, whether it has a value. Empty when every row has one.
  public var validity: [Bool]

  /// The four ways in which values are stored.
  public enum Values: Sendable {
    /// boolean (0 or 1), int64, date, timestamp, and decimals of up to 18 digits (unscaled).
    case int64([Int64])
    /// Decimals of 19 to 38 digits (unscaled).
    case int128([Int128])
    case double([Double])
    /// text and json.
    case bytes(ByteValues)
  }

  package init(_ type: DataType, _ values: Values, validity: [Bool] = []) {
    self.type = type
    self.values = values
    self.validity = validity
  }

  /// How many there are.
  public var count: Int {
    switch values {
    case .int64(let values): values.count
    case .int128(let values): values.count
    case .double(let values): values.count
    case .bytes(let values): values.count
    }
  }

  /// Whether the row has no value.
  public func isNull(_ row: Int) -> Bool { !validity.isEmpty && !validity[row] }
}

/// Byte strings end to end: string i lies between the end of string i-1 (0 for the first) and `ends[i]`.
public struct ByteValues: Hashable, Sendable {
  /// All strings, one behind the other.
  public var bytes: [UInt8]
  /// Where each string ends.
  public var ends: [Int]

  package init(bytes: [UInt8] = [], ends: [Int] = []) {
    self.bytes = bytes
    self.ends = ends
  }

  /// How many there are.
  public var count: Int { ends.count }

  /// Where the string of a row lies in `bytes`.
  public func range(_ row: Int) -> Range<Int> { (row == 0 ? 0 : ends[row - 1])..<ends[row] }

  /// The bytes of a row's string.
  public subscript(_ row: Int) -> ArraySlice<UInt8> { bytes[range(row)] }
}

/// Rows of a table, column by column. `columns[i]` has the type of `schema.fields[i]`.
public struct Batch: Sendable {
  /// The columns, in order.
  public var schema: Schema
  /// One per field.
  public var columns: [Column]
  /// How many rows.
  public var rowCount: Int

  package init(_ schema: Schema, _ columns: [Column], rowCount: Int) {
    precondition(schema.fields.count == columns.count, "a batch has one column per field")
    self.schema = schema
    self.columns = columns
    self.rowCount = rowCount
  }
}
