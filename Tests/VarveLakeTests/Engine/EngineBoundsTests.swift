import Given
import Testing
import VarveLake
import VarveParquet
import VarveTables

/// Sorting beyond memory, and where parts and row groups are cut.
@Suite struct EngineBoundsTests {
  static let schema = Schema([
    Field("text", .text), Field("number", .int64), Field("double", .double),
    Field("wide", .decimal(precision: 30, scale: 3)), Field("order", .int64),
  ])

  func batches(_ rows: Int, _ choices: inout Seed) -> [Batch] {
    var batches: [Batch] = []
    var first = 0
    while first < rows {
      let count = min(rows - first, Int.random(in: 1...700, using: &choices))
      var values: [[Value]] = Array(repeating: [], count: 5)
      for row in first..<first + count {
        let texts = [
          "", "a", "a\u{0}", "a\u{0}b", "ab", "b", "\u{FFFD}", "é", "zzzzzzzzzzzzzzzzzzzzzzzzz1",
          "zzzzzzzzzzzzzzzzzzzzzzzzz2",
        ]
        let isNull = choices.chance(10)
        values[0].append(isNull ? .null : .text(texts.randomElement(using: &choices)!))
        values[1].append(choices.chance(10) ? .null : .int64(Int64.random(in: -3...3, using: &choices) << 61))
        values[2].append(.double([-1.5, -0.0, 0.0, 1e300, -1e-300].randomElement(using: &choices)!))
        values[3].append(.decimal(unscaled: Int128(Int.random(in: -9...9, using: &choices)) << 80, scale: 3))
        values[4].append(.int64(Int64(row)))
      }
      let columns = zip(values, Self.schema.fields).map { column($0, $1.type) }
      batches.append(Batch(Self.schema, columns, rowCount: count))
      first += count
    }
    return batches
  }

  func order(_ source: any BatchSource) throws -> [Int64] {
    var order: [Int64] = []
    while let batch = try source.next() {
      for row in 0..<batch.rowCount {
        if case .int64(let number) = batch.columns[4].value(at: row) { order.append(number) }
      }
    }
    return order
  }

  @Test(arguments: [1, 5_000, 60_000, 1 << 26])
  func `a sort is stable and the same whatever the budget`(_ budget: Int) throws {
    var choices = Seed()
    let batches = batches(4_000, &choices)
    var whole = Batch.empty(Self.schema)
    for batch in batches { whole.append(contentsOf: batch) }
    let table = try EngineTable(schema: Self.schema)
    for columns in [[0], [1, 0], [2, 3], [0, 1, 2, 3], []] {
      let sort = ExternalSort(Self.schema, by: columns, budgetBytes: budget, scratch: table.scratch())
      for batch in batches { try sort.add(batch) }
      let expected = (0..<whole.rowCount).sorted { left, right in
        for index in columns {
          let column = whole.columns[index]
          let order = column.compare(left, to: column, right)
          if order != 0 { return order < 0 }
          // -0.0 comes before 0.0, which `compare` takes for equal.
          if case (.double(let one), .double(let other)) = (column.value(at: left), column.value(at: right)),
            one.sign != other.sign
          {
            return one.sign == .minus
          }
        }
        return left < right
      }
      #expect(try order(sort.finish()) == expected.map { Int64($0) }, "seed \(choices.number), by \(columns)")
    }
  }

  @Test func `parts and row groups are cut by rows and bytes, not by how rows arrive`() throws {
    var choices = Seed()
    let batches = batches(3_000, &choices)
    var whole = Batch.empty(Self.schema)
    for batch in batches { whole.append(contentsOf: batch) }
    let table = try EngineTable(schema: Self.schema)

    func write(_ batches: [Batch], _ limits: EngineLimits) throws -> [StagedFile] {
      let area = try StagingArea(table.storage, transaction: "w\(choices.next())")
      let writer = PartWriter(area, schema: Self.schema, partition: [], limits: limits)
      for batch in batches { try writer.append(batch) }
      let staged = try #require(try writer.finish())
      let groups = try staged.files.flatMap { file in
        let path = Layout.join(Layout.stagedDirectory(area.transaction, staged.directory), file.name)
        return try ParquetFile(table.storage.openToRead(path)!, name: path).rowGroups.map(\.rowCount)
      }
      #expect(
        groups.reduce(0, +) == 3_000 && groups.allSatisfy { $0 <= limits.rowGroupRowsMax }, "seed \(choices.number)")
      #expect(staged.files.map(\.statistics.rowCount).reduce(0, +) == 3_000)
      try area.abandon()
      return staged.files
    }

    for (rows, bytes, part) in [(1_000, 1 << 30, 1 << 30), (131_072, 20_000, 4_000), (7, 1 << 30, 1_000)] {
      func limits(_ parallelism: Int) -> EngineLimits {
        EngineLimits(parallelism: parallelism, rowGroupRowsMax: rows, rowGroupBytesMax: bytes, partBytesMax: part)
      }
      let once = try write(batches, limits(1))
      #expect(try write([whole], limits(3)) == once, "seed \(choices.number)")
      #expect((once.count > 1) == (part < 1 << 30))
    }
  }

  @Test func `many partitions fit into a small budget, each with its rows in feed order`() throws {
    let schema = Schema([Field("p", .int64), Field("n", .int64)])
    let table = try EngineTable(schema: schema, partitionBy: ["p"])
    let rows: [Row] = (0..<1_200).map { ["p": .int64(Int64($0 * 7 % 300)), "n": .int64(Int64($0))] }
    let change = try table.apply(rows, .append, memoryBytes: 10_000)
    #expect(change.added.count == 300)
    #expect(change.added.map { $0.partition[0]! } == (0..<300).map { String($0) })
    let found = try table.rows()
    for partition in 0..<300 {
      let numbers = found[partition * 4..<partition * 4 + 4].map { $0["n"]! }
      #expect(numbers == numbers.sorted())
    }
  }
}
