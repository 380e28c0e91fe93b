import Foundation
import Synchronization
import Testing
import VarveLake
import VarveSQLite
import VarveTables

/// A clock that stands still until it is moved.
final class HandClock: Sendable {
  private let now: Mutex<Int64>

  init(_ now: Int64 = 1_000_000) { self.now = Mutex(now) }

  func advance(_ milliseconds: Int64) { now.withLock { $0 += milliseconds } }

  var clock: WallClock { WallClock { [self] in now.withLock { $0 } } }
}

@Suite struct LedgerTests {
  func ingestion(_ id: String, table: String = "products", sha256: String = "ab") -> IngestionRecord {
    IngestionRecord(
      id: id, table: table,
      sources: [IngestionRecord.Source(path: "in/\(id).csv", name: "\(id).csv", sha256: sha256, byteCount: 12)],
      schemaVersion: "s1", request: #"{"mode":"append"}"#)
  }

  @Test func `an ingestion is remembered through all its states`() throws {
    let directory = try TemporaryDirectory()
    let hand = HandClock()
    let ledger = try Ledger.open(directory.storage(), clock: hand.clock)
    let lease = try ledger.begin(ingestion("a"))
    #expect(lease.ingestion.state == .inProgress && lease.ingestion.attempts == 1)
    #expect(lease.ingestion.started == 1_000_000)
    hand.advance(5)
    var rows = RowCounts()
    rows.read = 9
    rows.inserted = 7
    try ledger.finish(lease, outcome: "committed", version: 3, rows: rows)

    let reader = try #require(try Ledger.openToRead(directory.storage()))
    let done = try #require(try reader.ingestion("a"))
    #expect(done.state == .done && done.version == 3 && done.outcome == "committed" && done.ended == 1_000_005)
    #expect(done.rows == rows && done.sources == ingestion("a").sources && done.request == #"{"mode":"append"}"#)
    #expect(try reader.ingestions(ofContent: "ab", table: "products").map(\.id) == ["a"])
    #expect(try reader.ingestions(ofContent: "ab", table: "prices").isEmpty)
    #expect(try ledger.take("a") == nil, "what is done is not taken again")
    #expect(throws: Problem.self) { try ledger.begin(ingestion("a")) }
    #expect(throws: Problem.self) { try ledger.take("never noted") }
  }

  @Test func `one ingestion has one worker, whoever else tries`() throws {
    let directory = try TemporaryDirectory()
    let first = try Ledger.open(directory.storage())
    let second = try Ledger.open(directory.storage())
    var lease: IngestionLease? = try first.begin(ingestion("a"))
    #expect(try second.take("a") == nil)
    #expect(try first.take("a") == nil)
    #expect(try second.takeAbandoned().isEmpty)
    #expect(lease != nil)
    // A process that dies closes its files.
    lease = nil
    let left = try second.takeAbandoned()
    #expect(left.map(\.ingestion.id) == ["a"])
    #expect(try first.takeAbandoned().isEmpty)
    try second.fail(left[0], "the process died", retry: nil)
    #expect(try first.ingestion("a")?.state == .failed)
  }

  @Test func `what failed comes back later each time, and ends as a dead letter`() throws {
    let directory = try TemporaryDirectory()
    let hand = HandClock()
    let ledger = try Ledger.open(directory.storage(), clock: hand.clock)
    let policy = RetryPolicy(attemptsMax: 3, firstSeconds: 10, secondsMax: 15)
    _ = try ledger.enqueue(ingestion("a"))
    var waits: [Int64] = []
    for _ in 0..<3 {
      let lease = try #require(try ledger.takeNextDue())
      try ledger.fail(lease, "no luck", retry: policy)
      guard let next = try ledger.ingestion("a")?.nextTry else { break }
      waits.append(next - hand.clock.milliseconds())
      #expect(try ledger.takeNextDue() == nil, "it is not due yet")
      hand.advance(waits.last ?? 0)
    }
    #expect(waits == [10_000, 15_000])
    #expect(try ledger.ingestions(state: .dead).map(\.id) == ["a"])
    #expect(try ledger.takeNextDue() == nil)
    #expect(try ledger.take("a") == nil)

    #expect(try ledger.requeue("a"))
    #expect(try ledger.purge("a") == false, "only dead letters are purged")
    let again = try #require(try ledger.takeNextDue())
    #expect(again.ingestion.attempts == 1)
    try ledger.fail(again, "never", retry: RetryPolicy(attemptsMax: 1))
    #expect(try ledger.purge("a"))
    #expect(try ledger.ingestions().isEmpty)
  }

  @Test func `what failed does not wait for a clock that was put back`() throws {
    let directory = try TemporaryDirectory()
    let hand = HandClock()
    let ledger = try Ledger.open(directory.storage(), clock: hand.clock)
    _ = try ledger.enqueue(ingestion("a"))
    try ledger.fail(try #require(try ledger.takeNextDue()), "no luck", retry: RetryPolicy())
    #expect(try ledger.takeNextDue() == nil)
    hand.advance(-86_400_000)
    #expect(try ledger.takeNextDue() != nil)
  }

  @Test func `waiting is spread by chance and bounded`() {
    let policy = RetryPolicy(attemptsMax: 100, firstSeconds: 30, secondsMax: 3_600)
    for attempts in 1..<100 {
      for chance in [0, 0.25, 0.999] {
        let next = policy.nextTry(attempts: attempts, now: 0, chance: chance) ?? -1
        #expect(next >= 15_000 && next <= 5_400_000)
      }
    }
    #expect(policy.nextTry(attempts: 100, now: 0, chance: 0) == nil)
  }

  @Test func `many workers at once share the work, each piece once`() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.path
    let ledger = try Ledger.open(directory.storage())
    for number in 0..<60 { _ = try ledger.enqueue(ingestion("i\(number)")) }
    let taken = try await withThrowingTaskGroup(of: [String].self) { group in
      for _ in 0..<6 {
        group.addTask {
          let storage = try #require(try Storage.open(path))
          let worker = try Ledger.open(storage)
          var ids: [String] = []
          while let lease = try worker.takeNextDue() {
            ids.append(lease.ingestion.id)
            try worker.finish(lease, outcome: "committed", version: 1, rows: RowCounts())
          }
          return ids
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(taken.sorted() == (0..<60).map { "i\($0)" }.sorted())
    #expect(try ledger.ingestions(state: .done).count == 60)
    try ledger.verify()
  }

  @Test func `many processes may open a new ledger at once`() async throws {
    let directory = try TemporaryDirectory()
    let path = directory.path
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<8 {
        group.addTask {
          let storage = try #require(try Storage.open(path))
          _ = try Ledger.open(storage).enqueue(
            IngestionRecord(id: "i\(number)", table: "t", sources: []))
        }
      }
      try await group.waitForAll()
    }
    #expect(try Ledger.open(directory.storage()).ingestions().count == 8)
  }

  @Test func `reading makes nothing, and a missing ledger is none`() throws {
    let directory = try TemporaryDirectory()
    #expect(try Ledger.openToRead(directory.storage()) == nil)
    #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).isEmpty)
    _ = try Ledger.open(directory.storage()).enqueue(ingestion("a"))
    let before = try Data(contentsOf: URL(fileURLWithPath: directory.path + "/varve.sqlite"))
    #expect(try Ledger.openToRead(directory.storage())?.ingestions().count == 1)
    #expect(try Data(contentsOf: URL(fileURLWithPath: directory.path + "/varve.sqlite")) == before)
    let mode = try FileManager.default.attributesOfItem(atPath: directory.path + "/varve.sqlite")[.posixPermissions]
    #expect(mode as? Int == 0o600)
  }

  @Test func `between transactions the journal keeps its blocks, up to a bound, and says nothing`() throws {
    let directory = try TemporaryDirectory()
    let ledger = try Ledger.open(directory.storage())
    func journal() throws -> Data {
      let journal = try Data(contentsOf: URL(fileURLWithPath: directory.path + "/varve.sqlite-journal"))
      #expect(journal.prefix(28) == Data(count: 28), "it would be played back")
      return journal
    }
    _ = try ledger.enqueue(ingestion("a"))
    let first = try journal().count
    _ = try ledger.enqueue(ingestion("b"))
    #expect(try first > 28 && journal().count >= first)
    let wide = String(repeating: "w", count: 1 << 21)
    for error in [wide, "short"] {
      let lease = try #require(try ledger.take("a"))
      try ledger.fail(lease, error, retry: nil)
      #expect(try journal().count <= 1 << 20)
      #expect(try ledger.requeue("a"))
    }
    // Neither with what stands behind the header, nor without the file.
    #expect(try Ledger.openToRead(directory.storage())?.ingestions().count == 2)
    try FileManager.default.removeItem(atPath: directory.path + "/varve.sqlite-journal")
    #expect(try Ledger.openToRead(directory.storage())?.ingestions().count == 2)
  }

  @Test func `a ledger of a later format, another database, and a link are not touched`() throws {
    let newer = try TemporaryDirectory()
    _ = try Ledger.open(newer.storage())
    try Connection(newer.path + "/varve.sqlite", .readWrite).execute("PRAGMA user_version = 4")
    let problem = #expect(throws: Problem.self) { try Ledger.open(newer.storage()) }
    #expect(problem?.kind == .refused && problem?.description.contains("newer") == true)
    #expect(throws: Problem.self) { try Ledger.openToRead(newer.storage()) }

    let foreign = try TemporaryDirectory()
    try Connection(foreign.path + "/varve.sqlite", .createOrReadWrite).execute("CREATE TABLE theirs (a)")
    #expect(throws: Problem.self) { try Ledger.open(foreign.storage()) }
    #expect(throws: Problem.self) { try Ledger.openToRead(foreign.storage()) }

    let linked = try TemporaryDirectory()
    try FileManager.default.createSymbolicLink(
      atPath: linked.path + "/varve.sqlite", withDestinationPath: newer.path + "/stolen")
    #expect(throws: Problem.self) { try Ledger.open(linked.storage()) }
    #expect(!FileManager.default.fileExists(atPath: newer.path + "/stolen"))
  }

  @Test func `a ledger with its bytes changed is damage, not an answer`() throws {
    let directory = try TemporaryDirectory()
    let ledger = try Ledger.open(directory.storage())
    for number in 0..<50 { _ = try ledger.enqueue(ingestion("i\(number)")) }
    var bytes = try Data(contentsOf: URL(fileURLWithPath: directory.path + "/varve.sqlite"))
    for index in stride(from: 4096, to: bytes.count, by: 97) { bytes[index] ^= 0xFF }
    try bytes.write(to: URL(fileURLWithPath: directory.path + "/varve.sqlite"))
    let problem = #expect(throws: Problem.self) { try Ledger.open(directory.storage()).verify() }
    #expect(problem?.kind == .damaged)
  }

  @Test func `a delivery goes on behind its last acknowledged chunk`() throws {
    let directory = try TemporaryDirectory()
    let ledger = try Ledger.open(directory.storage())
    let delivery = DeliveryRecord(id: "d1", target: "shop", table: "products", version: 7, chunking: "records=2")
    func chunk(_ number: Int, _ sha256: String = "aa") -> ChunkRecord {
      ChunkRecord(number: number, firstRecord: number * 2, recordCount: 2, sha256: sha256)
    }
    var lease = try ledger.begin(delivery)
    do {
      let first = try #require(lease)
      #expect(try Ledger.open(directory.storage()).begin(delivery) == nil, "one delivery at a time per target")
      for number in 0..<3 { try ledger.markSent(chunk(number), of: first) }
      try ledger.markAcknowledged(0, of: first)
      try ledger.markAcknowledged(1, of: first)
      try ledger.markFailed(2, "503", of: first)
      #expect(throws: Problem.self) { try ledger.markAcknowledged(9, of: first) }
      #expect(try ledger.deliveries(isUnderWay: true).map(\.id) == ["d1"])
    }
    lease = nil
    // Its process has died.
    let cutOff = try #require(try ledger.delivery("d1"))
    #expect(cutOff.state == .stopped && cutOff.error?.hasPrefix("cut off: process ") == true)
    #expect(try ledger.deliveries(isUnderWay: true).isEmpty)
    do {
      let other = DeliveryRecord(id: "d0", target: "shop", table: "products", version: 6, chunking: "records=2")
      let held = try #require(try ledger.begin(other))
      #expect(try ledger.delivery("d1")?.state == .stopped)
      #expect(try ledger.deliveries(isUnderWay: true).map(\.id) == ["d0"])
      try ledger.complete(held, recordCount: 0)
    }
    let second = try #require(try ledger.begin(delivery))
    #expect(try ledger.position(second).chunk == 2)
    #expect(throws: Problem.self) { try ledger.markSent(chunk(2, "other bytes"), of: second) }
    try ledger.rewind(to: 1, second)
    #expect(try ledger.position(second).chunk == 1)
    for number in 1..<4 {
      try ledger.markSent(chunk(number), of: second)
      try ledger.markAcknowledged(number, of: second)
    }
    #expect(try ledger.deliveredVersion(of: "products", to: "shop") == 6)
    try ledger.complete(second, recordCount: 8)
    #expect(try ledger.deliveredVersion(of: "products", to: "shop") == 7)
    let done = try #require(try ledger.delivery("d1"))
    #expect(done.state == .complete && done.recordCount == 8 && done.attempts == 2)
    #expect(try ledger.chunks(of: "d1").map(\.attempts) == [1, 2, 2, 1])
    #expect(try ledger.deliveries(target: "shop").map(\.id) == ["d0", "d1"])
  }
}
