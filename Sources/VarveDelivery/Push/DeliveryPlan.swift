internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// All that decides the bytes of a delivery's chunks. Versions never change, so neither do they: a delivery that was cut
/// off goes on with the same plan, whatever the settings say by then.
struct DeliveryPlan: Hashable, Sendable {
  /// A version of the table, and the digest of the log entry that made it.
  struct Side: Hashable, Sendable {
    var version: Int64
    var entrySHA256: String

    init(_ snapshot: Snapshot) {
      version = snapshot.version
      entrySHA256 = snapshot.entrySHA256
    }

    fileprivate init?(_ json: JSONValue?) {
      guard let version = json?["version"]?.int64, let entry = json?["entry"]?.string else { return nil }
      self.version = version
      entrySHA256 = entry
    }

    fileprivate var json: JSONValue { ["version": JSONValue(version), "entry": .string(entrySHA256)] }
  }

  enum Rows: Hashable, Sendable {
    case all
    /// What differs from that version; from nothing where the target has none.
    case changes(since: Side?)
    /// The rows of the files that came after that version: those of one ingestion, in feed order.
    case added(since: Side?)
  }

  var side: Side
  var rows: Rows
  var chunking: Chunking
  var mapping: RecordMapping
  /// Of a delivery that is made again although it was made before.
  var repetition: String?
  /// Of a delivery that was promised before its version was there: the id that its caller was told.
  var ingestion: String?

  func hasSameRecords(as other: DeliveryPlan) -> Bool {
    side == other.side && rows == other.rows && mapping == other.mapping
  }

  /// 64 hexadecimal digits.
  func id(table: String, target: String) -> String {
    if let ingestion { return ingestion }
    let whole: JSONValue = ["table": .string(table), "target": .string(target), "plan": json]
    return Digest.sha256(whole.bytes(.canonical))
  }

  func record(table: String, target: String) -> DeliveryRecord {
    var since: Int64?
    if case .changes(let from?) = rows { since = from.version }
    return DeliveryRecord(
      id: id(table: table, target: target), target: target, table: table, version: side.version, since: since,
      chunking: chunking.description, plan: json.text(.canonical))
  }

  // MARK: In the ledger

  private static let format = 1

  var json: JSONValue {
    var object: JSONObject = [
      "format": JSONValue(DeliveryPlan.format), "of": side.json, "chunking": .string(chunking.description),
      "columns": mapping.json.columns, "unlisted": mapping.json.unlisted,
    ]
    if case .changes(let since) = rows { object["since"] = since?.json ?? "nothing" }
    if case .added(let since) = rows { object["added_since"] = since?.json ?? "nothing" }
    if let ingestion { object["ingestion"] = .string(ingestion) }
    if let repetition { object["repetition"] = .string(repetition) }
    return .object(object)
  }

  init(side: Side, rows: Rows, chunking: Chunking, mapping: RecordMapping) {
    self.side = side
    self.rows = rows
    self.chunking = chunking
    self.mapping = mapping
  }

  init(_ record: DeliveryRecord) throws {
    let place = ["delivery \(record.id)"]
    let unreadable = Problem(
      .damaged, at: place, "its plan in the ledger cannot be read", advice: "push anew with --again")
    guard let json = try? JSONValue(parsing: record.plan), json["format"]?.int == DeliveryPlan.format,
      let side = Side(json["of"]), let chunking = json["chunking"]?.string.flatMap({ Chunking($0) })
    else { throw unreadable }
    self.side = side
    self.chunking = chunking
    mapping = try RecordMapping(json["columns"], unlisted: json["unlisted"], place: place)
    repetition = json["repetition"]?.string
    ingestion = json["ingestion"]?.string
    switch json["added_since"] {
    case nil: break
    case .string:
      rows = .added(since: nil)
      return
    case let since?:
      guard let from = Side(since) else { throw unreadable }
      rows = .added(since: from)
      return
    }
    switch json["since"] {
    case nil: rows = .all
    case .string: rows = .changes(since: nil)
    case let since?:
      guard let from = Side(since) else { throw unreadable }
      rows = .changes(since: from)
    }
  }
}
