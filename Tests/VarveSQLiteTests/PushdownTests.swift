import Foundation
import Given
import Testing
import VarveSQLite
import VarveTables

/// Random tables and predicates: what is pushed down must never change the answer.
@Suite struct PushdownTests {
  static let types: [DataType] = [
    .int64, .double, .text, .boolean, .date, .timestamp, .json, .decimal(precision: 8, scale: 2),
    .decimal(precision: 18, scale: 0), .decimal(precision: 20, scale: 3), .decimal(precision: 38, scale: 6),
  ]

  @Test func `pushing constraints down never changes an answer`() throws {
    var random = Seed()
    var pruned = 0
    for round in 0..<40 {
      let left = table(rows: Int.random(in: 0...120, using: &random), &random)
      let right = table(rows: Int.random(in: 0...120, using: &random), &random)
      let pushed = try session(["l": left, "r": right])
      let plain = try session(["l": Unpruned(left), "r": Unpruned(right)])
      for _ in 0..<40 {
        let sql = query(&random)
        left.prunes = true
        let first = try pushed.rows(sql)
        let second = try plain.rows(sql)
        #expect(sorted(first) == sorted(second), "seed \(random.number), round \(round): \(sql)")
        if sorted(first) != sorted(second) { return }
      }
      pruned += (left.requests + right.requests).reduce(0) { $0 + $1.constraints.count }
    }
    #expect(pruned > 1_000, "constraints are pushed down at all")
  }

  /// The same table copied to SQLite's own storage answers the same wherever the comparison is by its own rules.
  @Test func `a table of SQLite's own answers the same`() throws {
    var random = Seed()
    for round in 0..<30 {
      let left = table(rows: 60, &random)
      let right = table(rows: 60, &random)
      let session = try session(["l": left, "r": right])
      let own = try Connection()
      for (name, table) in [("l", left), ("r", right)] {
        try own.execute("CREATE TABLE \(name) (c0 BIGINT, c1 DOUBLE, c2 TEXT, c3 BOOLEAN, c4 TEXT)")
        for row in table.rows {
          let values = row.prefix(5).map { value -> SQLValue in
            switch value {
            case .null: nil
            case .int64(let value): .integer(value)
            case .double(let value): .real(value)
            case .boolean(let value): .integer(value ? 1 : 0)
            default: SQLValue(value.text)
            }
          }
          try own.run("INSERT INTO \(name) VALUES (?, ?, ?, ?, ?)", values)
        }
      }
      for _ in 0..<40 {
        let sql = query(&random, columns: 5)
        let first = sorted(
          try session.rows(sql).map {
            $0.map { if case .boolean(let value) = $0 { .int64(value ? 1 : 0) } else { $0.asText } }
          }
        ).map { $0.map(\.text) }
        let second = sorted(
          try own.rows(sql).map {
            $0.map { value -> Value in
              switch value {
              case .null: .null
              case .integer(let value): .int64(value)
              case .real(let value): .double(value)
              case .text(let text): .text(text)
              case .blob: .null
              }
            }
          }
        ).map { $0.map(\.text) }
        #expect(first == second, "seed \(random.number), round \(round): \(sql)")
        if first != second { return }
      }
    }
  }

  /// Takes constraints away, and counts every row afresh.
  private struct Unpruned: QueryTable {
    let table: MemoryTable

    init(_ table: MemoryTable) { self.table = table }

    var schema: Schema { table.schema }
    var estimatedRowCount: Int { table.estimatedRowCount }
    func explain(_ request: ScanRequest) -> [String] { [] }
    func valueBounds(column: Int) -> (minimum: Value, maximum: Value)? { table.valueBounds(column: column) }

    func scan(_ request: ScanRequest) throws -> any BatchStream {
      table.prunes = false
      return try table.scan(ScanRequest(columns: request.columns))
    }
  }

  private func sorted(_ rows: [[Value]]) -> [[Value]] {
    rows.sorted { left, right in
      for (a, b) in zip(left, right) where a != b { return a < b }
      return false
    }
  }

  // MARK: Random tables and queries

  private func table(rows: Int, _ random: inout Seed) -> MemoryTable {
    let schema = Schema(PushdownTests.types.enumerated().map { Field("c\($0)", $1) })
    let values = (0..<rows).map { _ in PushdownTests.types.map { value($0, &random) } }
    return MemoryTable(schema, values, rowsPerBatch: Int.random(in: 1...16, using: &random))
  }

  private func value(_ type: DataType, _ random: inout Seed) -> Value {
    if Int.random(in: 0..<6, using: &random) == 0 { return .null }
    let small = Int64.random(in: -6...6, using: &random)
    switch type {
    case .boolean: return .boolean(small > 0)
    case .int64:
      return .int64([small, small, .max, .min, 1 << 53, (1 << 53) + 1].randomElement(using: &random) ?? 0)
    case .double:
      return .double(
        [Double(small), Double(small) / 4, 9_007_199_254_740_992, 1e300, -0.0].randomElement(using: &random) ?? 0)
    case .date: return .date(19_750 + small)
    case .timestamp:
      return .timestamp(
        (19_750 + small) * 86_400_000_000 + [0, 500_000, 30_600_000_000].randomElement(using: &random)!)
    case .text:
      return .text(
        ["", "a", "b", "aa", "5", "05", "5.0", "-1", "Ä", "é", "e\u{301}", "日本", "A"].randomElement(using: &random)!)
    case .json: return .json(["1", "[1]", "{}", "\"a\"", "null"].randomElement(using: &random)!)
    case .decimal(let precision, let scale):
      let large: Int128 = precision > 18 ? 12_345_678_901_234_567_890 : 99_999_999
      return .decimal(
        unscaled: [Int128(small), Int128(small) * 25, large + Int128(small), -large].randomElement(using: &random)!,
        scale: scale)
    }
  }

  private func query(_ random: inout Seed, columns: Int = PushdownTests.types.count) -> String {
    func one(_ choices: [String]) -> String { choices.randomElement(using: &random)! }
    func column(_ table: String) -> String { "\(table).c\(Int.random(in: 0..<columns, using: &random))" }
    let literals = [
      "0", "1", "-3", "2.5", "5", "0.25", "-0.5", "'5'", "'05'", "'a'", "'b'", "''", "'Ä'", "NULL", "9007199254740993",
      "1e300",
      "9223372036854775807", "-9223372036854775808", "9.3e18", "'2024-01-28'", "'2024-01'", "'2024-01-28T00:00:00Z'",
      "'2024-01-28T08:30:00Z'",
      "'2024-01-28 00:00:00.5'", "'2024-01-28x'", "12345678901234567.89", "'12345678901234567.890'",
      "'12345678901234.567890'", "1000000.5", "x'61'", "true",
    ]
    func test(_ table: String, _ other: String?) -> String {
      let left = column(table)
      switch Int.random(in: 0..<10, using: &random) {
      case 0: return "\(left) IS \(one(["", "NOT "]))NULL"
      case 1: return "\(left) IN (\(one(literals)), \(one(literals)), \(one(literals)))"
      case 2: return "\(left) BETWEEN \(one(literals)) AND \(one(literals))"
      case 3: return "\(left) IS \(one(literals))"
      case 4: return "\(left) = \(one(literals)) COLLATE \(one(["NOCASE", "BINARY"]))"
      case 5...6 where other != nil: return "\(left) \(one(["=", "=", "IS", "<", ">="])) \(column(other!))"
      case 7: return "\(left) IN (SELECT \(column("r")) FROM r)"
      default: return "\(left) \(one(["=", "<", "<=", ">", ">=", "<>"])) \(one(literals))"
      }
    }
    func tests(_ table: String, _ other: String?) -> String {
      let joint = one([" AND ", " AND ", " OR "])
      return (0..<Int.random(in: 1...3, using: &random)).map { _ in test(table, other) }.joined(separator: joint)
    }
    let picked = column("l")
    switch Int.random(in: 0..<8, using: &random) {
    case 0: return "SELECT count(*) FROM l WHERE \(tests("l", nil))"
    case 1: return "SELECT \(picked), count(*) FROM l WHERE \(tests("l", nil)) GROUP BY 1"
    case 2:
      let join = one(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
      let key = Int.random(in: 0..<columns, using: &random)
      return
        "SELECT count(*), min(l.c0), count(r.c0) FROM l \(join) r ON l.c\(key) = r.c\(key) AND \(tests("r", "l")) WHERE \(tests("l", nil))"
    case 3: return "SELECT count(*) FROM l, r WHERE \(tests("l", "r")) AND \(test("r", "l"))"
    case 4: return "SELECT \(picked) FROM l WHERE EXISTS (SELECT 1 FROM r WHERE \(tests("r", "l")))"
    default: return "SELECT \(picked), l.c0 FROM l WHERE \(tests("l", nil))"
    }
  }
}

extension Value {
  /// Dates as the texts that they are in SQL, and zero without the sign that SQLite's tables drop.
  fileprivate var asText: Value {
    switch self {
    case .date, .timestamp: .text(text ?? "")
    case .double(0): .double(0)
    default: self
    }
  }
}
