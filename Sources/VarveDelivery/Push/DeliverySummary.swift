public import Varve
internal import VarveJSON
// Not the lake's class of that name.
public import class Varve.Warehouse
internal import VarveLake
internal import VarveTables

/// A delivery as the ledger knows it.
public struct DeliverySummary: Sendable {
  /// What receivers know as `ingestion_id`.
  public var id: String
  /// Where it is delivered to.
  public var target: String
  /// The table's name.
  public var table: String
  /// The version's number.
  public var version: Int
  /// The version that the changes start from; nil for all rows, and for changes since nothing.
  public var since: Int?
  /// `planned`, `sending`, `complete`, `incomplete` (dead letters are left), `stopped`.
  public var state: String
  /// How records are parted into chunks: `1000 records`.
  public var chunking: String
  /// Acknowledged so far.
  public var chunkCount: Int
  /// How many records.
  public var recordCount: Int
  /// Records that were read back as they were sent, and such as never were; 0 for targets that are not read back.
  public var provenCount: Int
  /// How many records were given up.
  public var deadCount: Int
  /// How often it was begun or gone on with.
  public var attempts: Int
  /// Why it stopped.
  public var error: String?
  /// When: `2024-10-06T12:00:00Z`.
  public var started: String?
  /// When it ended, if it did.
  public var ended: String?
  /// Before then the target does not want to be asked again.
  public var nextTry: String?
}

extension DeliverySummary {
  fileprivate init(_ record: DeliveryRecord, _ ledger: Ledger) throws {
    let progress = try ledger.progress(of: record.id)
    self.init(
      id: record.id, target: record.target, table: record.table, version: Int(record.version),
      since: record.since.map { Int($0) }, state: record.state.rawValue, chunking: record.chunking,
      chunkCount: progress.acknowledgedCount, recordCount: progress.recordCount, provenCount: progress.provenCount,
      deadCount: progress.deadCount, attempts: record.attempts,
      error: record.error, started: record.started.map(timeText), ended: record.ended.map(timeText),
      nextTry: record.nextTry.map(timeText))
  }
}

extension Ledger {
  /// The one delivery whose id begins so.
  func deliveryRecord(beginning id: String) throws -> DeliveryRecord {
    let found = try deliveries().filter { $0.id.hasPrefix(id) }
    guard let record = found.first, found.count == 1, !id.isEmpty else {
      throw Problem(
        .failed,
        found.isEmpty || id.isEmpty
          ? "there is no delivery \"\(id)\"" : "\(found.count) deliveries begin with \"\(id)\"",
        advice: "see varve deliveries")
    }
    return record
  }
}

/// One chunk of a delivery as the ledger knows it.
public struct ChunkSummary: Sendable {
  /// The chunk's number, from 0.
  public var number: Int
  /// How many records.
  public var recordCount: Int
  /// Of its records as they are sent.
  public var sha256: String
  /// `planned`, `sent`, `acknowledged`, `proven`, `failed`.
  public var state: String
  /// How often it was sent.
  public var attempts: Int
  /// Why the last attempt failed.
  public var error: String?
  /// When it was sent last.
  public var sent: String?
  /// When the receiver acknowledged it.
  public var acknowledged: String?
  /// When its records were read back as they should be.
  public var proven: String?
}

/// A record that a target took and does not hold as it was sent.
public struct DeadLetter: Sendable {
  /// The delivery's id.
  public var deliveryID: String
  /// The version's number.
  public var version: Int
  /// What the target knows it by.
  public var key: String
  /// Why.
  public var reason: String
  /// When it was given up.
  public var noted: String
}

extension Warehouse {
  /// Every delivery that was begun, newest first. `isUnderWay`: only those that are being sent.
  public func deliveries(
    target: String? = nil, table: String? = nil, isUnderWay: Bool = false, limit: Int? = nil
  ) throws -> [DeliverySummary] {
    guard let storage = try lake()?.storage, let ledger = try Ledger.openToRead(storage) else { return [] }
    return try ledger.deliveries(
      target: target, table: table, isUnderWay: isUnderWay, limit: limit ?? .max
    ).map { try DeliverySummary($0, ledger) }
  }

  /// The names of the targets that varve.json declares.
  public func declaredTargets() throws -> [String] {
    guard let storage = try lake()?.storage else { return [] }
    return try Settings.read(storage)?["targets"]?.object?.keys.map { $0 } ?? []
  }

  /// The delivery of that id, or of the one id that begins so.
  public func delivery(_ id: String) throws -> DeliverySummary {
    guard let storage = try lake()?.storage, let ledger = try Ledger.openToRead(storage) else {
      throw Problem(.failed, "there is no delivery \"\(id)\"", advice: "nothing was delivered from here yet")
    }
    return try DeliverySummary(ledger.deliveryRecord(beginning: id), ledger)
  }

  /// The chunks of a delivery that were ever sent, by number.
  public func chunks(ofDelivery id: String) throws -> [ChunkSummary] {
    guard let storage = try lake()?.storage, let ledger = try Ledger.openToRead(storage) else { return [] }
    return try ledger.chunks(of: id).map { chunk in
      ChunkSummary(
        number: chunk.number, recordCount: chunk.recordCount, sha256: chunk.sha256, state: chunk.state.rawValue,
        attempts: chunk.attempts, error: chunk.error, sent: chunk.sent.map(timeText),
        acknowledged: chunk.acknowledged.map(timeText), proven: chunk.proven.map(timeText))
    }
  }

  /// What deliveries owe their targets, oldest first; of the delivery of that id only, where one is given.
  public func deadLetters(
    ofDelivery id: String? = nil, target: String? = nil, table: String? = nil
  ) throws -> [DeadLetter] {
    guard let storage = try lake()?.storage, let ledger = try Ledger.openToRead(storage) else { return [] }
    return try ledger.deadRecords(target: target, table: table, delivery: id).map { letter in
      DeadLetter(
        deliveryID: letter.delivery, version: Int(letter.version), key: letter.key, reason: letter.reason,
        noted: timeText(letter.noted))
    }
  }
}
