internal import VarveDelivery
internal import VarveJSON

/// The body of `POST /api/ingest`, checked as the services that this one stands in for check it.
struct CallbackRequest {
  enum FileType: String { case json, excel }

  var filePath: String
  var fileType: FileType
  var callback: String
  var chunking: Chunking
  var isAgain: Bool

  static let recordsMax = 4000

  init(_ body: [UInt8]) throws {
    guard let json = try? JSONValue(parsing: body), let members = json.object else {
      throw Refusal.invalid(nil, "The body must be a JSON object.", type: "json_invalid")
    }
    // Types come first, then what is missing, in the order of the messages that callers know.
    let path = try CallbackRequest.text(members, "file_path")
    let type = try CallbackRequest.text(members, "file_type")
    let callback = try CallbackRequest.text(members, "callback_url")
    let records = try CallbackRequest.count(members, "chunk_size_by_records", max: CallbackRequest.recordsMax)
    let bytes = try CallbackRequest.count(members, "chunk_size_by_memory", max: 1 << 30)
    isAgain = try CallbackRequest.flag(members, "re_ingestion")
    guard !path.isEmpty else { throw Refusal(400, "File url is required!") }
    guard !type.isEmpty else { throw Refusal(400, "File type is required!") }
    guard !callback.isEmpty else { throw Refusal(400, "Callback url is required!") }
    guard let fileType = FileType(rawValue: type.lowercased()) else {
      throw Refusal(400, "File type must be json or excel!")
    }
    switch (records, bytes) {
    case (0, 0): throw Refusal(400, "Either chunk_size_by_records or chunk_size_by_memory must be provided")
    case (let records, 0): chunking = .records(records)
    case (0, let bytes): chunking = .bytes(bytes)
    default: throw Refusal(400, "Provide only one: chunk_size_by_records OR chunk_size_by_memory")
    }
    filePath = path
    self.fileType = fileType
    self.callback = callback
  }

  private static func text(_ members: JSONObject, _ key: String) throws -> String {
    switch members[key] {
    case nil, .null?: return ""
    case .string(let text)?:
      guard !text.utf8.contains(0) else {
        throw Refusal.invalid(key, "\(key) must not hold a NUL.", type: "string_type")
      }
      return text
    default: throw Refusal.invalid(key, "\(key) must be a text.", type: "string_type")
    }
  }

  /// 0 counts as not given.
  private static func count(_ members: JSONObject, _ key: String, max: Int) throws -> Int {
    guard let value = members[key], !value.isNull else { return 0 }
    guard let count = value.int ?? value.string.flatMap({ Int($0) }) else {
      throw Refusal.invalid(key, "\(key) must be a whole number.", type: "int_type")
    }
    guard (0...max).contains(count) else {
      throw Refusal.invalid(key, "\(key) must be from 1 to \(max).", type: "range")
    }
    return count
  }

  private static func flag(_ members: JSONObject, _ key: String) throws -> Bool {
    guard let value = members[key], !value.isNull else { return false }
    guard let flag = value.boolean else {
      throw Refusal.invalid(key, "\(key) must be true or false.", type: "bool_type")
    }
    return flag
  }
}
