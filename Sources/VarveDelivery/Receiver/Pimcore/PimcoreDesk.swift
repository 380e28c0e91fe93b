internal import CSystem
internal import Dispatch
internal import Synchronization
internal import VarveJSON

/// Pimcore's two ways in, to rehearse with: the Data Importer's push and Data Hub's GraphQL over the same objects. What
/// they answer, and what they do with what they were sent, is as in Documentation/Pimcore.md, "What it answers".
final class PimcoreDesk: Sendable {
  private struct State {
    var store: PimcoreStore
    var requestCount = 0
    var misbehaviourCount = 0
    /// When the queue was worked on last, and what part of a row was left.
    var worked = varve_monotonic_nanoseconds()
    var credit = 0.0
  }

  private let setup: PimcoreSetup
  private let state: Mutex<State>
  private let misbehaviours: [Misbehaviour]
  private let every: Int
  private let onEvent: @Sendable (Receiver.Event) -> Void
  private let stopped = DispatchSemaphore(value: 0)

  init(_ setup: PimcoreSetup, _ options: Receiver.Options, _ onEvent: @escaping @Sendable (Receiver.Event) -> Void) {
    var store = PimcoreStore(setup)
    let kinds = Set(options.misbehaviours)
    store.faults.hasCleanup = kinds.contains(.cleanup)
    store.faults.hasDeltaCheck = kinds.contains(.deltaCheck)
    store.faults.hasNoWorkers = kinds.contains(.noWorkers)
    store.faults.cutsText = kinds.contains(.cutText)
    store.faults.losesEvery = kinds.contains(.lostRows) ? options.misbehavesEvery : nil
    store.faults.changesEvery = kinds.contains(.wrongValue) ? options.misbehavesEvery : nil
    self.setup = setup
    state = Mutex(State(store: store))
    misbehaviours = options.misbehaviours.filter { $0.isOfRequests }
    every = options.misbehavesEvery
    self.onEvent = onEvent
  }

  /// Lets those go that stall.
  func stop() { stopped.signal() }

  private static let json = [("Content-Type", "application/json")]

  private static func page(_ status: Int, _ text: String) -> HTTPServer.Reply {
    HTTPServer.Reply(
      status, Array("<!DOCTYPE html><html><body><h1>\(text)</h1></body></html>\n".utf8),
      headers: [("Content-Type", "text/html; charset=UTF-8")])
  }

  private static func reply(_ status: Int, _ body: JSONValue) -> HTTPServer.Reply {
    HTTPServer.Reply(status, body.bytes(), headers: json)
  }

  func answer(_ request: HTTPServer.Request) -> HTTPServer.Reply? {
    let parts = request.path.split(separator: "/").map(String.init)
    let isPush = parts.count == 3 && parts[0] == "pimcore-datahub-import" && parts[2] == "push"
    let isQuery = parts.count == 2 && parts[0] == "pimcore-graphql-webservices"
    guard isPush && setup.sides.contains(.importer) || isQuery && setup.sides.contains(.graphQL) else {
      return PimcoreDesk.page(404, "Page Not Found")
    }
    guard request.method == "POST" else { return PimcoreDesk.page(405, "Method Not Allowed") }
    var misbehaviour: Misbehaviour?
    let reply: HTTPServer.Reply = state.withLock { state in
      work(&state)
      let turn: Int
      (misbehaviour, turn) = chosen(&state, isPush)
      // Half of what goes wrong goes wrong behind what was done.
      let isDone = misbehaviour?.takesChunk(turn) ?? true
      let reply =
        isPush
        ? push(parts[1], request, &state.store, misbehaviour, isDone) : query(parts[1], request, &state.store, isDone)
      work(&state)
      return reply
    }
    switch misbehaviour {
    case .stall:
      stopped.wait()
      stopped.signal()
      return nil
    case .error: return PimcoreDesk.page(503, "Service Unavailable")
    case .busy:
      var reply = PimcoreDesk.page(429, "Too Many Requests")
      reply.headers.append(("Retry-After", "1"))
      return reply
    default: return reply
    }
  }

  private func work(_ state: inout State) {
    let now = varve_monotonic_nanoseconds()
    defer { state.worked = now }
    guard let rate = setup.rowsPerSecond else { return state.store.work(.max) }
    // Whoever waits for work has saved none up.
    state.credit = state.store.queueCount == 0 ? 0 : state.credit + Double(now - state.worked) / 1e9 * rate
    let whole = state.credit.rounded(.down)
    state.credit -= whole
    state.store.work(Int(min(whole, 1e9)))
  }

  private func chosen(_ state: inout State, _ isPush: Bool) -> (Misbehaviour?, Int) {
    let possible = misbehaviours.filter { isPush || !$0.isOfPushes }
    guard !possible.isEmpty else { return (nil, 0) }
    state.requestCount += 1
    guard state.requestCount % every == 0 else { return (nil, 0) }
    defer { state.misbehaviourCount += 1 }
    return (possible[state.misbehaviourCount % possible.count], state.misbehaviourCount / possible.count)
  }

  // MARK: The Data Importer

  private func push(
    _ name: String, _ request: HTTPServer.Request, _ store: inout PimcoreStore, _ misbehaviour: Misbehaviour?,
    _ isDone: Bool
  ) -> HTTPServer.Reply {
    guard name.utf8.allSatisfy({ Receiver.isNameByte($0) }) else { return PimcoreDesk.page(404, "Page Not Found") }
    // As the controller does it: the configuration first, then the key.
    guard name == setup.importName else {
      return failed("Configuration \"\(name)\" does not exist.")
    }
    guard let header = request.headers["authorization"] else { return failed("Missing authorization") }
    guard PimcoreDesk.token(header) == setup.importKey else { return failed("Invalid token") }
    let unprepared = PimcoreDesk.reply(
      405, ["success": false, "message": "Import not prepared, see application log for details."])
    guard store.queueCount == 0 else {
      tell("refused", reason: "the queue is not empty: \(store.queueCount) rows")
      return unprepared
    }
    guard setup.isActive, misbehaviour != .unprepared else {
      tell("refused", reason: setup.isActive ? nil : "the configuration is not active", misbehaviour)
      return unprepared
    }
    guard let rows = rows(request.body) else {
      tell("refused", reason: "the file is not valid")
      return unprepared
    }
    guard isDone || misbehaviour == .partial else { return unprepared }
    do throws(PimcoreStore.Interrupted) {
      let count = try store.prepare(rows, failsBehind: misbehaviour == .partial ? rows.count / 2 : nil)
      tell("taken", rows.count, reason: count == rows.count ? nil : "\(count) put into the queue", misbehaviour)
      return PimcoreDesk.reply(200, ["success": true])
    } catch {
      tell("refused", reason: error.reason, misbehaviour)
      return unprepared
    }
  }

  private func failed(_ error: String) -> HTTPServer.Reply {
    tell("refused", reason: error)
    return PimcoreDesk.reply(500, ["success": false, "error": .string(error)])
  }

  /// `Bearer` is told by its case, and blanks around the key do not count.
  private static func token(_ header: String) -> String {
    let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
    var rest = header.drop(while: isBlank)
    if rest.hasPrefix("Bearer"), rest.dropFirst(6).first.map(isBlank) == true { rest = rest.dropFirst(7) }
    rest = rest.drop(while: isBlank)
    while rest.last.map(isBlank) == true { rest.removeLast() }
    return String(rest)
  }

  /// Nil for a file that is not valid.
  private func rows(_ body: [UInt8]) -> [JSONValue]? {
    if let csv = setup.csv {
      guard !body.isEmpty else { return nil }
      return csv.rows(body).map { .array($0.map { .string($0) }) }
    }
    guard let value = try? JSONValue(parsing: body, duplicateKeys: .lastWins) else { return nil }
    return value.array ?? value.object?.members.map(\.value) ?? []
  }

  // MARK: Data Hub

  private func query(
    _ name: String, _ request: HTTPServer.Request, _ store: inout PimcoreStore, _ isDone: Bool
  ) -> HTTPServer.Reply {
    guard name == setup.graphQLName else { return PimcoreDesk.page(404, "No active configuration found for \(name)") }
    let key = request.headers["apikey"] ?? request.headers["x-api-key"] ?? request.query["apikey"]
    guard key == setup.graphQLKey else { return PimcoreDesk.page(403, "Permission denied, apikey not valid") }
    guard isDone else { return PimcoreDesk.reply(200, ["data": nil]) }
    var endpoint = PimcoreGraphQL(setup: setup)
    return PimcoreDesk.reply(200, endpoint.answer(request.body, &store))
  }

  private func tell(_ kind: String, _ count: Int = 0, reason: String? = nil, _ misbehaviour: Misbehaviour? = nil) {
    onEvent(
      Receiver.Event(
        kind: kind, ingestionID: nil, chunkNumber: nil, recordCount: count, byteCount: 0, reason: reason,
        misbehaviour: misbehaviour))
  }
}
