import Given
import Testing
import VarveDelivery
import VarveJSON
import VarveLake
import VarveSQLite
import VarveTables

/// Deliveries to a target that is read back.
@Suite struct ProvingTests {
  /// A target that keeps records by number, and does with them what a test says.
  final class Shelf: ProvableTarget {
    var pace = ProvingPace()
    private(set) var held: Set<Int> = []
    private(set) var sent: [[Int]] = []
    private(set) var looks = 0
    /// Given the record and how often it was sent before, whether it gets there.
    var keeps: (Int, Int) -> Bool = { _, _ in true }
    /// In place of taking; given how often it was asked.
    var answer: (Int) throws -> Answer = { _ in .acknowledged }
    var hindrance: (Int) -> String? = { _ in nil }
    /// Objects beside its own, by how often was asked.
    var strangers: (Int) -> Int? = { _ in nil }
    private var asked = 0
    private var counts: [Int: Int] = [:]

    init() {
      pace.pollSeconds = 1
      pace.pollSecondsMax = 1
      pace.settleSeconds = 2
      pace.drainSeconds = 30
    }

    func forget(_ record: Int) { held.remove(record) }

    private func number(_ record: Int, _ chunk: Chunk) -> Int { chunk.firstRecord + record }

    func keys(of chunk: Chunk) -> [String] { (0..<chunk.recordCount).map { String(number($0, chunk)) } }

    func compare(_ chunk: Chunk, _ records: [Int]) -> Comparison {
      looks += 1
      var found: [Int: Mismatch] = [:]
      for record in records where !held.contains(number(record, chunk)) {
        found[record] =
          hindrance(number(record, chunk)).map { Mismatch($0, isSendable: false) } ?? Mismatch("it is missing")
      }
      return .differs(found)
    }

    func send(_ records: [Int], of chunk: Chunk, attempt: String) throws -> Sending {
      let numbers = records.map { number($0, chunk) }
      sent.append(numbers)
      let said = try answer(sent.count - 1)
      guard said == .acknowledged else { return Sending(said) }
      for record in numbers {
        if keeps(record, counts[record, default: 0]) { held.insert(record) }
        counts[record, default: 0] += 1
      }
      return Sending(.acknowledged)
    }

    func population() -> Population? {
      asked += 1
      return strangers(asked - 1).map { Population(count: $0, shownCount: $0) }
    }

    func deliver(_ chunk: Chunk, of delivery: String) -> Answer { .impossible("is read back") }
    func complete(_ completion: Completion, of delivery: String) -> Answer { .acknowledged }
  }

  @Test func `only what is not there is sent, and again only what did not get there`() throws {
    let directory = try TemporaryDirectory()
    let shelf = Shelf()
    shelf.keeps = { record, count in record != 3 || count == 1 }
    _ = try deliver(12, to: shelf, in: directory, by: .records(6), Waits().patience())
    #expect(shelf.sent == [[0, 1, 2, 3, 4, 5], [3], [6, 7, 8, 9, 10, 11]])
    #expect(try directory.ledger().chunks(of: "d").map(\.state) == [.proven, .proven])
    #expect(try directory.ledger().delivery("d")?.state == .complete)
    _ = try deliver(12, id: "again", to: shelf, in: directory, by: .records(6), Waits().patience())
    #expect(shelf.sent.count == 3)
  }

  @Test func `what never gets there becomes a dead letter, and the rest goes on`() throws {
    let directory = try TemporaryDirectory()
    let shelf = Shelf()
    shelf.keeps = { record, _ in record != 3 }
    shelf.hindrance = { $0 == 7 ? "it is too long" : nil }
    _ = try deliver(12, to: shelf, in: directory, by: .records(4), Waits().patience())
    #expect(shelf.sent == [[0, 1, 2, 3], [3], [3], [4, 5, 6], [8, 9, 10, 11]])
    let ledger = try directory.ledger()
    #expect(try ledger.delivery("d")?.state == .incomplete)
    #expect(try ledger.chunks(of: "d").map(\.state) == [.failed, .failed, .proven])
    #expect(try ledger.deadRecords().map(\.key) == ["3", "7"])
    #expect(
      try ledger.deadRecords().map(\.reason) == ["it is missing, although it was taken 3 times", "it is too long"])
    #expect(try ledger.progress(of: "d").provenCount == 10 && ledger.progress(of: "d").deadCount == 2)

    // Mended there: the next run sends what was given up, and nothing else.
    shelf.keeps = { _, _ in true }
    shelf.hindrance = { _ in nil }
    _ = try deliver(12, to: shelf, in: directory, by: .records(4), Waits().patience())
    #expect(Array(shelf.sent.dropFirst(5)) == [[3], [7]])
    #expect(try ledger.delivery("d")?.state == .complete && ledger.deadRecords().isEmpty)
  }

  @Test func `a newer delivery of the same record settles what an older one owes`() throws {
    let directory = try TemporaryDirectory()
    let shelf = Shelf()
    shelf.keeps = { record, _ in record != 3 }
    _ = try deliver(4, to: shelf, in: directory, Waits().patience())
    shelf.keeps = { _, _ in true }
    _ = try deliver(4, id: "newer", to: shelf, in: directory, Waits().patience())
    let ledger = try directory.ledger()
    #expect(try ledger.delivery("d")?.state == .complete && ledger.chunks(of: "d").first?.state == .proven)
    #expect(try ledger.deliveredVersion(of: "p", to: "t") == 1)
  }

  @Test func `what an older delivery owes is sent again, and what newer ones changed since is left alone`() throws {
    let directory = try TemporaryDirectory()
    let shelf = Shelf()
    shelf.keeps = { record, _ in record != 3 }
    _ = try deliver(4, to: shelf, in: directory, Waits().patience())
    // Another state of record 1 by now, which the old delivery must not bring back.
    shelf.forget(1)
    shelf.keeps = { _, _ in true }
    _ = try deliver(4, to: shelf, in: directory, Waits().patience())
    #expect(shelf.sent.last == [3] && !shelf.held.contains(1))
    #expect(try directory.ledger().delivery("d")?.state == .complete)
  }

  @Test func `where others' objects vanish, it ends at once and nothing counts as proven`() throws {
    let directory = try TemporaryDirectory()
    let shelf = Shelf()
    shelf.strangers = { [100, 99, 40][$0] }
    let problem = #expect(throws: Problem.self) {
      try deliver(12, to: shelf, in: directory, by: .records(4), Waits().patience())
    }
    #expect(problem?.description.contains("60 objects are gone") == true && shelf.sent.count == 2)
    #expect(try directory.ledger().chunks(of: "d").map(\.state) == [.planned, .planned])
    #expect(try directory.ledger().delivery("d")?.state == .stopped)
    shelf.forget(1)
    shelf.strangers = { _ in 40 }
    _ = try deliver(12, to: shelf, in: directory, by: .records(4), Waits().patience())
    #expect(Array(shelf.sent.dropFirst(2)) == [[1], [8, 9, 10, 11]])
  }

  @Test func `a target that takes nothing is waited for, and not for ever`() throws {
    let directory = try TemporaryDirectory()
    let shelf = Shelf()
    shelf.answer = { $0 < 9 ? .busy("HTTP 405") : .acknowledged }
    let waits = Waits()
    _ = try deliver(4, to: shelf, in: directory, waits.patience())
    #expect(shelf.sent.count == 10 && waits.seconds.count == 9)

    let other = try TemporaryDirectory()
    let closed = Shelf()
    closed.answer = { _ in .busy("HTTP 405") }
    let problem = #expect(throws: Problem.self) { try deliver(4, to: closed, in: other, Waits().patience()) }
    #expect(problem?.description.contains("workers do not run") == true)
    #expect(try other.ledger().delivery("d")?.state == .stopped)
    #expect(try other.ledger().deliveredVersion(of: "p", to: "t") == nil)
  }

  @Test func `a slow target is not given up while it gets on`() throws {
    let directory = try TemporaryDirectory()
    let shelf = Shelf()
    shelf.keeps = { _, _ in false }
    // Taken once; then busy for a long while, in which a record comes now and then.
    var arrived = 0
    shelf.answer = { count in
      if count == 0 { return .acknowledged }
      shelf.keeps = { record, _ in record <= arrived }
      arrived += 1
      return arrived < 12 ? .busy("HTTP 405") : .acknowledged
    }
    _ = try deliver(10, to: shelf, in: directory, Waits().patience())
    #expect(try directory.ledger().delivery("d")?.state == .complete)
  }

  @Test func `wherever a pusher dies, the next one ends with everything proven`() throws {
    var random = Seed()
    for _ in 0..<(isProof ? 200 : 12) {
      let directory = try TemporaryDirectory()
      let shelf = Shelf()
      let recordCount = random.below(60)
      let size = 1 + random.below(12)
      struct Death: Error {}
      var troubles = random.below(20)
      let choices = (0..<40).map { _ in random.below(4) }
      shelf.keeps = { record, count in count > 0 || choices[record % 40] != 0 }
      shelf.answer = { count in
        guard troubles > 0 else { return .acknowledged }
        troubles -= 1
        switch choices[count % 40] {
        case 0: throw Death()
        case 1: return .unanswered("no answer")
        case 2: return .busy("HTTP 405")
        default: return .acknowledged
        }
      }
      var runs = 0
      while try directory.ledger().delivery("d")?.state != .complete {
        runs += 1
        try #require(runs < 100)
        _ = try? deliver(recordCount, to: shelf, in: directory, by: .records(size), Waits().patience())
      }
      #expect(shelf.held == Set(0..<recordCount))
      #expect(try directory.ledger().progress(of: "d").provenCount == recordCount)
    }
  }

  @Test func `a ledger of the version before is taken over`() throws {
    let directory = try TemporaryDirectory()
    _ = try deliver(4, to: ScriptedTarget { _, _ in .acknowledged }, in: directory, Waits().patience())
    do {
      let connection = try Connection(directory.path + "/varve.sqlite", .readWrite)
      for table in ["ingestions", "sources", "targets", "deliveries", "chunks"] {
        try connection.execute("ALTER TABLE \(table) DROP COLUMN checksum;")
      }
      try connection.execute("DROP TABLE dead_records; ALTER TABLE chunks DROP COLUMN proven; PRAGMA user_version = 1;")
    }
    let storage = try #require(try Storage.open(directory.path))
    let ledger = try #require(try Ledger.openToRead(storage))
    #expect(try ledger.chunks(of: "d").map(\.state) == [.acknowledged] && ledger.deadRecords().isEmpty)
    #expect(try ledger.deliveredVersion(of: "p", to: "t") == 1)
    try ledger.verify()
  }
}
