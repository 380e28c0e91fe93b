internal import VarveTables

/// Tells which rows of a batch can satisfy the constraints of a scan, so that SQLite need not step over the others.
///
/// It never shuts out a row that satisfies them. Constraints that it does not understand are left to SQLite.
struct RowFilter {
  private enum Test {
    case isNull
    case isNotNull
    /// Closed at both ends.
    case isBetween(Int64, Int64)
    case isBetweenDoubles(Double, Double)
    case isBytes([UInt8])
  }

  private var tests: [(column: Int, test: Test)] = []

  /// `request.constraints` as tests on the columns of its batches.
  init(_ request: ScanRequest, _ schema: Schema) {
    for constraint in request.constraints {
      guard let column = request.columns.firstIndex(of: constraint.column) else { continue }
      let storage = schema.fields[constraint.column].type.storage
      guard let test = RowFilter.test(constraint.condition, storage) else { continue }
      tests.append((column, test))
    }
  }

  var isEmpty: Bool { tests.isEmpty }

  /// The rows that pass, ascending; nil when all do.
  func selection(_ batch: Batch) -> [Int32]? {
    guard !tests.isEmpty else { return nil }
    var passes = [Bool](repeating: true, count: batch.rowCount)
    passes.withUnsafeMutableBufferPointer { passes in
      for (column, test) in tests { RowFilter.apply(test, batch.columns[column], passes) }
    }
    let count = passes.withUnsafeBufferPointer { $0.reduce(0) { $0 + ($1 ? 1 : 0) } }
    guard count < batch.rowCount else { return nil }
    var selection: [Int32] = []
    selection.reserveCapacity(count)
    for (row, isIn) in passes.enumerated() where isIn { selection.append(Int32(row)) }
    return selection
  }

  private static func apply(_ test: Test, _ column: Column, _ passes: UnsafeMutableBufferPointer<Bool>) {
    if case .isNull = test {
      for row in passes.indices where passes[row] { passes[row] = column.isNull(row) }
      return
    }
    column.validity.withUnsafeBufferPointer { validity in
      guard !validity.isEmpty else { return }
      for row in passes.indices { passes[row] = passes[row] && validity[row] }
    }
    switch (test, column.values) {
    case (.isBetween(let low, let high), .int64(let values)):
      values.withUnsafeBufferPointer { values in
        for row in passes.indices { passes[row] = passes[row] && values[row] >= low && values[row] <= high }
      }
    case (.isBetweenDoubles(let low, let high), .double(let values)):
      values.withUnsafeBufferPointer { values in
        for row in passes.indices { passes[row] = passes[row] && values[row] >= low && values[row] <= high }
      }
    case (.isBytes(let wanted), .bytes(let values)):
      for row in passes.indices where passes[row] {
        let range = values.range(row)
        passes[row] = range.count == wanted.count && values.bytes[range].elementsEqual(wanted)
      }
    default: break
    }
  }

  private static func test(_ condition: ScanConstraint.Condition, _ storage: DataType.Storage) -> Test? {
    switch condition {
    case .isNull: return .isNull
    case .isNotNull: return .isNotNull
    case .isOneOf: return nil
    case .equals(let value):
      if case .text(let text) = value { return .isBytes([UInt8](text.utf8)) }
      return between(value, value, storage)
    case .isLess(let value):
      if let integer = integer(value, storage) { return integer == .min ? nil : .isBetween(.min, integer - 1) }
      return between(nil, value, storage)
    case .isLessOrEqual(let value): return between(nil, value, storage)
    case .isGreater(let value):
      if let integer = integer(value, storage) { return integer == .max ? nil : .isBetween(integer + 1, .max) }
      return between(value, nil, storage)
    case .isGreaterOrEqual(let value): return between(value, nil, storage)
    }
  }

  private static func between(_ low: Value?, _ high: Value?, _ storage: DataType.Storage) -> Test? {
    switch storage {
    case .int64:
      guard let low = low.map({ integer($0, storage) }) ?? .min, let high = high.map({ integer($0, storage) }) ?? .max
      else { return nil }
      return .isBetween(low, high)
    case .double:
      guard let low = low.map(double) ?? -.infinity, let high = high.map(double) ?? .infinity else { return nil }
      return .isBetweenDoubles(low, high)
    default: return nil
    }
  }

  private static func integer(_ value: Value, _ storage: DataType.Storage) -> Int64? {
    guard storage == .int64 else { return nil }
    return switch value {
    case .boolean(let value): value ? 1 : 0
    case .int64(let value), .date(let value), .timestamp(let value): value
    case .decimal(let unscaled, _): Int64(exactly: unscaled)
    default: nil
    }
  }

  private static func double(_ value: Value) -> Double? { if case .double(let value) = value { value } else { nil } }
}
