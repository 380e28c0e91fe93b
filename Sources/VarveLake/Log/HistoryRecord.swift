internal import VarveJSON
internal import VarveTables

/// One version as histories show it.
package struct HistoryRecord: Hashable, Sendable {
  package var version: Int64
  /// Milliseconds since 1970.
  package var timestamp: Int64
  /// Delta's word for what was done.
  package var operation: String
  /// The engine: `Varve/0.1.0`.
  package var writer: String
  /// Nil where a stranger made the version. Without manifests.
  package var bookkeeping: Bookkeeping?

  package init(_ entry: LogEntry) {
    version = entry.version
    timestamp = entry.timestamp
    operation = entry.commitInfo?["operation"]?.string ?? "UNKNOWN"
    writer = entry.commitInfo?["engineInfo"]?.string ?? "unknown"
    bookkeeping = entry.bookkeeping
    bookkeeping?.manifests = []
  }

  /// Whether it ingested that feed, whatever the file was called.
  package func ingested(_ source: FeedSource) -> Bool {
    bookkeeping?.sources.contains { $0.isSameFeed(as: source) } ?? false
  }

  // MARK: JSON

  var json: JSONValue {
    var object: JSONObject = [
      "version": JSONValue(version), "timestamp": JSONValue(timestamp), "operation": .string(operation),
      "writer": .string(writer),
    ]
    if let bookkeeping { object[Bookkeeping.key] = .object(bookkeeping.json(isBrief: true)) }
    return .object(object)
  }

  init(json: JSONValue, place: [String]) throws {
    guard let version = json["version"]?.int64, let timestamp = json["timestamp"]?.int64,
      let operation = json["operation"]?.string, let writer = json["writer"]?.string
    else { throw Problem(.damaged, at: place, "a record lacks a field", advice: "run varve repair") }
    self.version = version
    self.timestamp = timestamp
    self.operation = operation
    self.writer = writer
    bookkeeping = try json[Bookkeeping.key].map { try Bookkeeping(json: $0, place: place) }
  }
}
