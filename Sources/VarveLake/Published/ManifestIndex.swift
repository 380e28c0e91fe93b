internal import VarveJSON
internal import VarveTables

/// Which manifest speaks for each partition of a version: a tree of two levels, so that a commit rewrites only the
/// shards of the partitions that it touched.
///
/// Partitions are spread over 256 shards by the first byte of the SHA-256 of their encoded directory. A shard is a file
/// named by its content, `_varve/proxy/shards/<sha256>.json`, so shards of all times lie side by side. A partition
/// without entry has no manifest: it is empty, or a stranger touched it last.
package struct ManifestIndex: Hashable, Sendable {
  static let format = 1

  /// Two hexadecimal digits to the SHA-256 of the shard; empty shards have none.
  package private(set) var shards: [String: String]

  package init() { shards = [:] }

  init(json: JSONValue?) {
    shards = [:]
    for member in json?.object?.members ?? [] { shards[member.key] = member.value.string }
  }

  var json: JSONValue {
    .object(JSONObject(shards.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) }))
  }

  /// The key of a partition: its directory, percent-encoded; empty for an unpartitioned table.
  package static func key(ofDirectory directory: String) -> String { LogPath.encode(directory) }

  private static func shard(of key: String) -> String { String(Digest.sha256(Array(key.utf8)).prefix(2)) }

  /// The manifest of one partition, or nil.
  package func manifest(of key: String, _ storage: Storage) throws -> ManifestReference? {
    try read(ManifestIndex.shard(of: key), storage)[key]
  }

  /// The manifests of all partitions, by key.
  package func manifests(_ storage: Storage) throws -> [String: ManifestReference] {
    try shards.keys.reduce(into: [:]) { all, shard in try all.merge(read(shard, storage)) { $1 } }
  }

  private func read(_ shard: String, _ storage: Storage) throws -> [String: ManifestReference] {
    guard let sha256 = shards[shard] else { return [:] }
    guard sha256.utf8.count == 64, sha256.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
    else { throw Problem(.damaged, at: [storage.path, Layout.proxy], "names a shard that is no digest") }
    let path = Layout.proxyShard(sha256)
    guard let bytes = try storage.read(path) else {
      throw Problem(.damaged, at: [storage.path, path], "the shard is missing", advice: "run varve repair")
    }
    guard Digest.sha256(bytes) == sha256, let json = try? JSONValue(parsing: bytes),
      json["format"]?.int == ManifestIndex.format, let members = json["manifests"]?.object?.members
    else { throw Problem(.damaged, at: [storage.path, path], "is not what was written", advice: "run varve repair") }
    var manifests: [String: ManifestReference] = [:]
    for member in members { manifests[member.key] = ManifestReference(json: member.value) }
    return manifests
  }

  /// Sets, or with nil removes, the manifests of some partitions, and writes the shards that this changes. Under the
  /// table's lock.
  ///
  /// Shards are written aside, synced, and renamed: under its name, each is whole or not there. The next update removes
  /// what a crash left aside.
  package mutating func update(_ changes: [String: ManifestReference?], _ storage: Storage) throws {
    guard !changes.isEmpty else { return }
    var drafts: [(sha256: String, bytes: [UInt8])] = []
    for (shard, keys) in Dictionary(grouping: changes.keys, by: ManifestIndex.shard(of:)) {
      var manifests = try read(shard, storage)
      for key in keys { manifests[key] = changes[key] ?? nil }
      if manifests.isEmpty {
        shards[shard] = nil
        continue
      }
      let bytes = ManifestIndex.shardBytes(manifests)
      let sha256 = Digest.sha256(bytes)
      shards[shard] = sha256
      let path = Layout.proxyShard(sha256)
      if let present = try storage.read(path) {
        if present == bytes { continue }
        try storage.removeIfPresent(path)
      }
      drafts.append((sha256, bytes))
    }
    try ManifestIndex.write(drafts.sorted { $0.sha256 < $1.sha256 }, storage)
  }

  private static func write(_ drafts: [(sha256: String, bytes: [UInt8])], _ storage: Storage) throws {
    // Also where nothing is to be written: another writer may have died before the shards' names were durable.
    try storage.makeDurableDirectories(Layout.proxyShards)
    defer { try? storage.removeEmptyDirectory(Layout.proxyShardDrafts) }
    if !drafts.isEmpty {
      try storage.removeTree(Layout.proxyShardDrafts)
      try storage.makeDirectories(Layout.proxyShardDrafts)
      let syncsSingly = drafts.count <= Storage.syncsSingleMax
      for (sha256, bytes) in drafts {
        try storage.write(Layout.proxyShardDraft(sha256), bytes, isSealed: true, isSynced: syncsSingly)
      }
      if !syncsSingly { try storage.syncFileSystem() }
      for (sha256, _) in drafts {
        _ = try storage.rename(Layout.proxyShardDraft(sha256), to: Layout.proxyShard(sha256))
      }
    }
    try storage.sync(Layout.proxyShards)
  }

  private static func shardBytes(_ manifests: [String: ManifestReference]) -> [UInt8] {
    let json: JSONValue = [
      "format": JSONValue(ManifestIndex.format),
      "manifests": .object(JSONObject(manifests.map { ($0.key, $0.value.json) })),
    ]
    return json.bytes(.canonical)
  }

  /// The index of these manifests, by partition key, and its shards by their paths; nothing is written.
  static func made(of manifests: [String: ManifestReference]) -> (index: ManifestIndex, shards: [String: [UInt8]]) {
    var index = ManifestIndex()
    var shards: [String: [UInt8]] = [:]
    for (shard, members) in Dictionary(grouping: manifests, by: { ManifestIndex.shard(of: $0.key) }) {
      let bytes = shardBytes(Dictionary(uniqueKeysWithValues: members.map { ($0.key, $0.value) }))
      let sha256 = Digest.sha256(bytes)
      index.shards[shard] = sha256
      shards[Layout.proxyShard(sha256)] = bytes
    }
    return (index, shards)
  }
}
