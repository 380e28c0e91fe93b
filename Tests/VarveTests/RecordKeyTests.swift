import Testing
import Varve

/// `--key-from`: a key that is made of columns that never change.
@Suite struct RecordKeyTests {
  private func keyed(_ mode: IngestMode, _ execution: String? = nil) -> (inout IngestRequest) -> Void {
    { request in
      request.mode = mode
      request.keyFrom = ["sku", "market"]
      request.execution = execution
    }
  }

  @Test func `the same record has the same key in every feed, however it is spelled`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.csv", "sku,market,price\n7,DE,1\n8,AT,2\n", keyed(.merge))
    let keys = try here.rows("SELECT _key FROM t ORDER BY sku")
    // Columns in another order, numbers spelled otherwise, texts padded, and the types grown.
    let report = try here.ingest(
      "b.json", #"[{"price":1.5,"market":" DE ","sku":7.0},{"sku":8,"market":"AT","price":2}]"#)
    #expect(report.rows.updated == 1 && report.rows.unchanged == 1 && report.rows.inserted == 0)
    #expect(try here.rows("SELECT _key FROM t ORDER BY sku") == keys)
    try here.ingest("c.json", #"[{"sku":9.5,"market":"DE","price":3},{"sku":7,"market":"DE","price":4}]"#)
    #expect(try here.types().first == "sku double")
    #expect(try here.rows("SELECT count(*), count(DISTINCT _key) FROM t") == ["3|3"])
    #expect(try here.rows("SELECT _key FROM t ORDER BY sku").prefix(2) == keys[...])
    let other = try TemporaryWarehouse()
    try other.ingest("z.ndjson", #"{"market":"AT","sku":8}"# + "\n", into: "u", keyed(.insert))
    #expect(try other.rows("SELECT _key FROM u") == [keys[1]])
    #expect(try here.warehouse.describe("t").keyFrom == ["sku", "market"])
    #expect(try here.warehouse.describe("t").key == ["_key"])
  }

  @Test func `an insert keeps what is there, and names both rows where they differ`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.csv", "sku,market,price\nA,DE,1\nB,DE,2\n", keyed(.insert))
    let report = try here.ingest("b.csv", "sku,market,price\nA,DE,1\nB,DE,9\nC,DE,3\n")
    #expect(report.rows.inserted == 1 && report.rows.unchanged == 2)
    #expect(
      report.remarks.contains("b.csv, line 3: the table has (B, DE) with other content: price 9 here, 2 there"))
    #expect(try here.rows("SELECT sku, price FROM t ORDER BY sku") == ["A|1", "B|2", "C|3"])
    let twice = try problem { try here.ingest("c.csv", "sku,market,price\nD,DE,1\nD,DE,2\n") }
    #expect("\(twice)".contains("c.csv, line 2: the key (D, DE) comes twice, with different values (so is line 3)"))
  }

  @Test func `executions that are replayed make the same keys`() throws {
    let here = try TemporaryWarehouse()
    func day(_ number: Int, _ text: String, _ change: (inout IngestRequest) -> Void = { _ in }) throws {
      try here.ingest("day-\(number).csv", "sku,market,price\n" + text) { request in
        keyed(.statefulMerge, "2024-10-0\(number)")(&request)
        change(&request)
      }
    }
    try day(1, "A,DE,1\nB,DE,2\n")
    try day(2, "A,DE,10\nC,AT,3\n")
    try day(3, "B,DE,20\n")
    let keys = try here.rows("SELECT sku, _key FROM t ORDER BY sku")
    try day(1, "A,DE,1\nB,DE,2\nD,DE,4\n")
    #expect(try here.rows("SELECT sku, price FROM t ORDER BY sku") == ["A|10", "B|20", "C|3", "D|4"])
    #expect(try here.rows("SELECT sku, _key FROM t WHERE sku <> 'D' ORDER BY sku") == keys)
    #expect(try here.warehouse.executions("t").allSatisfy { $0.status == "active" })
  }

  @Test func `what does not go together is refused`() throws {
    let here = try TemporaryWarehouse()
    let both = try problem {
      try here.ingest("a.csv", "sku,market\nA,DE\n") {
        $0.key = ["sku"]
        $0.keyFrom = ["market"]
      }
    }
    #expect(both.kind == .usage)
    try here.ingest("a.csv", "sku,market\nA,DE\n", keyed(.merge))
    let other = try problem { try here.ingest("b.csv", "sku,market\nB,DE\n") { $0.keyFrom = ["market", "sku"] } }
    #expect(other.kind == .refused && "\(other)".contains("--key-from market,sku: the table has sku,market"))
    try here.ingest("c.csv", "sku\nB\n", into: "u") { $0.key = ["sku"] }
    let late = try problem { try here.ingest("d.csv", "sku\nC\n", into: "u") { $0.keyFrom = ["sku"] } }
    #expect(late.kind == .refused)
    let brought = try problem { try here.ingest("e.csv", "sku,market,_key\nB,DE,1\n") }
    #expect(brought.what.contains("has the name of the key"))
  }

  @Test func `the same feed under another schema file is another feed`() throws {
    let here = try TemporaryWarehouse()
    func schema(_ name: String, _ text: String) throws -> String { try here.feed(name, text).path }
    let text = try schema("1.json", #"{"columns":[{"name":"n","type":"text"}]}"#)
    let laidOut = try schema("2.json", "{ \"columns\": [\n {\"type\": \"text\", \"name\": \"n\"} ] }\n")
    let nulls = try schema("3.json", #"{"columns":[{"name":"n","type":"text","nulls":["-"]}]}"#)
    func ingest(_ path: String?) throws -> IngestReport {
      try here.ingest("a.csv", "n\n1\n-\n") { $0.feeds[0].schemaPath = path }
    }
    #expect(try ingest(text).version == 1)
    #expect(try ingest(text).outcome == .unchanged)
    #expect(try ingest(laidOut).outcome == .unchanged, "the same, laid out otherwise")
    #expect(try ingest(nil).outcome == .unchanged, "as the table remembers")
    #expect(try ingest(nulls).version == 2)
    #expect(try ingest(nulls).outcome == .unchanged && ingest(text).outcome == .unchanged)
    #expect(try here.rows("SELECT count(*) FROM t") == ["4"])
  }
}
