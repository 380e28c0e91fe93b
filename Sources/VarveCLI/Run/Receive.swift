import Glibc
import Synchronization
import Varve
import VarveDelivery
import VarveJSON

extension Session {
  /// Listens until it is interrupted.
  func receive(_ call: Invocation) throws {
    var options = Receiver.Options()
    options.port = call.integer("port") ?? options.port
    options.misbehavesEvery = call.integer("every") ?? options.misbehavesEvery
    options.savePath = call["save"]
    options.pimcore = try pimcore(call)
    let kinds = options.pimcore == nil ? Misbehaviour.ofCallbacks : Misbehaviour.ofPimcore
    options.misbehaviours = try call.list("misbehave").map { kind in
      guard let misbehaviour = Misbehaviour(rawValue: kind), kinds.contains(misbehaviour) else {
        throw Problem(
          .usage, "--misbehave: there is no kind \"\(kind)\"",
          advice: "use \(kinds.map(\.rawValue).joined(separator: ", "))")
      }
      return misbehaviour
    }
    options.die = { _exit(1) }
    let isJSON = call.has("json")
    let isQuiet = call.has("quiet")
    // Events come from the receiver's own threads.
    let lines = Mutex(Stream(STDOUT_FILENO, name: "standard output"))
    let say: @Sendable (String) -> Void = { text in
      lines.withLock { stream in
        try? stream.writeLine(text)
        try? stream.flush()
      }
    }
    // What comes in at once is told behind where it came in.
    let receiver = try lines.withLock { stream in
      let receiver = try Receiver(options) { event in
        if !isQuiet { say(isJSON ? json(of: event).text() : sentence(on: event)) }
      }
      let address = "http://127.0.0.1:\(receiver.port)/"
      try stream.writeLine(
        isJSON ? (["event": "listening", "url": .init(address)] as JSONValue).text() : "listening on \(address)")
      try stream.flush()
      return receiver
    }
    while !Interruption.isRequested { usleep(50_000) }
    withExtendedLifetime(receiver) {}
  }

  /// The Pimcore that `--as` wants; nil for the acknowledged callback.
  private func pimcore(_ call: Invocation) throws -> PimcoreSetup? {
    let sides = call.list("as").compactMap { PimcoreSetup.Side(rawValue: $0) }
    guard !sides.isEmpty else {
      if call["setup"] != nil { throw Problem(.usage, "--setup is for --as data-importer or graphql") }
      return nil
    }
    return try PimcoreSetup(path: call["setup"], sides: Set(sides))
  }
}

private func json(of event: Receiver.Event) -> JSONValue {
  [
    "event": .init(event.kind), "ingestion_id": text(event.ingestionID), "chunk_number": count(event.chunkNumber),
    "records": .init(event.recordCount), "bytes": .init(event.byteCount), "reason": text(event.reason),
    "misbehaviour": text(event.misbehaviour?.rawValue),
  ]
}

/// `chunk 3 of 5f3a9c0112ab: 1,000 records, taken`.
private func sentence(on event: Receiver.Event) -> String {
  let delivery = event.ingestionID.map { " of " + printable(shortened($0)) } ?? ""
  var line: String
  switch (event.kind, event.chunkNumber) {
  case ("complete", _): line = "the end" + delivery + ": \(grouped(event.recordCount)) records, complete"
  case ("taken", let number?): line = "chunk \(number)" + delivery + ": \(grouped(event.recordCount)) records, taken"
  case (let kind, let number?): line = "chunk \(number)" + delivery + ": " + kind
  case ("taken", nil): line = "a push: \(grouped(event.recordCount)) rows, taken"
  case (let kind, nil): line = "a request" + delivery + ": " + kind
  }
  if let reason = event.reason { line += ", " + printable(reason) }
  if let misbehaviour = event.misbehaviour { line += " (misbehaves: \(misbehaviour.rawValue))" }
  return line
}
