internal import VarveLake
internal import VarveTables

/// A name of a version, or a hold on it.
public struct TagSummary: Sendable {
  /// Nil for a hold.
  public var name: String?
  /// The version's number.
  public var version: Int
  /// When it was set: `2024-10-06T12:00:00Z`.
  public var timestamp: String
  /// When a hold ends; nil: when it is released.
  public var until: String?
}

extension Warehouse {
  /// Gives a version a name, by which it is reached as `products@tag:season`, and which keeps it from being vacuumed.
  ///
  /// A name that is taken is refused, unless it `moves`.
  public func tag(_ reference: String, as name: String, moves: Bool = false) throws {
    try Tags.checkName(name)
    let (table, snapshot) = try resolve(reference)
    let time = surroundings.clock.milliseconds()
    try table.changeTags(clock: surroundings.clock) { tags in
      try snapshot.checkReadable()
      if let present = tags.tags[name] {
        if present.version == snapshot.version { return }
        guard moves else {
          throw Problem(
            .refused, at: [table.name], "\"\(name)\" is version \(present.version)",
            advice: "say --move to give the name to version \(snapshot.version)")
        }
      }
      tags.tags[name] = Tags.Tag(
        version: snapshot.version, entrySHA256: snapshot.entrySHA256, timestamp: time)
    }
  }

  /// Takes a name away; the version stays.
  public func untag(_ table: String, _ name: String) throws {
    let table = try self.table(table)
    try table.changeTags(clock: surroundings.clock) { tags in
      guard tags.tags.removeValue(forKey: name) != nil else {
        throw Problem(.failed, at: [table.name], "there is no tag \"\(name)\"", advice: "see varve tag \(table.name)")
      }
    }
  }

  /// Keeps a version from being vacuumed until a time (`2024-10-06` or `2024-10-06T12:00:00Z`), or until released.
  public func hold(_ reference: String, until: String? = nil) throws {
    let end = try until.map(milliseconds)
    let (table, snapshot) = try resolve(reference)
    let time = surroundings.clock.milliseconds()
    try table.changeTags(clock: surroundings.clock) { tags in
      try snapshot.checkReadable()
      if let present = tags.holds[snapshot.version], present.until == end { return }
      tags.holds[snapshot.version] = Tags.Hold(entrySHA256: snapshot.entrySHA256, timestamp: time, until: end)
    }
  }

  /// Lets go of a version that was held.
  public func release(_ reference: String) throws {
    let (table, snapshot) = try resolve(reference)
    try table.changeTags(clock: surroundings.clock) { tags in
      guard tags.holds.removeValue(forKey: snapshot.version) != nil else {
        throw Problem(.failed, at: [reference], "is not held", advice: "see varve hold \(table.name)")
      }
    }
  }

  /// The names of a table's versions, by name.
  public func tags(_ table: String) throws -> [TagSummary] {
    try Tags.read(try self.table(table).storage).tags.sorted { $0.key < $1.key }.map { name, tag in
      TagSummary(name: name, version: Int(tag.version), timestamp: timeText(tag.timestamp))
    }
  }

  /// The versions of a table that are held, in order.
  public func holds(_ table: String) throws -> [TagSummary] {
    try Tags.read(try self.table(table).storage).holds.sorted { $0.key < $1.key }.map { version, hold in
      TagSummary(version: Int(version), timestamp: timeText(hold.timestamp), until: hold.until.map(timeText))
    }
  }

  private func milliseconds(_ text: String) throws -> Int64 {
    if case .date(let days)? = Value(text: text, type: .date) { return days * 86_400_000 }
    if case .timestamp(let microseconds)? = Value(text: text, type: .timestamp) { return microseconds / 1000 }
    throw Problem(.usage, "\"\(text)\" is no time", advice: "write 2024-10-06 or 2024-10-06T12:00:00Z")
  }
}
