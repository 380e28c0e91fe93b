import Synchronization
import Testing
import Varve

@Suite struct IngestTests {
  @Test func `a feed becomes version 1, and the same feed again changes nothing`() throws {
    let here = try TemporaryWarehouse()
    let first = try here.ingest("a.json", #"[{"sku":"A","price":1.5},{"sku":"B","price":2}]"#)
    #expect(first.outcome == .committed && first.version == 1 && first.rows.inserted == 2)
    let again = try here.ingest("renamed.json", #"[{"sku":"A","price":1.5},{"sku":"B","price":2}]"#)
    #expect(again.outcome == .unchanged && again.version == 1)
    #expect(try here.rows("SELECT * FROM t") == ["A|1.5", "B|2.0"])
    #expect(try here.types() == ["sku text", "price double"])
  }

  @Test func `a reingested feed is appended once more`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.json", #"[{"n":1}]"#)
    let again = try here.ingest("a.json", #"[{"n":1}]"#) { $0.reingest = true }
    #expect(again.outcome == .committed && again.version == 2)
    #expect(try here.rows("SELECT n FROM t") == ["1", "1"])
  }

  @Test func `a column that widens late gives back every text as it was spelled`() throws {
    let here = try TemporaryWarehouse()
    // More rows than a batch holds, so that the first ones are encoded as numbers before the text comes.
    try here.ingest("a.csv", "n,x\n" + (0..<30_000).map { "\($0),1.50\n" }.joined() + "abc,2\n")
    #expect(try here.types() == ["n text", "x double"])
    #expect(try here.rows("SELECT count(*), count(DISTINCT n), sum(x) FROM t") == ["30001|30001|45002.0"])
    #expect(try here.rows("SELECT n FROM t WHERE n IN ('29999','abc','0')") == ["0", "29999", "abc"])
    try here.ingest("b.csv", "p\n" + (0..<30_000).map { _ in "1.50\n" }.joined() + "n/a\n", into: "spelled")
    #expect(try here.rows("SELECT p, count(*) FROM spelled GROUP BY p ORDER BY p") == ["1.50|30000", "n/a|1"])
  }

  @Test func `a key that comes late is null in the rows before`() throws {
    let here = try TemporaryWarehouse()
    let early = (0..<20_000).map { #"{"n":\#($0)}"# }.joined(separator: "\n")
    try here.ingest("a.ndjson", early + "\n" + #"{"n":20000,"late":true}"# + "\n")
    #expect(try here.types() == ["n int64", "late boolean"])
    #expect(try here.rows("SELECT count(*), count(late) FROM t") == ["20001|1"])
  }

  @Test func `a column without a value stays out until one comes`() throws {
    let here = try TemporaryWarehouse()
    let report = try here.ingest("a.json", #"[{"n":1,"empty":null}]"#)
    #expect(report.remarks.contains { $0.contains("\"empty\"") })
    #expect(try here.types() == ["n int64"])
    try here.ingest("b.json", #"[{"n":2,"empty":"x"}]"#)
    #expect(try here.rows("SELECT n, empty FROM t") == ["1|∅", "2|x"])
  }

  @Test func `fractions that may be thousands are suspected where they widen a column`() throws {
    let here = try TemporaryWarehouse()
    let hint = "declare \"grouping\""
    try here.ingest("a.csv", "id,n\n1,999\n")
    let report = try here.ingest("b.csv", "id,n\n2,1.000\n3,5\n4,123.456\n") { $0.mode = .append }
    #expect(report.remarks.contains { $0.contains("widens from int64 to double") && $0.contains(hint) })
    for other in ["0.125", "1.5", "1.000\n6,1.25", "1234.567"] {
      let preview = try here.warehouse.preview(try here.feed("c.csv", "id,n\n5,\(other)\n"))
      #expect(!preview.columns[1].reason.contains(hint))
    }
  }

  @Test func `a header that only cleans to a column's name is taken for it, and a remark says so`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.csv", "id,a_b,Größe (cm)\n1,x,5\n")
    let known = try here.ingest("b.csv", "id,a_b,Größe (cm)\n2,y,6\n") { $0.mode = .append }
    #expect(!known.remarks.contains { $0.contains("taken for") })
    let report = try here.ingest("c.csv", "id,a b,Größe__cm_\n3,z,7\n") { $0.mode = .append }
    #expect(
      report.remarks.filter { $0.contains("taken for") }
        == ["\"a b\" was taken for the column \"a_b\", as a new column of that header would be called"])
    #expect(try here.rows("SELECT a_b, Größe__cm_ FROM t ORDER BY id") == ["x|5", "y|6", "z|7"])
  }

  @Test func `a preview shows declared columns as they are read, and the first cell that does not fit`() throws {
    let here = try TemporaryWarehouse()
    var feed = try here.feed(
      "a.csv", "id;price;day;note\n1;1.234,50;01.02.24;x\n2;;31.12.69;y\n3;viele;x;z\n4;teuer;02.02.24;z\n")
    feed.schemaPath = try here.feed(
      "s.json",
      #"""
      {"columns":[{"name":"price","type":"decimal(9,2)","decimal":",","grouping":"."},
      {"name":"day","type":"date","format":"DD.MM.YY"}]}
      """#
    ).path
    let preview = try here.warehouse.preview(feed, rows: 3)
    #expect(
      preview.firstRows == [
        ["1", "1234.50", "2024-02-01", "x"], ["2", nil, "1969-12-31", "y"], ["3", nil, nil, "z"],
      ])
    #expect(preview.columns.map(\.rejectedCount) == [0, 2, 1, 0])
    #expect(
      preview.columns.map(\.firstRejection) == [
        nil, "a.csv, line 4, column \"price\": \"viele\" is no decimal(9,2)",
        "a.csv, line 4, column \"day\": \"x\" is no date of the form DD.MM.YY", nil,
      ])
  }

  @Test func `an appended feed widens the table's column in the same version`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.json", #"[{"n":1},{"n":2}]"#)
    let report = try here.ingest("b.json", #"[{"n":2.5}]"#)
    #expect(report.version == 2)
    #expect(try here.types() == ["n double"])
    #expect(try here.rows("SELECT n FROM t ORDER BY n") == ["1.0", "2.0", "2.5"])
    #expect(try here.rows(#"SELECT n FROM "t@1""#) == ["1", "2"])
  }

  @Test func `an int64 beyond 2^53 widens to decimal, exactly`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.json", #"[{"n":9007199254740993}]"#)
    try here.ingest("b.json", #"[{"n":0.5}]"#)
    #expect(try here.types() == ["n decimal(17,1)"])
    #expect(try here.rows("SELECT n FROM t ORDER BY n") == ["0.5", "9007199254740993.0"])
  }

  @Test func `a cell that does not fit fails the whole feed, and names its place`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.json", #"[{"sku":"A","price":1.5}]"#)
    let before = here.files()
    let found = try problem {
      try here.ingest("b.ndjson", "{\"sku\":\"B\",\"price\":2}\n{\"sku\":\"C\",\"price\":\"n/a\"}\n")
    }
    #expect(found.kind == .failed)
    #expect("\(found)".contains("b.ndjson, line 2, column \"price\""))
    #expect("\(found)".contains("n/a"))
    #expect(here.files() == before)
  }

  @Test func `rows that do not fit are laid aside when asked, and the rest is committed`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.json", #"[{"sku":"A","price":1.5}]"#)
    let report = try here.ingest("b.ndjson", "{\"sku\":\"B\",\"price\":2}\n{\"sku\":\"C\",\"price\":\"n/a\"}\n") {
      $0.badRows = .quarantine
    }
    #expect(report.rows.inserted == 1 && report.rows.rejected == 1 && report.rows.read == 2)
    #expect(try here.rows("SELECT sku, price FROM t") == ["A|1.5", "B|2.0"])
    #expect(here.files().filter { $0.contains("quarantine/") && $0.hasSuffix(".ndjson") }.count == 1)
  }

  @Test func `a first feed of which every row is laid aside makes a version that says so`() throws {
    let here = try TemporaryWarehouse()
    let schema = try here.feed("schema.json", #"{"columns":[{"name":"n","type":"int64"}]}"#)
    let report = try here.ingest("a.csv", "n,m\nx,1\n") {
      $0.feeds[0].schemaPath = schema.path
      $0.badRows = .quarantine
    }
    #expect(report.outcome == .committed && report.version == 1 && report.rows.rejected == 1)
    #expect(try here.rows(#"SELECT "row" ->> 'n' FROM "t@quarantine""#) == ["x"])
  }

  @Test(arguments: [("{}", false), ("[{},{}]", false), ("[]", true)])
  func `a table cannot be made of a feed without columns`(feed: String, allowsEmpty: Bool) throws {
    let here = try TemporaryWarehouse()
    let found = try problem {
      try here.ingest("a.json", feed) { $0.allowEmpty = allowsEmpty }
    }
    #expect(found.what == "the feed has no columns, and no table can be made of it")
    #expect(here.files().allSatisfy { !$0.hasPrefix("t/") })
  }

  @Test func `a merge updates, inserts and deletes by key`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest(
      "a.json", #"[{"sku":"A","p":1,"q":"x"},{"sku":"B","p":2,"q":"y"},{"sku":"C","p":3,"q":"z","gone":false}]"#
    ) {
      $0.mode = .merge
      $0.key = ["sku"]
      $0.deleteWhen = "gone"
    }
    let report = try here.ingest(
      "b.json",
      #"[{"sku":"B","p":20},{"sku":"C","gone":true},{"sku":"D","p":4,"q":null},{"sku":"A","p":1},{"sku":"E","gone":true}]"#
    )
    #expect(report.rows.updated == 1 && report.rows.deleted == 1 && report.rows.inserted == 1)
    #expect(report.rows.unchanged >= 1)
    #expect(try here.rows("SELECT sku, p, q FROM t") == ["A|1|x", "B|20|y", "D|4|∅"])
    #expect(try here.types() == ["sku text", "p int64", "q text"])
    #expect(try here.ingest("c.json", #"[{"sku":"D","p":5}]"#).rows.updated == 1)
  }

  @Test func `an insert adds unknown keys, and the first row and origin of each key stay`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.ndjson", "{\"k\":1,\"v\":\"a\"}\n{\"k\":2,\"v\":\"b\"}\n") {
      $0.mode = .insert
      $0.key = ["k"]
      $0.withOrigin = true
    }
    let second = "{\"k\":2,\"v\":\"X\"}\n{\"k\":3,\"v\":\"c\"}\n{\"k\":3,\"v\":\"c\"}\n"
    let report = try here.ingest("b.ndjson", second)
    #expect(report.version == 2 && report.rows.inserted == 1 && report.rows.unchanged == 2)
    #expect(
      try here.rows("SELECT k, v, _source, _row FROM t ORDER BY k") == [
        "1|a|a.ndjson|1", "2|b|a.ndjson|2", "3|c|b.ndjson|2",
      ])
    #expect(try here.ingest("c.ndjson", "{\"k\":1,\"v\":\"Z\"}\n").outcome == .unchanged)
    let unequal = try problem { try here.ingest("d.ndjson", "{\"k\":4,\"v\":\"a\"}\n{\"k\":4,\"v\":\"b\"}\n") }
    #expect(unequal.kind == .failed && "\(unequal)".contains("comes twice"))
  }

  @Test func `a duplicate or missing key in a feed is refused with its rows`() throws {
    let here = try TemporaryWarehouse()
    let twice = try problem {
      try here.ingest("a.ndjson", "{\"k\":1}\n{\"k\":2}\n{\"k\":1}\n") {
        $0.mode = .merge
        $0.key = ["k"]
      }
    }
    #expect("\(twice)".contains("line 1") && "\(twice)".contains("3"))
    #expect(here.files().isEmpty)
    let missing = try problem {
      try here.ingest("b.ndjson", "{\"k\":1,\"v\":1}\n{\"v\":1}\n") {
        $0.mode = .merge
        $0.key = ["k"]
      }
    }
    #expect("\(missing)".contains("line 2"))
  }

  @Test func `an overwrite replaces the declared partitions alone`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.json", #"[{"m":"DE","v":1},{"m":"AT","v":2}]"#) { $0.partitionBy = ["m"] }
    try here.ingest("b.json", #"[{"m":"DE","v":10},{"m":"DE","v":11}]"#) {
      $0.mode = .overwrite
      $0.partitions = [["m": "DE"]]
    }
    #expect(try here.rows("SELECT m, v FROM t") == ["AT|2", "DE|10", "DE|11"])
    let outside = try problem {
      try here.ingest("c.json", #"[{"m":"AT","v":5}]"#) {
        $0.mode = .overwrite
        $0.partitions = [["m": "DE"]]
      }
    }
    #expect(outside.kind == .failed || outside.kind == .refused)
  }

  @Test func `overwriting with A, B and A again restores A`() throws {
    let here = try TemporaryWarehouse()
    let a = #"[{"v":1}]"#
    let b = #"[{"v":2}]"#
    for (text, version) in [(a, 1), (b, 2), (a, 3)] {
      let report = try here.ingest("f.json", text) { $0.mode = .overwrite }
      #expect(report.outcome == .committed && report.version == version)
    }
    #expect(try here.rows("SELECT v FROM t") == ["1"])
    #expect(try here.ingest("f.json", a) { $0.mode = .overwrite }.outcome == .unchanged)
  }

  @Test func `an empty overwrite needs to be allowed`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.json", #"[{"v":1}]"#) { $0.mode = .overwrite }
    let found = try problem { try here.ingest("b.json", "[]") { $0.mode = .overwrite } }
    #expect(found.kind == .refused)
    let report = try here.ingest("b.json", "[]") {
      $0.mode = .overwrite
      $0.allowEmpty = true
    }
    #expect(report.outcome == .committed && report.rows.deleted == 1)
    #expect(try here.rows("SELECT count(*) FROM t") == ["0"])
  }

  @Test func `origins become columns when asked`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.ndjson", "{\"v\":1}\n\n{\"v\":2}\n") {
      $0.withOrigin = true
      $0.execution = "2024-10-06"
    }
    #expect(
      try here.rows("SELECT _source, _row, _execution, v FROM t") == [
        "a.ndjson|1|2024-10-06|1", "a.ndjson|3|2024-10-06|2",
      ])
  }

  @Test func `the same input gives the same bytes, whatever the threads`() throws {
    let feed = (0..<40_000).map { #"{"k":"K\#($0 * 7919 % 40_000)","m":"M\#($0 % 5)","v":\#($0)}"# }
      .joined(separator: "\n")
    let names = try [1, 3].map { threads in
      let here = try TemporaryWarehouse(threads: threads)
      try here.ingest("a.ndjson", feed) {
        $0.mode = .merge
        $0.key = ["k"]
        $0.partitionBy = ["m"]
      }
      return here.files().filter { $0.hasSuffix(".parquet") }
    }
    #expect(names[0].count == 5)
    #expect(names[0] == names[1])
  }

  @Test func `several feeds are one version`() throws {
    let here = try TemporaryWarehouse()
    let request = IngestRequest(
      [try here.feed("a.csv", "sku;price\nA;1\n"), try here.feed("b.json", #"[{"price":2.5,"sku":"B"}]"#)], into: "t")
    #expect(try here.warehouse.ingest(request).version == 1)
    #expect(try here.rows("SELECT sku, price FROM t") == ["A|1.0", "B|2.5"])
  }

  @Test func `a dry run plans and leaves nothing`() throws {
    let here = try TemporaryWarehouse()
    let report = try here.ingest("a.json", #"[{"v":1}]"#) { $0.dryRun = true }
    #expect(report.outcome == .planned && !report.plan.isEmpty && report.version == nil)
    #expect(here.files().isEmpty)
  }

  /// Counts how often the work asks, and says yes from some time on.
  private final class Asking: Sendable {
    private let state: Mutex<(asked: Int, stopsAt: Int)>

    init(stopsAt: Int) { state = Mutex((0, stopsAt)) }

    var count: Int { state.withLock { $0.asked } }

    func ask() -> Bool {
      state.withLock { state in
        state.asked += 1
        return state.asked >= state.stopsAt
      }
    }
  }

  @Test func `a merge is interrupted wherever it is, also between two batches, and leaves nothing behind`() throws {
    let here = try TemporaryWarehouse()
    func feed(_ name: String, _ rows: Range<Int>) throws -> IngestRequest {
      let lines = rows.map { "\($0),\($0 % 16),value \($0)\n" }.joined()
      var request = IngestRequest([try here.feed(name, "id,part,v\n" + lines)], into: "t")
      (request.mode, request.key, request.partitionBy) = (.merge, ["id"], ["part"])
      return request
    }
    _ = try here.warehouse.ingest(feed("base.csv", 0..<20_000))
    let request = try feed("merge.csv", 10_000..<30_000)
    let before = here.files().filter { !$0.contains("varve.") }
    func run(stopsAt: Int) throws -> (asked: Int, problem: Problem?) {
      let asking = Asking(stopsAt: stopsAt)
      var surroundings = Surroundings.rehearsed(startingAt: 1_800_000_000_000, seed: 3)
      surroundings.isInterrupted = { asking.ask() }
      do {
        _ = try Warehouse(at: here.warehouse.path, surroundings: surroundings, threads: 2).ingest(request)
        return (asking.count, nil)
      } catch let problem as Problem {
        return (asking.count, problem)
      }
    }
    var stops = [1, 2, 5]
    // How many there are is not known before; the parts alone are asked about sixteen times.
    while let last = stops.last, last < 1_000_000 {
      let (_, problem) = try run(stopsAt: last)
      guard let problem else { break }
      #expect(problem.kind == .interrupted, "asked \(last) times: \(problem)")
      #expect(here.files().filter { !$0.contains("varve.") } == before, "asked \(last) times")
      stops.append(last + 4)
    }
    #expect(stops.last ?? 0 > 16)
    #expect(try here.rows("SELECT count(*) FROM t") == ["30000"])
  }
}
