package import VarveSQLite
package import VarveTables

/// A version's rows, in row order, in some of its columns.
///
/// Files are left out whose partition values or statistics show that no row of theirs is wanted, and likewise row groups;
/// of the rest every row comes, wanted or not.
package final class TableScan: BatchStream {
  private let contents: TableContents
  private let fields: [Field]
  private let constraints: [(field: Field, condition: ScanConstraint.Condition)]
  private var remaining: ArraySlice<Int>
  private var current: (file: Int, rows: LiveFileRows)?

  /// Files that are read, as places in `contents.files`.
  package let files: [Int]

  /// Row i of the file at place f of `contents.files` has the number f times this, plus i.
  package static let rowNumbersPerFile: Int64 = 1 << 40

  package init(_ contents: TableContents, _ request: ScanRequest) {
    self.contents = contents
    fields = request.columns.map { contents.schema.fields[$0] }
    let constraints = request.constraints.map { (field: contents.schema.fields[$0.column], condition: $0.condition) }
    self.constraints = constraints
    files = contents.files.indices.filter { file in
      constraints.allSatisfy { contents.mayHold(contents.files[file], $0.field, $0.condition) }
    }
    remaining = files[...]
  }

  package func next() throws -> ScanBatch? {
    while true {
      if let current {
        if let batch = try current.rows.next() {
          let first = Int64(current.file) * Self.rowNumbersPerFile
          guard let kept = current.rows.keptRows else {
            return ScanBatch(batch, rowNumbers: .consecutive(from: first + Int64(current.rows.firstRow)))
          }
          return ScanBatch(batch, rowNumbers: .each(kept.map { first + Int64(current.rows.firstRow + $0) }))
        }
        self.current = nil
      }
      guard let file = remaining.popFirst() else { return nil }
      let rows = try LiveFileRows(
        contents, contents.files[file], fields: fields, pruning: constraints.map(\.field.name)
      ) { [constraints] group in
        constraints.allSatisfy { field, condition in
          group.columns[field.name].map { condition.mayHold($0, rowCount: group.rowCount) } ?? true
        }
      }
      current = (file, rows)
    }
  }
}

extension TableContents: QueryTable {
  package var estimatedRowCount: Int { Self.estimatedRowCount(files) }

  static func estimatedRowCount(_ files: [LiveFile]) -> Int {
    files.reduce(0) { $0 + ($1.rowCount ?? $1.byteCount / bytesPerRowGuessed) }
  }

  private static let bytesPerRowGuessed = 64

  package func scan(_ request: ScanRequest) -> any BatchStream { TableScan(self, request) }

  package func explain(_ request: ScanRequest) -> [String] {
    let scan = TableScan(self, request)
    let columns = request.columns.map { schema.fields[$0].name }
    let bytes = scan.files.reduce(0) { $0 + files[$1].byteCount }
    var lines = [
      "columns: \(columns.isEmpty ? "none, rows are counted" : columns.joined(separator: ", "))",
      "files: \(scan.files.count) of \(files.count) read, \(bytes) bytes",
    ]
    for constraint in request.constraints {
      let field = schema.fields[constraint.column]
      let passed = files.count { !mayHold($0, field, constraint.condition) }
      let means = partitionColumns.contains(field.name) ? "partition" : "statistics"
      lines.append("\(field.name) \(constraint.condition.text): \(passed) passed over by \(means)")
    }
    return lines
  }

  package func valueBounds(column: Int) -> (minimum: Value, maximum: Value)? {
    let field = schema.fields[column]
    var bounds: (minimum: Value, maximum: Value)?
    for file in files {
      let minimum: Value
      let maximum: Value
      if let value = try? partitionValue(file, field) {
        (minimum, maximum) = (value, value)
      } else {
        guard let statistics = file.statistics?.columns[field.name] else { return nil }
        if let nulls = statistics.nullCount, nulls == file.statistics?.rowCount { continue }
        guard let least = statistics.minimum, let greatest = statistics.maximum else { return nil }
        (minimum, maximum) = (least, greatest)
      }
      if minimum == .null { continue }
      guard minimum.fits(field.type), maximum.fits(field.type) else { return nil }
      bounds = bounds.map { (min($0.minimum, minimum), max($0.maximum, maximum)) } ?? (minimum, maximum)
    }
    return bounds
  }

  /// False only if no row of the file satisfies the condition.
  func mayHold(_ file: LiveFile, _ field: Field, _ condition: ScanConstraint.Condition) -> Bool {
    if partitionColumns.contains(field.name) {
      guard let value = try? partitionValue(file, field) else { return true }
      return condition.mayHold(
        value == .null
          ? ColumnBounds(nullCount: 1) : ColumnBounds(minimum: value, maximum: value, nullCount: 0), rowCount: 1)
    }
    guard let statistics = file.statistics, let bounds = statistics.columns[field.name] else { return true }
    return condition.mayHold(bounds, rowCount: statistics.rowCount)
  }
}

extension ScanConstraint.Condition {
  /// False only if none of so many values within the bounds satisfies it.
  func mayHold(_ bounds: ColumnBounds, rowCount: Int) -> Bool {
    if case .isNull = self { return bounds.nullCount != 0 }
    if let nulls = bounds.nullCount, nulls == rowCount { return false }
    return switch self {
    case .isNull, .isNotNull: true
    case .equals(let value): Self.mayHold(value, bounds)
    case .isOneOf(let values): values.contains { Self.mayHold($0, bounds) }
    case .isLess(let value): bounds.minimum.map { !$0.isComparable(with: value) || $0 < value } ?? true
    case .isLessOrEqual(let value): bounds.minimum.map { !$0.isComparable(with: value) || $0 <= value } ?? true
    case .isGreater(let value): bounds.maximum.map { !$0.isComparable(with: value) || $0 > value } ?? true
    case .isGreaterOrEqual(let value): bounds.maximum.map { !$0.isComparable(with: value) || $0 >= value } ?? true
    }
  }

  private static func mayHold(_ value: Value, _ bounds: ColumnBounds) -> Bool {
    if let minimum = bounds.minimum, minimum.isComparable(with: value), value < minimum { return false }
    if let maximum = bounds.maximum, maximum.isComparable(with: value), value > maximum { return false }
    return true
  }

  fileprivate var text: String {
    switch self {
    case .isNull: "is null"
    case .isNotNull: "is not null"
    case .equals(let value): "= \(value.text ?? "null")"
    case .isOneOf(let values): "in (\(values.map { $0.text ?? "null" }.joined(separator: ", ")))"
    case .isLess(let value): "< \(value.text ?? "null")"
    case .isLessOrEqual(let value): "<= \(value.text ?? "null")"
    case .isGreater(let value): "> \(value.text ?? "null")"
    case .isGreaterOrEqual(let value): ">= \(value.text ?? "null")"
    }
  }
}

extension Value {
  /// Whether the two are of one type, so that their order means something.
  fileprivate func isComparable(with other: Value) -> Bool {
    switch (self, other) {
    case (.boolean, .boolean), (.int64, .int64), (.double, .double), (.date, .date), (.timestamp, .timestamp),
      (.text, .text), (.json, .json):
      true
    // Of one size but different scales, decimals have an order that says nothing about size.
    case (.decimal(_, let scale), .decimal(_, let other)): scale == other
    default: false
    }
  }
}
