internal import Varve
internal import VarveDelivery
internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// What was asked for, as the ledger keeps it: all that is needed to do it, and to go on with it.
struct Job: Sendable {
  var filePath: String
  var isWorkbook: Bool
  var callback: String
  var chunking: Chunking
  var mode: String?
  var key: [String]
  /// The caller's own name of its request, and the digest of the body that came with it.
  var idempotencyKey: String?
  var bodySHA256: String

  private static let format = 1

  init(
    _ request: CallbackRequest, _ rule: TableRules.Rule, idempotencyKey: String?, bodySHA256: String
  ) {
    filePath = request.filePath
    isWorkbook = request.fileType == .excel
    callback = request.callback
    chunking = request.chunking
    mode = rule.mode?.rawValue
    key = rule.key
    self.idempotencyKey = idempotencyKey
    self.bodySHA256 = bodySHA256
  }

  var json: JSONValue {
    var object: JSONObject = [
      "format": JSONValue(Job.format), "file_path": .string(filePath), "is_workbook": JSONValue(isWorkbook),
      "callback_url": .string(callback), "chunking": .string(chunking.description),
      "key": .array(key.map { .string($0) }), "body_sha256": .string(bodySHA256),
    ]
    if let mode { object["mode"] = .string(mode) }
    if let idempotencyKey { object["idempotency_key"] = .string(idempotencyKey) }
    return .object(object)
  }

  init(_ record: IngestionRecord) throws {
    guard let json = try? JSONValue(parsing: record.request), json["format"]?.int == Job.format,
      let filePath = json["file_path"]?.string, let callback = json["callback_url"]?.string,
      let chunking = json["chunking"]?.string.flatMap({ Chunking($0) })
    else {
      throw Problem(.damaged, at: ["ingestion \(record.id)"], "its request in the ledger cannot be read")
    }
    self.filePath = filePath
    self.callback = callback
    self.chunking = chunking
    isWorkbook = json["is_workbook"]?.boolean ?? false
    mode = json["mode"]?.string
    key = json["key"]?.array?.compactMap(\.string) ?? []
    idempotencyKey = json["idempotency_key"]?.string
    bodySHA256 = json["body_sha256"]?.string ?? ""
  }
}
