import Foundation
import Given
import Testing
import Varve
import VarveLake
import VarveSQLite

/// `"t@history"`: each state of a row, and from when to when it was.
@Suite struct RowHistoryTests {
  @Test func `a row has its states with version, time and execution, and a delete ends one`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("1.csv", "sku,price,gone\nA,1,false\nB,2,false\n") {
      $0.key = ["sku"]
      $0.mode = .merge
      $0.deleteWhen = "gone"
      $0.execution = "2024-10-01"
    }
    try here.ingest("2.csv", "sku,price,gone\nA,1,false\nB,3,false\n") { $0.execution = "2024-10-02" }
    try here.ingest("3.csv", "sku,price,gone\nA,1,true\n") { $0.execution = "2024-10-03" }
    try here.ingest("4.csv", "sku,price,gone\nA,1,false\n") { $0.execution = "2024-10-04" }
    let sql = """
      SELECT sku, price, _from_version, _to_version, _from_execution, _to_execution FROM "t@history" ORDER BY sku, 3
      """
    #expect(
      try here.rows(sql) == [
        "A|1|1|3|2024-10-01|2024-10-03", "A|1|4|∅|2024-10-04|∅", "B|2|1|2|2024-10-01|2024-10-02",
        "B|3|2|∅|2024-10-02|∅",
      ])
    let times = Dictionary(uniqueKeysWithValues: try here.warehouse.history("t").map { ($0.version, $0.timestamp) })
    for row in try here.rows(#"SELECT _from_version, _valid_from, _to_version, _valid_to FROM "t@history""#) {
      let parts = row.components(separatedBy: "|")
      #expect(times[Int(parts[0])!] == parts[1])
      #expect(Int(parts[2]).flatMap { times[$0] } ?? "∅" == parts[3])
    }
    // What was valid at a moment is what the version of that moment has.
    #expect(
      try here.rows(
        #"SELECT sku, price FROM "t@history" WHERE _from_version <= 3 AND (_to_version > 3 OR _to_version IS NULL)"#)
        == here.rows(#"SELECT sku, price FROM "t@3""#))
  }

  @Test func `without a key there is no history of a row, and the refusal says what to do`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("1.csv", "a\n1\n")
    let found = try problem { _ = try here.rows(#"SELECT * FROM "t@history""#) }
    #expect(found.description.contains("t: has no key") && found.description.contains("--key"))
    #expect(
      try problem { _ = try here.rows(#"SELECT * FROM "s@history""#) }.description.contains("did you mean \"t\"?"))
  }

  @Test func `a column of the table that has a name of history's keeps it`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("1.csv", "sku,_valid_from\nA,then\n") { $0.key = ["sku"] }
    #expect(try here.rows(#"SELECT _valid_from, _valid_from_2 IS NULL FROM "t@history""#) == ["then|0"])
  }

  @Test func `readers see no history of versions that are not published`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("1.csv", "sku,price\nA,1\n") {
      $0.key = ["sku"]
      $0.mode = .merge
    }
    try here.ingest("2.csv", "sku,price\nA,2\n") { $0.holdsPublication = true }
    #expect(try here.rows(#"SELECT price, _to_version FROM "t@history""#) == ["1|∅"])
    _ = try here.warehouse.publish("t")
    #expect(try here.rows(#"SELECT price, _to_version FROM "t@history""#) == ["1|2", "2|∅"])
  }

  @Test func `keys that are asked for are looked up in the files that may have them`() throws {
    let here = try TemporaryWarehouse()
    for day in 1...4 {
      try here.ingest("\(day).csv", "sku,price\nA\(day),\(day)\n") { $0.key = ["sku"] }
    }
    let lines = try here.warehouse.explain(#"SELECT price FROM "t@history" WHERE sku = 'A3' AND price > 1"#)[0].lines
    #expect(lines[0] == "versions: 0 to 4" || lines[0] == "versions: 1 to 4")
    #expect(lines[1].hasPrefix("files: 1 of 4 read"))
    #expect(try here.rows(#"SELECT price FROM "t@history" WHERE sku = 'A3' OR sku = 'A1' ORDER BY 1"#) == ["1", "3"])
  }

  @Test func `a renamed column is one column, and a new one of an old name is another`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("1.csv", "sku,price,note\nA,1,x\n") {
      $0.key = ["sku"]
      $0.mode = .merge
    }
    var request = AlterRequest("t")
    request.renames = [("price", "amount")]
    request.drops = ["note"]
    _ = try here.warehouse.alter(request)
    request = AlterRequest("t")
    request.adds = [Field("note", .int64)]
    _ = try here.warehouse.alter(request)
    try here.ingest("2.csv", "sku,amount,note\nA,2.5,7\n")
    #expect(
      try here.rows(#"SELECT sku, amount, note, note_2, _from_version, _to_version FROM "t@history""#) == [
        "A|1.0|∅|x|1|2", "A|1.0|∅|∅|2|4", "A|2.5|7|∅|4|∅",
      ])
  }

  @Test func `history begins where every file is there, if a vacuum took some`() throws {
    let here = try TemporaryWarehouse()
    for day in 1...4 {
      try here.ingest("\(day).csv", "sku,price\nA,\(day)\nB,7\n") {
        $0.key = ["sku"]
        $0.mode = .merge
      }
    }
    let file = try #require(try here.warehouse.resolve("t@2").snapshot.files().first)
    let place = here.directory + "/warehouse/t/" + file.path
    let storage = try here.warehouse.table("t").storage
    try FileManager.default.removeItem(atPath: place)
    #expect(try problem { _ = try here.rows(#"SELECT * FROM "t@history""#) }.kind == .damaged)
    try Vacuums.record([.init(path: file.path, byteCount: file.byteCount)], timestamp: 1, in: storage)
    #expect(
      try here.rows(#"SELECT sku, price, _from_version, _to_version FROM "t@history""#) == [
        "A|3|3|4", "A|4|4|∅", "B|7|3|∅",
      ])
  }

  // MARK: Against a model

  @Test func `random lives of a table have the history that its versions tell`() throws {
    var seed = Seed()
    for _ in 0..<(ProcessInfo.processInfo.environment["VARVE_PROOF"] == nil ? 6 : 60) { try live(&seed) }
  }

  /// One table through random changes: rows come, change and go, columns come and widen, partitions are replaced, old
  /// versions are restored, and the table is emptied.
  private func live(_ seed: inout Seed) throws {
    let here = try TemporaryWarehouse()
    let isPartitioned = Bool.random(using: &seed)
    try here.ingest("0.csv", "sku,market,price\nK0,DE,1\n") {
      $0.key = ["sku"]
      $0.mode = .merge
      if isPartitioned { $0.partitionBy = ["market"] }
    }
    for step in 1...Int.random(in: 4...14, using: &seed) {
      var lines = ["sku,market,price"]
      if Int.random(in: 0..<4, using: &seed) == 0 { lines[0] += ",note" }
      let keys = (0..<8).shuffled(using: &seed).prefix(Int.random(in: 1...6, using: &seed))
      for key in keys {
        var price = "\(Int.random(in: 1...3, using: &seed))"
        if Int.random(in: 0..<12, using: &seed) == 0 { price += ".5" }
        // A market of its own for each key: a key lives in one partition at a time, and may move.
        lines.append("K\(key),\(["DE", "AT", ""].randomElement(using: &seed)!),\(price)")
        if lines[0].hasSuffix("note") { lines[lines.count - 1] += ",\(["x", ""].randomElement(using: &seed)!)" }
      }
      let text = lines.joined(separator: "\n") + "\n"
      switch Int.random(in: 0..<10, using: &seed) {
      case 0: _ = try here.warehouse.truncate("t")
      case 1:
        let head = try here.warehouse.history("t").first!.version
        _ = try here.warehouse.restore("t@\(Int.random(in: 1...head, using: &seed))")
      case 2, 3:
        try here.ingest("\(step).csv", text) {
          $0.mode = .overwrite
          $0.reingest = true
        }
      default: try here.ingest("\(step).csv", text) { $0.reingest = true }
      }
    }
    try compare(here, memoryBytes: Bool.random(using: &seed) ? 64 << 20 : 2_000)
  }

  private func compare(_ here: TemporaryWarehouse, memoryBytes: Int) throws {
    let head = try here.warehouse.history("t").first!.version
    let columns = ["market", "price", "note"]
    // The states of each key, as the versions have them one after the other.
    var expected: [String] = []
    var open: [String: (row: String, from: Int)] = [:]
    for version in 1...head {
      let there = Set(try here.warehouse.describe("t@\(version)").schema.fields.map(\.name))
      let list = columns.map { there.contains($0) ? ($0 == "price" ? "price * 1.0" : $0) : "NULL" }
      let pairs = try here.rows(#"SELECT sku, \#(list.joined(separator: ", ")) FROM "t@\#(version)""#).map { row in
        (String(row.prefix { $0 != "|" }), row)
      }
      let rows = Dictionary(uniqueKeysWithValues: pairs)
      for (key, state) in open where rows[key] != state.row {
        expected.append("\(state.row)|\(state.from)|\(version)")
        open[key] = nil
      }
      for (key, row) in rows where open[key] == nil { open[key] = (row, version) }
    }
    for state in open.values { expected.append("\(state.row)|\(state.from)|∅") }

    let history = try RowHistory(
      here.warehouse.table("t"), limits: EngineLimits(memoryBytes: memoryBytes, parallelism: 1),
      scratch: { try ScratchFile.temporary() })
    let there = Set(history.schema.fields.map(\.name))
    let list = columns.map { there.contains($0) ? ($0 == "price" ? "price * 1.0" : $0) : "NULL" }
    let session = try QuerySession(OneTable(table: history))
    let result = try session.query(
      "SELECT sku, \(list.joined(separator: ", ")), _from_version, _to_version FROM h")
    var found: [String] = []
    while let row = try result.next() { found.append(row.map { $0.text ?? "∅" }.joined(separator: "|")) }
    #expect(found.sorted() == expected.sorted())
    #expect(Set(found).count == found.count)
    // And as people ask for it.
    #expect(try here.rows(#"SELECT count(*) FROM "t@history""#) == ["\(expected.count)"])
  }

  private struct OneTable: QueryCatalog {
    let table: RowHistory
    var tableNames: [String] { ["h"] }
    func table(named name: String) -> (any QueryTable)? { name == "h" ? table : nil }
  }
}
