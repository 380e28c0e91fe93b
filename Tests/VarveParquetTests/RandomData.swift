import Foundation
import Given
import VarveTables

let allTypes: [DataType] = [
  .boolean, .int64, .double, .decimal(precision: 9, scale: 2), .decimal(precision: 18, scale: 0),
  .decimal(precision: 19, scale: 4), .decimal(precision: 38, scale: 38), .date, .timestamp, .text, .json,
]

/// How often values come again, which decides on the encoding.
enum Variety: CaseIterable { case constant, few, sorted, many }

enum Nulls: CaseIterable { case none, some, runs, mostly, all }

func randomColumn(
  _ type: DataType, rows: Int, _ variety: Variety, _ nulls: Nulls, using generator: inout Seed
) -> Column {
  var validity: [Bool] = []
  var run = 0
  var runValue = true
  for _ in 0..<rows {
    switch nulls {
    case .none: break
    case .some: validity.append(Int.random(in: 0..<10, using: &generator) > 0)
    case .mostly: validity.append(Int.random(in: 0..<50, using: &generator) == 0)
    case .all: validity.append(false)
    case .runs:
      if run == 0 {
        run = Int.random(in: 1...300, using: &generator)
        runValue.toggle()
      }
      run -= 1
      validity.append(runValue)
    }
  }
  var seeds: [UInt64] = []
  for row in 0..<rows {
    switch variety {
    case .constant: seeds.append(42)
    case .few: seeds.append(UInt64.random(in: 0..<40, using: &generator))
    case .sorted: seeds.append(UInt64(row) * 3)
    case .many: seeds.append(generator.next())
    }
  }
  func isValid(_ row: Int) -> Bool { validity.isEmpty || validity[row] }
  let values: Column.Values
  switch type {
  case .boolean: values = .int64(seeds.enumerated().map { isValid($0) ? Int64($1 & 1) : 0 })
  case .int64, .timestamp: values = .int64(seeds.enumerated().map { isValid($0) ? Int64(bitPattern: $1) : 0 })
  case .date: values = .int64(seeds.enumerated().map { isValid($0) ? Int64($1 % 3_000_000) - 700_000 : 0 })
  case .decimal(let precision, _) where precision <= 18:
    values = .int64(seeds.enumerated().map { isValid($0) ? Int64($1 % 1_000_000_000) - 500_000_000 : 0 })
  case .decimal(let precision, _):
    let factor: Int128 = precision < 38 ? 1 : 1_000_000_000_000_000_003
    values = .int128(seeds.enumerated().map { isValid($0) ? (Int128($1) - (1 << 63)) * factor : 0 })
  case .double: values = .double(seeds.enumerated().map { isValid($0) ? Double(Int64(bitPattern: $1)) / 8 : 0 })
  case .text, .json:
    var bytes = ByteValues()
    for (row, seed) in seeds.enumerated() {
      if isValid(row) {
        let pieces = ["", "a", "ß", "名前", "🪨", "0123456789012345678901234567890123456789"]
        let text = seed % 7 == 0 ? "" : "\(seed)" + pieces[Int(seed % 6)]
        bytes.bytes += text.utf8
      }
      bytes.ends.append(bytes.bytes.count)
    }
    values = .bytes(bytes)
  }
  return Column(type, values, validity: validity)
}

/// Equal values in equal places; an array of `true` and none are the same.
func isEqual(_ a: Column, _ b: Column) -> Bool {
  guard a.type == b.type, a.count == b.count else { return false }
  for row in 0..<a.count where a.isNull(row) != b.isNull(row) { return false }
  switch (a.values, b.values) {
  case (.int64(let a), .int64(let b)): return a == b
  case (.int128(let a), .int128(let b)): return a == b
  case (.double(let a), .double(let b)): return a.map(\.bitPattern) == b.map(\.bitPattern)
  case (.bytes(let a), .bytes(let b)): return a == b
  default: return false
  }
}

func slice(_ column: Column, _ rows: Range<Int>) -> Column {
  let validity = column.validity.isEmpty ? [] : Array(column.validity[rows])
  switch column.values {
  case .int64(let values): return Column(column.type, .int64(Array(values[rows])), validity: validity)
  case .int128(let values): return Column(column.type, .int128(Array(values[rows])), validity: validity)
  case .double(let values): return Column(column.type, .double(Array(values[rows])), validity: validity)
  case .bytes(let values):
    var part = ByteValues()
    for row in rows {
      part.bytes += values[row]
      part.ends.append(part.bytes.count)
    }
    return Column(column.type, .bytes(part), validity: validity)
  }
}

/// The columns of several batches end to end.
func joined(_ columns: [Column]) -> Column {
  var all = columns[0]
  for column in columns.dropFirst() {
    if !all.validity.isEmpty || !column.validity.isEmpty {
      if all.validity.isEmpty { all.validity = Array(repeating: true, count: all.count) }
      all.validity += column.validity.isEmpty ? Array(repeating: true, count: column.count) : column.validity
    }
    switch (all.values, column.values) {
    case (.int64(let a), .int64(let b)): all.values = .int64(a + b)
    case (.int128(let a), .int128(let b)): all.values = .int128(a + b)
    case (.double(let a), .double(let b)): all.values = .double(a + b)
    case (.bytes(let a), .bytes(let b)):
      all.values = .bytes(ByteValues(bytes: a.bytes + b.bytes, ends: a.ends + b.ends.map { $0 + a.bytes.count }))
    default: preconditionFailure("batches of one column have one storage")
    }
  }
  return all
}

func texts(_ texts: [String]) -> Column {
  var bytes = ByteValues()
  for text in texts {
    bytes.bytes += text.utf8
    bytes.ends.append(bytes.bytes.count)
  }
  return Column(.text, .bytes(bytes))
}
