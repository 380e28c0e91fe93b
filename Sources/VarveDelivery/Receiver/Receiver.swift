internal import Dispatch
internal import Synchronization
internal import VarveJSON
internal import VarveLake

/// A receiver to rehearse deliveries with: it speaks the acknowledged-callback protocol as a well-behaved Pimcore side
/// does, or misbehaves in a chosen way. It listens on this machine's loopback address only.
public final class Receiver {
  /// How a receiver behaves.
  public struct Options: Sendable {
    /// 0 takes any that is free.
    public var port = 9000
    /// Taken in turn.
    public var misbehaviours: [Misbehaviour] = []
    /// Every so many requests it misbehaves; it forgets at the first of these times, the second, the fourth, …
    public var misbehavesEvery = 3
    /// A directory that gets a file per chunk, `<ingestion>/<8 digits>.json`.
    public var savePath: String?
    /// Be a Pimcore that is set up so, in place of a receiver of acknowledged callbacks.
    public var pimcore: PimcoreSetup?
    /// How a receiver that dies ends the process.
    public var die: @Sendable () -> Void = {}

    /// Everything as it is preset.
    public init() {}
  }

  /// What came in, and what was said to it.
  public struct Event: Sendable {
    /// `taken`, `repeated`, `refused`, `complete`.
    public var kind: String
    /// The ingestion's id, if there is one.
    public var ingestionID: String?
    /// The chunk's number, from 0, if it is about one.
    public var chunkNumber: Int?
    /// How many records.
    public var recordCount: Int
    /// How many bytes.
    public var byteCount: Int
    /// Why it was refused.
    public var reason: String?
    /// What the receiver did instead of answering as it should.
    public var misbehaviour: Misbehaviour?
  }

  /// Of one request.
  private static let bodyBytesMax = 256 << 20

  private let server: HTTPServer
  /// Nil for a Pimcore.
  private let desk: Desk?
  private let pimcore: PimcoreDesk?
  /// Where it listens.
  public var port: Int { server.port }

  /// Listens until it is dropped. Events come one at a time, from threads of its own.
  public init(_ options: Options = Options(), onEvent: @escaping @Sendable (Event) -> Void = { _ in }) throws {
    if let setup = options.pimcore {
      let pimcore = PimcoreDesk(setup, options, onEvent)
      desk = nil
      self.pimcore = pimcore
      server = try HTTPServer(port: options.port, bodyBytesMax: Self.bodyBytesMax) { pimcore.answer($0) }
      return
    }
    pimcore = nil
    let storage = try options.savePath.map { try Storage.create($0) }
    let desk = Desk(options, storage, onEvent)
    self.desk = desk
    server = try HTTPServer(port: options.port, bodyBytesMax: Self.bodyBytesMax) { desk.answer($0) }
  }

  deinit {
    desk?.stop()
    pimcore?.stop()
  }

  /// How many records of that ingestion were taken, and whether it is complete; nil where nothing of it came, or it was
  /// forgotten.
  public func progress(of ingestionID: String) -> (recordCount: Int, isComplete: Bool)? {
    desk?.progress(of: ingestionID).map { ($0.recordCount, $0.isComplete) }
  }
}

/// Where requests are answered, one after the other.
private final class Desk: Sendable {
  private struct State {
    var received = ReceivedDeliveries()
    var requestCount = 0
    var misbehaviourCount = 0
  }

  private let state = Mutex(State())
  private let options: Receiver.Options
  private let storage: Storage?
  private let onEvent: @Sendable (Receiver.Event) -> Void
  private let stopped = DispatchSemaphore(value: 0)

  init(_ options: Receiver.Options, _ storage: Storage?, _ onEvent: @escaping @Sendable (Receiver.Event) -> Void) {
    self.options = options
    self.storage = storage
    self.onEvent = onEvent
  }

  func progress(of delivery: String) -> ReceivedDeliveries.Progress? {
    state.withLock { $0.received.deliveries[delivery] }
  }

  /// Lets those go that stall.
  func stop() { stopped.signal() }

  func answer(_ request: HTTPServer.Request) -> HTTPServer.Reply? {
    guard request.method == "POST" else {
      return HTTPServer.Reply(405, Array("POST chunks here\n".utf8), headers: [("Allow", "POST")])
    }
    var misbehaviour: Misbehaviour?
    let verdict = state.withLock { state in
      var turn = 0
      (misbehaviour, turn) = chosen(&state)
      if misbehaviour == .forget { state.received = ReceivedDeliveries() }
      let isTaken = misbehaviour?.takesChunk(turn) ?? true
      var received = state.received
      var verdict = received.receive(request.body)
      if isTaken || misbehaviour == .forget {
        state.received = received
        save(&verdict)
      }
      onEvent(event(verdict, request, misbehaviour))
      return verdict
    }
    return reply(verdict, misbehaviour)
  }

  /// What goes wrong this time, and how often it has before.
  private func chosen(_ state: inout State) -> (Misbehaviour?, Int) {
    state.requestCount += 1
    guard !options.misbehaviours.isEmpty, state.requestCount % options.misbehavesEvery == 0 else { return (nil, 0) }
    let count = state.misbehaviourCount
    state.misbehaviourCount += 1
    let misbehaviour = options.misbehaviours[count % options.misbehaviours.count]
    // Who forgets as often as he can remember never has all: ever more seldom, then.
    if misbehaviour == .forget, (count + 1).nonzeroBitCount != 1 { return (nil, 0) }
    return (misbehaviour, count / options.misbehaviours.count)
  }

  private func save(_ verdict: inout ReceivedDeliveries.Verdict) {
    guard let storage, let delivery = verdict.delivery, let number = verdict.chunk, let records = verdict.records
    else { return }
    let isName = delivery.utf8.count <= 128 && delivery.utf8.allSatisfy { Receiver.isNameByte($0) }
    let directory = isName ? delivery : Digest.sha256(Array(delivery.utf8))
    do {
      try storage.makeDirectories(directory)
      try storage.replace(
        Layout.join(directory, FolderTarget.name(of: number)), records, draft: Layout.join(directory, "draft"))
    } catch {
      verdict.reason = "cannot be saved: \(error)"
    }
  }

  private func event(
    _ verdict: ReceivedDeliveries.Verdict, _ request: HTTPServer.Request, _ misbehaviour: Misbehaviour?
  ) -> Receiver.Event {
    Receiver.Event(
      kind: verdict.kind.rawValue, ingestionID: verdict.delivery, chunkNumber: verdict.chunk,
      recordCount: verdict.recordCount, byteCount: request.body.count, reason: verdict.reason,
      misbehaviour: misbehaviour)
  }

  private func reply(
    _ verdict: ReceivedDeliveries.Verdict, _ misbehaviour: Misbehaviour?
  ) -> HTTPServer.Reply? {
    let json = [("Content-Type", "application/json")]
    var reply = HTTPServer.Reply(200, verdict.answer.bytes(), headers: json)
    switch misbehaviour {
    case .die:
      options.die()
      return nil
    case .stall:
      stopped.wait()
      stopped.signal()
      return nil
    case .error: reply = HTTPServer.Reply(503, Array(#"{"detail":"Service Unavailable"}"#.utf8), headers: json)
    case .busy:
      reply = HTTPServer.Reply(
        429, Array(#"{"detail":"Too Many Requests"}"#.utf8), headers: json + [("Retry-After", "1")])
    case .silent: reply = HTTPServer.Reply(200, Array(#"{"success":true}"#.utf8), headers: json)
    case .wrongID:
      var answer = verdict.answer.object ?? JSONObject()
      answer["ack"] = true
      answer["chunk_number"] = JSONValue((verdict.chunk ?? 0) + 1)
      reply.body = JSONValue.object(answer).bytes()
    case .twice:
      let again = verdict.answer.bytes()
      reply.answerBefore =
        Array("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: \(again.count)\r\n\r\n".utf8)
        + again
    default: break
    }
    return reply
  }
}

extension Receiver {
  /// Letters, digits, `-` and `_`: what may be a directory's name as it is.
  static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
      true
    default: false
    }
  }
}
