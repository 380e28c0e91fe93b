import Given
import Testing
import VarveTables

private let types: [DataType] = [
  .boolean, .int64, .double, .decimal(precision: 9, scale: 2), .decimal(precision: 30, scale: 4), .date, .timestamp,
  .text,
  .json,
]

private func randomValue(_ type: DataType, _ random: inout Seed) -> Value {
  if Int.random(in: 0..<4, using: &random) == 0 { return .null }
  switch type {
  case .boolean: return .boolean(.random(using: &random))
  case .int64: return .int64(.random(in: -5...5, using: &random))
  case .double: return .double(Double(Int.random(in: -9...9, using: &random)) / 4)
  case .decimal(_, let scale): return .decimal(unscaled: .random(in: -999...999, using: &random), scale: scale)
  case .date: return .date(.random(in: CivilTime.days, using: &random))
  case .timestamp: return .timestamp(.random(in: CivilTime.microseconds, using: &random))
  case .text: return .text(["", "a", "b", "ab", "a\u{0}", "a\u{0}b", "é"].randomElement(using: &random)!)
  case .json: return .json(["1", "{}", "\"a\""].randomElement(using: &random)!)
  }
}

private func column(_ values: [Value], _ type: DataType) -> Column {
  var column = Column.empty(type)
  for value in values { column.append(contentsOf: .repeating(value, type, count: 1)) }
  return column
}

private func values(_ column: Column) -> [Value] { (0..<column.count).map { column.value(at: $0) } }

@Test func `picking, cutting and joining rows is what it is for arrays of values`() {
  var random = Seed()
  for type in types {
    for _ in 0..<20 {
      let expected = (0..<Int.random(in: 0...30, using: &random)).map { _ in randomValue(type, &random) }
      let actual = column(expected, type)
      #expect(values(actual) == expected)
      #expect(actual.nullCount == expected.count { $0 == .null })
      let low = Int.random(in: 0...expected.count, using: &random)
      let range = low..<Int.random(in: low...expected.count, using: &random)
      #expect(values(actual.slice(range)) == Array(expected[range]))
      if !expected.isEmpty {
        let rows = (0..<20).map { _ in Int.random(in: 0..<expected.count, using: &random) }
        #expect(values(actual.gather(rows: rows)) == rows.map { expected[$0] })
      }
      var joined = actual.slice(range)
      joined.append(contentsOf: actual)
      #expect(values(joined) == Array(expected[range]) + expected)
      var struck = actual
      struck.setNull(rows: Array(range))
      #expect(values(struck) == expected.enumerated().map { range.contains($0.offset) ? .null : $0.element })
    }
  }
}

@Test func `rows and single values have one order`() {
  var random = Seed()
  for type in types {
    let expected = (0..<60).map { _ in randomValue(type, &random) }
    let actual = column(expected, type)
    for left in expected.indices {
      for right in expected.indices {
        let order = expected[left] < expected[right] ? -1 : (expected[left] == expected[right] ? 0 : 1)
        #expect(actual.compare(left, to: actual, right).signum() == order)
      }
    }
    let rows = Array(expected.indices)
    let shuffled = rows.shuffled(using: &random)
    #expect(
      actual.equality(rows: rows, with: actual, rows: shuffled) == rows.map { expected[$0] == expected[shuffled[$0]] })
  }
}

@Test func `stored values widen only where they stay the same`() throws {
  func convert(_ value: Value, _ from: DataType, _ to: DataType) -> Value? {
    switch column([.null, value], from).converted(to: to) {
    case .converted(let column):
      #expect(column.type == to && column.isNull(0))
      return column.value(at: 1)
    case .inexact(let row):
      #expect(row == 1)
      return nil
    case .unknown: return nil
    }
  }
  #expect(convert(.int64(1 << 53 - 1), .int64, .double) == .double(9007199254740991))
  #expect(convert(.int64(1 << 53), .int64, .double) == nil)
  #expect(convert(.int64(12), .int64, .decimal(precision: 20, scale: 2)) == .decimal(unscaled: 1200, scale: 2))
  #expect(convert(.int64(123), .int64, .decimal(precision: 4, scale: 2)) == nil)
  #expect(convert(.double(0.1), .double, .decimal(precision: 3, scale: 2)) == .decimal(unscaled: 10, scale: 2))
  #expect(convert(.double(0.125), .double, .decimal(precision: 3, scale: 2)) == nil)
  let price = Value.decimal(unscaled: 150, scale: 2)
  #expect(
    convert(price, .decimal(precision: 5, scale: 2), .decimal(precision: 25, scale: 4))
      == .decimal(unscaled: 15000, scale: 4))
  #expect(
    convert(price, .decimal(precision: 5, scale: 2), .decimal(precision: 5, scale: 1))
      == .decimal(unscaled: 15, scale: 1))
  #expect(convert(price, .decimal(precision: 5, scale: 2), .decimal(precision: 5, scale: 0)) == nil)
  #expect(convert(price, .decimal(precision: 5, scale: 2), .double) == .double(1.5))
  #expect(convert(price, .decimal(precision: 5, scale: 2), .text) == .text("1.50"))
  #expect(convert(.date(1), .date, .timestamp) == .timestamp(86_400_000_000))
  #expect(convert(.date(1), .date, .json) == .json("\"1970-01-02\""))
  #expect(convert(.text("a\"\n"), .text, .json) == .json("\"a\\\"\\n\""))
  #expect(convert(.boolean(true), .boolean, .text) == .text("true"))
  #expect(convert(.boolean(true), .boolean, .double) == nil)
}
