import Foundation
import Testing
import Varve

/// Several tables, all or nothing.
@Suite struct TransactionTests {
  private func request(_ here: TemporaryWarehouse, _ feeds: [(table: String, name: String, text: String)]) throws
    -> TransactionRequest
  {
    TransactionRequest(
      try feeds.map { feed in
        var request = IngestRequest([try here.feed(feed.name, feed.text)], into: feed.table)
        request.mode = .merge
        request.key = ["k"]
        return request
      }, id: "night-1")
  }

  @Test func `new tables and old ones get their versions together`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("old.json", #"[{"k":1,"v":"a"}]"#, into: "old") {
      $0.mode = .merge
      $0.key = ["k"]
    }
    let report = try here.warehouse.commit(
      request(
        here,
        [
          ("old", "1.json", #"[{"k":1,"v":"b"},{"k":2,"v":"c"}]"#), ("fresh", "2.json", #"[{"k":7,"w":1.5}]"#),
          ("another", "3.json", #"[{"k":9}]"#),
        ]))
    #expect(report.outcome == .committed)
    #expect(report.versions.map { "\($0.table)@\($0.version)" } == ["old@2", "fresh@1", "another@1"])
    #expect(report.reports.map(\.version) == [2, 1, 1])
    #expect(try here.rows("SELECT k, v FROM old ORDER BY k") == ["1|b", "2|c"])
    #expect(try here.rows("SELECT k, w FROM fresh") == ["7|1.5"])
    #expect(try here.warehouse.describe("fresh").key == ["k"])
    #expect(try here.ingest("4.json", #"[{"k":8,"w":2}]"#, into: "fresh").version == 2)

    let later = try here.warehouse.outcome(ofTransaction: "night-1")
    #expect(later.outcome == .committed && later.versions.map(\.version) == [2, 1, 1])
    #expect(try here.warehouse.outcome(ofTransaction: "night-2").outcome == .unknown)
    #expect(throws: Problem.self) { try here.warehouse.outcome(ofTransaction: "../night") }
    #expect(!here.files().contains { $0.contains("pending/") || $0.contains("staging/") })
  }

  @Test func `the same id commits once, whatever it brings`() throws {
    let here = try TemporaryWarehouse()
    _ = try here.warehouse.commit(request(here, [("t", "a.json", #"[{"k":1}]"#), ("u", "b.json", #"[{"k":1}]"#)]))
    let again = try here.warehouse.commit(
      request(here, [("t", "c.json", #"[{"k":2}]"#), ("u", "d.json", #"[{"k":2}]"#)]))
    #expect(again.outcome == .committed && again.versions.map(\.version) == [1, 1])
    #expect(try here.rows("SELECT k FROM t") == ["1"])
  }

  @Test func `feeds that are in their tables already make no version`() throws {
    let here = try TemporaryWarehouse()
    let feeds = [("t", "a.json", #"[{"k":1}]"#), ("u", "b.json", #"[{"k":1}]"#)]
    _ = try here.warehouse.commit(request(here, feeds))
    var again = try request(here, feeds)
    again.id = "night-2"
    let report = try here.warehouse.commit(again)
    #expect(report.outcome == .unchanged && report.versions.isEmpty)
    again = try request(here, [feeds[0], ("u", "c.json", #"[{"k":2}]"#)])
    again.id = "night-3"
    #expect(try here.warehouse.commit(again).versions.map { "\($0.table)@\($0.version)" } == ["u@2"])
  }

  @Test func `when one feed is bad, no table has anything of it, and after the fix all have`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("old.json", #"[{"k":1,"v":2}]"#, into: "old") {
      $0.mode = .merge
      $0.key = ["k"]
    }
    let before = here.files()
    let good = ("fresh", "2.json", #"[{"k":7}]"#)
    let found = try problem {
      _ = try here.warehouse.commit(request(here, [good, ("old", "1.json", #"[{"k":1,"v":"x"}]"#)]))
    }
    #expect(found.kind == .failed && "\(found)".contains("1.json"))
    #expect(here.files() == before)
    #expect(try here.warehouse.outcome(ofTransaction: "night-1").outcome == .unknown)
    let fixed = try here.warehouse.commit(request(here, [good, ("old", "1.json", #"[{"k":1,"v":3}]"#)]))
    #expect(fixed.versions.map(\.version) == [1, 2])
  }

  @Test func `a table stands once, and stateful merges commit by themselves`() throws {
    let here = try TemporaryWarehouse()
    let feeds = [("t", "a.json", #"[{"k":1}]"#), ("t", "b.json", #"[{"k":2}]"#)]
    #expect(try problem { _ = try here.warehouse.commit(request(here, feeds)) }.kind == .usage)
    var stateful = try request(here, [feeds[0]])
    stateful.ingestions[0].mode = .statefulMerge
    #expect(try problem { _ = try here.warehouse.commit(stateful) }.kind == .usage)
    #expect(here.files().isEmpty)
  }

  @Test func `a transaction file names what it does not understand`() throws {
    let here = try TemporaryWarehouse()
    func read(_ text: String) throws -> TransactionRequest {
      TransactionRequest(try TransactionRequest(path: here.feed("t.json", text).path).ingestions)
    }
    let request = try read(
      #"{"id":"x","ingestions":[{"table":"t","mode":"merge","key":["k"],"feeds":["a.csv",{"path":"b.xlsx","sheet":"2"}]}]}"#
    )
    #expect(request.ingestions[0].feeds.map(\.path) == ["a.csv", "b.xlsx"])
    #expect(request.ingestions[0].feeds[1].sheet == "2" && request.ingestions[0].mode == .merge)
    for (text, word) in [
      ("[]", "ingestions"), (#"{"ingestions":[{"feeds":["a"]}]}"#, "table"),
      (#"{"ingestions":[{"table":"t","feeds":["a"],"mode":"merg"}]}"#, "mode"),
      (#"{"ingestions":[{"table":"t","feeds":["a"],"keys":["k"]}]}"#, "keys"),
      (#"{"ingestions":[{"table":"t","feeds":[{"path":"a","shet":"2"}]}]}"#, "shet"), ("{", "JSON"),
    ] {
      let found = try problem { _ = try read(text) }
      #expect(found.kind == .failed && "\(found)".contains(word), "\(text): \(found)")
    }
  }
}
