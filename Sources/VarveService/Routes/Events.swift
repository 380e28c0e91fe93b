internal import Glibc
internal import Synchronization
internal import Varve
internal import VarveDelivery
internal import VarveJSON
internal import VarveLake

/// Something that is looked at again and again.
protocol Watch: AnyObject {
  /// What changed since the last look, as event names and texts; nil where nothing more will.
  func look() throws -> [(name: String, data: [UInt8])]?
}

/// What a watch finds as server-sent events, and a comment now and then so that nobody takes the connection for dead.
final class ServerSentEvents {
  private let desk: ServiceDesk
  private let watch: any Watch
  private static let looksPerComment = 20
  private static let pauseMicroseconds: UInt32 = 200_000

  init(_ desk: ServiceDesk, _ watch: any Watch) {
    self.desk = desk
    self.watch = watch
  }

  func next() throws -> [UInt8]? {
    for _ in 0..<ServerSentEvents.looksPerComment {
      guard !desk.isStopping, let events = try watch.look() else { return nil }
      guard events.isEmpty else {
        return events.flatMap { Array("event: \($0.name)\ndata: ".utf8) + $0.data + Array("\n\n".utf8) }
      }
      usleep(ServerSentEvents.pauseMicroseconds)
    }
    return Array(": still here\n\n".utf8)
  }
}

/// One ingestion until it is over.
final class IngestionWatch: Watch {
  private let desk: ServiceDesk
  private let id: String
  private var last: [UInt8] = []
  private var isOver = false

  init(_ desk: ServiceDesk, _ id: String) {
    self.desk = desk
    self.id = id
  }

  func look() throws -> [(name: String, data: [UInt8])]? {
    guard !isOver, let record = try desk.ledger.ingestion(id) else { return nil }
    let text = try json(desk, record).bytes()
    isOver = !record.isUnderWay
    defer { last = text }
    return text == last ? [] : [("progress", text)]
  }
}

/// All ingestions and deliveries that are under way, and the tables' newest versions.
final class WorkWatch: Watch {
  private let desk: ServiceDesk
  private var ingestions: [String: [UInt8]] = [:]
  private var deliveries: [String: [UInt8]] = [:]
  private var heads: [String: Int64]?
  private var lookCount = 0
  private static let listedMax = 100
  private static let looksPerHeads = 5

  init(_ desk: ServiceDesk) { self.desk = desk }

  func look() throws -> [(name: String, data: [UInt8])]? {
    var events: [(name: String, data: [UInt8])] = []
    try lookAtIngestions(&events)
    try lookAtDeliveries(&events)
    if lookCount % WorkWatch.looksPerHeads == 0 { try lookAtTables(&events) }
    lookCount += 1
    return events
  }

  private func lookAtIngestions(_ events: inout [(name: String, data: [UInt8])]) throws {
    var known = ingestions
    ingestions = [:]
    for state in [IngestionRecord.State.inProgress, .pending] {
      for record in try desk.ledger.ingestions(state: state, limit: WorkWatch.listedMax) {
        let text = try json(desk, record).bytes()
        if known.removeValue(forKey: record.id) != text { events.append(("ingestion", text)) }
        ingestions[record.id] = text
      }
    }
    // How those ended that are not under way any more.
    for id in known.keys.sorted() {
      guard let record = try desk.ledger.ingestion(id) else { continue }
      events.append(("ingestion", try json(desk, record).bytes()))
    }
  }

  private func lookAtDeliveries(_ events: inout [(name: String, data: [UInt8])]) throws {
    var known = deliveries
    deliveries = [:]
    for delivery in try desk.warehouse.deliveries(isUnderWay: true, limit: WorkWatch.listedMax) {
      let text = json(delivery).bytes()
      if known.removeValue(forKey: delivery.id) != text { events.append(("delivery", text)) }
      deliveries[delivery.id] = text
    }
    for id in known.keys.sorted() { events.append(("delivery", json(try desk.warehouse.delivery(id)).bytes())) }
  }

  private func lookAtTables(_ events: inout [(name: String, data: [UInt8])]) throws {
    let lake = try desk.warehouse.lake()
    var now: [String: Int64] = [:]
    for name in try lake?.tableNames() ?? [] { now[name] = try lake?.table(name)?.head() }
    defer { heads = now }
    guard let heads else { return }
    for (name, version) in now.sorted(by: { $0.key < $1.key }) where heads[name] != version {
      let event: JSONValue = ["table": .string(name), "version": JSONValue(version)]
      events.append(("version", event.bytes()))
    }
  }
}

extension IngestionRecord {
  fileprivate var isUnderWay: Bool { state == .pending || state == .inProgress }
}
