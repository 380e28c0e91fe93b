internal import VarveJSON
internal import VarveTables

/// The first line of a log entry of ours (Delta protocol, "Commit Provenance Information").
struct CommitInfo {
  let bookkeeping: Bookkeeping
  /// Milliseconds since 1970; the file's time too.
  let timestamp: Int64
  let json: JSONObject

  init(
    _ bookkeeping: Bookkeeping, timestamp: Int64, writer: String, readVersion: Int64?, change: StagedChange? = nil,
    partitionColumns: [String] = []
  ) {
    self.bookkeeping = bookkeeping
    self.timestamp = timestamp
    var json: JSONObject = [
      "timestamp": JSONValue(timestamp), "operation": .string(bookkeeping.operation.rawValue),
    ]
    json["operationParameters"] = .object(
      CommitInfo.parameters(bookkeeping, change: change, partitionColumns: partitionColumns))
    if let readVersion { json["readVersion"] = JSONValue(readVersion) }
    if let change {
      json["isBlindAppend"] = .boolean(change.reads == .nothing && change.removed.isEmpty)
      json["operationMetrics"] = .object(CommitInfo.metrics(change))
    }
    json["engineInfo"] = .string(writer)
    json[Bookkeeping.key] = .object(bookkeeping.json())
    self.json = json
  }

  /// All values are texts, as Spark has them.
  private static func parameters(
    _ bookkeeping: Bookkeeping, change: StagedChange?, partitionColumns: [String]
  ) -> JSONObject {
    guard bookkeeping.operation == .write else { return [:] }
    return [
      "mode": change?.removed.isEmpty ?? true ? "Append" : "Overwrite",
      "partitionBy": .string(JSONValue.array(partitionColumns.map(JSONValue.string)).text()),
    ]
  }

  private static func metrics(_ change: StagedChange) -> JSONObject {
    let files = change.added.flatMap(\.files)
    return [
      "numFiles": .string(String(files.count)),
      "numOutputBytes": .string(String(files.reduce(0) { $0 + $1.byteCount })),
      "numOutputRows": .string(String(files.reduce(0) { $0 + $1.statistics.rowCount })),
      "numRemovedFiles": .string(String(change.removed.count)),
    ]
  }
}
