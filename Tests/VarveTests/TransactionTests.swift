import Foundation
import Synchronization
import Testing
import Varve

/// A thread that asks for the first row of a query again and again.
private final class Reader: Sendable {
  let hasLooked = DispatchSemaphore(value: 0)
  private let hasEnded = DispatchSemaphore(value: 0)
  private let isStopped = Atomic<Bool>(false)
  private let answers = Mutex<(rows: [[Value]], error: Problem?)>(([], nil))

  init(of path: String, _ sql: String) {
    Thread.detachNewThread { [self] in
      let warehouse = Warehouse(at: path)
      repeat {
        do {
          let row = try warehouse.query(sql).next() ?? []
          answers.withLock { $0.rows.append(row) }
        } catch {
          answers.withLock { $0.error = error as? Problem ?? Problem(.failed, "\(error)") }
        }
        hasLooked.signal()
      } while !isStopped.load(ordering: .relaxed)
      hasEnded.signal()
    }
  }

  func stop() -> (rows: [[Value]], error: Problem?) {
    isStopped.store(true, ordering: .relaxed)
    hasEnded.wait()
    return answers.withLock { $0 }
  }
}

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
    // The ledger tells of them as of any ingestion.
    let told = try here.warehouse.ingestions()
    #expect(told.filter { $0.table != "old" || $0.version == 2 }.map(\.attempts) == [1, 1, 1, 1])
    #expect(told.allSatisfy { $0.state == .done } && told.count == 5)
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
    #expect(
      Set(here.files()).subtracting(before) == [
        "_transactions", "_transactions/ended", "_transactions/ended/night-1.json", "_transactions/pending",
      ])
    let ended = try here.warehouse.outcome(ofTransaction: "night-1")
    #expect(ended.outcome == .rolledBack && ended.reason?.contains("1.json") == true)
    let failed = try here.warehouse.ingestions(state: .failed)
    #expect(Set(failed.map(\.table)) == ["fresh", "old"] && failed.allSatisfy { $0.nextTry == nil })
    // Neither is tried again without the other.
    #expect(try here.warehouse.retry().isEmpty)
    #expect(try problem { _ = try here.warehouse.retry([failed[0].id]) }.kind == .refused)
    let fixed = try here.warehouse.commit(request(here, [good, ("old", "1.json", #"[{"k":1,"v":3}]"#)]))
    #expect(fixed.versions.map(\.version) == [1, 2])
    #expect(try here.warehouse.outcome(ofTransaction: "night-1").outcome == .committed)
    #expect(try here.warehouse.ingestions(state: .failed).isEmpty)
  }

  @Test func `a transaction without effect says so for ever, and one that never was is unknown`() throws {
    let here = try TemporaryWarehouse()
    let feeds = [("t", "a.json", #"[{"k":1}]"#)]
    try here.ingest("a.json", feeds[0].2) {
      $0.mode = .merge
      $0.key = ["k"]
    }
    #expect(try here.warehouse.commit(request(here, feeds)).outcome == .unchanged)
    #expect(try here.warehouse.outcome(ofTransaction: "night-1").outcome == .unchanged)
    #expect(try here.warehouse.outcome(ofTransaction: "night-0").outcome == .unknown)
  }

  @Test func `stateful merges are part of it, backfills and their replays too`() throws {
    let here = try TemporaryWarehouse()
    func commit(_ id: String, _ execution: String, _ stock: String, _ note: String) throws -> TransactionReport {
      var first = IngestRequest([try here.feed("stock-\(execution).json", stock)], into: "stock")
      first.mode = .statefulMerge
      first.key = ["k"]
      first.execution = execution
      var second = IngestRequest([try here.feed("\(id).json", note)], into: "notes")
      second.mode = .append
      return try here.warehouse.commit(TransactionRequest([first, second], id: id))
    }
    for day in 1...3 {
      let report = try commit(
        "d\(day)", "\(day)", #"[{"k":\#(day),"v":\#(day)},{"k":0,"v":\#(day)}]"#, #"[{"n":\#(day)}]"#)
      #expect(report.versions.map(\.version) == [day, day])
    }
    let report = try commit("again", "2", #"[{"k":9,"v":9}]"#, #"[{"n":22}]"#)
    #expect(report.versions.map { "\($0.table)@\($0.version)" } == ["stock@5", "notes@4"])
    #expect(try here.rows("SELECT k, v FROM stock ORDER BY k") == ["0|3", "1|1", "3|3", "9|9"])
    #expect(try here.warehouse.executions("stock").map(\.version) == [1, 4, 5])
    #expect(try here.warehouse.executions("stock").map(\.base) == [0, 1, 4])
    #expect(try here.warehouse.outcome(ofTransaction: "again").versions.map(\.version) == [5, 4])
    #expect(try here.warehouse.verify().allSatisfy(\.isWhole))
  }

  @Test func `a version that is held stays held`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("1.json", #"[{"k":1}]"#) {
      $0.mode = .merge
      $0.key = ["k"]
    }
    try here.ingest("2.json", #"[{"k":2}]"#) { $0.holdsPublication = true }
    _ = try here.warehouse.commit(request(here, [("t", "3.json", #"[{"k":3}]"#), ("u", "4.json", #"[{"k":4}]"#)]))
    #expect(try here.rows("SELECT k FROM t") == ["1"])
    _ = try here.warehouse.publish("t")
    #expect(try here.rows("SELECT k FROM t ORDER BY k") == ["1", "2", "3"])
  }

  /// Readers ask for both tables in one statement, as fast as they can, while transactions give both the next number.
  @Test func `readers see all of a transaction or nothing of it, whenever they look`() throws {
    let here = try TemporaryWarehouse()
    let count = 25
    func commit(_ number: Int) throws {
      let record = #"[{"k":1,"n":\#(number)}]"#
      let report = try here.warehouse.commit(
        {
          var request = try request(here, [("a", "a.json", record), ("b", "b.json", record)])
          request.id = "t-\(number)"
          return request
        }())
      #expect(report.outcome == .committed)
    }
    try commit(0)
    let path = here.warehouse.path
    let readers = (0..<2).map { _ in Reader(of: path, "SELECT a.n, b.n FROM a, b") }
    for reader in readers { reader.hasLooked.wait() }
    for number in 1...count { try commit(number) }
    for reader in readers {
      let (rows, error) = reader.stop()
      #expect(error == nil && rows.allSatisfy { $0[0] == $0[1] })
    }
    #expect(try here.rows("SELECT a.n, b.n FROM a, b") == ["\(count)|\(count)"])
  }

  @Test func `a table stands once`() throws {
    let here = try TemporaryWarehouse()
    let feeds = [("t", "a.json", #"[{"k":1}]"#), ("t", "b.json", #"[{"k":2}]"#)]
    #expect(try problem { _ = try here.warehouse.commit(request(here, feeds)) }.kind == .usage)
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
