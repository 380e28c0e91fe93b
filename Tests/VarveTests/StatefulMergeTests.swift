import Foundation
import Testing
import Varve

/// The pattern's public example: daily feeds of devices, merged by id, then a day of the past corrected.
@Suite struct StatefulMergeTests {
  /// What one day's feed brings: id → value.
  typealias Day = [(Int, String)]

  private func json(_ day: Day) -> String {
    "[" + day.map { #"{"id":\#($0.0),"v":"\#($0.1)"}"# }.joined(separator: ",") + "]"
  }

  @discardableResult
  private func run(
    _ here: TemporaryWarehouse, _ execution: String, _ day: Day, _ change: (inout IngestRequest) -> Void = { _ in }
  ) throws -> IngestReport {
    try here.ingest("day-\(execution).json", json(day)) { request in
      request.mode = .statefulMerge
      request.key = ["id"]
      request.execution = execution
      change(&request)
    }
  }

  private func model(_ days: [Day]) -> [String] {
    var rows: [Int: String] = [:]
    for day in days { for (id, value) in day { rows[id] = value } }
    return rows.sorted { $0.key < $1.key }.map { "\($0.key)|\($0.value)" }
  }

  private let days: [Day] = [
    [(1, "a1"), (2, "a2"), (3, "a3")], [(2, "b2"), (4, "b4")], [(3, "c3"), (5, "c5")], [(6, "d6"), (1, "d1")],
    [(5, "e5"), (6, "d6"), (7, "e7")],
  ]

  private func fiveDays() throws -> TemporaryWarehouse {
    let here = try TemporaryWarehouse()
    for (index, day) in days.enumerated() {
      #expect(try run(here, "2024-10-0\(index + 1)", day).version == index + 1)
    }
    #expect(try here.rows("SELECT id, v FROM t ORDER BY id") == model(days))
    return here
  }

  @Test func `the same day again with reingest replays the later days to the same table`() throws {
    let here = try fiveDays()
    #expect(try run(here, "2024-10-03", days[2]).outcome == .unchanged)
    let report = try run(here, "2024-10-03", days[2]) { $0.reingest = true }
    #expect(report.outcome == .committed && report.version == 8)
    #expect(try here.rows("SELECT id, v FROM t ORDER BY id") == model(days))
    let runs = try here.warehouse.executions("t")
    #expect(runs.map(\.version) == [1, 2, 6, 7, 8])
    #expect(runs.map(\.base) == [0, 1, 2, 6, 7])
    #expect(runs.allSatisfy { $0.status == "active" })
  }

  @Test func `a corrected day gives what a naive model gives, and earlier days keep their versions`() throws {
    let here = try fiveDays()
    var corrected = days
    corrected[2] = [(3, "C3"), (8, "C8")]
    try run(here, "2024-10-03", corrected[2])
    #expect(try here.rows("SELECT id, v FROM t ORDER BY id") == model(corrected))
    #expect(try here.rows(#"SELECT id, v FROM "t@execution:2024-10-02" ORDER BY id"#) == model(Array(days[..<2])))
    #expect(try here.rows(#"SELECT id, v FROM "t@execution:2024-10-03" ORDER BY id"#) == model(Array(corrected[..<3])))
    #expect(try here.rows(#"SELECT id, v FROM "t@5" ORDER BY id"#) == model(days))
    #expect(try here.warehouse.executions("t").map(\.version) == [1, 2, 6, 7, 8])
  }

  @Test func `the published example: twelve rows, and fourteen after day 4 was corrected`() throws {
    let here = try TemporaryWarehouse()
    let example: [Day] = [
      [(1, "p1"), (2, "p2"), (3, "p3")], [(4, "p4"), (5, "p5"), (6, "p6")], [(7, "p7"), (8, "p8")],
      [(9, "p9"), (10, "p10")], [(9, "p9"), (10, "p10"), (11, "p11"), (12, "p12")],
    ]
    for (index, day) in example.enumerated() { try run(here, "2024-11-0\(index + 1)", day) }
    #expect(try here.rows("SELECT count(*) FROM t") == ["12"])
    try run(here, "2024-11-04", [(13, "p13"), (14, "p14")])
    // Day 5 still repeats the rows that day 4 had before.
    #expect(try here.rows("SELECT count(*) FROM t") == ["14"])
  }

  @Test func `a late arrival goes between its neighbours`() throws {
    let here = try TemporaryWarehouse()
    for index in [0, 1, 3, 4] { try run(here, "2024-10-0\(index + 1)", days[index]) }
    try run(here, "2024-10-03", days[2])
    #expect(try here.rows("SELECT id, v FROM t ORDER BY id") == model(days))
    #expect(try here.warehouse.executions("t").map(\.execution) == (1...5).map { "2024-10-0\($0)" })
  }

  @Test func `the newest day again goes back to its own base`() throws {
    let here = try fiveDays()
    let corrected: Day = [(9, "E9")]
    #expect(try run(here, "2024-10-05", corrected).version == 6)
    #expect(try here.rows("SELECT id, v FROM t ORDER BY id") == model(Array(days[..<4]) + [corrected]))
  }

  @Test func `the first day again keeps what was loaded before it by other means`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("initial.json", #"[{"id":100,"v":"old"}]"#) {
      $0.mode = .merge
      $0.key = ["id"]
    }
    try run(here, "2024-10-01", days[0])
    try run(here, "2024-10-02", days[1])
    try run(here, "2024-10-01", [(1, "A1")])
    #expect(try here.rows("SELECT id, v FROM t ORDER BY id") == ["1|A1", "2|b2", "4|b4", "100|old"])
  }

  @Test func `without cascade the later days are stale, readers keep the old version, and running them completes it`()
    throws
  {
    let here = try fiveDays()
    var corrected = days
    corrected[2] = [(3, "C3")]
    let report = try run(here, "2024-10-03", corrected[2]) { $0.cascades = false }
    #expect(report.version == 6)
    #expect(try here.rows("SELECT id, v FROM t ORDER BY id") == model(days))
    #expect(
      try here.warehouse.executions("t").map(\.status) == ["active", "active", "active", "stale", "stale"])
    let forward = try problem { try run(here, "2024-10-06", [(1, "f1")]) }
    #expect(forward.kind == .refused && "\(forward)".contains("2024-10-04, 2024-10-05"))
    let outOfOrder = try problem { try run(here, "2024-10-05", days[4]) }
    #expect(outOfOrder.kind == .refused)
    try run(here, "2024-10-04", days[3])
    #expect(try here.rows("SELECT id, v FROM t ORDER BY id") == model(days))
    try run(here, "2024-10-05", days[4])
    #expect(try here.rows("SELECT id, v FROM t ORDER BY id") == model(corrected))
    try run(here, "2024-10-06", [(1, "f1")])
    #expect(try here.rows("SELECT v FROM t WHERE id = 1") == ["f1"])
  }

  @Test func `what was done by other means since is not dropped unless told`() throws {
    let here = try fiveDays()
    try here.ingest("manual.json", #"[{"id":3,"v":"by hand"}]"#) { $0.mode = .merge }
    let found = try problem { try run(here, "2024-10-03", [(3, "C3")]) }
    #expect(found.kind == .refused && "\(found)".contains("6 (merge)"))
    let both = try problem {
      try run(here, "2024-10-03", [(3, "C3")]) { ($0.discardsInterposed, $0.reappliesInterposed) = (true, true) }
    }
    #expect(both.kind == .usage)
    try run(here, "2024-10-03", [(3, "C3")]) { $0.reappliesInterposed = true }
    #expect(try here.rows("SELECT v FROM t WHERE id = 3") == ["by hand"])
    try run(here, "2024-10-03", [(3, "C3")]) {
      ($0.discardsInterposed, $0.reingest) = (true, true)
    }
    var corrected = days
    corrected[2] = [(3, "C3")]
    #expect(try here.rows("SELECT id, v FROM t ORDER BY id") == model(corrected))
  }

  @Test func `a replay keeps columns and types that later days brought`() throws {
    let here = try TemporaryWarehouse()
    func day(_ execution: String, _ text: String) throws {
      try here.ingest("d-\(execution).json", text) {
        $0.mode = .statefulMerge
        $0.key = ["id"]
        $0.execution = execution
        $0.partitionBy = ["m"]
      }
    }
    try day("1", #"[{"id":1,"m":"DE","p":1}]"#)
    try day("2", #"[{"id":2,"m":"AT","p":2.5}]"#)
    try day("3", #"[{"id":1,"m":"AT","q":"x"}]"#)
    #expect(try here.rows("SELECT id, m, p, q FROM t ORDER BY id") == ["1|AT|1.0|x", "2|AT|2.5|∅"])
    try day("1", #"[{"id":1,"m":"DE","p":7},{"id":9,"m":"DE","p":9}]"#)
    #expect(try here.rows("SELECT id, m, p, q FROM t ORDER BY id") == ["1|AT|7.0|x", "2|AT|2.5|∅", "9|DE|9.0|∅"])
    #expect(try here.types() == ["id int64", "m text", "p double", "q text"])
    #expect(try here.rows(#"SELECT id, p FROM "t@execution:1" ORDER BY id"#) == ["1|7", "9|9"])
  }

  /// `é` in one code point and in two.
  @Test func `partitions that look alike and are spelled otherwise stay two, in every way to write them`() throws {
    let here = try TemporaryWarehouse()
    let (one, two) = ("\u{E9}", "e\u{301}")
    func day(_ execution: String, _ rows: [(Int, String, Int)]) throws {
      let records = rows.map { #"{"id":\#($0.0),"city":"\#($0.1)","v":\#($0.2)}"# }.joined(separator: ",")
      try here.ingest("d-\(execution).json", "[\(records)]") {
        $0.mode = .statefulMerge
        $0.key = ["id"]
        $0.execution = execution
        $0.partitionBy = ["city"]
      }
    }
    func sums() throws -> [String] {
      try here.rows("SELECT hex(city), count(*), sum(v) FROM t GROUP BY city ORDER BY 1").map { String($0) }
    }
    func directories() throws -> Int {
      try FileManager.default.contentsOfDirectory(atPath: here.warehouse.path + "/t").count { $0.hasPrefix("city=") }
    }
    try day("1", [(1, one, 1), (2, two, 10)])
    try day("2", [(3, two, 100), (4, one, 1000)])
    try day("3", [(1, two, 2)])
    #expect(try sums() == ["65CC81|3|112", "C3A9|1|1000"])
    try day("1", [(1, one, 1), (2, two, 20), (5, one, 5)])
    #expect(try sums() == ["65CC81|3|122", "C3A9|2|1005"])
    #expect(try directories() == 2)
    #expect(try here.rows("SELECT count(*) FROM t WHERE city = '\(two)'") == ["3"])
    _ = try here.warehouse.truncate("t", partitions: [["city": one]])
    #expect(try sums() == ["65CC81|3|122"])
    for (index, city) in [one, two].enumerated() {
      try here.ingest("o-\(index).json", #"[{"id":\#(90 + index),"city":"\#(city)","v":7}]"#) {
        $0.mode = .overwrite
        $0.partitions = [["city": city]]
      }
      #expect(try here.rows("SELECT count(*) FROM t WHERE city = '\(city)'") == ["1"])
    }
    #expect(try sums() == ["65CC81|1|7", "C3A9|1|7"])
    #expect(try here.warehouse.verify().allSatisfy(\.isWhole))
  }

  @Test func `a run that changes nothing leaves its row in the state all the same`() throws {
    let here = try fiveDays()
    #expect(try run(here, "2024-10-06", days[4]).version == 6)
    #expect(try here.warehouse.executions("t").count == 6)
  }
}
