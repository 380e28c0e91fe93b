import Foundation
import Testing
import VarveParquet
import VarveTables

/// Files of other writers, made by make_fixtures.py.
@Suite struct FixtureTests {
  struct Described: Decodable {
    var about: String
    var values: String
    var columns: [String]
  }

  struct Values: Decodable {
    var type: String
    var values: [String?]
  }

  static let index = try! JSONDecoder().decode(
    [String: Described].self, from: Data(contentsOf: fixturesDirectory.appendingPathComponent("index.json")))

  @Test(arguments: index.keys.sorted())
  func `what other writers wrote is read as they meant it`(name: String) throws {
    let described = try #require(FixtureTests.index[name])
    let expected = try JSONDecoder().decode(
      [String: Values].self, from: Data(contentsOf: fixturesDirectory.appendingPathComponent(described.values)))
    let file = try ParquetFile(ByteArray(fixture("\(name).parquet")), name: name)
    #expect(file.schema.fields.map(\.name) == described.columns)
    for batchRowsMax in [8192, 13] {
      let scan = file.scan(batchRowsMax: batchRowsMax)
      var batches: [Batch] = []
      while let batch = try scan.next() { batches.append(batch) }
      for (index, column) in described.columns.enumerated() {
        let wanted = try #require(expected[column])
        let read = joined(batches.map { $0.columns[index] })
        #expect(read.type.name == wanted.type, "\(column)")
        let values = spelledValues(read)
        #expect(values.count == wanted.values.count)
        for (row, (value, wantedValue)) in zip(values, wanted.values).enumerated()
        where !isSame(value, wantedValue, read.type) {
          Issue.record("\(name), \(column), row \(row): \(value ?? "null") instead of \(wantedValue ?? "null")")
          break
        }
      }
    }
  }

  @Test(arguments: index.keys.sorted())
  func `bounds of other writers hold for their values`(name: String) throws {
    let file = try ParquetFile(ByteArray(fixture("\(name).parquet")), name: name)
    for (column, field) in file.schema.fields.enumerated() {
      for group in file.rowGroups.indices {
        let scan = file.scan(columns: [column], rowGroups: group..<group + 1)
        let values = joined(try collect(scan).map { $0.columns[0] })
        let nulls = (0..<values.count).count { values.isNull($0) }
        if let nullCount = file.nullCount(rowGroup: group, column: column) {
          #expect(nullCount == nulls, "\(field.name)")
        }
        if let bounds = file.bounds(rowGroup: group, column: column) {
          #expect(hold(bounds, for: values), "\(name), \(field.name): \(bounds)")
        }
      }
    }
  }

  @Test func `every flat type of other writers has bounds, but those that cannot be ordered`() throws {
    let file = try ParquetFile(ByteArray(fixture("pyarrow-zstd-v1.parquet")), name: "pyarrow")
    for (column, field) in file.schema.fields.enumerated() where field.name != "nothing" {
      #expect(file.bounds(rowGroup: 0, column: column) != nil, "\(field.name)")
    }
  }

  @Test(arguments: [
    ("uint64", "9223372036854775808, which is no int64"), ("nanoseconds", "1001 nanoseconds, which microseconds"),
    ("binary", "text that is no UTF-8"), ("brotli", "compressed with brotli"), ("lz4", "compressed with lz4"),
    ("decimal256", "decimal of precision 60"),
  ])
  func `what cannot be read without loss is refused with the column's name`(name: String, reason: String) throws {
    let file = try ParquetFile(ByteArray(fixture("refused-\(name).parquet")), name: "\(name).parquet")
    do {
      let column = try file.columnIndex(named: "value")
      _ = try collect(file.scan(columns: [column]))
      Issue.record("it was read")
    } catch let problem as Problem {
      #expect(problem.kind == .failed)
      #expect(problem.place.starts(with: ["\(name).parquet", "column \"value\""]))
      #expect(problem.what.contains(reason), "\(problem)")
    }
  }

  @Test func `rows in the middle are found without reading those before`() throws {
    let file = try ParquetFile(ByteArray(fixture("pyarrow-zstd-v1.parquet")), name: "pyarrow")
    let whole = try collect(file.scan())
    for rows in [0..<1, 5..<300, 169..<171, 170..<171, 299..<300, 200..<200] {
      let scan = file.scan(columns: [9, 1], rows: rows, batchRowsMax: 50)
      var next = rows.lowerBound
      while let batch = try scan.next() {
        #expect(scan.batchFirstRow == next)
        #expect(batch.schema.fields.map(\.name) == ["text", "id"])
        for (column, original) in [9, 1].enumerated() {
          let expected = slice(joined(whole.map { $0.columns[original] }), next..<next + batch.rowCount)
          #expect(isEqual(batch.columns[column], expected))
        }
        next += batch.rowCount
      }
      #expect(next == rows.upperBound)
    }
  }
}

func collect(_ scan: ParquetScan) throws -> [Batch] {
  var batches: [Batch] = []
  while let batch = try scan.next() { batches.append(batch) }
  return batches
}

/// Whether every value that is not null (or NaN) lies within the bounds, and meets them where they claim to be exact.
func hold(_ bounds: ValueBounds, for column: Column) -> Bool {
  var meetsLow = false
  var meetsHigh = false
  for row in 0..<column.count where !column.isNull(row) {
    switch (column.values, bounds.minimum, bounds.maximum) {
    case (.int64(let values), .int64(let low), .int64(let high)), (.int64(let values), .date(let low), .date(let high)),
      (.int64(let values), .timestamp(let low), .timestamp(let high)):
      if values[row] < low || values[row] > high { return false }
      meetsLow = meetsLow || values[row] == low
      meetsHigh = meetsHigh || values[row] == high
    case (.int64(let values), .boolean(let low), .boolean(let high)):
      if values[row] < (low ? 1 : 0) || values[row] > (high ? 1 : 0) { return false }
      meetsLow = meetsLow || values[row] == (low ? 1 : 0)
      meetsHigh = meetsHigh || values[row] == (high ? 1 : 0)
    case (.int64(let values), .decimal(let low, _), .decimal(let high, _)):
      if Int128(values[row]) < low || Int128(values[row]) > high { return false }
      meetsLow = meetsLow || Int128(values[row]) == low
      meetsHigh = meetsHigh || Int128(values[row]) == high
    case (.int128(let values), .decimal(let low, _), .decimal(let high, _)):
      if values[row] < low || values[row] > high { return false }
      meetsLow = meetsLow || values[row] == low
      meetsHigh = meetsHigh || values[row] == high
    case (.double(let values), .double(let low), .double(let high)):
      if values[row] < low || values[row] > high { return false }
      meetsLow = meetsLow || values[row] == low
      meetsHigh = meetsHigh || values[row] == high
    case (.bytes(let values), .text(let low), .text(let high)):
      let bytes = Array(values[row])
      if bytes.lexicographicallyPrecedes(Array(low.utf8)) || Array(high.utf8).lexicographicallyPrecedes(bytes) {
        return false
      }
      meetsLow = meetsLow || bytes == Array(low.utf8)
      meetsHigh = meetsHigh || bytes == Array(high.utf8)
    default: return false
    }
  }
  return (meetsLow || !bounds.isMinimumExact) && (meetsHigh || !bounds.isMaximumExact)
}
