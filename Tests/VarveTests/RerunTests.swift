import Foundation
import Testing
import Varve

/// Versions are made again from their feeds, and come out as they were.
@Suite struct RerunTests {
  @Test func `every way to a version comes out the same again`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("1.csv", "sku,market,price\nA1,DE,1.50\nA2,DE,2.00\nB1,AT,3\n") {
      $0.partitionBy = ["market"]
      $0.key = ["sku"]
      $0.mode = .merge
    }
    try here.ingest("2.csv", "sku;market;price\nA1;DE;1,75\nC1;FR;4,00\n") {
      $0.feeds[0].csv.delimiter = ";"
      $0.feeds[0].csv.decimal = ","
    }
    try here.ingest("3.csv", "sku,market,price,note\nA9,DE,7,x\n") {
      $0.mode = .overwrite
      $0.partitions = [["market": "DE"]]
    }
    try here.ingest("4.csv", "sku,market,price\nB1,AT,9\nB2,AT,nine\nB3,AT,4\n") {
      $0.mode = .insert
      $0.badRows = .quarantine
    }
    _ = try here.warehouse.truncate("t", partitions: [["market": "FR"]])
    _ = try here.warehouse.restore("t@2")
    try here.ingest("1.csv", "sku,market,price\nA1,DE,1.50\nA2,DE,2.00\nB1,AT,3\n") { $0.reingest = true }
    let schema = try here.feed(
      "schema.json", #"{"columns": [{"name": "n", "type": "decimal(9,2)"}], "timezone": "+02:00"}"#)
    try here.ingest("u.json", #"[{"n":1},{"n":2.5}]"#, into: "u") { $0.feeds[0].schemaPath = schema.path }
    // What the schema file says now does not matter.
    try Data("{}".utf8).write(to: URL(fileURLWithPath: schema.path))
    for (execution, text) in [("1", "a"), ("2", "b"), ("3", "c"), ("1", "d")] {
      try here.ingest(
        "s-\(text).json", "[{\"k\":\(execution),\"v\":\"\(text)\"},{\"k\":9,\"v\":\"\(text)\"}]", into: "s"
      ) {
        $0.mode = .statefulMerge
        $0.key = ["k"]
        $0.execution = execution
      }
    }
    for number in 0..<3 {
      try here.ingest("c\(number).csv", "n,p\n\(number),0\n\(number + 10),1\n", into: "c") { $0.partitionBy = ["p"] }
    }
    _ = try here.warehouse.compact("c", partitions: [["p": "0"]])
    _ = try here.warehouse.compact("c", targetBytes: 100_000)
    let before = here.files()
    let reruns = try here.warehouse.rerun()
    #expect(reruns.map(\.table) == ["c", "s", "t", "u"])
    for rerun in reruns {
      // Files of one name were put over each other: 1.csv is as it was.
      #expect(rerun.versions.allSatisfy { $0.outcome == .same }, "\(rerun)")
    }
    #expect(reruns.map { $0.versions.count } == [5, 6, 7, 1])
    #expect(here.files() == before)
  }

  @Test func `feeds that are gone or have changed are named, and the versions after them are made again all the same`()
    throws
  {
    let here = try TemporaryWarehouse()
    for number in 1...4 { try here.ingest("\(number).json", #"[{"n":\#(number)}]"#) }
    try FileManager.default.removeItem(atPath: here.directory + "/1.json")
    try Data(#"[{"n":33}]"#.utf8).write(to: URL(fileURLWithPath: here.directory + "/3.json"))
    var rerun = try here.warehouse.rerun("t")[0]
    #expect(rerun.versions.map(\.outcome) == [.notRerun, .same, .notRerun, .same])
    #expect(rerun.versions[0].reasons[0].contains("1.json"))
    #expect(rerun.versions[2].reasons[0].contains("3.json holds other bytes now"))
    // Found by what they hold, whatever they are called.
    let archive = here.directory + "/archive/deep"
    try FileManager.default.createDirectory(atPath: archive, withIntermediateDirectories: true)
    for number in [1, 3] {
      try Data(#"[{"n":\#(number)}]"#.utf8).write(to: URL(fileURLWithPath: archive + "/old-\(number)"))
    }
    rerun = try here.warehouse.rerun("t", feedsIn: [here.directory + "/archive"])[0]
    #expect(rerun.versions.allSatisfy { $0.outcome == .same }, "\(rerun)")
    // Without the ledger nobody knows where the others were.
    try FileManager.default.removeItem(atPath: here.warehouse.path + "/varve.sqlite")
    rerun = try here.warehouse.rerun("t", feedsIn: [here.directory + "/archive"])[0]
    #expect(rerun.versions.map(\.outcome) == [.same, .notRerun, .same, .notRerun])
  }

  @Test func `a version that was tampered with together with all its digests is different`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("1.json", #"[{"n":1}]"#)
    try here.ingest("2.json", #"[{"n":2}]"#)
    // Somebody puts a table in its place that was made from another feed of the same name, and says the old one's digest.
    let other = try TemporaryWarehouse()
    try other.ingest("1.json", #"[{"n":1}]"#)
    try other.ingest("2.json", #"[{"n":7}]"#)
    let (table, forged) = (here.warehouse.path + "/t", other.warehouse.path + "/t")
    let entry = "/_delta_log/00000000000000000002.json"
    let digests = try [table, forged].map { path -> String in
      let text = try String(contentsOfFile: path + entry, encoding: .utf8)
      let start = try #require(text.range(of: #""sources":[{"name":"2.json","sha256":""#))
      return String(text[start.upperBound...].prefix(64))
    }
    let text = try String(contentsOfFile: forged + entry, encoding: .utf8)
      .replacingOccurrences(of: digests[1], with: digests[0])
    try FileManager.default.removeItem(atPath: table)
    try FileManager.default.copyItem(atPath: forged, toPath: table)
    try FileManager.default.removeItem(atPath: table + entry)
    try Data(text.utf8).write(to: URL(fileURLWithPath: table + entry))
    let rerun = try here.warehouse.rerun("t")[0]
    #expect(rerun.versions.map(\.outcome) == [.same, .different], "\(rerun)")
    #expect(rerun.versions[1].reasons.contains { $0.contains("_manifest.json holds other bytes") })
  }
}
