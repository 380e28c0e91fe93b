import Foundation
import Testing
import Varve

/// Commands that change a table, or what readers see of it, without a feed.
@Suite struct UpkeepTests {
  private func partitioned() throws -> TemporaryWarehouse {
    let here = try TemporaryWarehouse()
    try here.ingest("1.csv", "sku,market,price\nA,DE,1\nB,AT,2\nC,,3\n") {
      $0.key = ["sku"]
      $0.partitionBy = ["market"]
    }
    try here.ingest("2.csv", "sku,market,price\nD,DE,4\n")
    return here
  }

  @Test func `a truncated table is empty, keeps what it remembers, and its older versions`() throws {
    let here = try partitioned()
    let report = try here.warehouse.truncate("t")
    #expect(report.outcome == .committed && report.version == 3 && report.rows.deleted == 4)
    #expect(try here.rows("SELECT count(*) FROM t") == ["0"])
    #expect(try here.rows(#"SELECT count(*) FROM "t@2""#) == ["4"])
    #expect(try here.warehouse.describe("t").key == ["sku"])
    #expect(try here.warehouse.truncate("t").outcome == .unchanged)
    try here.ingest("3.csv", "sku,market,price\nA,DE,9\n")
    #expect(try here.rows("SELECT sku, price FROM t") == ["A|9"])
    #expect(try here.warehouse.verify().allSatisfy(\.isWhole))
  }

  @Test func `some partitions are emptied, null among them, and the others stay`() throws {
    let here = try partitioned()
    let planned = try here.warehouse.truncate("t", partitions: [["market": "DE"]], isDryRun: true)
    #expect(planned.outcome == .planned && planned.rows.deleted == 2 && planned.version == 2)
    #expect(try here.warehouse.truncate("t", partitions: [["market": "DE"], ["market": nil]]).rows.deleted == 3)
    #expect(try here.rows("SELECT sku FROM t") == ["B"])
    #expect(try here.warehouse.truncate("t", partitions: [["market": "DE"]]).outcome == .unchanged)
    #expect(try problem { _ = try here.warehouse.truncate("t", partitions: [["sku": "A"]]) }.kind == .usage)
    #expect(try here.warehouse.verify().allSatisfy(\.isWhole))
  }

  @Test func `a restored version has its rows, schema and properties, and writes no data`() throws {
    let here = try partitioned()
    try here.ingest("3.csv", "sku,market,price,note\nE,DE,1.5,new\n")
    #expect(try here.types().count == 4)
    let parts = here.files().filter { $0.hasSuffix(".parquet") }
    let report = try here.warehouse.restore("t@2")
    #expect(report.outcome == .committed && report.version == 4)
    #expect(try here.types() == ["sku text", "market text", "price int64"])
    #expect(try here.rows("SELECT sku, price FROM t ORDER BY sku") == ["A|1", "B|2", "C|3", "D|4"])
    #expect(here.files().filter { $0.hasSuffix(".parquet") } == parts)
    #expect(try here.warehouse.restore("t@2").outcome == .unchanged)
    #expect(try here.rows(#"SELECT count(*) FROM "t@3""#) == ["5"])
    #expect(try here.warehouse.verify().allSatisfy(\.isWhole))
    // And back again, onto what was restored.
    try here.ingest("4.csv", "sku,market,price\nF,DE,6\n")
    #expect(try here.warehouse.restore("t@3").version == 6)
    #expect(try here.rows("SELECT sku FROM t WHERE note IS NOT NULL") == ["E"])
    #expect(try here.warehouse.verify().allSatisfy(\.isWhole))
  }

  @Test func `a version whose files are gone is not restored in part`() throws {
    let here = try partitioned()
    _ = try here.warehouse.truncate("t")
    let part = try #require(here.files().first { $0.hasSuffix(".parquet") })
    try FileManager.default.removeItem(atPath: here.directory + "/warehouse/" + part)
    #expect(try problem { _ = try here.warehouse.restore("t@2") }.kind == .damaged)
    #expect(try here.warehouse.history("t").first?.version == 3)
  }

  @Test func `a dropped table is gone, can be made anew, and brought back`() throws {
    let here = try partitioned()
    _ = try here.warehouse.drop("t")
    #expect(try here.warehouse.tables().isEmpty)
    #expect(try problem { _ = try here.rows("SELECT * FROM t") }.kind == .failed)
    try here.ingest("1.csv", "x\n1\n")
    #expect(try problem { _ = try here.warehouse.bringBack("t") }.kind == .refused)
    _ = try here.warehouse.drop("t")
    #expect(try here.warehouse.bringBack("t") == 1)
    #expect(try here.types() == ["x int64"])
    #expect(try problem { _ = try here.warehouse.bringBack("other") }.kind == .failed)
  }

  @Test func `a version that is not published is seen by nobody who does not name it`() throws {
    let here = try partitioned()
    try here.ingest("3.csv", "sku,market,price\nE,DE,5\n") { $0.holdsPublication = true }
    try here.ingest("4.csv", "sku,market,price\nF,DE,6\n")
    #expect(try here.rows("SELECT count(*) FROM t") == ["4"])
    #expect(try here.rows(#"SELECT count(*) FROM "t@4""#) == ["6"])
    // Forward to what is held, and no further.
    let part = try here.warehouse.publish("t@3")
    #expect(part.mode == .held && part.version == 3 && part.newest == 4)
    try here.ingest("5.csv", "sku,market,price\nG,DE,7\n")
    #expect(try here.rows("SELECT count(*) FROM t") == ["5"])
    #expect(try here.warehouse.publish("t").mode == .follow)
    #expect(try here.rows("SELECT count(*) FROM t") == ["7"])
    try here.ingest("6.csv", "sku,market,price\nH,DE,8\n")
    #expect(try here.rows("SELECT count(*) FROM t") == ["8"])
    #expect(try here.warehouse.publications("t").map(\.version) == [2, 3, 5])
    #expect(try here.warehouse.verify().allSatisfy(\.isWhole))
  }

  @Test func `readers that are rolled back stay there until they are let go`() throws {
    let here = try partitioned()
    #expect(try here.warehouse.publish("t@1").mode == .pinned)
    try here.ingest("3.csv", "sku,market,price\nE,DE,5\n")
    #expect(try here.rows("SELECT count(*) FROM t") == ["3"])
    #expect(try problem { _ = try here.warehouse.publish("t") }.kind == .refused)
    #expect(try here.warehouse.publish("t@2", pins: true).mode == .pinned)
    #expect(try here.rows("SELECT count(*) FROM t") == ["4"])
    #expect(try here.warehouse.publish("t", unpins: true).mode == .follow)
    #expect(try here.rows("SELECT count(*) FROM t") == ["5"])
    #expect(try here.warehouse.publications("t").map(\.mode) == [.pinned, .pinned, .follow])
    #expect(try here.warehouse.verify().allSatisfy(\.isWhole))
  }

  @Test func `a tag leads to its version wherever a version is named`() throws {
    let here = try partitioned()
    try here.warehouse.tag("t@1", as: "season")
    #expect(try here.rows(#"SELECT count(*) FROM "t@tag:season""#) == ["3"])
    try here.warehouse.tag("t@1", as: "season")
    #expect(try problem { try here.warehouse.tag("t", as: "season") }.kind == .refused)
    try here.warehouse.tag("t", as: "season", moves: true)
    #expect(try here.rows(#"SELECT count(*) FROM "t@tag:season""#) == ["4"])
    #expect(try here.warehouse.tags("t").map(\.version) == [2])
    try here.warehouse.hold("t@1", until: "2030-01-01")
    #expect(try here.warehouse.holds("t").map(\.until) == ["2030-01-01T00:00:00Z"])
    try here.warehouse.release("t@1")
    try here.warehouse.untag("t", "season")
    #expect(try here.warehouse.holds("t").isEmpty && here.warehouse.tags("t").isEmpty)
    #expect(try problem { _ = try here.rows(#"SELECT * FROM "t@tag:season""#) }.kind == .failed)
    #expect(try problem { try here.warehouse.tag("t", as: "../x") }.kind == .usage)
    #expect(try here.warehouse.verify().allSatisfy(\.isWhole))
  }

  @Test func `history and description tell names, holds and what lies in the trash`() throws {
    let here = try partitioned()
    try here.ingest("3.csv", "sku,market,price\nA,DE,7\n") { $0.mode = .merge }
    try here.warehouse.tag("t@2", as: "season")
    try here.warehouse.hold("t@2")
    try here.warehouse.hold("t@3", until: "2001-01-01")
    let history = try here.warehouse.history("t")
    #expect(history.map(\.tags) == [[], ["season"], []] && history.map(\.isHeld) == [false, true, false])
    let old = try here.warehouse.describe("t@2")
    #expect(old.tags == ["season"] && old.isHeld && old.trashByteCount == 0)
    try here.warehouse.untag("t", "season")
    try here.warehouse.release("t@2")
    var request = VacuumRequest("t")
    request.keepVersions = 1
    request.applies = true
    let freed = try here.warehouse.vacuum(request).byteCount
    #expect(try freed > 0 && here.warehouse.describe("t").trashByteCount == freed)
  }

  @Test func `a dynamic overwrite replaces the partitions of its feed, and no more of them than it may`() throws {
    let here = try partitioned()
    func overwrite(_ text: String, max: Int = 2, _ change: (inout IngestRequest) -> Void = { _ in }) throws
      -> IngestReport
    {
      try here.ingest("o.csv", "sku,market,price\n" + text) {
        $0.mode = .overwrite
        $0.dynamicPartitionsMax = max
        change(&$0)
      }
    }
    let planned = try overwrite("X,DE,7\nY,,8\n") { $0.dryRun = true }
    #expect(planned.outcome == .planned && planned.plan.contains { $0.contains("market=DE") })
    #expect(try overwrite("X,DE,7\nY,,8\n").version == 3)
    #expect(try here.rows("SELECT sku FROM t ORDER BY sku") == ["B", "X", "Y"])
    #expect(try overwrite("X,DE,7\nY,,8\n").outcome == .unchanged)
    #expect(try problem { _ = try overwrite("P,DE,1\nQ,AT,1\nR,FR,1\n") }.kind == .refused)
    #expect(try problem { _ = try overwrite("P,DE,1\n") { $0.partitions = [["market": "DE"]] } }.kind == .usage)
    #expect(try here.rows("SELECT sku FROM t ORDER BY sku") == ["B", "X", "Y"])
  }

  @Test func `damage to kept inputs, and to a newest version that nobody is shown, is found`() throws {
    let here = try TemporaryWarehouse()
    for (day, price) in [("2024-10-01", 1), ("2024-10-02", 2)] {
      try here.ingest("d.csv", "sku,price\nA,\(price)\n") {
        $0.mode = .statefulMerge
        $0.key = ["sku"]
        $0.execution = day
      }
    }
    try here.ingest("h.csv", "sku,price\nA,3\n") {
      $0.mode = .statefulMerge
      $0.execution = "2024-10-03"
      $0.holdsPublication = true
    }
    #expect(try here.warehouse.verify()[0].findings.isEmpty)
    let root = here.directory + "/warehouse/"
    for path in here.files()
    where path.contains("change-sets/") || path.hasSuffix("_delta_log/00000000000000000003.json") {
      let url = URL(fileURLWithPath: root + path)
      guard let whole = try? Data(contentsOf: url) else { continue }
      let time = try FileManager.default.attributesOfItem(atPath: root + path)[.modificationDate]
      func put(_ data: Data) throws {
        try FileManager.default.removeItem(atPath: root + path)
        try data.write(to: url)
        try FileManager.default.setAttributes([.modificationDate: time!], ofItemAtPath: root + path)
      }
      var flipped = whole
      flipped[whole.count / 2] ^= 1
      try put(flipped)
      let found = try here.warehouse.verify()[0].findings.filter(\.isDamage)
      #expect(found.map { "t/" + $0.path } == [path])
      try put(whole)
    }
    #expect(try here.warehouse.verify()[0].findings.isEmpty)
  }
}
