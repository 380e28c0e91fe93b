internal import VarveJSON
internal import VarveTables

/// `_varve/vacuums/<20 digits>.json`: which files were removed on purpose, so that an audit can tell them from
/// lost ones.
///
/// A record is durable before the first of its files is removed.
package struct Vacuums: Sendable {
  static let format = 1

  package struct File: Hashable, Sendable {
    package var path: String
    package var byteCount: Int

    package init(path: String, byteCount: Int) {
      self.path = path
      self.byteCount = byteCount
    }
  }

  /// Writes down that these files go. Under the table's lock.
  package static func record(_ files: [File], timestamp: Int64, in storage: Storage) throws {
    let made = try storage.makeDirectories(Layout.vacuums)
    for directory in made { try storage.sync(directory) }
    let number = try (storage.list(Layout.vacuums).compactMap(Layout.version(ofLogName:)).max() ?? -1) + 1
    let json: JSONValue = [
      "format": JSONValue(format), "timestamp": JSONValue(timestamp),
      "files": .array(files.map { ["path": .string($0.path), "bytes": JSONValue($0.byteCount)] }),
    ]
    try storage.write(Layout.vacuum(number), json.bytes(.canonical), isSealed: true)
    try storage.sync(Layout.vacuums)
  }

  /// Every path that was ever removed on purpose, with the time of it, in milliseconds since 1970.
  package static func removed(in storage: Storage) throws -> [ExactText: Int64] {
    var removed: [ExactText: Int64] = [:]
    for name in try storage.list(Layout.vacuums) where Layout.version(ofLogName: name) != nil {
      let place = [storage.path, Layout.join(Layout.vacuums, name)]
      guard let bytes = try storage.read(Layout.join(Layout.vacuums, name)) else { continue }
      guard let json = try? JSONValue(parsing: bytes), let kind = json["format"]?.int,
        let time = json["timestamp"]?.int64, let files = json["files"]?.array
      else { throw Problem(.damaged, at: place, "is no record of a vacuum") }
      guard kind <= format else {
        throw Problem(
          .refused, at: place, "was written by a newer Varve (vacuum format \(kind))", advice: "use that Varve")
      }
      for file in files { if let path = file["path"]?.string { removed[ExactText(path)] = time } }
    }
    return removed
  }
}
