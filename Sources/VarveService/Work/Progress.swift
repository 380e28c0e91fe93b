internal import Varve
internal import VarveDelivery
internal import VarveJSON

/// How far an ingestion under way is.
struct Progress: Hashable, Sendable {
  /// `reading`, `sorting`, `merging`, `rewriting`, `committing`, `delivering`.
  var phase = "reading"
  var bytesRead = 0
  var byteCount = 0
  var rows = 0
  var recordsAcknowledged = 0
  /// Of the delivery, once it is known.
  var recordCount: Int?
  /// What the target said when it last did not take a chunk.
  var waiting: String?

  mutating func note(_ event: Event) {
    switch event {
    case .phase(let phase): self.phase = phase.rawValue
    case .progress(let bytes, let count, let rows):
      bytesRead = bytes
      byteCount = count
      self.rows = rows
    case .remark, .rejected, .committed: break
    }
  }

  mutating func note(_ event: DeliveryEvent) {
    phase = "delivering"
    switch event {
    case .began(_, _, _, _, _, let record, let count):
      recordsAcknowledged = record
      recordCount = count
    case .acknowledged(_, let count, _):
      recordsAcknowledged = count
      waiting = nil
    case .waiting(_, _, let reason): waiting = reason
    case .rewound(_, let reason), .redriven(_, _, let reason), .deadLettered(_, _, let reason): waiting = reason
    case .proving: break
    case .completed(_, _, let count): recordsAcknowledged = count
    }
  }

  var json: JSONValue {
    [
      "phase": .string(phase), "bytes_read": JSONValue(bytesRead), "bytes": JSONValue(byteCount),
      "rows": JSONValue(rows), "records_acknowledged": JSONValue(recordsAcknowledged),
      "records": recordCount.map { JSONValue($0) } ?? .null, "waiting": waiting.map { .string($0) } ?? .null,
    ]
  }
}
