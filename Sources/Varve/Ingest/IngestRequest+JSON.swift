internal import Glibc
internal import VarveFeeds
internal import VarveJSON
internal import VarveTables

/// A request as the ledger keeps it, so that another process can do it again.
extension IngestRequest {
  static let format = 1

  var json: JSONValue {
    var object: JSONObject = [
      "format": JSONValue(IngestRequest.format), "table": .string(table), "feeds": .array(feeds.map(\.json)),
    ]
    func note(_ name: String, _ value: String?) { object[name] = value.map(JSONValue.string) }
    func note(_ name: String, _ flag: Bool) { object[name] = flag ? true : nil }
    func note(_ name: String, _ list: [String]) {
      object[name] = list.isEmpty ? nil : .array(list.map(JSONValue.string))
    }
    note("mode", mode?.rawValue)
    note("key", key)
    note("key_from", keyFrom)
    note("partition_by", partitionBy)
    if !partitions.isEmpty { object["partitions"] = .array(partitions.map(\.json)) }
    if let dynamicPartitionsMax { object["dynamic_partitions_max"] = JSONValue(dynamicPartitionsMax) }
    note("execution", execution)
    note("delete_when", deleteWhen)
    note("newest_by", newestBy)
    note("updates", updates?.rawValue)
    if badRows != .fail { note("on_bad_row", badRows.rawValue) }
    note("select", select)
    if let transform { object["transform"] = Transformation.rows(transform).json }
    note("reingest", reingest)
    note("allow_empty", allowEmpty)
    note("hold_publish", holdsPublication)
    note("no_cascade", !cascades)
    note("publish_incomplete", publishesIncomplete)
    note("discard_interposed", discardsInterposed)
    note("reapply", reappliesInterposed)
    note("immutable", isImmutable)
    if let immutableDays { object["immutable_days"] = JSONValue(immutableDays) }
    note("with_origin", withOrigin)
    if let zstdLevel { object["zstd_level"] = JSONValue(zstdLevel) }
    note("idempotency_key", idempotencyKey)
    note("transaction", transaction)
    return .object(object)
  }

  /// Nil for what a newer Varve wrote, or what is no request.
  init?(json: JSONValue) {
    guard let format = json["format"]?.int, format <= IngestRequest.format, let table = json["table"]?.string,
      let feeds = json["feeds"]?.array?.compactMap(FeedRequest.init(json:)), !feeds.isEmpty
    else { return nil }
    // Nobody but the program that has the closure can do it again.
    guard json["transform"] == nil else { return nil }
    self.init(feeds, into: table)
    select = json["select"]?.string
    func list(_ name: String) -> [String] { json[name]?.array?.compactMap(\.string) ?? [] }
    func flag(_ name: String) -> Bool { json[name]?.boolean ?? false }
    mode = json["mode"]?.string.flatMap(IngestMode.init(rawValue:))
    key = list("key")
    keyFrom = list("key_from")
    partitionBy = list("partition_by")
    partitions = (json["partitions"]?.array ?? []).map { partition in
      Dictionary(uniqueKeysWithValues: (partition.object?.members ?? []).map { ($0.key, $0.value.string) })
    }
    dynamicPartitionsMax = json["dynamic_partitions_max"]?.int
    execution = json["execution"]?.string
    deleteWhen = json["delete_when"]?.string
    newestBy = json["newest_by"]?.string
    updates = json["updates"]?.string.flatMap(UpdateMethod.init(rawValue:))
    badRows = json["on_bad_row"]?.string.flatMap(BadRowPolicy.init(rawValue:)) ?? .fail
    reingest = flag("reingest")
    allowEmpty = flag("allow_empty")
    holdsPublication = flag("hold_publish")
    cascades = !flag("no_cascade")
    publishesIncomplete = flag("publish_incomplete")
    discardsInterposed = flag("discard_interposed")
    reappliesInterposed = flag("reapply")
    isImmutable = flag("immutable")
    immutableDays = json["immutable_days"]?.int
    withOrigin = flag("with_origin")
    zstdLevel = json["zstd_level"]?.int
    idempotencyKey = json["idempotency_key"]?.string
    transaction = json["transaction"]?.string
  }
}

/// A request as the log keeps it, so that the version can be made again from the same feeds, wherever they lie then.
extension IngestRequest {
  /// Without paths; with schema files instead of theirs.
  func lasting(names: [String]) throws -> JSONValue {
    var object = json.object ?? [:]
    for key in ["table", "transaction", "idempotency_key", "hold_publish"] { object[key] = nil }
    object["feeds"] = .array(
      try zip(feeds, names).map { feed, name in
        var feedObject = feed.json.object ?? [:]
        feedObject["path"] = .string(name)
        feedObject["schema"] = try feed.schemaPath.map { try SchemaFile(path: $0).json }
        return .object(feedObject)
      })
    return .object(object)
  }

  /// The request again, for feeds that lie at these paths. `schemaPath` is given each schema, and says where it put it.
  init?(
    lasting json: JSONValue, table: String, paths: [String], schemaPath: (JSONValue) throws -> String
  ) throws {
    guard var object = json.object, var feeds = object["feeds"]?.array?.compactMap(\.object), feeds.count == paths.count
    else { return nil }
    let names = feeds.map { $0["path"]?.string }
    for index in feeds.indices {
      feeds[index]["path"] = .string(paths[index])
      if let schema = feeds[index]["schema"] { feeds[index]["schema"] = .string(try schemaPath(schema)) }
    }
    object["feeds"] = .array(feeds.map(JSONValue.object))
    object["table"] = .string(table)
    guard let request = IngestRequest(json: .object(object)) else { return nil }
    self = request
    for index in names.indices { self.feeds[index].name = names[index] }
  }
}

extension FeedRequest {
  var json: JSONValue {
    var object: JSONObject = ["path": .string(path)]
    func note(_ name: String, _ value: String?) { object[name] = value.map(JSONValue.string) }
    note("format", format?.rawValue)
    note("sheet", sheet)
    if let headerRow { object["header_row"] = JSONValue(headerRow) }
    if fillMerged { object["fill_merged"] = true }
    note("records_at", recordsAt)
    if duplicateKeys != .refuse { note("duplicate_keys", duplicateKeys.rawValue) }
    if errorCells != .reject { note("error_cells", errorCells.rawValue) }
    note("timezone", timezone)
    note("schema", schemaPath)
    note("delimiter", csv.delimiter)
    note("quote", csv.quote)
    note("escape", csv.escape)
    note("encoding", csv.encoding)
    if let line = csv.headerLine { object["header"] = JSONValue(line) }
    if csv.skippedLines > 0 { object["skip"] = JSONValue(csv.skippedLines) }
    if csv.padsRagged { object["pad_ragged"] = true }
    note("decimal", csv.decimal)
    return .object(object)
  }

  init?(json: JSONValue) {
    guard let path = json["path"]?.string else { return nil }
    self.init(path: path)
    format = json["format"]?.string.flatMap(FeedFormat.init(rawValue:))
    sheet = json["sheet"]?.string
    headerRow = json["header_row"]?.int
    fillMerged = json["fill_merged"]?.boolean ?? false
    recordsAt = json["records_at"]?.string
    duplicateKeys = json["duplicate_keys"]?.string.flatMap(DuplicateKeys.init(rawValue:)) ?? .refuse
    errorCells = json["error_cells"]?.string.flatMap(ErrorCells.init(rawValue:)) ?? .reject
    timezone = json["timezone"]?.string
    schemaPath = json["schema"]?.string
    csv.delimiter = json["delimiter"]?.string
    csv.quote = json["quote"]?.string
    csv.escape = json["escape"]?.string
    csv.encoding = json["encoding"]?.string
    csv.headerLine = json["header"]?.int
    csv.skippedLines = json["skip"]?.int ?? 0
    csv.padsRagged = json["pad_ragged"]?.boolean ?? false
    csv.decimal = json["decimal"]?.string
  }

  /// The same feed, whatever directory a process works in.
  func absolute() -> FeedRequest {
    var feed = self
    feed.path = absolutePath(path)
    feed.schemaPath = schemaPath.map(absolutePath)
    return feed
  }
}

/// A path that means the same from everywhere; as it is where it leads nowhere.
func absolutePath(_ path: String) -> String {
  guard let resolved = realpath(path, nil) else { return path }
  defer { free(resolved) }
  return String(cString: resolved)
}

extension [String: String?] {
  /// A declared partition, as bookkeeping keeps it.
  var json: JSONValue {
    .object(JSONObject(sorted { $0.key < $1.key }.map { ($0.key, $0.value.map(JSONValue.string) ?? .null) }))
  }
}
