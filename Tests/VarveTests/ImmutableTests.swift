import Foundation
import Testing
import Varve

/// Write-once tables.
@Suite struct ImmutableTests {
  /// Version directories and their modes.
  private func modes(_ here: TemporaryWarehouse) throws -> [String: Int] {
    var modes: [String: Int] = [:]
    for path in here.files() where path.split(separator: "/").last?.wholeMatch(of: /v[0-9]{8}/) != nil {
      let attributes = try FileManager.default.attributesOfItem(atPath: here.directory + "/warehouse/" + path)
      modes[path] = (attributes[.posixPermissions] as? NSNumber)?.intValue
    }
    return modes
  }

  private func areSealed(_ here: TemporaryWarehouse) throws -> Bool {
    try modes(here).values.allSatisfy { $0 == 0o555 }
  }

  @Test func `directories of versions are read-only after each commit, whatever it was`() throws {
    let here = try TemporaryWarehouse()
    func ingest(_ text: String, _ mode: IngestMode, _ execution: String? = nil, into table: String = "t") throws {
      try here.ingest("\(UUID().uuidString).csv", "id,market,price\n" + text, into: table) {
        $0.mode = mode
        $0.key = ["id"]
        $0.partitionBy = ["market"]
        $0.execution = execution
        if (try? here.warehouse.describe(table)) == nil { $0.isImmutable = true }
      }
      #expect(try areSealed(here))
    }
    try ingest("1,DE,1\n2,AT,2\n", .append)
    try ingest("3,DE,3\n", .insert)
    try ingest("1,FR,10\n4,DE,4\n", .merge)
    try ingest("5,AT,5\n", .overwrite)
    _ = try here.warehouse.restore("t@3")
    _ = try here.warehouse.truncate("t", partitions: [["market": "DE"]])
    for day in 1...3 { try ingest("\(day),DE,\(day)\n9,AT,\(day)\n", .statefulMerge, "2024-10-0\(day)", into: "s") }
    try ingest("1,DE,7\n", .statefulMerge, "2024-10-01", into: "s")
    #expect(try here.rows("SELECT id, price FROM s ORDER BY id") == ["1|7", "2|2", "3|3", "9|3"])
    #expect(try areSealed(here) && modes(here).count > 12)
    #expect(try here.warehouse.verify().allSatisfy { $0.findings.isEmpty })
    #expect(try here.warehouse.describe("s").isImmutable && here.warehouse.describe("s").immutableDays == nil)
  }

  @Test func `a table becomes immutable later, its days only grow, and a restore does not free it`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.csv", "id\n1\n")
    try here.ingest("b.csv", "id\n2\n")
    #expect(try !areSealed(here))
    let refused = try problem { try here.ingest("c.csv", "id\n3\n") { $0.isImmutable = true } }
    #expect(refused.kind == .refused && "\(refused)".contains("varve immutable t"))
    let report = try here.warehouse.makeImmutable("t", days: 30)
    #expect(report.outcome == .committed && report.version == 3)
    #expect(try areSealed(here) && modes(here).count == 2)
    #expect(try here.warehouse.makeImmutable("t", days: 30).outcome == .unchanged)
    #expect(try problem { _ = try here.warehouse.makeImmutable("t", days: 29) }.kind == .refused)
    #expect(try problem { _ = try here.warehouse.makeImmutable("t", days: -1) }.kind == .usage)
    #expect(try here.warehouse.makeImmutable("t", days: 90).version == 4)
    #expect(try here.warehouse.restore("t@1").version == 5)
    #expect(try here.warehouse.describe("t").immutableDays == 90)
    #expect(try here.warehouse.makeImmutable("t").version == 6)
    #expect(
      try problem { _ = try here.warehouse.makeImmutable("t", days: 1000) }.what
        == "is immutable for ever, and cannot be for less")
    try here.ingest("d.csv", "id\n4\n")
    #expect(try areSealed(here) && here.rows("SELECT id FROM t") == ["1", "4"])
  }

  @Test func `an immutable table is not dropped before its time`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.csv", "id\n1\n") {
      $0.isImmutable = true
      $0.immutableDays = 30
    }
    let refused = try problem { _ = try here.warehouse.drop("t") }
    #expect(refused.kind == .refused && "\(refused)".contains("ends at 2023-12-14"))
    let later = Warehouse(
      at: here.directory + "/warehouse",
      surroundings: .rehearsed(startingAt: 1_700_000_000_000 + 31 * 86_400_000, seed: 8))
    _ = try later.drop("t")
    _ = try later.bringBack("t")
    #expect(try here.rows("SELECT id FROM t") == ["1"] && areSealed(here))
  }

  @Test func `a directory that can be written to is found, and repair seals it and what it put back`() throws {
    let here = try TemporaryWarehouse()
    let feed = "id,market\n1,DE\n"
    try here.ingest("a.csv", feed) { $0.isImmutable = true }
    try here.ingest("a.csv", feed) { $0.reingest = true }
    let root = here.directory + "/warehouse/t/"
    func setMode(_ mode: Int, _ path: String) throws {
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: root + path)
    }
    try setMode(0o700, "v00000001")
    let found = try here.warehouse.verify("t")[0]
    #expect(found.isWhole && found.findings.map(\.path) == ["v00000001"])
    // A part of the other version is lost, and its bytes lie in this one.
    let part = try #require(here.files().first { $0.hasPrefix("t/v00000002/part-") }).dropFirst(2)
    try setMode(0o700, "v00000002")
    try setMode(0o600, String(part))
    try Data("no Parquet".utf8).write(to: URL(fileURLWithPath: root + part))
    try setMode(0o555, "v00000002")
    #expect(try !here.warehouse.verify("t")[0].isWhole)
    #expect(try here.warehouse.repair("t")[0].verification.findings.isEmpty)
    #expect(try areSealed(here))
    #expect(try here.rows("SELECT id FROM t") == ["1", "1"])
  }

  @Test func `days without the option, and other days than the table's, are refused`() throws {
    let here = try TemporaryWarehouse()
    #expect(try problem { try here.ingest("a.csv", "id\n1\n") { $0.immutableDays = 3 } }.kind == .usage)
    try here.ingest("a.csv", "id\n1\n") {
      $0.isImmutable = true
      $0.immutableDays = 3
    }
    let same = try here.ingest("b.csv", "id\n2\n") {
      $0.isImmutable = true
      $0.immutableDays = 3
    }
    #expect(same.version == 2)
    #expect(try problem { try here.ingest("c.csv", "id\n3\n") { $0.isImmutable = true } }.kind == .refused)
  }
}
