import Foundation
import Given
import Testing
import VarveLake
import VarveSQLite
import VarveTables

/// SQL over Parquet files that the engine wrote: what is passed over never changes an answer.
@Suite struct ContentsQueryTests {
  static let schema = Schema([
    Field("id", .int64), Field("market", .text), Field("day", .date), Field("price", .decimal(precision: 10, scale: 2)),
    Field("exact", .decimal(precision: 30, scale: 4)), Field("weight", .double), Field("at", .timestamp),
    Field("flag", .boolean), Field("note", .text), Field("data", .json),
  ])

  struct Catalog: QueryCatalog {
    var tables: [String: any QueryTable]
    func table(named name: String) -> (any QueryTable)? { tables[name] }
    var tableNames: [String] { Array(tables.keys) }
  }

  /// The same rows without any pruning.
  struct Whole: QueryTable {
    let contents: TableContents
    var schema: Schema { contents.schema }
    var estimatedRowCount: Int { contents.estimatedRowCount }
    func scan(_ request: ScanRequest) throws -> any BatchStream { contents.scan(ScanRequest(columns: request.columns)) }
    func explain(_ request: ScanRequest) -> [String] { [] }
    func valueBounds(column: Int) -> (minimum: Value, maximum: Value)? { contents.valueBounds(column: column) }
  }

  @Test func `pruning by partition, file and row group never changes an answer`() throws {
    var random = Seed()
    func pick(_ count: Int) -> Int { random.below(count) }
    for partitioning in [[], ["market"], ["market", "day"]] {
      let table = try EngineTable(schema: ContentsQueryTests.schema, partitionBy: partitioning)
      var versions = [table.contents]
      for _ in 0..<3 {
        let rows = (0..<200).map { _ in row(pick) }
        let (change, area) = try table.stage(try table.plan(rows, .append), rowGroupRowsMax: 40)
        try table.commit(change, area)
        versions.append(table.contents)
      }
      let pruned = try QuerySession(Catalog(tables: ["t": versions[3], "t@2": versions[2]]))
      let whole = try QuerySession(
        Catalog(tables: ["t": Whole(contents: versions[3]), "t@2": Whole(contents: versions[2])]))
      var answers = 0
      for _ in 0..<30 {
        let sql = query(pick)
        let expected = try rows(whole, sql)
        #expect(try rows(pruned, sql) == expected, "seed \(random.number), partitioned by \(partitioning): \(sql)")
        answers += expected.isEmpty ? 0 : 1
      }
      #expect(answers > 5, "most queries find something")
      #expect(try rows(pruned, "SELECT count(*) FROM t") == [[.int64(600)]])
      #expect(try rows(pruned, "SELECT count(*) FROM \"t@2\"") == [[.int64(400)]])
    }
  }

  @Test func `an explanation tells which files are passed over, and by what`() throws {
    let table = try EngineTable(schema: ContentsQueryTests.schema, partitionBy: ["market"])
    for start in [0, 100] {
      try table.apply(
        (0..<100).map {
          ["id": .int64(Int64(start + $0)), "market": .text($0 % 2 == 0 ? "DE" : "CH"), "note": .text("n")]
        }, .append)
    }
    let session = try QuerySession(Catalog(tables: ["t": table.contents]))
    let scans = try session.explain("SELECT note FROM t WHERE market = 'CH' AND id > 150")
    #expect(scans.map(\.table) == ["t"])
    let text = scans[0].lines.joined(separator: "\n")
    #expect(text.contains("columns: id, market, note"))
    #expect(text.contains("files: 1 of 4 read"))
    #expect(text.contains("by partition") && text.contains("by statistics"))
    #expect(try session.explain("SELECT 1 FROM t WHERE market = 'CH' AND market IS NULL").count == 1)
  }

  private func rows(_ session: QuerySession, _ sql: String) throws -> [[Value]] {
    let result = try session.query(sql)
    var rows: [[Value]] = []
    while let row = try result.next() { rows.append(row) }
    return rows.sorted { left, right in
      for (one, other) in zip(left, right) where one != other { return one < other }
      return false
    }
  }

  private func row(_ pick: (Int) -> Int) -> Row {
    func some(_ value: Value) -> Value { pick(8) == 0 ? .null : value }
    let small = Int64(pick(40)) - 20
    return [
      "id": some(.int64(small)), "market": some(.text(["DE", "CH", "a=b/c %", "日本", "É"][pick(5)])),
      "day": some(.date(19_750 + Int64(pick(5)))), "price": some(.decimal(unscaled: Int128(small) * 25, scale: 2)),
      "exact": some(.decimal(unscaled: Int128(small) * 123_456_789_012_345_678_901, scale: 4)),
      "weight": some(.double(Double(small) / 4)), "at": some(.timestamp(1_706_400_000_000_000 + small * 500_000)),
      "flag": some(.boolean(small > 0)), "note": some(.text(["", "a", "05", "5", "z"][pick(5)])),
      "data": some(.json("{\"n\":\(small)}")),
    ]
  }

  private func query(_ pick: (Int) -> Int) -> String {
    let tests = [
      "#.market = 'DE'", "#.market = 'a=b/c %'", "#.market IN ('CH', '日本')", "#.market > 'CH'", "#.market IS NULL",
      "#.day = '2024-01-28'", "#.day >= '2024-01-29'", "#.day < '2024-01-29T12'", "#.day IS NOT NULL", "#.id = 7",
      "#.id > 12.5",
      "#.id BETWEEN -3 AND 3", "#.id IN (1, 2, 3, 99)", "#.price > 2.5", "#.price = 0.25", "#.price <= -1",
      "#.exact > 0",
      "#.exact = '12345678901234567.8901'", "#.exact < '-12345678901234567.89'", "#.weight >= 1.25", "#.weight IS NULL",
      "#.at > '2024-01-28T00:00:03Z'", "#.at < '2024-01-28'", "#.at = '2024-01-28 00:00:00.5'", "#.flag", "NOT #.flag",
      "#.flag IS NULL", "#.note = ''", "#.note = '05'", "#.note > 'a'", "#.note = 5", "#.data ->> 'n' > 3",
      "length(#.note) = 1",
    ]
    func test(_ table: String) -> String {
      tests[pick(tests.count)].replacingOccurrences(of: "#", with: table)
    }
    switch pick(6) {
    case 0: return "SELECT count(*), sum(x.price), max(x.at) FROM t x WHERE \(test("x")) AND \(test("x"))"
    case 1: return "SELECT x.market, count(*) FROM t x WHERE \(test("x")) OR \(test("x")) GROUP BY 1"
    case 2: return "SELECT count(*) FROM t x JOIN \"t@2\" y ON x.id = y.id AND \(test("y")) WHERE \(test("x"))"
    case 3:
      return
        "SELECT count(x.id), count(y.id) FROM t x FULL JOIN \"t@2\" y ON x.market = y.market AND x.day = y.day AND x.exact = y.exact WHERE \(test("x"))"
    case 4:
      return
        "SELECT x.* FROM t x WHERE \(test("x")) AND x.id NOT IN (SELECT id FROM \"t@2\" y WHERE \(test("y")) AND id IS NOT NULL)"
    default: return "SELECT x.* FROM t x WHERE \(test("x"))"
    }
  }
}
