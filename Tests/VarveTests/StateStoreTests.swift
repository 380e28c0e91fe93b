import Foundation
import Testing
import Varve
import class VarveLake.Ledger
import class VarveLake.Storage
import struct VarveLake.WallClock

/// What the ledger tells of ingestions, and that data never depends on it.
@Suite struct StateStoreTests {
  private let good = #"[{"n":1}]"#
  /// A text where the table has whole numbers.
  private let bad = #"[{"n":"x"}]"#

  private func ledger(_ here: TemporaryWarehouse, at milliseconds: Int64 = 1_700_000_000_000) throws -> Ledger {
    let storage = try #require(try Storage.open(here.directory + "/warehouse"))
    return try Ledger.open(storage, clock: WallClock { milliseconds })
  }

  /// The same warehouse, much later.
  private func later(_ here: TemporaryWarehouse, hours: Int64) -> Warehouse {
    Warehouse(
      at: here.directory + "/warehouse",
      surroundings: .rehearsed(startingAt: 1_700_000_000_000 + hours * 3_600_000, seed: UInt64(hours)), threads: 1)
  }

  @Test func `a failed ingestion is noted, is due later, and succeeds when its file was mended`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.json", good)
    let failure = try problem { try here.ingest("b.json", bad) }
    let failed = try #require(try here.warehouse.ingestions(state: .failed).first)
    #expect(failed.sources == ["b.json"] && failed.attempts == 1 && failed.error == failure.description)
    #expect(failed.nextTry != nil && failed.version == nil)
    #expect(try here.warehouse.retry().isEmpty, "it is not due yet")

    let again = try later(here, hours: 1).retry()
    #expect(again.map(\.state) == [.failed] && again[0].error == failure.description)
    #expect(try here.warehouse.ingestions(state: .failed).map(\.attempts) == [2])

    _ = try here.feed("b.json", #"[{"n":2}]"#)
    let mended = try later(here, hours: 2).retry()
    #expect(mended.map(\.state) == [.done] && mended[0].report?.version == 2)
    #expect(try here.rows("SELECT n FROM t ORDER BY n") == ["1", "2"])
    #expect(try here.warehouse.ingestions().map(\.state) == [.done, .done])
  }

  @Test func `after eight attempts an ingestion is a dead letter until it is requeued or purged`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.json", good)
    #expect(throws: Problem.self) { try here.ingest("b.json", bad) }
    for hour in 1...7 { _ = try later(here, hours: Int64(hour) * 2).retry() }
    let dead = try here.warehouse.deadLetters()
    #expect(dead.map(\.attempts) == [8] && dead.map(\.state) == [.dead])
    #expect(try later(here, hours: 50).retry().isEmpty)
    let refusal = try problem { _ = try here.warehouse.retry([dead[0].id]) }
    #expect(refusal.kind == .refused && "\(refusal)".contains("requeue"))
    #expect(throws: Problem.self) { try here.warehouse.purgeDeadLetters(["unknown"]) }

    #expect(try here.warehouse.requeueDeadLetters() == [dead[0].id])
    #expect(try here.warehouse.deadLetters().isEmpty)
    let again = try later(here, hours: 51).retry()
    #expect(again.map(\.state) == [.failed])
    #expect(try here.warehouse.ingestions(state: .failed).map(\.attempts) == [1])
    for hour in 1...7 { _ = try later(here, hours: 51 + Int64(hour) * 2).retry() }
    #expect(try here.warehouse.purgeDeadLetters(dead.map(\.id)) == dead.map(\.id))
    #expect(try here.warehouse.ingestions().count == 1)
  }

  @Test func `the same content under another name is reported as a duplicate, other content as a revision`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.json", good)
    let duplicate = try here.ingest("copy.json", good)
    #expect(duplicate.outcome == .unchanged && duplicate.version == 1)
    #expect(duplicate.remarks.contains { $0.contains("\"copy.json\" has the content of \"a.json\"") })
    let revision = try here.ingest("a.json", #"[{"n":7}]"#)
    #expect(revision.outcome == .committed && revision.version == 2)
    #expect(
      revision.remarks.contains { $0.contains("\"a.json\" was ingested before with other content, as version 1") })
    #expect(try here.rows("SELECT n FROM t ORDER BY n") == ["1", "7"])
    let summaries = try here.warehouse.ingestions()
    #expect(summaries.compactMap(\.outcome?.rawValue).sorted() == ["committed", "committed", "unchanged"])
  }

  @Test func `neither a missing nor a locked nor a foreign ledger stops an ingestion`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.json", good)
    let path = here.directory + "/warehouse/varve.sqlite"
    try FileManager.default.removeItem(atPath: path)
    #expect(try here.warehouse.ingestions().map(\.version) == [1], "the log still tells of what was committed")
    #expect(try here.ingest("again.json", good).outcome == .unchanged)
    try Data("this is no database, and it is long enough to be read as one".utf8).write(
      to: URL(fileURLWithPath: path))
    let report = try here.ingest("b.json", #"[{"n":2}]"#)
    #expect(report.version == 2)
    #expect(try here.ingest("b.json", #"[{"n":2}]"#).outcome == .unchanged)
    #expect(try here.rows("SELECT n FROM t ORDER BY n") == ["1", "2"])
  }

  @Test func `a commit that a dead process made is found, and is not made again`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.json", good)
    // An ingestion that must not be repeated, taken by a process that dies right after its commit, and right before it.
    for (name, commits) in [("made.json", true), ("lost.json", false)] {
      let feed = try here.feed(
        name, #"[{"n":"\#(name)"}]"#.replacingOccurrences(of: "\"\(name)\"", with: commits ? "5" : "6"))
      var request = IngestRequest([feed], into: "t")
      request.reingest = true
      let store = try ledger(here)
      let lease = try #require(try store.start(request.record(sources: [])))
      if commits {
        let attempt = Attempt(here.warehouse, request, ledger: store, lease: lease) { _ in }
        _ = try here.warehouse.ingestNoted(request, attempt) { _ in }
      }
      withExtendedLifetime(lease) {}
    }
    #expect(try here.warehouse.ingestions(state: .inProgress).count == 2)
    let reports = try later(here, hours: 1).retry()
    #expect(reports.map(\.sources) == [["lost.json"]])
    #expect(try here.rows("SELECT n FROM t ORDER BY n") == ["1", "5", "6"])
    #expect(try here.warehouse.ingestions().allSatisfy { $0.state == .done })
  }

  @Test func `an ingestion that somebody else holds is done without the ledger, once`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.json", good)
    let feed = try here.feed("b.json", #"[{"n":2}]"#)
    let request = IngestRequest([feed], into: "t")
    let lease = try #require(try ledger(here).start(request.record(sources: [])))
    #expect(try here.warehouse.ingest(request).version == 2)
    #expect(try here.warehouse.ingest(request).outcome == .unchanged)
    withExtendedLifetime(lease) {}
  }

  @Test func `an interruption and wrong usage are no attempts`() throws {
    let here = try TemporaryWarehouse()
    try here.ingest("a.json", good)
    var surroundings = Surroundings.rehearsed(startingAt: 1_700_000_000_000, seed: 1)
    surroundings.isInterrupted = { true }
    let stopped = Warehouse(at: here.directory + "/warehouse", surroundings: surroundings)
    let feed = try here.feed("b.json", #"[{"n":2}]"#)
    #expect(try problem { _ = try stopped.ingest(IngestRequest([feed], into: "t")) }.kind == .interrupted)
    #expect(try problem { try here.ingest("c.json", good) { $0.mode = .merge } }.kind == .usage)
    #expect(try here.warehouse.ingestions().count == 1)
  }

  @Test func `a request survives the ledger`() throws {
    var request = IngestRequest([FeedRequest(path: "/a.csv"), FeedRequest(path: "/b.xlsx")], into: "t")
    request.mode = .overwrite
    request.key = ["a", "b"]
    request.partitionBy = ["m", "week(d)"]
    request.partitions = [["m": "DE", "x": String?.none]]
    request.execution = "2024-10-06"
    request.badRows = .quarantine
    request.allowEmpty = true
    request.cascades = false
    request.withOrigin = true
    request.feeds[0].csv.delimiter = ";"
    request.feeds[0].csv.headerLine = 0
    request.feeds[0].csv.decimal = ","
    request.feeds[1].sheet = "all"
    request.feeds[1].headerRow = 3
    let text = request.record(sources: []).request
    let back = try #require(IngestRequest(text: text))
    #expect(back.record(sources: []).request == text)
    #expect(back.partitions == request.partitions && back.key == request.key && !back.cascades)
    #expect(back.feeds[0].csv.headerLine == 0 && back.feeds[1].sheet == "all")
  }
}
