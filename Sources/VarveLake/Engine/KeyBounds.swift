import VarveTables

/// Where a feed's keys lie, column by column: what tells live files that cannot hold any of them.
struct KeyBounds: Sendable {
  /// Per key column, the least and the greatest value, as `RowKeys` has them.
  private var bounds: [(least: [UInt8], greatest: [UInt8])?]
  /// Values of the first key column in order, when there are few.
  private var firsts: [[UInt8]]? = []

  /// More than these are told by their bounds alone.
  static let valuesMax = 1 << 16

  init(columns: Int) { bounds = Array(repeating: nil, count: columns) }

  mutating func add(_ columns: [Column]) {
    for (number, column) in columns.enumerated() where column.count > 0 {
      let keys = RowKeys([column], rowCount: column.count)
      var least = 0
      var greatest = 0
      for row in 0..<keys.count {
        if keys.compare(row, with: keys, least) < 0 { least = row }
        if keys.compare(row, with: keys, greatest) > 0 { greatest = row }
        if number == 0, firsts != nil { firsts!.append(Array(keys[row])) }
      }
      if number == 0, let count = firsts?.count, count > Self.valuesMax { firsts = nil }
      let low = keys[least]
      let high = keys[greatest]
      if let known = bounds[number] {
        if compareBytes(low, known.least[...]) < 0 { bounds[number]!.least = Array(low) }
        if compareBytes(high, known.greatest[...]) > 0 { bounds[number]!.greatest = Array(high) }
      } else {
        bounds[number] = (Array(low), Array(high))
      }
    }
  }

  /// To be called when every key was added.
  mutating func finish() { firsts?.sort { compareBytes($0[...], $1[...]) < 0 } }

  /// Whether a file with these bounds (of the key columns, in their order) may hold one of the keys.
  func mayMeet(_ statistics: FileStatistics, _ fields: [Field]) -> Bool {
    for (number, field) in fields.enumerated() {
      guard let column = statistics.columns[field.name] else { continue }
      // Bounds do not tell the two zeros apart, keys do.
      let least = column.minimum.flatMap { encoded($0 == .double(0) ? .double(-0.0) : $0, field.type) }
      let greatest = column.maximum.flatMap { encoded($0 == .double(0) ? .double(0) : $0, field.type) }
      guard let known = bounds[number] else { return false }
      if let least, compareBytes(known.greatest[...], least[...]) < 0 { return false }
      if let greatest, compareBytes(known.least[...], greatest[...]) > 0 { return false }
      if number == 0, let firsts, let least, let greatest {
        var low = 0
        var high = firsts.count
        while low < high {
          let middle = (low + high) / 2
          if compareBytes(firsts[middle][...], least[...]) < 0 { low = middle + 1 } else { high = middle }
        }
        if low == firsts.count || compareBytes(firsts[low][...], greatest[...]) > 0 { return false }
      }
    }
    return true
  }

  /// A bound as a key of the column's type; nil where it has no exact form in that, and so bounds nothing.
  private func encoded(_ value: Value, _ type: DataType) -> [UInt8]? {
    guard value != .null else { return nil }
    let column: Column
    if case .text(let text) = value, type == .json {
      column = .repeating(.json(text), type, count: 1)
    } else if value.fits(type) {
      column = .repeating(value, type, count: 1)
    } else {
      guard let stored = value.ownType,
        case .converted(let converted) = Column.repeating(value, stored, count: 1).converted(to: type)
      else { return nil }
      column = converted
    }
    return Array(RowKeys([column], rowCount: 1)[0])
  }
}

extension Value {
  /// Whether it is a value of exactly that type.
  func fits(_ type: DataType) -> Bool {
    switch (self, type) {
    case (.boolean, .boolean), (.int64, .int64), (.double, .double), (.date, .date), (.timestamp, .timestamp),
      (.text, .text), (.json, .json):
      true
    case (.decimal(let unscaled, let scale), .decimal(let precision, let target)):
      scale == target && String(unscaled.magnitude).utf8.count <= precision
    default: false
    }
  }

  /// A type that holds it.
  var ownType: DataType? {
    switch self {
    case .null: nil
    case .boolean: .boolean
    case .int64: .int64
    case .double: .double
    case .decimal(_, let scale): .decimal(precision: DataType.decimalPrecisionMax, scale: scale)
    case .date: .date
    case .timestamp: .timestamp
    case .text: .text
    case .json: .json
    }
  }
}
