internal import Glibc
internal import VarveJSON
internal import VarveTables

/// `_varve/state/<version>.json`: what the commits up to a version said about themselves, so that neither history nor
/// "was this feed ingested?" depends on reading every old entry.
///
/// The first line says which versions it covers and which block covers those before; then follows a line per version.
/// A new block takes in those before it that are not longer than itself, so of n versions there are at most about
/// log n blocks to read, and each version is written about log n times. It is derived from the log, and can be made
/// again from it.
struct StateBlock {
  static let format = 1

  /// The last version it covers.
  let version: Int64
  /// SHA-256 of that version's log entry, by which a block of another history is told.
  let entrySHA256: String
  /// The manifests of that version.
  let index: ManifestIndex
  /// The last version of the block before, or nil.
  let previous: Int64?
  /// One per version, oldest first, without line ends.
  let lines: [ArraySlice<UInt8>]

  /// The block that ends at that version; nil where there is none, or none that can be believed.
  static func read(_ version: Int64, _ log: DeltaLog) throws -> StateBlock? {
    guard let bytes = try log.storage.read(Layout.state(version)) else { return nil }
    let lines = bytes.split(separator: UInt8(ascii: "\n"))
    guard let head = lines.first, let json = try? JSONValue(parsing: head), json["format"]?.int == format,
      json["version"]?.int64 == version, let entry = json["entry"]?.string, json["count"]?.int == lines.count - 1,
      json["lines_sha256"]?.string == digest(lines.dropFirst())
    else { return nil }
    return StateBlock(
      version: version, entrySHA256: entry, index: ManifestIndex(json: json["index"]),
      previous: json["previous"]?.int64, lines: Array(lines.dropFirst()))
  }

  private static func digest(_ lines: some Sequence<ArraySlice<UInt8>>) -> String {
    let digest = Digest()
    for line in lines {
      digest.update(Array(line))
      digest.update([UInt8(ascii: "\n")])
    }
    return digest.finish()
  }

  /// The newest block at or before a version that fits the log.
  static func newest(atOrBefore version: Int64, _ log: DeltaLog) throws -> StateBlock? {
    let versions = try log.storage.list(Layout.states).compactMap(Layout.version(ofLogName:))
    for candidate in versions.filter({ $0 <= version }).sorted(by: >) {
      if let block = try read(candidate, log), try log.digest(ofEntry: candidate) == block.entrySHA256 { return block }
    }
    return nil
  }

  /// Writes the block that ends at a version. `tail`: the entries after `base`, the newest block before it.
  static func write(_ tail: [LogEntry], after base: StateBlock?, index: ManifestIndex, _ log: DeltaLog) throws {
    guard let last = tail.last else { return }
    var lines = tail.map { ArraySlice(HistoryRecord($0).json.bytes()) }
    var previous = base
    while let block = previous, block.lines.count <= lines.count {
      lines = block.lines + lines
      previous = try block.previous.flatMap { try read($0, log) }
    }
    let bytes = bytes(
      version: last.version, entrySHA256: last.sha256, lines: lines, previous: previous?.version, index: index)
    // The hint that names the checkpoint comes after this; who finds it finds the block beside it, too.
    try log.storage.makeDurableDirectories(Layout.states)
    try log.storage.replace(Layout.state(last.version), bytes, draft: Layout.stateDraft, isSealed: true)
  }

  static func bytes(
    version: Int64, entrySHA256: String, lines: [ArraySlice<UInt8>], previous: Int64?, index: ManifestIndex
  ) -> [UInt8] {
    var head: JSONObject = [
      "format": JSONValue(format), "version": JSONValue(version), "entry": .string(entrySHA256),
      "count": JSONValue(lines.count), "lines_sha256": .string(digest(lines)),
    ]
    if let previous { head["previous"] = JSONValue(previous) }
    head["index"] = index.json
    var bytes = JSONValue.object(head).bytes()
    bytes.append(UInt8(ascii: "\n"))
    for line in lines {
      bytes += line
      bytes.append(UInt8(ascii: "\n"))
    }
    return bytes
  }

  func records(_ place: [String]) throws -> [HistoryRecord] { try lines.map { try StateBlock.record($0, place) } }

  /// The records whose line holds that text, newest first.
  func records(holding text: String, _ place: [String]) throws -> [HistoryRecord] {
    let needle = Array(text.utf8)
    return try lines.reversed().filter { StateBlock.contains($0, needle) }.map { try StateBlock.record($0, place) }
  }

  private static func record(_ line: ArraySlice<UInt8>, _ place: [String]) throws -> HistoryRecord {
    guard let json = try? JSONValue(parsing: line) else {
      throw Problem(.damaged, at: place + [Layout.states], "a record is no JSON", advice: "run varve repair")
    }
    return try HistoryRecord(json: json, place: place + [Layout.states])
  }

  private static func contains(_ line: ArraySlice<UInt8>, _ needle: [UInt8]) -> Bool {
    guard let first = needle.first, line.count >= needle.count else { return false }
    return line.withUnsafeBufferPointer { line in
      var start = 0
      while start <= line.count - needle.count,
        let hit = memchr(line.baseAddress! + start, Int32(first), line.count - needle.count - start + 1)
      {
        start = UnsafeRawPointer(hit) - UnsafeRawPointer(line.baseAddress!)
        if memcmp(hit, needle, needle.count) == 0 { return true }
        start += 1
      }
      return false
    }
  }
}
