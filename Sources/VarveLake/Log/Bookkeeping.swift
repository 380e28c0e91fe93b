package import VarveJSON
internal import VarveTables

/// What a commit says about itself beyond Delta: `commitInfo.varve`. It is in the commit, so that "was this feed already
/// ingested?" and "which execution made this version?" can never disagree with the data.
package struct Bookkeeping: Hashable, Sendable {
  static let key = "varve"
  static let format = 1
  /// The mode of a version that changed the table's columns.
  package static let alterMode = "alter"

  /// Names the ingestion (or other act) that made the version.
  package var ingestion: String
  /// The caller's own name for the request: the same key never commits twice.
  package var idempotencyKey: String?
  package var operation: Operation
  /// `append`, `overwrite`, `merge`, …; also `restore`, `alter` and the like.
  package var mode: String
  package var sources: [FeedSource]
  /// Which run of a schedule the feed belongs to: ISO 8601 in UTC, or an integer.
  package var execution: String?
  /// The version a stateful merge started from.
  package var base: Int64?
  /// Of what a stateful merge depends on.
  package var fingerprint: String?
  package var rows: RowCounts
  /// What readers through the proxy may see at once.
  package var publishes: Bool
  /// What later features say; carried along as it is.
  package var details: JSONObject

  // Filled in by the committer.

  /// The manifests that the commit wrote.
  package internal(set) var manifests: [ManifestReference] = []
  /// SHA-256 of the log entry before it; nil in version 0.
  package internal(set) var previousEntry: String?
  /// Whether the commit only makes the table, and its first feed follows under the same lock.
  package internal(set) var awaitsFirstFeed = false

  package init(
    ingestion: String, idempotencyKey: String? = nil, operation: Operation = .write, mode: String,
    sources: [FeedSource] = [], execution: String? = nil, base: Int64? = nil, fingerprint: String? = nil,
    rows: RowCounts = RowCounts(), publishes: Bool = true, details: JSONObject = [:]
  ) {
    self.ingestion = ingestion
    self.idempotencyKey = idempotencyKey
    self.operation = operation
    self.mode = mode
    self.sources = sources
    self.execution = execution
    self.base = base
    self.fingerprint = fingerprint
    self.rows = rows
    self.publishes = publishes
    self.details = details
  }

  /// The name under which the input of an execution is kept: its fingerprint, where nothing else is said.
  package var changeSet: String? {
    get { details["change_set"]?.string ?? fingerprint }
    set { details["change_set"] = newValue == fingerprint ? nil : newValue.map(JSONValue.string) }
  }

  /// `commitInfo.operation`: only words that every engine knows.
  package enum Operation: String, Sendable {
    case write = "WRITE"
    case merge = "MERGE"
    case delete = "DELETE"
    case restore = "RESTORE"
    case optimize = "OPTIMIZE"
    case createTable = "CREATE TABLE"
    case setProperties = "SET TBLPROPERTIES"
  }
}

/// One file that was ingested, known by its content and by what of it was taken.
package struct FeedSource: Hashable, Sendable {
  /// The file's last path component.
  package var name: String
  package var sha256: String
  package var byteCount: Int
  /// Which part of the file: `sheet=Prices`, `records-at=products.items`; empty for all of it.
  package var selector: String
  /// The version of the schema file that it was read under: the digest of what it says; empty where none was named.
  package var schemaVersion: String

  package init(name: String, sha256: String, byteCount: Int, selector: String = "", schemaVersion: String = "") {
    self.name = name
    self.sha256 = sha256
    self.byteCount = byteCount
    self.selector = selector
    self.schemaVersion = schemaVersion
  }

  /// Whether one that comes is this feed again, whatever its file is called. One that comes without a schema file is read
  /// as the table remembers, and so is the same under any.
  package func isSameFeed(as coming: FeedSource) -> Bool {
    sha256 == coming.sha256 && selector.utf8.elementsEqual(coming.selector.utf8)
      && (coming.schemaVersion.isEmpty || coming.schemaVersion == schemaVersion)
  }

  package var json: JSONValue {
    var object: JSONObject = [
      "name": .string(name), "sha256": .string(sha256), "bytes": JSONValue(byteCount), "selector": .string(selector),
    ]
    if !schemaVersion.isEmpty { object["schema_version"] = .string(schemaVersion) }
    return .object(object)
  }

  init?(json: JSONValue) {
    guard let name = json["name"]?.string, let sha256 = json["sha256"]?.string, let bytes = json["bytes"]?.int else {
      return nil
    }
    self.init(
      name: name, sha256: sha256, byteCount: bytes, selector: json["selector"]?.string ?? "",
      schemaVersion: json["schema_version"]?.string ?? "")
  }
}

/// A manifest and the digest that it must have.
package struct ManifestReference: Hashable, Sendable {
  /// Relative to the table, as on disk.
  package var path: String
  package var sha256: String

  package init(path: String, sha256: String) {
    self.path = path
    self.sha256 = sha256
  }

  var json: JSONValue { ["path": .string(path), "sha256": .string(sha256)] }

  init?(json: JSONValue) {
    guard let path = json["path"]?.string, let sha256 = json["sha256"]?.string else { return nil }
    self.init(path: path, sha256: sha256)
  }
}

// MARK: JSON

extension Bookkeeping {
  /// `isBrief` leaves the manifests out, for histories.
  func json(isBrief: Bool = false) -> JSONObject {
    var object: JSONObject = ["format": JSONValue(Bookkeeping.format), "ingestion": .string(ingestion)]
    object["mode"] = .string(mode)
    if let idempotencyKey { object["idempotency_key"] = .string(idempotencyKey) }
    if let execution { object["execution"] = .string(execution) }
    if let base { object["base"] = JSONValue(base) }
    if let fingerprint { object["fingerprint"] = .string(fingerprint) }
    object["sources"] = .array(sources.map(\.json))
    object["rows"] = rows.json
    object["publishes"] = .boolean(publishes)
    if awaitsFirstFeed { object["awaits_first_feed"] = true }
    if !details.isEmpty { object["details"] = .object(details) }
    if !isBrief { object["manifests"] = .array(manifests.map(\.json)) }
    if let previousEntry { object["previous_entry"] = .string(previousEntry) }
    return object
  }

  init(json: JSONValue, place: [String]) throws {
    guard let format = json["format"]?.int else { throw Problem(.damaged, at: place, "commitInfo.varve has no format") }
    guard format <= Bookkeeping.format else {
      throw Problem(
        .refused, at: place, "was written by a newer Varve (commit format \(format))", advice: "use that Varve")
    }
    guard let ingestion = json["ingestion"]?.string, let mode = json["mode"]?.string else {
      throw Problem(.damaged, at: place, "commitInfo.varve has no ingestion or no mode")
    }
    self.init(
      ingestion: ingestion, idempotencyKey: json["idempotency_key"]?.string, mode: mode,
      sources: json["sources"]?.array?.compactMap(FeedSource.init(json:)) ?? [], execution: json["execution"]?.string,
      base: json["base"]?.int64, fingerprint: json["fingerprint"]?.string, rows: RowCounts(json: json["rows"]),
      publishes: json["publishes"]?.boolean ?? true, details: json["details"]?.object ?? [:])
    manifests = json["manifests"]?.array?.compactMap(ManifestReference.init(json:)) ?? []
    previousEntry = json["previous_entry"]?.string
    awaitsFirstFeed = json["awaits_first_feed"]?.boolean ?? false
  }
}

extension RowCounts {
  package var json: JSONValue {
    [
      "read": JSONValue(read), "inserted": JSONValue(inserted), "updated": JSONValue(updated),
      "deleted": JSONValue(deleted), "unchanged": JSONValue(unchanged), "rejected": JSONValue(rejected),
    ]
  }

  init(json: JSONValue?) {
    self.init()
    read = json?["read"]?.int ?? 0
    inserted = json?["inserted"]?.int ?? 0
    updated = json?["updated"]?.int ?? 0
    deleted = json?["deleted"]?.int ?? 0
    unchanged = json?["unchanged"]?.int ?? 0
    rejected = json?["rejected"]?.int ?? 0
  }
}
