internal import Synchronization
internal import VarveJSON
internal import VarveTables

/// `_proxy.json`: which version readers are shown, replaced as a whole.
package struct Proxy: Hashable, Sendable {
  static let format = 1

  package enum Mode: String, Sendable {
    /// Readers see the log's head, commits of strangers too.
    case follow
    /// Readers stay at a version until checks have passed; the next publication goes on from there.
    case held
    /// Readers stay at a version until somebody says otherwise.
    case pinned
  }

  /// The table's id (Delta metadata).
  package var table: String
  package var mode: Mode
  package var version: Int64
  /// SHA-256 of the log entry of that version.
  package var entrySHA256: String
  /// The manifests of that version.
  package var index: ManifestIndex
  /// Publications so far; those that only followed the log do not count.
  package var ordinal: Int64
  /// The version that a commit was about to record unpublished when it held the proxy. If it never did, the proxy goes
  /// on following.
  package var heldFor: Int64?
  /// The newest version, while readers are not shown it: its log entry has nothing after it that would prove it.
  package var newest: Newest?

  package struct Newest: Hashable, Sendable {
    package var version: Int64
    package var entrySHA256: String

    package init(version: Int64, entrySHA256: String) {
      self.version = version
      self.entrySHA256 = entrySHA256
    }
  }

  package init(
    table: String, mode: Mode, version: Int64, entrySHA256: String, index: ManifestIndex, ordinal: Int64 = 0,
    heldFor: Int64? = nil
  ) {
    self.heldFor = heldFor
    self.table = table
    self.mode = mode
    self.version = version
    self.entrySHA256 = entrySHA256
    self.index = index
    self.ordinal = ordinal
  }

  /// The proxy of a table, or nil where it has none: then readers follow the log.
  package static func read(_ storage: Storage) throws -> Proxy? {
    guard let bytes = try storage.read(Layout.proxy) else { return nil }
    if let known = storage.knownProxy.withLock({ $0 }), known.bytes == bytes { return known.proxy }
    let proxy = try Proxy(bytes, place: [storage.path, Layout.proxy])
    storage.knownProxy.withLock { $0 = (bytes, proxy) }
    return proxy
  }

  init(_ bytes: [UInt8], place: [String]) throws {
    guard let json = try? JSONValue(parsing: bytes), let format = json["format"]?.int else {
      throw Problem(.damaged, at: place, "the proxy manifest is no JSON", advice: "run varve repair")
    }
    guard format <= Proxy.format else {
      throw Problem(
        .refused, at: place, "was written by a newer Varve (proxy format \(format))", advice: "use that Varve")
    }
    guard let table = json["table"]?.string, let mode = json["mode"]?.string.flatMap(Mode.init(rawValue:)),
      let version = json["version"]?.int64, version >= 0, let entry = json["entry"]?.string
    else { throw Problem(.damaged, at: place, "the proxy manifest lacks a field", advice: "run varve repair") }
    self.init(
      table: table, mode: mode, version: version, entrySHA256: entry, index: ManifestIndex(json: json["index"]),
      ordinal: json["ordinal"]?.int64 ?? 0, heldFor: json["held_for"]?.int64)
    if let version = json["newest"]?["version"]?.int64, let entry = json["newest"]?["entry"]?.string {
      newest = Newest(version: version, entrySHA256: entry)
    }
  }

  private var json: JSONObject {
    var json: JSONObject = [
      "format": JSONValue(Proxy.format), "table": .string(table), "mode": .string(mode.rawValue),
      "version": JSONValue(version), "entry": .string(entrySHA256), "ordinal": JSONValue(ordinal),
    ]
    if let heldFor { json["held_for"] = JSONValue(heldFor) }
    if let newest { json["newest"] = ["version": JSONValue(newest.version), "entry": .string(newest.entrySHA256)] }
    json["index"] = index.json
    return json
  }

  /// Replaces the table's proxy, under its lock. The shards must be durable. A proxy that only follows the log need not
  /// be: what a power cut takes back, the next writer does again.
  package func write(_ storage: Storage, isDurable: Bool = false) throws {
    let bytes = bytes
    try storage.replace(Layout.proxy, bytes, draft: Layout.proxyDraft, isDurable: isDurable)
    storage.knownProxy.withLock { $0 = (bytes, self) }
  }

  var bytes: [UInt8] { JSONValue.object(json).bytes() }

  /// One deliberate publication, as `_varve/proxy/<ordinal>.json` keeps it.
  package struct Past: Sendable {
    package var ordinal: Int64
    package var mode: Mode
    package var version: Int64
    package var entrySHA256: String
    /// Milliseconds since 1970.
    package var timestamp: Int64
    package var reason: String
    package var heldFor: Int64?
  }

  /// Replaces the proxy by one of another mode or version, and keeps the act in the proxy's own history.
  package func publish(_ storage: Storage, timestamp: Int64, reason: String) throws {
    var next = self
    next.ordinal += 1
    var past = next.json
    past["index"] = nil
    past["newest"] = nil
    past["timestamp"] = JSONValue(timestamp)
    past["reason"] = .string(reason)
    past["sha256"] = .string(Digest.sha256(JSONValue.object(past).bytes()))
    try storage.makeDurableDirectories(Layout.proxyHistory)
    // A crash may have left the record of an act that was never done: it is replaced.
    try storage.replace(
      Layout.proxyPast(next.ordinal), JSONValue.object(past).bytes(), draft: Layout.proxyPastDraft, isSealed: true)
    try next.write(storage, isDurable: true)
  }

  /// The proxy's own history, oldest first. Without a proxy that can be read (`isWhole`) all that is there.
  package static func history(_ storage: Storage, isWhole: Bool = true) throws -> [Past] {
    let current = isWhole ? try read(storage)?.ordinal ?? 0 : Int64.max
    return try storage.list(Layout.proxyHistory).compactMap(Layout.version(ofLogName:)).filter { $0 <= current }
      .compactMap { ordinal in
        let path = Layout.proxyPast(ordinal)
        guard let bytes = try storage.read(path) else { return nil }
        guard let past = Past(bytes), past.ordinal == ordinal else {
          throw Problem(
            .damaged, at: [storage.path, path], "is not what was written", advice: "put it back from a copy")
        }
        return past
      }
  }
}

extension Proxy.Past {
  private static let membersUndigested: Set<String> = [
    "format", "table", "mode", "version", "entry", "ordinal", "held_for", "timestamp", "reason",
  ]

  /// Nil where it is not what was written. The first ones had no digest.
  init?(_ bytes: [UInt8]) {
    guard let json = try? JSONValue(parsing: bytes), let members = json.object?.members, json.bytes() == bytes,
      let ordinal = json["ordinal"]?.int64, let mode = json["mode"]?.string.flatMap(Proxy.Mode.init(rawValue:)),
      let version = json["version"]?.int64
    else { return nil }
    let rest = JSONObject(members.dropLast().map { ($0.key, $0.value) })
    guard
      members.allSatisfy({ Proxy.Past.membersUndigested.contains($0.key) })
        || members.last?.key == "sha256"
          && members.last?.value.string == Digest.sha256(JSONValue.object(rest).bytes())
    else { return nil }
    self.init(
      ordinal: ordinal, mode: mode, version: version, entrySHA256: json["entry"]?.string ?? "",
      timestamp: json["timestamp"]?.int64 ?? 0, reason: json["reason"]?.string ?? "", heldFor: json["held_for"]?.int64)
  }
}
