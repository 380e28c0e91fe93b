import Foundation
import Synchronization
import Testing
import VarveDelivery
import VarveJSON
import VarveLake
import VarveTables

/// The pusher and the receiver over a real connection.
@Suite struct ReceiverTests {
  /// What the receiver told, in order.
  final class Told: Sendable {
    private let events = Mutex<[Receiver.Event]>([])
    var all: [Receiver.Event] { events.withLock { $0 } }
    func add(_ event: Receiver.Event) { events.withLock { $0.append(event) } }
  }

  func callback(
    _ port: Int, _ credentials: AcknowledgedCallback.Credentials = .init(), timeoutSeconds: Double = 10,
    path: String = "/chunks"
  ) throws -> AcknowledgedCallback {
    var options = HTTPClient.Options()
    options.timeoutSeconds = timeoutSeconds
    options.reach = .loopback
    return try AcknowledgedCallback(
      WebAddress("http://127.0.0.1:\(port)\(path)"), options, credentials, milliseconds: { 0 })
  }

  @Test func `a well-behaved receiver takes every chunk once`() throws {
    let directory = try TemporaryDirectory()
    let saved = try TemporaryDirectory()
    let told = Told()
    var options = Receiver.Options()
    options.port = 0
    options.savePath = saved.path
    let receiver = try Receiver(options) { told.add($0) }
    _ = try deliver(95, to: callback(receiver.port), in: directory, Waits().patience())
    #expect(told.all.map(\.kind) == Array(repeating: "taken", count: 10) + ["complete"])
    #expect(receiver.progress(of: "d").map { [$0.recordCount, $0.isComplete ? 1 : 0] } == [95, 1])
    let files = try FileManager.default.contentsOfDirectory(atPath: saved.path + "/d").sorted()
    #expect(files == (0..<10).map { "0000000\($0).json" })
    let texts = try files.map { try String(contentsOfFile: saved.path + "/d/" + $0, encoding: .utf8) }
    #expect(texts.map { String($0.dropFirst().dropLast()) }.joined(separator: ",") == NumberedRecords.text(95))
  }

  @Test(arguments: Misbehaviour.ofCallbacks.filter { $0 != .die })
  func `a receiver that misbehaves gets all of it in the end`(_ misbehaviour: Misbehaviour) throws {
    let directory = try TemporaryDirectory()
    let saved = try TemporaryDirectory()
    let told = Told()
    var options = Receiver.Options()
    options.port = 0
    options.savePath = saved.path
    options.misbehaviours = [misbehaviour]
    options.misbehavesEvery = 3
    let receiver = try Receiver(options) { told.add($0) }
    let target = try callback(receiver.port, timeoutSeconds: misbehaviour == .stall ? 0.2 : 10)
    _ = try deliver(55, to: target, in: directory, by: .records(4), Waits().patience())
    #expect(told.all.filter { $0.misbehaviour == misbehaviour }.count >= 3)
    #expect(receiver.progress(of: "d")?.recordCount == 55)
    let files = try FileManager.default.contentsOfDirectory(atPath: saved.path + "/d").sorted()
    let texts = try files.map { try String(contentsOfFile: saved.path + "/d/" + $0, encoding: .utf8) }
    #expect(texts.map { String($0.dropFirst().dropLast()) }.joined(separator: ",") == NumberedRecords.text(55))
    if misbehaviour != .twice {
      #expect(try directory.ledger().chunks(of: "d").contains { $0.attempts > 1 })
    }
  }

  @Test func `a receiver that dies is found again when it is back, with nothing in its memory`() throws {
    let directory = try TemporaryDirectory()
    let told = Told()
    var options = Receiver.Options()
    options.port = 0
    var receiver: Receiver? = try Receiver(options) { told.add($0) }
    let port = try #require(receiver?.port)
    var isRestarted = false
    let target = try callback(port)
    var rewinds: [Int] = []
    let ledger = try directory.ledger()
    let lease = try #require(
      try ledger.begin(DeliveryRecord(id: "d", target: "t", table: "p", version: 1, chunking: "records=10")))
    let run = DeliveryRun(lease, ledger, target, .records(10), Waits().patience()) { event in
      switch event {
      case .acknowledged(chunk: 3, _, _) where !isRestarted: receiver = nil
      case .waiting where receiver == nil:
        var again = Receiver.Options()
        again.port = port
        receiver = try? Receiver(again) { told.add($0) }
        isRestarted = true
      case .rewound(let chunk, _): rewinds.append(chunk)
      default: break
      }
    } open: {
      NumberedRecords($0..<80)
    }
    #expect(try run.run().recordCount == 80)
    #expect(rewinds == [0])
    #expect(receiver?.progress(of: "d")?.recordCount == 80)
  }

  @Test func `token and signature are sent, and only as headers`() throws {
    let seen = Mutex<[HTTPServer.Request]>([])
    let server = try HTTPServer(port: 0, bodyBytesMax: 1 << 20) { request in
      seen.withLock { $0.append(request) }
      return HTTPServer.Reply(200, Array(#"{"ack":true}"#.utf8))
    }
    let credentials = AcknowledgedCallback.Credentials(token: "marker-token", signatureKey: Array("key".utf8))
    let chunk = Chunk(
      number: 0, firstRecord: 0, recordCount: 1, records: Array(#"[{"a":1}]"#.utf8), sha256: "ab", isLast: true)
    #expect(try callback(server.port, credentials).deliver(chunk, of: "d") == .acknowledged)
    let request = try #require(seen.withLock { $0.first })
    #expect(
      String(decoding: request.body, as: UTF8.self)
        == #"{"ingestion_id":"d","chunk_number":0,"chunk_id":"d:0","checksum":"ab","records":[{"a":1}],"is_last":true}"#
    )
    #expect(request.headers["authorization"] == "Bearer marker-token")
    #expect(request.headers["content-type"] == "application/json")
    // Python: hmac.new(b"key", body, "sha256").hexdigest()
    #expect(
      request.headers["x-varve-signature"]
        == "sha256=\(AcknowledgedCallback.signature(of: request.body, key: Array("key".utf8)))")
    #expect(
      AcknowledgedCallback.signature(
        of: Array("The quick brown fox jumps over the lazy dog".utf8), key: Array("key".utf8))
        == "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8")
  }

  @Test(arguments: [#"{"ack":true}"#, #"{"ack":true,"chunk_number":null}"#])
  func `a late second answer is not taken for the next chunk's`(acknowledgement: String) throws {
    let server = try LateAnswer(acknowledgement)
    let target = try callback(server.port)
    var chunk = Chunk(number: 0, firstRecord: 0, recordCount: 0, records: Array("[]".utf8), sha256: "", isLast: false)
    #expect(try target.deliver(chunk, of: "d") == .acknowledged)
    chunk.number = 1
    #expect(try target.deliver(chunk, of: "d") == .unanswered("HTTP 503"))
  }

  @Test(arguments: [401, 200, 503])
  func `a secret that the receiver repeats is not told of`(status: Int) throws {
    let server = try HTTPServer(port: 0, bodyBytesMax: 1 << 20) { request in
      let said = "\(String(repeating: "-", count: 160)) \(request.headers["authorization"] ?? "") key-of-both"
      return HTTPServer.Reply(status, Array(status == 401 ? #"{"error":"\#(said)"}"#.utf8 : said.utf8))
    }
    let credentials = AcknowledgedCallback.Credentials(
      token: "marker-\(String(repeating: "t", count: 60))", signatureKey: Array("key-of-both".utf8))
    let chunk = Chunk(number: 0, firstRecord: 0, recordCount: 0, records: Array("[]".utf8), sha256: "", isLast: false)
    let answer = "\(try callback(server.port, credentials).deliver(chunk, of: "d"))"
    #expect(!answer.contains("marker") && !answer.contains("ttt") && !answer.contains("key-of-both"), "\(answer)")
    #expect(status == 503 || answer.contains("Bearer …"))
  }

  @Test func `a pause without measure stops the delivery, and nothing else`() throws {
    let server = try HTTPServer(port: 0, bodyBytesMax: 1 << 20) { _ in
      HTTPServer.Reply(503, [], headers: [("Retry-After", "9223372036854775807 ")])
    }
    let directory = try TemporaryDirectory()
    let problem = #expect(throws: Problem.self) {
      try deliver(5, to: callback(server.port), in: directory, Waits().patience())
    }
    #expect(problem?.description.contains("asks to wait 31536000 seconds") == true)
    #expect(try directory.ledger().delivery("d")?.nextTry != nil)
  }

  /// status, body, what it is taken for
  @Test(arguments: [
    (200, #"{"ack":true}"#, "acknowledged"),
    (201, #"{"ack":true,"ingestion_id":"d","chunk_number":3}"#, "acknowledged"),
    (200, #"{"ack":true,"ingestion_id":"e","chunk_number":3}"#, "unanswered"),
    (200, #"{"ack":true,"ingestion_id":"d","chunk_number":2}"#, "unanswered"),
    (200, #"{"ack":true,"chunk_id":"d:2"}"#, "unanswered"), (200, #"{"ack":"true"}"#, "unanswered"),
    (200, #"{"ack":1}"#, "unanswered"), (200, "", "unanswered"), (200, "<html>", "unanswered"),
    (200, #"{"ack":true}{"ack":true}"#, "unanswered"), (200, #"{"ack":false,"ack":true}"#, "unanswered"),
    (200, #"[{"ack":true}]"#, "unanswered"), (500, #"{"ack":true}"#, "unanswered"),
    (404, #"{"ack":true}"#, "impossible"), (200, #"{"ack":false,"error":"Checksum mismatch"}"#, "refused"),
    (200, #"{"ack":false}"#, "refused"), (422, #"{"detail":"no"}"#, "refused"), (400, "", "refused"),
    (200, #"{"ack":false,"error":"Out-of-order chunk"}"#, "outOfOrder"),
    (409, #"{"ack":false,"error":"out of order","expected_chunk_number":1}"#, "outOfOrder"),
    (401, "", "impossible"), (302, "", "impossible"), (503, "", "unanswered"), (429, "", "unanswered"),
  ])
  func `only an acknowledgement of this very chunk counts`(status: Int, body: String, expected: String) throws {
    let server = try HTTPServer(port: 0, bodyBytesMax: 1 << 20) { _ in
      HTTPServer.Reply(
        status, Array(body.utf8), headers: [("Location", "http://127.0.0.1:1/"), ("Retry-After", "7")])
    }
    let chunk = Chunk(number: 3, firstRecord: 0, recordCount: 0, records: Array("[]".utf8), sha256: "", isLast: false)
    let answer = try callback(server.port).deliver(chunk, of: "d")
    #expect("\(answer)".hasPrefix(expected), "\(answer)")
    if status == 503 { #expect(answer == .unanswered("HTTP 503", pauseSeconds: 7)) }
    if status == 409 { #expect(answer == .outOfOrder(expected: 1, "out of order")) }
  }

  @Test func `an answer without end is cut, and a dead port is no answer`() throws {
    let server = try HTTPServer(port: 0, bodyBytesMax: 1 << 20) { _ in
      HTTPServer.Reply(200, Array(repeating: 0x20, count: 1 << 22))
    }
    let chunk = Chunk(number: 0, firstRecord: 0, recordCount: 0, records: Array("[]".utf8), sha256: "", isLast: false)
    guard case .unanswered(let reason, nil) = try callback(server.port).deliver(chunk, of: "d") else {
      Issue.record("the answer was taken")
      return
    }
    #expect(reason.contains("longer"))
    let port = server.port
    withExtendedLifetime(server) {}
    let gone = try HTTPServer(port: 0, bodyBytesMax: 1 << 20) { _ in nil }
    #expect(gone.port != port)
    guard case .unanswered = try callback(gone.port).deliver(chunk, of: "d") else {
      Issue.record("a closed connection is no answer")
      return
    }
  }

  @Test(arguments: [
    "ftp://localhost/", "localhost:80", "file:///etc/passwd", "http://a b/", "http://u:p@h/",
  ])
  func `what is no plain web address is refused`(text: String) {
    let problem = #expect(throws: Problem.self) { try WebAddress(text) }
    #expect(problem?.kind == .usage && problem?.description.contains("u:p") == false)
  }
}
