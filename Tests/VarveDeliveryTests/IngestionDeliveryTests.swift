import Foundation
import Synchronization
import Testing
import Varve
import VarveDelivery
import VarveTables

import class Varve.Warehouse

/// What is sent of one ingestion, under an id that its caller knows.
@Suite struct IngestionDeliveryTests {
  private let directory: TemporaryDirectory
  private let warehouse: Warehouse

  init() throws {
    directory = try TemporaryDirectory()
    warehouse = Warehouse(at: directory.path + "/warehouse")
  }

  private func ingest(_ text: String, _ mode: IngestMode) throws {
    try text.write(toFile: directory.path + "/feed.json", atomically: false, encoding: .utf8)
    var request = IngestRequest([FeedRequest(path: directory.path + "/feed.json")], into: "t")
    request.mode = mode
    _ = try warehouse.ingest(request)
  }

  @Test func `it goes on although the version before it was vacuumed meanwhile`() throws {
    try ingest(#"[{"n":1}]"#, .append)
    try ingest(#"[{"n":2},{"n":3}]"#, .overwrite)
    let delivery = IngestionDelivery(
      id: "i", table: "t", version: 2, isMerge: false, callback: "dir:\(directory.path)/later/outbox",
      chunking: .records(1))
    #expect(throws: Problem.self, "the folder's parent is missing") {
      try warehouse.deliver(delivery, isInterrupted: { false })
    }
    var vacuum = VacuumRequest("t")
    vacuum.keepVersions = 1
    vacuum.applies = true
    let fates = try warehouse.vacuum(vacuum).versions.map { [$0.version: $0.fate] }
    #expect(fates.contains([1: "removed"]), "\(fates)")
    try FileManager.default.createDirectory(atPath: directory.path + "/later", withIntermediateDirectories: false)
    #expect(try warehouse.deliver(delivery, isInterrupted: { false }).recordCount == 2)
    let names = try FileManager.default.contentsOfDirectory(atPath: directory.path + "/later/outbox/i").sorted()
    #expect(names == ["00000000.json", "00000001.json", "complete.json"])
  }

  @Test func `a receiver that asks for a long pause is not asked for the end again at once`() throws {
    try ingest(#"[{"n":1}]"#, .append)
    let count = Mutex(0)
    let server = try HTTPServer(port: 0, bodyBytesMax: 1 << 20) { _ in
      count.withLock { $0 += 1 }
      return HTTPServer.Reply(503, [], headers: [("Retry-After", "400")])
    }
    // Nothing of it is in the table, so that only the end is sent.
    let delivery = IngestionDelivery(
      id: "i", table: "t", version: nil, isMerge: false, callback: "http://127.0.0.1:\(server.port)/",
      chunking: .records(1))
    #expect(throws: Problem.self) { try warehouse.deliver(delivery, isInterrupted: { false }) }
    #expect(count.withLock { $0 } == 1)
  }
}
