import Synchronization
import Testing
import VarveSQLite
import VarveTables

/// Days and microseconds of a text.
func value(_ text: String, _ type: DataType) -> Value { Value(text: text, type: type) ?? .null }

let priceType = DataType.decimal(precision: 10, scale: 2)
let wideType = DataType.decimal(precision: 38, scale: 10)

func products() -> MemoryTable {
  let schema = Schema([
    Field("id", .int64), Field("name", .text), Field("price", priceType), Field("active", .boolean),
    Field("weight", .double), Field("day", .date), Field("changed", .timestamp), Field("data", .json),
    Field("exact", wideType),
  ])
  func row(
    _ id: Int64, _ name: String?, _ price: String?, _ active: Bool?, _ weight: Double?, _ day: String?,
    _ changed: String?, _ data: String?, _ exact: String?
  ) -> [Value] {
    [
      .int64(id), name.map { .text($0) } ?? .null, price.map { value($0, priceType) } ?? .null,
      active.map { .boolean($0) } ?? .null, weight.map { .double($0) } ?? .null,
      day.map { value($0, .date) } ?? .null, changed.map { value($0, .timestamp) } ?? .null,
      data.map { .json($0) } ?? .null, exact.map { value($0, wideType) } ?? .null,
    ]
  }
  return MemoryTable(
    schema,
    [
      row(1, "Milk", "1.29", true, 1, "2024-01-31", "2024-01-31T08:30:00Z", #"{"size":{"l":2},"tags":["a","b"]}"#, "1"),
      row(2, "Käse", "9.99", false, 0.25, "2024-02-29", "2024-01-31T08:30:00.5Z", #"{"tags":[]}"#, "-2.5"),
      row(3, "日本 🍵", "10.00", true, nil, "1999-12-31", "2024-02-01T00:00:00Z", nil, "12345678901234567890.0000000001"),
      row(4, "", "100.50", nil, 2, nil, nil, "[1,2]", "12345678901234567890.0000000002"),
      row(5, nil, nil, false, -1, "2025-01-01", "1969-12-31T23:59:59.999999Z", "null", nil),
    ], rowsPerBatch: 2)
}

@Suite struct QuerySessionTests {
  @Test func `every type comes out as it went in`() throws {
    let table = products()
    #expect(try session(["products": table]).rows("SELECT * FROM products") == table.rows)
    #expect(
      try session(["products": table]).query("SELECT * FROM products").columns.map(\.type)
        == table.schema.fields.map(\.type))
  }

  @Test(arguments: [
    ("SELECT count(*) FROM products", "5"),
    ("SELECT sum(price) FROM products", "121.78"),
    ("SELECT decimal_sum(price) FROM products", "121.78"),
    ("SELECT group_concat(id) FROM products WHERE price > 9.99", "3,4"),
    ("SELECT group_concat(id) FROM products WHERE price = 9.99", "2"),
    ("SELECT group_concat(id) FROM products WHERE price = '9.99'", "2"),
    ("SELECT group_concat(id) FROM (SELECT id FROM products ORDER BY price DESC)", "4,3,2,1,5"),
    ("SELECT max(price) > 99 FROM products", "1"),
    ("SELECT group_concat(id) FROM products WHERE active", "1,3"),
    ("SELECT group_concat(id) FROM products WHERE NOT active", "2,5"),
    ("SELECT group_concat(id) FROM products WHERE active = false", "2,5"),
    ("SELECT group_concat(id) FROM products WHERE active IS NULL", "4"),
    ("SELECT group_concat(id) FROM products WHERE active IS NOT NULL AND weight IS NULL", "3"),
    ("SELECT group_concat(id) FROM products WHERE day >= '2024-01-31' AND day < '2025-01-01'", "1,2"),
    ("SELECT group_concat(id) FROM products WHERE day > '2024-01'", "1,2,5"),
    ("SELECT group_concat(id) FROM products WHERE strftime('%Y', day) = '2024'", "1,2"),
    ("SELECT group_concat(id) FROM products WHERE date(changed) = '2024-01-31'", "1,2"),
    ("SELECT group_concat(id) FROM products WHERE changed > '2024-01-31T08:30:00Z'", "2,3"),
    ("SELECT group_concat(id) FROM products WHERE changed > '2024-01-31 08:30'", "2,3"),
    ("SELECT group_concat(id) FROM products WHERE changed = '2024-01-31T09:30:00+01:00'", "1"),
    ("SELECT group_concat(id) FROM products WHERE changed < '2024-02'", "1,2,5"),
    ("SELECT group_concat(id) FROM (SELECT id FROM products ORDER BY changed)", "4,5,1,2,3"),
    ("SELECT data -> 'size' ->> 'l' FROM products WHERE id = 1", "2"),
    ("SELECT group_concat(value) FROM products, json_each(data, '$.tags') WHERE products.id = 1", "a,b"),
    ("SELECT group_concat(id) FROM products WHERE name = 'Käse'", "2"),
    ("SELECT group_concat(id) FROM products WHERE name = 'käse' COLLATE NOCASE", "2"),
    ("SELECT group_concat(id) FROM products WHERE name = 'MILK' COLLATE NOCASE", "1"),
    ("SELECT group_concat(id) FROM products WHERE name LIKE 'mil%'", "1"),
    ("SELECT group_concat(id) FROM products WHERE name >= 'M' AND name < 'N'", "1"),
    ("SELECT group_concat(id) FROM products WHERE id IN (2, 4, 9)", "2,4"),
    ("SELECT group_concat(id) FROM products WHERE id NOT IN (2, 4, 9)", "1,3,5"),
    ("SELECT group_concat(id) FROM products WHERE id = 1 OR name = 'Käse'", "1,2"),
    ("SELECT group_concat(id) FROM products WHERE id BETWEEN 2 AND 3.5", "2,3"),
    ("SELECT group_concat(id) FROM products WHERE id = 2.5", nil),
    ("SELECT group_concat(id) FROM products WHERE id = '2'", "2"),
    ("SELECT group_concat(id) FROM products WHERE exact > 1234567890123456.5", "3,4"),
    ("SELECT group_concat(id) FROM products WHERE exact > '12345678901234567890.0000000001'", "4"),
    ("SELECT group_concat(id) FROM products WHERE exact = '12345678901234567890.00000000010'", "3"),
    ("SELECT group_concat(id) FROM products WHERE exact < 0.5", "2"),
    ("SELECT group_concat(id) FROM (SELECT id FROM products ORDER BY exact)", "5,2,1,3,4"),
    ("SELECT decimal_sum(exact) FROM products", "24691357802469135778.5000000003"),
    ("SELECT decimal_cmp('10', '9.5')", "1"),
    ("SELECT count(*) FROM main.products JOIN products USING (id)", "5"),
    ("SELECT x'00ff'", "00ff"),
    ("SELECT group_concat(id) FROM products WHERE id = ?1 + 1", nil),
  ])
  func `queries answer what people expect`(sql: String, expected: String?) throws {
    let rows = try session(["products": products()]).rows(sql)
    #expect(rows.count == 1)
    #expect(rows.first?.first?.text == expected)
  }

  @Test(arguments: [
    ("SELECT sum(column1) FROM (VALUES (0.1), (0.2))", "0.3"),
    ("SELECT total(column1) FROM (VALUES (0.1), (0.2), (1))", "1.3"),
    ("SELECT avg(column1) FROM (VALUES (0.1), (0.2), (0.3))", "0.2"),
    ("SELECT sum(column1) FROM (VALUES (1), (2), (NULL))", "3"),
    ("SELECT typeof(sum(column1)) FROM (VALUES (1), (2))", "integer"),
    ("SELECT sum(1) FROM (SELECT 1 WHERE 0)", nil),
    ("SELECT total(1) FROM (SELECT 1 WHERE 0)", "0.0"),
    ("SELECT avg(1) FROM (SELECT 1 WHERE 0)", nil),
    ("SELECT avg(column1) FROM (VALUES (1), (2))", "1.5"),
    ("SELECT sum(column1) FROM (VALUES ('1.1'), ('2.2'), ('x'))", "3.3"),
    ("SELECT sum(column1) FROM (VALUES (9223372036854775807), (-1), (1))", "9223372036854775807"),
    ("SELECT sum(column1) FROM (VALUES (1e300), (1.0), (-1e300))", "1.0"),
    ("SELECT sum(column1) FROM (VALUES (1e999), (1.0))", "inf"),
    ("SELECT sum(DISTINCT column1) FROM (VALUES (0.1), (0.1), (0.2))", "0.3"),
    (
      "SELECT group_concat(s) FROM (SELECT sum(column1) OVER (ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s FROM (VALUES (0.1), (0.2), (0.7), (1)))",
      "0.1,0.3,0.9,1.7"
    ),
    ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) SELECT sum(0.01) FROM n", "10.0"),
  ])
  func `sums are what people add up`(sql: String, expected: String?) throws {
    #expect(try session([:]).rows(sql).first?.first?.text == expected)
  }

  @Test func `a sum of whole numbers beyond 64 bits is an error`() throws {
    #expect(throws: Problem.self) {
      try session([:]).rows("SELECT sum(column1) FROM (VALUES (9223372036854775807), (1))")
    }
  }

  @Test func `pushed constraints carry values of the column's type`() throws {
    let table = products()
    _ = try session(["t": table]).rows(
      "SELECT id FROM t WHERE price > 9.99 AND day = '2024-02-29' AND active = 1 AND id < 3.5 AND name IN ('a', 'b')")
    let request = try #require(table.requests.first)
    #expect(request.columns == [0, 1, 2, 3, 5])
    #expect(
      Set(request.constraints) == [
        ScanConstraint(column: 2, .isGreaterOrEqual(.decimal(unscaled: 1000, scale: 2))),
        ScanConstraint(column: 5, .equals(value("2024-02-29", .date))),
        ScanConstraint(column: 3, .equals(.boolean(true))), ScanConstraint(column: 0, .isLessOrEqual(.int64(3))),
        ScanConstraint(column: 1, .isOneOf([.text("a"), .text("b")])),
      ])
  }

  @Test func `counting rows reads no column`() throws {
    let table = products()
    _ = try session(["t": table]).rows("SELECT count(*) FROM t")
    #expect(table.requests.map(\.columns) == [[]])
  }

  @Test func `of more than 63 columns only those are read that the query names`() throws {
    let fields = (0..<200).map { Field("c\($0)", .int64) }
    let table = MemoryTable(Schema(fields), [fields.indices.map { .int64(Int64($0)) }])
    let session = try session(["t": table])
    #expect(try session.rows("SELECT c3, c150 FROM t WHERE c199 = 199") == [[.int64(3), .int64(150)]])
    #expect(table.requests.last?.columns == [3, 150, 199])
    #expect(try session.rows("SELECT * FROM t").first?.count == 200)
    #expect(
      try session.rows("WITH w AS (SELECT c70 AS a, c71 FROM t) SELECT x.a FROM w x JOIN t USING (c71)") == [
        [.int64(70)]
      ])
  }

  @Test func `a limit stops reading`() throws {
    let table = MemoryTable(Schema([Field("a", .int64)]), (0..<1000).map { [.int64($0)] })
    #expect(try session(["t": table]).rows("SELECT a FROM t LIMIT 3").count == 3)
    #expect(table.batchesRead == 1)
  }

  @Test func `text stays right when a scan goes on to the next batch`() throws {
    let words = (0..<500).map { "word \(($0 * 7919) % 500) " + String(repeating: "x", count: $0 % 40) }
    let table = MemoryTable(Schema([Field("w", .text)]), words.map { [.text($0)] }, rowsPerBatch: 3)
    let session = try session(["t": table])
    #expect(try session.rows("SELECT max(w), min(w) FROM t") == [[.text(words.max()!), .text(words.min()!)]])
    #expect(try session.rows("SELECT w FROM t ORDER BY w") == words.sorted().map { [.text($0)] })
    #expect(try session.rows("SELECT w FROM t GROUP BY w") == words.sorted().map { [.text($0)] })
  }

  @Test func `a join reads each table a few times, not once per row`() throws {
    let left = MemoryTable(
      Schema([Field("id", .int64), Field("a", .text)]), (0..<5000).map { [.int64($0), .text("l\($0)")] },
      rowsPerBatch: 512)
    let right = MemoryTable(
      Schema([Field("id", .int64), Field("b", .text)]), (0..<5000).map { [.int64($0 * 2), .text("r\($0)")] },
      rowsPerBatch: 512)
    let session = try session(["l": left, "r": right])
    #expect(
      try session.rows("SELECT count(*), min(a), max(b) FROM l JOIN r USING (id)") == [
        [.int64(2500), .text("l0"), .text("r999")]
      ])
    #expect(left.requests.count + right.requests.count < 8)
    #expect(
      try session.rows("SELECT count(*), count(a), count(b) FROM l FULL JOIN r USING (id)")
        == [[.int64(7500), .int64(5000), .int64(5000)]])
    #expect(try session.rows("SELECT count(*) FROM l WHERE id NOT IN (SELECT id FROM r)") == [[.int64(2500)]])
    #expect(
      try session.rows("SELECT count(*) FROM l WHERE NOT EXISTS (SELECT 1 FROM r WHERE r.id = l.id)") == [
        [.int64(2500)]
      ])
    #expect(left.requests.count + right.requests.count < 40)
  }

  @Test func `a join that needs too much memory says so`() throws {
    let rows = (0..<4000).map { [Value.int64($0), .text(String(repeating: "x", count: 500))] }
    let table = MemoryTable(Schema([Field("id", .int64), Field("a", .text)]), rows)
    let session = try session(["l": table, "r": table], limits: QueryLimits(joinBytesMax: 1 << 20))
    let problem = #expect(throws: Problem.self) { try session.rows("SELECT sum(length(r.a)) FROM l JOIN r USING (id)") }
    #expect(problem?.description.contains("1 MB") == true)
    #expect(try session.rows("SELECT count(*) FROM l") == [[.int64(4000)]])
  }

  @Test func `versions are tables of their own, looked up once each`() throws {
    let old = MemoryTable(Schema([Field("id", .int64)]), [[.int64(1)]])
    let new = MemoryTable(
      Schema([Field("id", .int64), Field("name", .text)]), [[.int64(1), .text("a")], [.int64(2), .text("b")]])
    let catalog = NotingCatalog([
      "products": new, "products@1": old, "products@2024-10-06T12:00:00.5Z": old, "o\"d'd; ü": old,
    ])
    let session = try QuerySession(catalog)
    #expect(
      try session.rows("SELECT n.name FROM products n LEFT JOIN \"products@1\" o ON o.id = n.id WHERE o.id IS NULL")
        == [[.text("b")]])
    #expect(try session.rows("SELECT * FROM [products@2024-10-06T12:00:00.5Z], \"o\"\"d'd; ü\" x").count == 1)
    #expect(catalog.found.sorted() == ["o\"d'd; ü", "products", "products@1", "products@2024-10-06T12:00:00.5Z"])
  }

  @Test(arguments: [
    ("SELECT * FROM prodcts", "SQL: there is no table \"prodcts\"; did you mean \"products\"?"),
    ("SELECT * FROM nothing_like_it", "SQL: there is no table \"nothing_like_it\"; there is products"),
    ("SELECT prise FROM products", "SQL, character 8: there is no column \"prise\"; did you mean \"price\"?"),
    ("SELECT p.nmae FROM products p", "SQL, character 8: there is no column \"p.nmae\"; did you mean \"name\"?"),
    (
      "SELECT id FROM products WHERE name = \"Milch und Brot\"",
      "SQL, character 38: there is no column \"Milch und Brot\"; if it is a text, write it in single quotes"
    ),
    ("SELECT id FRM products WHERE", "SQL, character 15: near \"products\": syntax error"),
    ("SELECT id FROM products WHERE", "SQL: the statement ends too early"),
    (
      "SELECT id FROM products a, products b",
      "SQL, character 8: column \"id\" is in more than one of the tables; write the table's name before it"
    ),
    (
      "DELETE FROM products",
      "SQL: writing is not possible: queries only read; write SELECT, VALUES, WITH or EXPLAIN; data comes in through `varve ingest`"
    ),
    (
      "CREATE TABLE x (a)",
      "SQL: INSERT is not possible: queries only read; write SELECT, VALUES, WITH or EXPLAIN; data comes in through `varve ingest`"
    ),
    (
      "ATTACH '/tmp/x' AS x",
      "SQL: ATTACH is not possible: queries only read; write SELECT, VALUES, WITH or EXPLAIN; data comes in through `varve ingest`"
    ),
    (
      "PRAGMA user_version = 3",
      "SQL: PRAGMA is not possible: queries only read; write SELECT, VALUES, WITH or EXPLAIN; data comes in through `varve ingest`"
    ),
    (
      "SELECT load_extension('x')",
      "SQL: load_extension is not possible: queries only read; write SELECT, VALUES, WITH or EXPLAIN; data comes in through `varve ingest`"
    ),
    ("SELECT 1; SELECT 2", "SQL, character 10: there is more than one SQL statement"),
    ("", "SQL: there is no SQL statement"),
    ("SELECT nofunction(1)", "SQL, character 8: no such function: nofunction"),
  ])
  func `bad SQL is told in one sentence`(sql: String, sentence: String) throws {
    let problem = #expect(throws: Problem.self) { try session(["products": products()]).rows(sql) }
    #expect(problem?.kind == .failed)
    #expect(problem?.description == sentence)
  }

  @Test func `an error while reading comes through as it was thrown`() throws {
    final class Broken: QueryTable {
      let schema = Schema([Field("a", .int64)])
      let estimatedRowCount = 10
      func scan(_ request: ScanRequest) throws -> any BatchStream {
        throw Problem(.damaged, at: ["x.parquet"], "is damaged")
      }
      func explain(_ request: ScanRequest) -> [String] { [] }
    }
    let problem = #expect(throws: Problem.self) { try session(["t": Broken()]).rows("SELECT * FROM t") }
    #expect(problem == Problem(.damaged, at: ["x.parquet"], "is damaged"))
  }

  @Test func `rows and time are limited, and a query can be interrupted`() throws {
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    let cut = try session([:], limits: QueryLimits(rowsMax: 10)).query(endless)
    var count = 0
    while try cut.next() != nil { count += 1 }
    #expect(count == 10 && cut.isCut)
    let all = try session([:], limits: QueryLimits(rowsMax: 2)).query("VALUES (1), (2)")
    while try all.next() != nil {}
    #expect(!all.isCut)

    let slow = #expect(throws: Problem.self) {
      try session([:], limits: QueryLimits(secondsMax: 0.05)).rows("SELECT count(*) FROM (\(endless))")
    }
    #expect(slow?.kind == .failed)

    let looks = Atomic<Int>(0)
    let limits = QueryLimits(isInterrupted: { looks.add(1, ordering: .relaxed).newValue > 3 })
    let interrupted = #expect(throws: Problem.self) {
      try session([:], limits: limits).rows("SELECT count(*) FROM (\(endless))")
    }
    #expect(interrupted?.kind == .interrupted)
  }

  @Test func `a second query ends the first`() throws {
    let session = try session(["products": products()])
    let first = try session.query("SELECT a.id FROM products a JOIN products b USING (id)")
    #expect(try first.next() == [.int64(1)])
    #expect(try session.rows("SELECT count(*) FROM products") == [[.int64(5)]])
    #expect(try first.next() == nil)
  }

  @Test(arguments: [DataType.date, .timestamp])
  func `a date of a stranger's file beyond all calendars is an error, not a crash`(type: DataType) throws {
    for value in [Int64.min, -100_000_000_000_000_000, 100_000_000_000_000_000 * 9, .max] {
      let table = MemoryTable(
        Schema([Field("a", type)]), [[type == .date ? .date(value) : .timestamp(value)]])
      let problem = #expect(throws: Problem.self) { try session(["t": NoBounds(table)]).rows("SELECT a FROM t") }
      #expect(problem?.description.contains("0001 to 9999") == true)
    }
  }

  private struct NoBounds: QueryTable {
    let table: MemoryTable
    init(_ table: MemoryTable) { self.table = table }
    var schema: Schema { table.schema }
    var estimatedRowCount: Int { 1 }
    func scan(_ request: ScanRequest) throws -> any BatchStream { try table.scan(request) }
    func explain(_ request: ScanRequest) -> [String] { [] }
  }

  @Test func `an explanation names each scan's table, columns and constraints`() throws {
    let session = try session(["products": products(), "products@1": products()])
    let scans = try session.explain(
      "SELECT n.name FROM products n JOIN \"products@1\" o ON o.id = n.id WHERE n.price > 5 AND o.day = '2024-01-31'")
    #expect(Set(scans.map(\.table)) == ["products", "products@1"])
    #expect(scans.contains { $0.lines.first == #"columns ["id", "name", "price"]"# })
    #expect(scans.contains { $0.lines.last == "constraints 1" })
    #expect(scans.map(\.lookupColumns).contains(["id"]))
    #expect(try session.explain("SELECT 1").isEmpty)
  }
}

/// Notes which tables it was asked for.
private final class NotingCatalog: QueryCatalog {
  private let tables: [String: any QueryTable]
  private(set) var found: [String] = []

  init(_ tables: [String: any QueryTable]) { self.tables = tables }

  func table(named name: String) throws -> (any QueryTable)? {
    if tables[name] != nil { found.append(name) }
    return tables[name]
  }

  var tableNames: [String] { Array(tables.keys) }
}
