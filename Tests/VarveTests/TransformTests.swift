import Foundation
import Testing
import Varve
import VarveTables

/// Feeds whose rows are changed on their way: by SQL, and by a closure.
@Suite struct TransformTests {
  private let feed = "sku,brand,price,empty,code\n001,acme,1.50,,A\n002,zeta,2.25,,\n003,acme,x,,C\n"

  @Test func `a select's rows are ingested in the place of the feed's`() throws {
    let here = try TemporaryWarehouse()
    let report = try here.ingest("1.csv", feed) {
      $0.key = ["sku"]
      $0.select = "SELECT sku, upper(brand) AS brand, length(sku) AS n, empty FROM feed WHERE code IS NOT NULL"
    }
    #expect(report.rows.read == 3 && report.rows.inserted == 2)
    #expect(try here.types() == ["sku text", "brand text", "n int64"])
    #expect(try here.rows("SELECT * FROM t ORDER BY sku") == ["001|ACME|3", "003|ACME|3"])
  }

  @Test func `the select is part of what makes a feed the same feed, and of the history`() throws {
    let here = try TemporaryWarehouse()
    func run(_ sql: String?) throws -> IngestReport {
      try here.ingest("1.csv", feed) {
        $0.select = sql
        $0.mode = .overwrite
      }
    }
    #expect(try run("SELECT sku FROM feed").outcome == .committed)
    #expect(try run("SELECT sku FROM feed").outcome == .unchanged)
    #expect(try run("SELECT sku, brand FROM feed").outcome == .committed)
    #expect(try run(nil).outcome == .committed)
    let log = here.directory + "/warehouse/t/_delta_log/00000000000000000001.json"
    let entry = try String(contentsOfFile: log, encoding: .utf8)
    #expect(
      entry.contains(#""transform":{"select":"SELECT sku FROM feed"}"#) && entry.contains(#""selector":"select="#))
  }

  @Test func `a row that does not fit is told by its place in the feed, where it has one`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("0.csv", "sku,price\n000,1.5\n") { $0.key = ["sku"] }
    let one = try problem {
      try here.ingest("1.csv", feed) { $0.select = "SELECT sku, price FROM feed WHERE brand IN ('acme', 'zeta')" }
    }
    #expect(one.place.prefix(2) == ["1.csv", "line 4"], "\(one)")
    let sorted = try problem {
      try here.ingest("1.csv", feed) { $0.select = "SELECT sku, price FROM feed ORDER BY sku" }
    }
    #expect(sorted.place.prefix(2) == ["1.csv, selected", "row 3"], "\(sorted)")
  }

  @Test func `origins are kept where rows come of rows, and refused elsewhere`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("1.csv", feed) {
      $0.select = "SELECT DISTINCT brand FROM feed WHERE sku <> '001'"
      $0.withOrigin = true
    }
    #expect(try here.rows("SELECT _source, _row, brand FROM t ORDER BY brand") == ["1.csv|4|acme", "1.csv|3|zeta"])
    for sql in [
      "SELECT brand FROM feed ORDER BY brand", "SELECT brand, count(*) AS n FROM feed GROUP BY brand",
      "SELECT count(*) AS n FROM feed", "SELECT a.sku FROM feed a JOIN feed b ON a.brand = b.brand",
      "SELECT sku FROM feed UNION SELECT brand FROM feed", "SELECT sku FROM feed UNION ALL SELECT brand FROM feed",
      "SELECT sku, row_number() OVER (ORDER BY sku) AS n FROM feed",
    ] {
      let problem = try problem {
        try here.ingest("2.csv", feed, into: "other") {
          $0.select = sql
          $0.withOrigin = true
        }
      }
      #expect(problem.kind == .refused, "\(sql)")
      #expect(
        try here.ingest("2.csv", feed, into: "other") {
          $0.select = sql; $0.mode = .overwrite
        }.outcome != .planned)
    }
  }

  @Test func `a select sees the feed alone, and says what is wrong with it`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("1.csv", feed)
    for sql in [
      "SELECT * FROM t", "SELECT nothing FROM feed", "DELETE FROM feed", "SELECT sku, brand AS sku FROM feed",
    ] {
      #expect(try problem { try here.ingest("2.csv", feed) { $0.select = sql } }.kind == .failed, "\(sql)")
    }
  }

  @Test func `a select that would give other rows another time is refused, whatever its arguments come from`() throws {
    let here = try TemporaryWarehouse()
    let feed = "sku,at,day\nA,now,2024-01-31 23:30\n"
    let refused = [
      ("random()", "random()"), ("abs(random()) % 2", "random()"), ("randomblob(4)", "randomblob()"),
      ("sqlite_version()", "sqlite_version()"), ("last_insert_rowid()", "last_insert_rowid()"),
      ("CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP"), ("current_date", "CURRENT_DATE"), ("CURRENT_TIME", "CURRENT_TIME"),
      ("date('now')", "date('now')"), ("datetime('NOW', '+1 day')", "datetime('now')"), ("date()", "date()"),
      ("time(at)", "time('now')"), ("julianday(at)", "julianday('now')"),
      ("unixepoch(lower('NoW'))", "unixepoch('now')"),
      ("strftime('%Y')", "strftime()"), ("strftime('%Y', x'6e6f77')", "strftime('now')"), ("date('subsec')", "subsec"),
      ("datetime(day, 'localtime')", "'localtime'"), ("datetime(day, 'UTC')", "'utc'"),
    ]
    for (expression, named) in refused {
      for sql in [
        "SELECT sku, \(expression) AS x FROM feed", "SELECT sku FROM feed WHERE \(expression) IS NOT NULL",
        "SELECT sku FROM feed ORDER BY \(expression)",
      ] {
        let problem = try problem { try here.ingest("1.csv", feed) { $0.select = sql } }
        #expect(problem.kind == .refused && problem.place == ["SQL"], "\(sql): \(problem)")
        #expect(problem.what.contains(named) && problem.advice != nil, "\(sql): \(problem)")
      }
    }
    try here.ingest("1.csv", feed) {
      $0.select = """
        SELECT sku, date(day, '+1 month', 'start of month') AS first, strftime('%H', day) AS hour,
          unixepoch(day) AS u, datetime(day, '+02:00') AS shifted, date(at || '!') AS none, 'now' AS now FROM feed
        """
    }
    let row = "A|2024-03-01|23|1706743800|2024-02-01 01:30:00|now"
    #expect(try here.rows("SELECT * FROM t") == [row])
    // A query of tables may look at the clock.
    #expect(try here.rows("SELECT count(*) FROM t WHERE date('now') > '2024-01-01' AND random() IS NOT NULL") == ["1"])
  }

  @Test func `truth values of SQL are those of the table, and types stay exact`() throws {
    let here = try TemporaryWarehouse()
    let schema = here.directory + "/schema.json"
    try #"{"columns":[{"name":"id","type":"int64"},{"name":"ok","type":"boolean"},{"name":"d","type":"date"}]}"#
      .write(toFile: schema, atomically: false, encoding: .utf8)
    let json = #"[{"id":9223372036854775807,"v":3,"d":"2024-02-29","more":{"b":1,"a":[2]},"m":12345678901234567.25}]"#
    try here.ingest("1.json", json) {
      $0.feeds[0].schemaPath = schema
      $0.select = "SELECT id, v > 2 AS ok, d, more, m FROM feed"
    }
    #expect(
      try here.types() == ["id int64", "ok boolean", "d date", "more json", "m decimal(19,2)"])
    #expect(
      try here.rows("SELECT id, ok, d, json(more), m FROM t")
        == [#"9223372036854775807|true|2024-02-29|{"a":[2],"b":1}|12345678901234567.25"#])
  }

  @Test func `a closure changes rows, leaves some out and makes others`() throws {
    let here = try TemporaryWarehouse()
    let transform = FeedTransform("split", version: "1") { row in
      guard case .text(let brand)? = row["brand"], brand != "zeta" else { return [] }
      var one = row
      one["brand"] = .text(brand.uppercased())
      one["code"] = nil
      var two = one
      if case .text(let sku)? = row["sku"] { two["sku"] = .text(sku + "-b") }
      two["extra"] = .int64(7)
      return [one, two]
    }
    let report = try here.ingest("1.csv", feed) {
      $0.key = ["sku"]
      $0.transform = transform
      $0.withOrigin = true
    }
    #expect(report.rows.read == 3 && report.rows.inserted == 4)
    #expect(
      try here.rows("SELECT _row, sku, brand, price, extra FROM t ORDER BY sku")
        == ["2|001|ACME|1.50|∅", "2|001-b|ACME|1.50|7", "4|003|ACME|x|∅", "4|003-b|ACME|x|7"])
    #expect(try here.ingest("1.csv", feed) { $0.transform = transform }.outcome == .unchanged)
    let second = FeedTransform("split", version: "2") { _ in throw Unready() }
    let problem = try problem { try here.ingest("1.csv", feed) { $0.transform = second } }
    #expect(problem.place == ["1.csv", "line 2"] && problem.what.contains("split"))
  }

  private struct Unready: Error {}

  @Test func `what a record lacks, a closure's row lacks, and a merge leaves it alone`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("1.json", #"[{"id":1,"a":1,"b":2},{"id":2,"a":3,"b":4}]"#) {
      $0.key = ["id"]
      $0.mode = .merge
    }
    let same = FeedTransform("same", version: "1") { [$0] }
    try here.ingest("2.json", #"[{"id":1,"a":9},{"id":2,"b":null}]"#) { $0.transform = same }
    #expect(try here.rows("SELECT * FROM t ORDER BY id") == ["1|9|2", "2|3|∅"])
    // To SQL it is null.
    try here.ingest("3.json", #"[{"id":1,"a":9},{"id":2,"b":5}]"#) { $0.select = "SELECT * FROM feed" }
    #expect(try here.rows("SELECT * FROM t ORDER BY id") == ["1|9|∅", "2|∅|5"])
  }

  @Test func `many rows pass, in order`() throws {
    let here = try TemporaryWarehouse()
    let text = "n,s\n" + (0..<30_000).map { "\($0),s\($0 % 7)\n" }.joined()
    try here.ingest("1.csv", text) { $0.select = "SELECT n * 2 AS n, s FROM feed WHERE n % 3 = 0" }
    #expect(try here.rows("SELECT count(*), sum(n), max(n) FROM t") == ["10000|299970000|59994"])
    try here.ingest("2.csv", text, into: "u") {
      $0.transform = FeedTransform("thirds", version: "1") { row in
        guard case .int64(let n)? = row["n"], n % 3 == 0 else { return [] }
        var row = row
        row["n"] = .int64(n * 2)
        return [row]
      }
    }
    #expect(try here.rows("SELECT * FROM t") == here.rows("SELECT * FROM u"))
  }
}
