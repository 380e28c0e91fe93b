import Foundation
import Given
import Testing
import Varve
import VarveTables

/// A table whose columns change: the rows stay, old versions keep their columns, and feeds go on.
@Suite struct AlterTests {
  private func table() throws -> TemporaryWarehouse {
    let here = try TemporaryWarehouse()
    try here.ingest("1.csv", "sku,market,price,day,note\nA,DE,1,2024-01-01,x\nB,AT,2,2024-01-02,\nC,DE,3,,z\n") {
      $0.key = ["sku"]
      $0.partitionBy = ["market"]
      $0.mode = .merge
    }
    return here
  }

  @discardableResult
  private func alter(_ here: TemporaryWarehouse, _ change: (inout AlterRequest) -> Void) throws -> ChangeReport {
    var request = AlterRequest("t")
    change(&request)
    return try here.warehouse.alter(request)
  }

  @Test func `columns are renamed, widened, dropped, added and put in order as one version`() throws {
    let here = try table()
    let report = try alter(here) {
      $0.drops = ["note"]
      $0.renames = [("day", "available")]
      $0.adds = [Field("weight", .decimal(precision: 10, scale: 2))]
      $0.widenings = [("available", .timestamp), ("price", .text)]
      $0.order = ["sku", "weight"]
    }
    #expect(report.outcome == .committed && report.version == 2)
    #expect(
      try here.types()
        == ["sku text", "weight decimal(10,2)", "market text", "price text", "available timestamp"])
    #expect(
      try here.rows("SELECT * FROM t ORDER BY sku") == [
        "A|∅|DE|1|2024-01-01T00:00:00Z", "B|∅|AT|2|2024-01-02T00:00:00Z", "C|∅|DE|3|∅",
      ])
    #expect(try here.rows(#"SELECT * FROM "t@1" WHERE sku = 'A'"#) == ["A|DE|1|2024-01-01|x"])
    #expect(try here.warehouse.verify().allSatisfy(\.isWhole))
    // The feed of before still lands: its old header is an alias.
    try here.ingest("2.csv", "sku,day,price\nA,2025-05-05T10:00:00,7a\n")
    #expect(try here.rows("SELECT available, price FROM t WHERE sku = 'A'") == ["2025-05-05T10:00:00Z|7a"])
  }

  @Test func `the same request again changes nothing`() throws {
    let here = try table()
    let change = { (request: inout AlterRequest) in
      request.drops = ["note"]
      request.renames = [("price", "amount")]
      request.adds = [Field("origin", .text)]
      request.widenings = [("amount", .double)]
      request.order = ["origin"]
      request.contract = .freeze
    }
    #expect(try alter(here, change).version == 2)
    #expect(try alter(here, change).outcome == .unchanged)
  }

  @Test func `a column that was dropped and comes again is all null, and its values stay in the past`() throws {
    let here = try table()
    try alter(here) {
      $0.drops = ["note"]
      $0.adds = [Field("note", .text)]
    }
    #expect(try here.rows("SELECT count(*) FROM t WHERE note IS NOT NULL") == ["0"])
    #expect(try here.rows(#"SELECT count(*) FROM "t@1" WHERE note IS NOT NULL"#) == ["2"])
    try alter(here) { $0.drops = ["price"] }
    try here.ingest("2.csv", "sku,price\nA,9\n")
    #expect(try here.rows("SELECT sku, price FROM t ORDER BY sku") == ["A|9", "B|∅", "C|∅"])
  }

  @Test func `columns only added or moved write no file`() throws {
    let here = try table()
    let parts = here.files().filter { $0.hasSuffix(".parquet") }
    try alter(here) {
      $0.adds = [Field("origin", .text)]
      $0.order = ["origin", "note"]
    }
    #expect(here.files().filter { $0.hasSuffix(".parquet") } == parts)
    #expect(try here.rows("SELECT * FROM t WHERE sku = 'A'") == ["∅|x|A|DE|1|2024-01-01"])
  }

  @Test func `rows keep their order`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("1.csv", "a\n3\n1\n")
    try here.ingest("2.csv", "a,b\n2,x\n9,y\n")
    try here.ingest("3.csv", "a\n0\n")
    try alter(here) { $0.renames = [("b", "c")] }
    #expect(try here.rows("SELECT a, c FROM t") == ["3|∅", "1|∅", "2|x", "9|y", "0|∅"])
  }

  @Test func `what the table stands on is guarded`() throws {
    let here = try table()
    func refusal(_ change: (inout AlterRequest) -> Void) throws -> Problem.Kind {
      try problem { try alter(here, change) }.kind
    }
    #expect(try refusal { $0.drops = ["sku"] } == .refused)
    #expect(try refusal { $0.renames = [("sku", "id")] } == .refused)
    #expect(try refusal { $0.drops = ["market"] } == .refused)
    #expect(try refusal { $0.renames = [("market", "m")] } == .refused)
    #expect(try refusal { $0.widenings = [("market", .json)] } == .refused)
    #expect(try refusal { $0.widenings = [("note", .int64)] } == .refused)
    #expect(try refusal { $0.renames = [("note", "price")] } == .refused)
    #expect(try refusal { $0.adds = [Field("price", .text)] } == .refused)
    #expect(try refusal { $0.adds = [Field("Price", .text)] } == .failed)
    #expect(try refusal { $0.drops = ["unknown"] } == .failed)
    #expect(try refusal { $0.adds = [Field("a b", .text)] } == .usage)
    // The key of such numbers holds letters from now on: every old value stays unique.
    try here.ingest("n.csv", "n,v\n1,a\n2,b\n", into: "numbers") { $0.key = ["n"] }
    var wider = AlterRequest("numbers")
    wider.widenings = [("n", .text)]
    _ = try here.warehouse.alter(wider)
    try here.ingest("m.csv", "n,v\n1,c\nX7,d\n", into: "numbers") { $0.mode = .merge }
    #expect(try here.rows("SELECT n, v FROM numbers ORDER BY n") == ["1|c", "2|b", "X7|d"])
  }

  @Test func `a value without exact form in the wider type is refused, and nothing is left`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("1.json", #"[{"n":9007199254740993},{"n":1}]"#)
    let before = here.files()
    #expect(try problem { try alter(here) { $0.widenings = [("n", .double)] } }.kind == .refused)
    #expect(here.files() == before)
    #expect(try alter(here) { $0.widenings = [("n", .decimal(precision: 20, scale: 1))] }.outcome == .committed)
    #expect(try here.rows("SELECT n FROM t") == ["9007199254740993.0", "1.0"])
  }

  @Test func `a stored date becomes a timestamp when a feed brings a time`() throws {
    let here = try table()
    try here.ingest("2.csv", "sku,day\nB,2024-02-03T04:05:06Z\n")
    #expect(
      try here.rows("SELECT sku, day FROM t ORDER BY sku") == [
        "A|2024-01-01T00:00:00Z", "B|2024-02-03T04:05:06Z", "C|∅",
      ])
    #expect(try here.rows(#"SELECT day FROM "t@1" WHERE sku = 'A'"#) == ["2024-01-01"])
  }

  @Test func `the difference follows a column to its new name`() throws {
    let here = try table()
    try alter(here) { $0.renames = [("price", "amount")] }
    let none = try here.warehouse.diff("t@1", "t@2")
    #expect(try none.next() == nil)
    try here.ingest("2.csv", "sku,price\nA,8\n")
    let one = try here.warehouse.diff("t@1", "t@3")
    let change = try #require(try one.next())
    #expect(change.kind == .updated && change.changedColumns.map { one.schema.fields[$0].name } == ["amount"])
    #expect(try one.next() == nil)
    try alter(here) {
      $0.drops = ["note"]
      $0.renames = [("amount", "note")]
    }
    let crossed = try here.warehouse.diff("t@1", "t@4")
    #expect(crossed.schema.fields.map(\.name) == ["sku", "market", "note", "day", "note (before)"])
    var kinds: [Difference.Kind] = []
    while let change = try crossed.next() { kinds.append(change.kind) }
    #expect(kinds == [.updated, .updated])
  }

  // MARK: Contracts

  @Test func `a frozen table refuses new columns, wider types and unfit values`() throws {
    let here = try table()
    try alter(here) { $0.contract = .freeze }
    for feed in ["sku,extra\nA,1\n", "sku,price\nA,1.5\n", "sku,price\nA,n/a\n", "sku,price\nA,007\n"] {
      let problem = try problem {
        try here.ingest("x.csv", feed) { $0.badRows = .quarantine }
      }
      #expect(problem.kind == .refused && problem.place.contains("line 2"), "\(problem)")
    }
    #expect(try here.ingest("y.csv", "sku,price,extra\nA,5,\n").version == 3)
    try alter(here) { $0.contracts = [("price", .evolve)] }
    #expect(try here.ingest("z.csv", "sku,price\nA,1.5\n").version == 5)
    #expect(try here.types().contains("price double"))
  }

  @Test func `a quarantining table lays such rows aside and commits the rest`() throws {
    let here = try table()
    try alter(here) { $0.contract = .quarantine }
    let report = try here.ingest("x.csv", "sku,price,extra\nA,1.5,\nB,7,\nC,8,new\nD,9,\n")
    #expect(report.rows.rejected == 2 && report.rows.updated == 1 && report.rows.inserted == 1)
    #expect(try here.rows("SELECT sku, price FROM t ORDER BY sku") == ["A|1", "B|7", "C|3", "D|9"])
    #expect(try here.types() == ["sku text", "market text", "price int64", "day date", "note text"])
  }

  @Test func `a schema file sets contracts, and describe prints them`() throws {
    let here = try TemporaryWarehouse()
    let schema = here.directory + "/schema.json"
    try
      #"{"columns":[{"name":"n","type":"int64","contract":"freeze"},{"name":"m","type":"text"}],"contract":"quarantine"}"#
      .write(toFile: schema, atomically: false, encoding: .utf8)
    try here.ingest("1.csv", "n,m\n1,a\n") { $0.feeds[0].schemaPath = schema }
    #expect(try problem { try here.ingest("2.csv", "n\nx\n") }.kind == .refused)
    #expect(try here.ingest("3.csv", "n,q\n2,1\n3,\n").rows.rejected == 1)
    let text = try here.warehouse.describe("t").schemaFile
    #expect(text.contains(#""contract":"freeze""#) && text.contains(#""contract": "quarantine""#))
    // What is printed is what is in force: applied again, it changes nothing.
    try text.write(toFile: schema, atomically: false, encoding: .utf8)
    #expect(try alter(here) { $0.schemaPath = schema }.outcome == .unchanged)
  }

  @Test func `a schema file mends formats and aliases of a table that is there`() throws {
    let here = try table()
    let schema = here.directory + "/schema.json"
    try
      #"{"columns":[{"name":"day","type":"date","format":"DD.MM.YYYY","aliases":["Tag"]},{"name":"new","type":"boolean"}]}"#
      .write(toFile: schema, atomically: false, encoding: .utf8)
    #expect(try alter(here) { $0.schemaPath = schema }.version == 2)
    try here.ingest("2.csv", "sku,Tag,new\nA,31.12.2025,true\n")
    #expect(try here.rows("SELECT day, new FROM t WHERE sku = 'A'") == ["2025-12-31|true"])
  }

  // MARK: Executions

  @Test func `executions are replayed across altered columns`() throws {
    let here = try TemporaryWarehouse()
    func run(_ day: Int, _ feed: String) throws -> IngestReport {
      try here.ingest("day-\(day).json", feed) {
        $0.mode = .statefulMerge
        $0.key = ["id"]
        $0.execution = "2024-10-0\(day)"
      }
    }
    _ = try run(1, #"[{"id":1,"v":1,"gone":"x"},{"id":2,"v":2}]"#)
    _ = try run(2, #"[{"id":2,"v":20},{"id":3,"v":30,"gone":"y"}]"#)
    try alter(here) {
      $0.drops = ["gone"]
      $0.renames = [("v", "value")]
      $0.adds = [Field("gone", .text)]
      $0.widenings = [("value", .text)]
    }
    _ = try run(3, #"[{"id":4,"value":"forty","gone":"new"}]"#)
    let report = try run(1, #"[{"id":1,"v":"one","gone":"again"},{"id":5,"v":"five"}]"#)
    #expect(report.outcome == .committed)
    let whole = ["1|one|again", "2|20|∅", "3|30|∅", "4|forty|new", "5|five|∅"]
    #expect(try here.rows("SELECT id, value, gone FROM t ORDER BY id") == whole)
    #expect(try here.types() == ["id int64", "value text", "gone text"])
    // Once more: the replayed runs still stand on inputs that were kept under the old names.
    try alter(here) { $0.renames = [("value", "w")] }
    _ = try run(2, #"[{"id":2,"value":"two"}]"#)
    #expect(
      try here.rows("SELECT id, w, gone FROM t ORDER BY id")
        == ["1|one|again", "2|two|∅", "4|forty|new", "5|five|∅"])
    #expect(try here.warehouse.verify().allSatisfy(\.isWhole))
  }

  // MARK: Model

  /// Rows by key, and the columns in order. A renamed column's old headers mean it until another column has the name.
  private struct Model {
    var columns: [(name: String, headers: Set<String>, isText: Bool)] = [("id", [], false), ("a", [], false)]
    var rows: [Int: [String: Int]] = [:]

    func column(_ header: String) -> Int? {
      columns.firstIndex { $0.name == header } ?? columns.firstIndex { $0.headers.contains(header) }
    }

    mutating func take(_ name: String) { for index in columns.indices { columns[index].headers.remove(name) } }

    var lines: [String] {
      rows.sorted { $0.key < $1.key }.map { id, row in
        columns.map { $0.name == "id" ? "\(id)" : row[$0.name].map { "\($0)" } ?? "∅" }.joined(separator: "|")
      }
    }
  }

  @Test func `any sequence of alterations and feeds does what a dictionary does, and versions stay`() throws {
    var random = Seed("alterations")
    let here = try TemporaryWarehouse()
    try here.ingest("0.csv", "id,a\n1,10\n2,20\n") {
      $0.key = ["id"]
      $0.mode = .merge
    }
    var model = Model()
    model.rows = [1: ["a": 10], 2: ["a": 20]]
    var versions: [Int: [String]] = [1: model.lines]
    let names = ["a", "b", "c", "d", "e"]
    for step in 1...(ProcessInfo.processInfo.environment["VARVE_PROOF"] == nil ? 40 : 400) {
      let before = model
      var version: Int?
      switch Int.random(in: 0..<5, using: &random) {
      case 0, 1:
        // A feed in any spelling that is known, and perhaps a new column.
        var headers: [(header: String, column: Int)] = []
        for header in names.shuffled(using: &random).prefix(3) {
          if let column = model.column(header) {
            if !headers.contains(where: { $0.column == column }) { headers.append((header, column)) }
          } else {
            model.columns.append((header, [], false))
            headers.append((header, model.columns.count - 1))
          }
        }
        var lines = ["id," + headers.map(\.header).joined(separator: ",")]
        for id in Set((0..<3).map { _ in Int.random(in: 1...6, using: &random) }).sorted() {
          let values = headers.map { _ in Int.random(in: 0...99, using: &random) }
          lines.append("\(id)," + values.map(String.init).joined(separator: ","))
          for (value, header) in zip(values, headers) {
            model.rows[id, default: [:]][model.columns[header.column].name] = value
          }
        }
        let report = try here.ingest("\(step).csv", lines.joined(separator: "\n") + "\n") { $0.reingest = true }
        version = report.outcome == .committed ? report.version : nil
      default:
        var request = AlterRequest("t")
        if let name = names.randomElement(using: &random),
          let index = model.columns.firstIndex(where: { $0.name == name }),
          model.columns.count > 2, Bool.random(using: &random)
        {
          request.drops = [name]
          model.columns.remove(at: index)
          for id in Array(model.rows.keys) { model.rows[id]?[name] = nil }
        }
        if let name = names.randomElement(using: &random),
          let index = model.columns.firstIndex(where: { $0.name == name }),
          let new = names.randomElement(using: &random), !model.columns.contains(where: { $0.name == new })
        {
          request.renames = [(name, new)]
          model.take(new)
          model.columns[index].name = new
          model.columns[index].headers.insert(name)
          for (id, row) in model.rows {
            model.rows[id]?[new] = row[name]
            model.rows[id]?[name] = nil
          }
        }
        if let name = names.randomElement(using: &random), !model.columns.contains(where: { $0.name == name }),
          Bool.random(using: &random)
        {
          request.adds = [Field(name, .int64)]
          model.take(name)
          model.columns.append((name, [], false))
        }
        if Bool.random(using: &random) {
          let order = model.columns.shuffled(using: &random)
          request.order = order.map(\.name)
          model.columns = order
        }
        let report = try here.warehouse.alter(request)
        version = report.outcome == .committed ? report.version : nil
      }
      let comment: Comment = "step \(step): \(before.columns.map(\.name)) to \(model.columns.map(\.name))"
      try #require(try here.rows("SELECT * FROM t ORDER BY id") == model.lines, comment)
      try #require(
        try here.warehouse.describe("t").schema.fields.map(\.name) == model.columns.map(\.name), comment)
      if let version { versions[version] = model.lines }
    }
    for (version, lines) in versions {
      #expect(try here.rows(#"SELECT * FROM "t@\#(version)" ORDER BY id"#) == lines, "version \(version)")
    }
    #expect(try here.warehouse.verify().allSatisfy(\.isWhole))
  }
}
