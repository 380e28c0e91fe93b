import Foundation
import Given
import Testing
import Varve

/// Small files become larger ones, and nothing else changes.
@Suite struct CompactTests {
  private func many(_ count: Int = 12, partitioned: Bool = false) throws -> TemporaryWarehouse {
    let here = try TemporaryWarehouse()
    for number in 0..<count {
      let rows = (0..<5).map { "\(number * 5 + $0),\(["DE", "AT", "CH"][$0 % 3]),\(number)\n" }.joined()
      try here.ingest("\(number).csv", "id,market,v\n" + rows) {
        if partitioned { $0.partitionBy = ["market"] }
        $0.zstdLevel = number == 0 ? 7 : nil
      }
    }
    return here
  }

  private func live(_ here: TemporaryWarehouse) throws -> Int { try here.warehouse.describe("t").fileCount }

  @Test(arguments: [false, true])
  func `many files become few, with the same rows at the same places`(_ partitioned: Bool) throws {
    let here = try many(partitioned: partitioned)
    let before = try here.rows("SELECT * FROM t")
    let planned = try here.warehouse.compact("t", isDryRun: true)
    #expect(planned.outcome == .planned && planned.fileCountBefore == (partitioned ? 36 : 12))
    #expect(try here.warehouse.describe("t").version == 12)
    let report = try here.warehouse.compact("t")
    #expect(report.outcome == .committed && report.version == 13 && report.rowCount == 60)
    #expect(report.fileCountAfter == (partitioned ? 3 : 1) && report.rowsSHA256?.count == 64)
    #expect(try live(here) == report.fileCountAfter)
    #expect(try here.rows("SELECT * FROM t") == before)
    #expect(try here.rows("SELECT * FROM \"t@12\"") == before)
    let difference = try here.warehouse.diff("t@12", "t@13")
    #expect(try difference.next() == nil)
    let entry = try here.warehouse.history("t")[0]
    #expect(entry.operation == "OPTIMIZE" && entry.mode == "compact" && entry.rows?.inserted == 0)
    #expect(try here.warehouse.describe("t").zstdLevel == 7)
    #expect(try here.warehouse.compact("t").outcome == .unchanged)
    #expect(try here.warehouse.verify()[0].findings.isEmpty)
    // Its old files go like any other's.
    var request = VacuumRequest("t")
    request.keepVersions = 1
    request.applies = true
    #expect(try here.warehouse.vacuum(request).files.count == planned.fileCountBefore)
    #expect(try here.rows("SELECT * FROM t") == before)
  }

  @Test func `the same rows have the same digest, however they lie in files, and others another`() throws {
    let one = try many()
    let two = try TemporaryWarehouse()
    try two.ingest(
      "a.csv", "id,market,v\n" + (0..<30).map { "\($0),\(["DE", "AT", "CH"][$0 % 5 % 3]),\($0 / 5)\n" }.joined())
    try two.ingest(
      "b.csv", "id,market,v\n" + (30..<60).map { "\($0),\(["DE", "AT", "CH"][$0 % 5 % 3]),\($0 / 5)\n" }.joined())
    let digest = try one.warehouse.compact("t").rowsSHA256
    #expect(try two.warehouse.compact("t").rowsSHA256 == digest)
    try two.ingest("c.csv", "id,market,v\n99,DE,1\n")
    #expect(try two.warehouse.compact("t").rowsSHA256 != digest)
  }

  @Test func `large files stay, and files are not made larger than was asked for`() throws {
    let here = try TemporaryWarehouse()
    // Numbers that compress badly, so that the size is known about.
    var random = Seed()
    func rows(_ count: Int) -> String {
      (0..<count).map { _ in "\(Int.random(in: 0 ... .max, using: &random))\n" }.joined()
    }
    try here.ingest("big.csv", "n\n" + rows(40_000))
    for number in 0..<4 { try here.ingest("\(number).csv", "n\n" + rows(300)) }
    let before = try here.rows("SELECT * FROM t")
    let big = here.files().filter { $0.hasSuffix(".parquet") && $0.contains("v00000001") }
    let report = try here.warehouse.compact("t", targetBytes: 300_000)
    #expect(report.fileCountBefore == 4 && report.fileCountAfter == 1)
    #expect(try live(here) == 2 && here.rows("SELECT * FROM t") == before)
    #expect(here.files().filter { $0.hasSuffix(".parquet") && $0.contains("v00000001") } == big)
    // What is appended later is compacted with the last small one, and the large one is left alone again.
    try here.ingest("more.csv", "n\n" + rows(300))
    #expect(try here.warehouse.compact("t", targetBytes: 300_000).fileCountBefore == 2)
    #expect(try here.warehouse.verify()[0].findings.isEmpty)
  }

  @Test func `only the partitions that were named`() throws {
    let here = try many(partitioned: true)
    #expect(try here.warehouse.compact("t", partitions: [["market": "DE"]]).fileCountAfter == 1)
    #expect(try live(here) == 25)
    #expect(try problem { _ = try here.warehouse.compact("t", partitions: [["v": "1"]]) }.kind == .usage)
    #expect(try problem { _ = try here.warehouse.compact("other") }.kind == .failed)
    #expect(try problem { _ = try here.warehouse.compact("t", targetBytes: 0) }.kind == .usage)
  }

  @Test func `every type, columns that came later and nulls are as they were`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("1.ndjson", #"{"a":1,"b":true,"c":"x\u0000y","d":1.5,"e":{"k":[1,2.50]}}"# + "\n")
    try here.ingest(
      "2.ndjson", #"{"a":2,"f":"2024-01-01","d":-0.0}"# + "\n" + #"{"a":3,"c":"","g":12345678901234567890123}"# + "\n")
    try here.ingest("3.ndjson", #"{"a":1.25,"e":null}"# + "\n")
    let before = try here.rows("SELECT * FROM t")
    let types = try here.types()
    #expect(try here.warehouse.compact("t").rowCount == 4)
    #expect(try here.rows("SELECT * FROM t") == before && here.types() == types)
    #expect(try live(here) == 1)
  }

  @Test func `rows that were struck out are not written anew`() throws {
    let here = try TemporaryWarehouse()
    for number in 0..<4 {
      try here.ingest("\(number).csv", "id,v\n1,\(number)\n\(number + 10),0\n") {
        $0.key = ["id"]
        $0.mode = .merge
        $0.updates = .mergeOnRead
      }
    }
    let before = try here.rows("SELECT * FROM t")
    let report = try here.warehouse.compact("t")
    #expect(report.rowCount == 5 && report.fileCountBefore == 4 && report.fileCountAfter == 1)
    #expect(try here.rows("SELECT * FROM t") == before)
    try here.ingest("5.csv", "id,v\n1,9\n")
    // One file, of which a row was struck out, and a small one.
    #expect(try here.warehouse.compact("t").rowCount == 5)
    #expect(try live(here) == 1 && here.rows("SELECT v FROM t WHERE id = 1") == ["9"])
    var request = VacuumRequest("t")
    request.keepVersions = 1
    request.applies = true
    _ = try here.warehouse.vacuum(request)
    #expect(try here.rows("SELECT count(*) FROM t") == ["5"])
    #expect(try here.warehouse.verify()[0].isWhole)
  }

  @Test func `executions and repeated feeds pass over it`() throws {
    let here = try TemporaryWarehouse()
    func run(_ day: Int, _ value: Int) throws -> IngestReport {
      try here.ingest("\(day)-\(value).csv", "id,v\n\(day),\(value)\n") {
        $0.mode = .statefulMerge
        $0.key = ["id"]
        $0.execution = "2024-10-0\(day)"
      }
    }
    for day in 1...4 { _ = try run(day, day) }
    #expect(try here.warehouse.compact("t").outcome == .committed)
    #expect(try run(4, 4).outcome == .unchanged)
    _ = try run(5, 5)
    #expect(try here.warehouse.compact("t").outcome == .committed)
    // Back behind both of them, and forward again.
    _ = try run(2, 22)
    #expect(try here.rows("SELECT v FROM t ORDER BY id") == ["1", "22", "3", "4", "5"])
    #expect(try here.warehouse.executions("t").map(\.status) == Array(repeating: "active", count: 5))
    #expect(try here.warehouse.verify()[0].findings.isEmpty)
    try here.ingest("o.csv", "n\n1\n", into: "o") { $0.mode = .overwrite }
    try here.ingest("p.csv", "n\n2\n", into: "o") { $0.mode = .append }
    try here.ingest("q.csv", "n\n1\n2\n", into: "o") { $0.mode = .overwrite }
    try here.ingest("p.csv", "n\n2\n", into: "p") { $0.mode = .append }
    try here.ingest("q.csv", "n\n3\n", into: "p") { $0.mode = .append }
    #expect(try here.warehouse.compact("p").outcome == .committed)
    #expect(try here.ingest("q.csv", "n\n3\n", into: "p").outcome == .unchanged)
  }

  @Test(arguments: 0..<2) func `random feeds, compactions and vacuums leave every row`(_ number: Int) throws {
    var random = Seed("compaction, \(number)")
    let here = try TemporaryWarehouse()
    var expected: [String] = []
    var seen: [String] = []
    let steps = ProcessInfo.processInfo.environment["VARVE_PROOF"] == nil ? 25 : 200
    for step in 0..<steps {
      switch step < 3 ? 0 : Int.random(in: 0..<6, using: &random) {
      case 0...2:
        let rows = (0..<Int.random(in: 1...6, using: &random)).map { "\(step * 10 + $0),\($0 % 2)" }
        try here.ingest("\(step).csv", "id,p\n" + rows.map { $0 + "\n" }.joined()) {
          $0.mode = .append
          if number == 1 { $0.partitionBy = ["p"] }
        }
        expected += rows.map { $0.replacingOccurrences(of: ",", with: "|") }
        seen = try here.rows("SELECT * FROM t")
      case 3, 4:
        _ = try here.warehouse.compact("t", targetBytes: [600, 2_000, 1 << 20].randomElement(using: &random)!)
        #expect(try here.rows("SELECT * FROM t") == seen, "step \(step)")
      default:
        var request = VacuumRequest("t")
        request.keepVersions = 1
        request.applies = true
        _ = try here.warehouse.vacuum(request)
      }
      #expect(try here.rows("SELECT * FROM t").sorted() == expected.sorted(), "step \(step)")
    }
    #expect(try here.warehouse.verify()[0].isWhole)
  }
}
