import Foundation
import Testing
import Varve
import VarveTables

/// What is expected of a table's rows, what becomes of versions and rows that are otherwise, and of rows laid aside.
@Suite struct QualityTests {
  private func file(_ here: TemporaryWarehouse, _ name: String, _ text: String) throws -> String {
    let path = here.directory + "/" + name
    try text.write(toFile: path, atomically: false, encoding: .utf8)
    return path
  }

  private static let columns =
    #""columns":[{"name":"sku","type":"text"},{"name":"market","type":"text"},{"name":"price","type":"int64"},{"name":"day","type":"date"}]"#

  private func table(_ expectations: String) throws -> TemporaryWarehouse {
    let here = try TemporaryWarehouse()
    let schema = try file(here, "schema.json", "{\(Self.columns),\"expectations\":\(expectations)}")
    let report = try here.ingest("1.csv", "sku,market,price,day\nA,DE,1,2024-01-01\nB,AT,2,2024-01-02\n") {
      $0.feeds[0].schemaPath = schema
      $0.key = ["sku"]
      $0.mode = .merge
    }
    #expect(report.broken.isEmpty && report.version == 1)
    #expect(try here.rows("SELECT count(*) FROM t") == ["2"])
    return here
  }

  @Test(arguments: [
    (#"[{"column":"price","not_null":true}]"#, "C,DE,,2024-01-01", "not_null"),
    (#"[{"column":"price","min":0,"max":100}]"#, "C,DE,-1,2024-01-01", "min"),
    (#"[{"column":"price","min":0,"max":100}]"#, "C,DE,101,2024-01-01", "max"),
    (#"[{"column":"day","min":"2020-01-01"}]"#, "C,DE,1,2019-12-31", "min"),
    (#"[{"column":"market","one_of":["DE","AT"]}]"#, "C,FR,1,2024-01-01", "one_of"),
    (#"[{"column":"sku","matches":"[A-Z]"}]"#, "CC,DE,1,2024-01-01", "matches"),
    (#"[{"unique":["market"]}]"#, "C,DE,1,2024-01-01", "unique"),
    (#"[{"rows":{"max":2}}]"#, "C,DE,1,2024-01-01", "rows"),
    (#"[{"drift":{"rows":0.4}}]"#, "C,DE,1,2024-01-01", "drift"),
    (#"[{"drift":{"nulls":0.3}}]"#, "C,DE,1,", "drift"),
  ])
  func `a version that is not as expected is there, and readers stay with the one before`(
    expectations: String, row: String, rule: String
  ) throws {
    let here = try table(expectations)
    let report = try here.ingest("2.csv", "sku,market,price,day\n\(row)\n")
    #expect(report.outcome == .committed && report.version == 2)
    #expect(report.broken.map(\.rule) == [rule], "\(report.broken)")
    #expect(try here.rows("SELECT count(*) FROM t") == ["2"])
    #expect(try here.rows(#"SELECT count(*) FROM "t@2""#) == ["3"])
    let reason = try #require(try here.warehouse.publications("t").last?.reason)
    #expect(reason.hasPrefix("version 2: "), "\(reason)")
    #expect(try here.warehouse.check("t").broken.map(\.rule) == [rule])
    // The same again does not get it through, and neither does publishing without force.
    #expect(try here.ingest("2.csv", "sku,market,price,day\n\(row)\n").broken.count == 1)
    #expect(try problem { _ = try here.warehouse.publish("t") }.kind == .refused)
    #expect(try here.rows("SELECT count(*) FROM t") == ["2"])
    // Mended by a later feed, both become visible together.
    if rule != "rows", rule != "drift" {
      let mended = try here.ingest("3.csv", "sku,market,price,day\n\(row.prefix { $0 != "," }),XX,5,2024-01-01\n") {
        $0.deleteWhen = nil
      }
      #expect(mended.broken.isEmpty == (rule != "one_of" && rule != "matches"))
    }
    #expect(try here.warehouse.publish("t", forces: true).mode == .follow)
    #expect(try here.rows("SELECT count(*) FROM t") == ["3"])
    #expect(try here.warehouse.verify().allSatisfy(\.isWhole))
  }

  @Test func `what passes is published at once, and what somebody holds back stays held`() throws {
    let here = try table(#"[{"column":"price","min":0}]"#)
    #expect(try here.ingest("2.csv", "sku,price\nC,3\n").broken.isEmpty)
    #expect(try here.rows("SELECT count(*) FROM t") == ["3"])
    try here.ingest("3.csv", "sku,price\nD,3\n") { $0.holdsPublication = true }
    try here.ingest("4.csv", "sku,price\nE,3\n")
    #expect(try here.rows("SELECT count(*) FROM t") == ["3"])
    #expect(try here.warehouse.publish("t").version == 4)
    #expect(try here.rows("SELECT count(*) FROM t") == ["5"])
  }

  @Test func `expectations of a table that is there are set by a schema file, and wrong ones are told`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("1.csv", "sku,price\nA,-1\n")
    var request = AlterRequest("t")
    request.schemaPath = try file(here, "s.json", #"{"columns":[],"expectations":[{"column":"price","min":0}]}"#)
    #expect(try here.warehouse.alter(request).outcome == .committed)
    #expect(try here.warehouse.alter(request).outcome == .unchanged)
    #expect(try here.warehouse.describe("t").schemaFile.contains(#""expectations": [{"column":"price","min":0}]"#))
    #expect(try here.warehouse.check("t").broken.map(\.what) == [#"column "price": 1 row, first "-1" is below 0"#])
    for wrong in [
      "{}", #"[{"column":"price"}]"#, #"[{"colunm":"price","min":1}]"#, #"[{"column":"price","matches":"("}]"#,
    ] {
      request.schemaPath = try file(here, "s.json", #"{"columns":[],"expectations":\#(wrong)}"#)
      #expect(try problem { _ = try here.warehouse.alter(request) }.kind == .failed, "\(wrong)")
    }
  }

  @Test func `rows that break rules are laid aside with address, rule and raw value, and are a table`() throws {
    let here = try table(#"[{"column":"price","min":0},{"column":"market","one_of":["DE","AT"],"not_null":true}]"#)
    let report = try here.ingest("2.csv", "sku,market,price\nC,DE,3\nE,AT,n/a\nD,FR,-4\nF,,1\n") {
      $0.badRows = .quarantine
    }
    #expect(report.rows.rejected == 3 && report.rows.inserted == 1 && report.broken.isEmpty)
    #expect(
      try here.rows(
        #"SELECT version, file, unit, position, "column", rule, raw, replayed FROM "t@quarantine" ORDER BY position, rule"#
      )
        == [
          "2|2.csv|line|3|price|type|n/a|∅", "2|2.csv|line|4|price|min|-4|∅", "2|2.csv|line|4|market|one_of|FR|∅",
          "2|2.csv|line|5|market|not_null||∅",
        ])
    #expect(try here.rows(#"SELECT "row" ->> 'sku' FROM "t@quarantine" WHERE rule = 'type'"#) == ["E"])
  }

  @Test func `a feed of which every row is laid aside leaves a version that says so`() throws {
    let here = try table(#"[{"column":"price","min":0}]"#)
    let report = try here.ingest("2.csv", "sku,price\nC,-3\n") { $0.badRows = .quarantine }
    #expect(report.outcome == .committed && report.version == 2 && report.rows.rejected == 1)
    #expect(try here.rows(#"SELECT count(*) FROM "t@quarantine""#) == ["1"])
    #expect(try here.ingest("2.csv", "sku,price\nC,-3\n").outcome == .unchanged)
  }

  @Test func `a replay commits what fits by now, once, and the rest later`() throws {
    let here = try table(#"[{"column":"price","min":0}]"#)
    try here.ingest("2.csv", "sku,price\nC,-3\nD,1.5\nE,n/a\nF,7\n") { $0.badRows = .quarantine }
    #expect(try here.rows("SELECT sku FROM t ORDER BY sku") == ["A", "B", "F"])
    let none = try here.warehouse.replay("t")
    #expect(none.map(\.waiting) == [3] && none[0].report.outcome == .unchanged)

    var wider = AlterRequest("t")
    wider.widenings = [("price", .double)]
    _ = try here.warehouse.alter(wider)
    let some = try here.warehouse.replay("t")
    #expect(some.map(\.waiting) == [2] && some[0].report.rows.inserted == 1)
    #expect(try here.rows("SELECT sku, price FROM t ORDER BY sku") == ["A|1.0", "B|2.0", "D|1.5", "F|7.0"])
    #expect(try here.warehouse.replay("t").map(\.report.outcome) == [.unchanged])

    wider.widenings = [("price", .text)]
    wider.schemaPath = try file(here, "s.json", #"{"columns":[],"expectations":[]}"#)
    _ = try here.warehouse.alter(wider)
    let rest = try here.warehouse.replay("t")
    #expect(rest.map(\.waiting) == [0])
    #expect(try here.rows("SELECT sku, price FROM t WHERE sku IN ('C', 'E') ORDER BY sku") == ["C|-3", "E|n/a"])
    #expect(try here.warehouse.replay("t").isEmpty)
    #expect(try here.rows(#"SELECT sum(replayed IS NOT NULL), count(*) FROM "t@quarantine""#) == ["3|3"])
    #expect(try here.rows("SELECT count(*), count(DISTINCT sku) FROM t") == ["6|6"])
    #expect(try here.warehouse.verify().allSatisfy(\.isWhole))
  }

  @Test func `a replay keeps what rows said of their origin`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("1.csv", "n\n1\n") { $0.withOrigin = true }
    try here.ingest("2.csv", "n\n2\nx\n") { $0.badRows = .quarantine }
    var wider = AlterRequest("t")
    wider.widenings = [("n", .text)]
    _ = try here.warehouse.alter(wider)
    #expect(try here.warehouse.replay("t").map(\.waiting) == [0])
    #expect(try here.rows("SELECT n, _source, _row FROM t") == ["1|1.csv|2", "2|2.csv|2", "x|2.csv|3"])
  }

  @Test func `executions are held against expectations as a whole, replayed ones too`() throws {
    let here = try TemporaryWarehouse()
    let schema = try file(
      here, "s.json",
      #"{"columns":[{"name":"id","type":"int64"},{"name":"v","type":"int64"}],"expectations":[{"column":"v","min":0}]}"#
    )
    func run(_ day: Int, _ feed: String, _ change: (inout IngestRequest) -> Void = { _ in }) throws -> IngestReport {
      try here.ingest("\(day).csv", "id,v\n\(feed)\n") {
        $0.feeds[0].schemaPath = schema
        $0.mode = .statefulMerge
        $0.key = ["id"]
        $0.execution = "\(day)"
        change(&$0)
      }
    }
    for day in 1...3 { #expect(try run(day, "\(day),\(day)").broken.isEmpty) }
    #expect(try run(2, "2,-2").broken.map(\.rule) == ["min"])
    #expect(try here.rows("SELECT id, v FROM t ORDER BY id") == ["1|1", "2|2", "3|3"])
    #expect(try run(2, "2,22").broken.isEmpty)
    #expect(try here.rows("SELECT id, v FROM t ORDER BY id") == ["1|1", "2|22", "3|3"])
    // What is done again behind them is checked and shown with them; what is incomplete is shown when it is complete.
    try here.ingest("hand.csv", "id,v\n4,4\n") { $0.mode = .merge }
    _ = try run(3, "3,30") { $0.reappliesInterposed = true }
    #expect(try here.rows("SELECT id, v FROM t ORDER BY id") == ["1|1", "2|22", "3|30", "4|4"])
    _ = try run(2, "2,20") { ($0.cascades, $0.reappliesInterposed) = (false, true) }
    #expect(try here.rows("SELECT v FROM t WHERE id IN (2, 3)  ORDER BY id") == ["22", "30"])
    _ = try run(3, "3,30")
    #expect(try here.rows("SELECT v FROM t WHERE id IN (2, 3)  ORDER BY id") == ["20", "30"])
  }

  @Test func `what an execution laid aside comes back with it, and the later ones behind it`() throws {
    let here = try TemporaryWarehouse()
    func run(_ day: Int, _ feed: String) throws -> IngestReport {
      try here.ingest("\(day).csv", "id,v\n\(feed)\n") {
        $0.mode = .statefulMerge
        $0.key = ["id"]
        $0.execution = "\(day)"
        $0.badRows = .quarantine
      }
    }
    func expect(_ minimum: Int) throws {
      var request = AlterRequest("t")
      request.schemaPath = try file(
        here, "s.json", #"{"columns":[],"expectations":[{"column":"v","min":\#(minimum)}]}"#)
      #expect(try here.warehouse.alter(request).outcome == .committed)
    }
    #expect(try run(1, "1,1").version == 1)
    try expect(0)
    #expect(try run(2, "1,-5\n2,-2\n3,3").rows.rejected == 2)
    #expect(try run(3, "3,33\n4,-9").rows.rejected == 1)
    try here.ingest("hand.csv", "id,v\n5,5\n") { $0.mode = .merge }
    func waiting() throws -> [String] {
      try here.rows(#"SELECT version, raw, replayed FROM "t@quarantine" ORDER BY version, position"#)
    }
    let none = try here.warehouse.replay("t")
    #expect(none.map(\.waiting) == [2, 1] && none.allSatisfy { $0.report.outcome == .unchanged })
    #expect(try here.warehouse.describe("t").version == 5)

    try expect(-3)
    let some = try here.warehouse.replay("t")
    #expect(some.map(\.waiting) == [1, 1] && some.map(\.rows) == [2, 1])
    #expect(try here.rows("SELECT id, v FROM t ORDER BY id") == ["1|1", "2|-2", "3|33", "5|5"])
    #expect(try here.warehouse.executions("t").allSatisfy { $0.status == "active" })
    // Of version 3 all is said by the run that took its place; a replayed run lays nothing aside again.
    #expect(try waiting() == ["3|-5|8", "3|-2|8", "4|-9|∅", "8|-5|∅"])
    #expect(try here.warehouse.replay("t").allSatisfy { $0.report.outcome == .unchanged })

    try expect(-100)
    #expect(try here.warehouse.replay("t").map(\.waiting) == [0, 0])
    #expect(
      try here.rows("SELECT id, v FROM t ORDER BY id") == ["1|-5", "2|-2", "3|33", "4|-9", "5|5"])
    #expect(try here.warehouse.replay("t").isEmpty && waiting().allSatisfy { !$0.hasSuffix("∅") })

    try expect(0)
    #expect(try run(4, "9,-1").rows.rejected == 1)
    try FileManager.default.removeItem(atPath: here.directory + "/4.csv")
    let refused = try problem { _ = try here.warehouse.replay("t") }
    #expect(
      refused.kind == .refused
        && "\(refused)".contains("varve ingest 4.csv --into t --mode stateful-merge --execution 4 --reingest"))
    #expect(try here.warehouse.verify().allSatisfy(\.isWhole))
  }

  @Test func `a transaction of which one table would not be as expected commits nothing`() throws {
    let here = try table(#"[{"column":"price","min":0},{"drift":{"rows":0.9}}]"#)
    func commit(_ id: String, _ products: String, _ numbers: String) throws -> TransactionReport {
      try here.warehouse.commit(
        TransactionRequest(
          [
            IngestRequest([try here.feed("t.csv", products)], into: "t"),
            IngestRequest([try here.feed("u.csv", numbers)], into: "u"),
          ], id: id))
    }
    let refused = try problem { _ = try commit("night-1", "sku,price\nA,-5\n", "n\n1\n") }
    #expect(refused.kind == .refused && "\(refused)".contains("first A: \"-5\" is below 0"), "\(refused)")
    #expect(try here.warehouse.outcome(ofTransaction: "night-1").outcome == .rolledBack)
    #expect(try here.warehouse.describe("t").version == 1 && here.warehouse.tables().map(\.name) == ["t"])
    #expect(!here.files().contains { $0.contains("staging/") })
    // Against what readers see, whatever is held.
    #expect(try here.ingest("2.csv", "sku,price\nA,-5\nC,1\n").broken.count == 1)
    #expect(try problem { _ = try commit("night-2", "sku,price\nD,1\n", "n\n1\n") }.kind == .refused)
    #expect(try here.rows("SELECT count(*) FROM t") == ["2"])
    // Mended, all of it shows itself: what was held for its checks too.
    #expect(try commit("night-3", "sku,price\nA,5\n", "n\n1\n").outcome == .committed)
    #expect(try here.rows("SELECT sku, price FROM t, u ORDER BY sku") == ["A|5", "B|2", "C|1"])
    // What somebody holds stays held.
    try here.ingest("3.csv", "sku,price\nE,3\n") { $0.holdsPublication = true }
    #expect(try commit("night-4", "sku,price\nF,-1\n", "n\n2\n").outcome == .committed)
    #expect(try here.rows("SELECT count(*) FROM t") == ["3"] && here.rows("SELECT count(*) FROM u") == ["2"])
    #expect(try problem { _ = try here.warehouse.publish("t") }.kind == .refused)
    #expect(try here.warehouse.verify().allSatisfy(\.isWhole))
  }
}
