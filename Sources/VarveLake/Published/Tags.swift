internal import VarveJSON
internal import VarveTables

/// `_varve/tags.json`: versions that have names, and versions that must not be vacuumed. Replaced as a whole, under the
/// table's lock.
///
/// Each says the digest of its version's log entry, so that a name never leads to another history, and the whole ends
/// with a digest of itself.
package struct Tags: Hashable, Sendable {
  static let format = 1

  package struct Tag: Hashable, Sendable {
    package var version: Int64
    package var entrySHA256: String
    /// Milliseconds since 1970: when it was set.
    package var timestamp: Int64

    package init(version: Int64, entrySHA256: String, timestamp: Int64) {
      self.version = version
      self.entrySHA256 = entrySHA256
      self.timestamp = timestamp
    }
  }

  package struct Hold: Hashable, Sendable {
    package var entrySHA256: String
    package var timestamp: Int64
    /// Milliseconds since 1970; nil: until it is released.
    package var until: Int64?

    package init(entrySHA256: String, timestamp: Int64, until: Int64?) {
      self.entrySHA256 = entrySHA256
      self.timestamp = timestamp
      self.until = until
    }
  }

  package var tags: [String: Tag] = [:]
  package var holds: [Int64: Hold] = [:]

  package static func read(_ storage: Storage) throws -> Tags {
    guard let bytes = try storage.read(Layout.tags) else { return Tags() }
    return try Tags(bytes, place: [storage.path, Layout.tags])
  }

  private init() {}

  init(_ bytes: [UInt8], place: [String]) throws {
    let damaged = Problem(.damaged, at: place, "is not what was written", advice: "set the tags and holds anew")
    guard let json = try? JSONValue(parsing: bytes), let format = json["format"]?.int else { throw damaged }
    guard format <= Tags.format else {
      throw Problem(
        .refused, at: place, "was written by a newer Varve (tags format \(format))", advice: "use that Varve")
    }
    guard let tags = json["tags"]?.object, let holds = json["holds"]?.object else { throw damaged }
    for member in tags.members {
      guard let version = member.value["version"]?.int64, let entry = member.value["entry"]?.string else {
        throw damaged
      }
      self.tags[member.key] = Tag(
        version: version, entrySHA256: entry, timestamp: member.value["timestamp"]?.int64 ?? 0)
    }
    for member in holds.members {
      guard let version = Int64(member.key), let entry = member.value["entry"]?.string else { throw damaged }
      self.holds[version] = Hold(
        entrySHA256: entry, timestamp: member.value["timestamp"]?.int64 ?? 0, until: member.value["until"]?.int64)
    }
    guard self.bytes == bytes else { throw damaged }
  }

  var bytes: [UInt8] {
    var json: JSONObject = ["format": JSONValue(Tags.format)]
    json["tags"] = .object(
      JSONObject(
        tags.sorted { $0.key < $1.key }.map { name, tag in
          let value: JSONValue = [
            "version": JSONValue(tag.version), "entry": .string(tag.entrySHA256), "timestamp": JSONValue(tag.timestamp),
          ]
          return (name, value)
        }))
    json["holds"] = .object(
      JSONObject(
        holds.sorted { $0.key < $1.key }.map { version, hold in
          var value: JSONObject = ["entry": .string(hold.entrySHA256), "timestamp": JSONValue(hold.timestamp)]
          if let until = hold.until { value["until"] = JSONValue(until) }
          return ("\(version)", .object(value))
        }))
    json["sha256"] = .string(Digest.sha256(JSONValue.object(json).bytes()))
    return JSONValue.object(json).bytes()
  }

  /// 1 to 63 letters, digits, `.`, `_` and `-`, beginning with a letter or digit.
  package static func checkName(_ name: String) throws {
    let bytes = Array(name.utf8)
    func isPlain(_ byte: UInt8) -> Bool {
      (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }
    guard (1...63).contains(bytes.count), isPlain(bytes[0]),
      bytes.allSatisfy({ isPlain($0) || [0x2E, 0x5F, 0x2D].contains($0) })
    else {
      throw Problem(
        .usage, "\"\(name)\" is no name for a version",
        advice: "use 1 to 63 letters, digits, dots, underscores and hyphens, beginning with a letter or digit")
    }
  }

  /// What a version is called, and whether it is held at that time.
  package func marks(of version: Int64, at milliseconds: Int64) -> (names: [String], isHeld: Bool) {
    (
      tags.filter { $0.value.version == version }.keys.sorted(),
      holds[version].map { $0.until ?? .max > milliseconds } ?? false
    )
  }
}

extension Table {
  /// Changes the tags and holds. What `body` leaves as it was is not written.
  package func changeTags(clock: WallClock, _ body: (inout Tags) throws -> Void) throws {
    try storage.checkOwner()
    let lock = try lock()
    defer { withExtendedLifetime(lock) {} }
    try Recovery(table: self, clock: clock).run()
    // A tag may be set on a head that another writer made, and must not outlive it.
    try sync()
    let before = try Tags.read(storage)
    var tags = before
    try body(&tags)
    // Who left them like that may have died before their name was durable.
    guard tags != before else { return try storage.sync(Layout.bookkeeping) }
    try storage.replace(Layout.tags, tags.bytes, draft: Layout.tagsDraft)
  }

  /// The version that a tag names.
  func version(ofTag name: String) throws -> Int64 {
    let tags = try Tags.read(storage)
    guard let tag = tags.tags[name] else {
      let names = tags.tags.keys.sorted()
      throw Problem(
        .failed, at: [self.name], "there is no tag \"\(name)\"",
        advice: names.isEmpty ? "name a version or a time" : "the tags are \(names.joined(separator: ", "))")
    }
    guard try log.entry(tag.version)?.sha256 == tag.entrySHA256 else {
      throw Problem(
        .damaged, at: [self.name, Layout.tags],
        "\"\(name)\" names a version \(tag.version) that is not the one in the log",
        advice: "run varve verify")
    }
    return tag.version
  }
}
