import Varve
import VarveDelivery
import VarveJSON

extension Session {
  func deliveries(_ call: Invocation, _ warehouse: Warehouse) throws {
    if let wanted = call["resume"] {
      try resume(wanted, call, warehouse)
    } else if call.has("dead") {
      try undelivered(call, warehouse)
    } else if let id = call.arguments.first {
      try chunks(of: id, call, warehouse)
    } else {
      try list(call, warehouse)
    }
  }

  private func list(_ call: Invocation, _ warehouse: Warehouse) throws {
    let entries = try warehouse.deliveries(
      target: call["target"], table: call["table"], limit: call.integer("limit"))
    let isProven = entries.contains { $0.provenCount + $0.deadCount > 0 }
    let columns: [Listing<DeliverySummary>.Column] = [
      .init("delivery", "id", fate: .name) { .init(call.has("json") ? $0.id : shortened($0.id)) },
      .init("table", fate: .name) { .init($0.table) },
      .init("version", .right) { .init($0.version) },
      .init("since", .right, isMinor: true) { count($0.since) },
      .init("target") { .init($0.target) },
      .init("state") { .init($0.state) },
      .init("chunks", .right, isMinor: true) { .init($0.chunkCount) },
      .init("records", .right) { .init($0.recordCount) },
      .init("proven", nil, .right, isInTable: isProven) { .init($0.provenCount) },
      .init("dead", nil, .right, isInTable: isProven) { .init($0.deadCount) },
      .init("chunking", isInTable: false) { .init($0.chunking) },
      .init("attempts", isInTable: false) { .init($0.attempts) },
      .init("started", isInTable: false) { text($0.started) },
      .init("ended", fate: .time) { text($0.ended) },
      .init("next_try", isInTable: false) { text($0.nextTry) },
      .init("error", isInTable: false) { text($0.error) },
    ]
    try write(Listing(columns: columns, entries: entries, note: \.error), call)
  }

  private func chunks(of id: String, _ call: Invocation, _ warehouse: Warehouse) throws {
    let columns: [Listing<ChunkSummary>.Column] = [
      .init("chunk", "number", .right) { .init($0.number) },
      .init("records", .right) { .init($0.recordCount) },
      .init("state") { .init($0.state) },
      .init("attempts", .right) { .init($0.attempts) },
      .init("sha256", isInTable: false) { .init($0.sha256) },
      .init("sent", isInTable: false) { text($0.sent) },
      .init("acknowledged", fate: .time) { text($0.acknowledged) },
      .init("proven", isInTable: false) { text($0.proven) },
      .init("error", isInTable: false) { text($0.error) },
    ]
    let delivery = try warehouse.delivery(id)
    let chunks = try warehouse.chunks(ofDelivery: delivery.id)
    try write(Listing(columns: columns, entries: chunks, note: \.error), call)
  }

  private func undelivered(_ call: Invocation, _ warehouse: Warehouse) throws {
    let columns: [Listing<DeadLetter>.Column] = [
      .init("delivery", "id", fate: .name) { .init(call.has("json") ? $0.deliveryID : shortened($0.deliveryID)) },
      .init("version", .right) { .init($0.version) },
      .init("key") { .init($0.key) },
      .init("reason", isInTable: false) { .init($0.reason) },
      .init("noted", isInTable: false) { .init($0.noted) },
    ]
    let id = try call.arguments.first.map { try warehouse.delivery($0).id }
    let entries = try warehouse.deadLetters(ofDelivery: id, target: call["target"], table: call["table"])
    try write(Listing(columns: columns, entries: entries, note: \.reason), call)
  }

  private func resume(_ wanted: String, _ call: Invocation, _ warehouse: Warehouse) throws {
    let ids =
      wanted == "all"
      ? try warehouse.deliveries(target: call["target"], table: call["table"]).reversed()
        .filter { $0.state != "complete" }.map(\.id)
      : [wanted]
    for id in ids {
      let report = try showing(call) {
        try warehouse.resumeDelivery(id, isInterrupted: { Interruption.isRequested }, onEvent: $0)
      }
      try printReport(report, call)
    }
    if ids.isEmpty, !call.has("quiet"), !call.has("json") { try output.writeLine("no delivery waits to go on") }
  }
}
