/// Picking, joining and looking at the rows of a column.
extension Column {
  /// A column of that type that has only nulls.
  package static func nulls(_ type: DataType, count: Int) -> Column {
    let values: Values =
      switch type.storage {
      case .int64: .int64([Int64](repeating: 0, count: count))
      case .int128: .int128([Int128](repeating: 0, count: count))
      case .double: .double([Double](repeating: 0, count: count))
      case .bytes: .bytes(ByteValues(ends: [Int](repeating: 0, count: count)))
      }
    return Column(type, values, validity: [Bool](repeating: false, count: count))
  }

  package static func empty(_ type: DataType) -> Column { nulls(type, count: 0) }

  /// A column that has that value in each of `count` rows. The value must be null or of the type.
  package static func repeating(_ value: Value, _ type: DataType, count: Int) -> Column {
    switch (value, type.storage) {
    case (.null, _): return .nulls(type, count: count)
    case (.boolean(let value), .int64): return Column(type, .int64(.init(repeating: value ? 1 : 0, count: count)))
    case (.int64(let value), .int64), (.date(let value), .int64), (.timestamp(let value), .int64):
      return Column(type, .int64(.init(repeating: value, count: count)))
    case (.decimal(let value, _), .int64): return Column(type, .int64(.init(repeating: Int64(value), count: count)))
    case (.decimal(let value, _), .int128): return Column(type, .int128(.init(repeating: value, count: count)))
    case (.double(let value), .double): return Column(type, .double(.init(repeating: value, count: count)))
    case (.text(let text), .bytes), (.json(let text), .bytes):
      var values = ByteValues()
      values.bytes.reserveCapacity(text.utf8.count * count)
      values.ends.reserveCapacity(count)
      for _ in 0..<count {
        values.bytes.append(contentsOf: text.utf8)
        values.ends.append(values.bytes.count)
      }
      return Column(type, .bytes(values))
    default: preconditionFailure("a \(type.name) column cannot hold \(value)")
    }
  }

  package func value(at row: Int) -> Value {
    if isNull(row) { return .null }
    switch values {
    case .int64(let values):
      switch type {
      case .boolean: return .boolean(values[row] != 0)
      case .date: return .date(values[row])
      case .timestamp: return .timestamp(values[row])
      case .decimal(_, let scale): return .decimal(unscaled: Int128(values[row]), scale: scale)
      default: return .int64(values[row])
      }
    case .int128(let values):
      guard case .decimal(_, let scale) = type else { preconditionFailure("128 bits hold decimals only") }
      return .decimal(unscaled: values[row], scale: scale)
    case .double(let values): return .double(values[row])
    case .bytes(let values):
      let text = String(decoding: values[row], as: UTF8.self)
      return type == .json ? .json(text) : .text(text)
    }
  }

  package var nullCount: Int {
    var nulls = 0
    for isValid in validity where !isValid { nulls += 1 }
    return nulls
  }

  /// The rows of those numbers, in that order; a row may come more than once.
  package func gather(rows: [Int]) -> Column {
    let gathered: Values =
      switch values {
      case .int64(let values): .int64(rows.map { values[$0] })
      case .int128(let values): .int128(rows.map { values[$0] })
      case .double(let values): .double(rows.map { values[$0] })
      case .bytes(let values): .bytes(values.gather(rows: rows))
      }
    return Column(type, gathered, validity: validity.isEmpty ? [] : rows.map { validity[$0] })
  }

  package func slice(_ range: Range<Int>) -> Column {
    let sliced: Values =
      switch values {
      case .int64(let values): .int64(Array(values[range]))
      case .int128(let values): .int128(Array(values[range]))
      case .double(let values): .double(Array(values[range]))
      case .bytes(let values): .bytes(values.slice(range))
      }
    return Column(type, sliced, validity: validity.isEmpty ? [] : Array(validity[range]))
  }

  /// Adds the rows of another column of the same type.
  package mutating func append(contentsOf other: Column) {
    precondition(type.storage == other.type.storage, "columns of \(type.name) and \(other.type.name) cannot be joined")
    let before = count
    if !validity.isEmpty || !other.validity.isEmpty {
      if validity.isEmpty { validity = [Bool](repeating: true, count: before) }
      if other.validity.isEmpty {
        validity.append(contentsOf: repeatElement(true, count: other.count))
      } else {
        validity.append(contentsOf: other.validity)
      }
    }
    // The old array is let go before it grows, so that growing does not copy it.
    switch (values, other.values) {
    case (.int64(var mine), .int64(let theirs)):
      values = .int64([])
      mine.append(contentsOf: theirs)
      values = .int64(mine)
    case (.int128(var mine), .int128(let theirs)):
      values = .int64([])
      mine.append(contentsOf: theirs)
      values = .int128(mine)
    case (.double(var mine), .double(let theirs)):
      values = .int64([])
      mine.append(contentsOf: theirs)
      values = .double(mine)
    case (.bytes(var mine), .bytes(let theirs)):
      values = .int64([])
      mine.append(contentsOf: theirs)
      values = .bytes(mine)
    default: preconditionFailure("a column's values are not stored as its type demands")
    }
  }

  /// Null rows of every kind get an empty slot (zero, no bytes), so that equal columns have equal arrays.
  package mutating func setNull(rows: [Int]) {
    if rows.isEmpty { return }
    if validity.isEmpty { validity = [Bool](repeating: true, count: count) }
    for row in rows { validity[row] = false }
    switch values {
    case .int64(var mine):
      values = .double([])
      for row in rows { mine[row] = 0 }
      values = .int64(mine)
    case .int128(var mine):
      values = .double([])
      for row in rows { mine[row] = 0 }
      values = .int128(mine)
    case .double(var mine):
      values = .int64([])
      for row in rows { mine[row] = 0 }
      values = .double(mine)
    case .bytes(let mine):
      var kept = ByteValues()
      kept.bytes.reserveCapacity(mine.bytes.count)
      kept.ends.reserveCapacity(mine.count)
      for row in 0..<mine.count {
        if validity[row] { kept.bytes.append(contentsOf: mine[row]) }
        kept.ends.append(kept.bytes.count)
      }
      values = .bytes(kept)
    }
  }
}

extension ByteValues {
  package func gather(rows: [Int]) -> ByteValues {
    var total = 0
    for row in rows { total += range(row).count }
    var gathered = ByteValues()
    gathered.ends.reserveCapacity(rows.count)
    gathered.bytes = [UInt8](unsafeUninitializedCapacity: total) { target, count in
      bytes.withUnsafeBufferPointer { source in
        for row in rows {
          let range = range(row)
          if !range.isEmpty {
            (target.baseAddress! + count).initialize(from: source.baseAddress! + range.lowerBound, count: range.count)
            count += range.count
          }
          gathered.ends.append(count)
        }
      }
    }
    return gathered
  }

  package func slice(_ range: Range<Int>) -> ByteValues {
    let start = range.lowerBound == 0 ? 0 : ends[range.lowerBound - 1]
    let end = range.isEmpty ? start : ends[range.upperBound - 1]
    return ByteValues(bytes: Array(bytes[start..<end]), ends: ends[range].map { $0 - start })
  }

  package mutating func append(contentsOf other: ByteValues) {
    let base = bytes.count
    bytes.append(contentsOf: other.bytes)
    ends.reserveCapacity(ends.count + other.ends.count)
    for end in other.ends { ends.append(base + end) }
  }
}

extension Batch {
  package static func empty(_ schema: Schema) -> Batch {
    Batch(schema, schema.fields.map { .empty($0.type) }, rowCount: 0)
  }

  package func gather(rows: [Int]) -> Batch {
    Batch(schema, columns.map { $0.gather(rows: rows) }, rowCount: rows.count)
  }

  package func slice(_ range: Range<Int>) -> Batch {
    Batch(schema, columns.map { $0.slice(range) }, rowCount: range.count)
  }

  /// Adds the rows of a batch whose columns have the same types in the same order.
  package mutating func append(contentsOf other: Batch) {
    precondition(columns.count == other.columns.count, "batches of \(columns.count) and \(other.columns.count) columns")
    for index in columns.indices { columns[index].append(contentsOf: other.columns[index]) }
    rowCount += other.rowCount
  }

  package func values(at row: Int) -> [Value] { columns.map { $0.value(at: row) } }
}
