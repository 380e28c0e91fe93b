internal import VarveJSON
internal import VarveTables

/// `_varve/vacuums/<20 digits>.json`: what was removed on purpose, so that an audit can tell it from what is lost, and
/// which versions cannot be read because of it.
///
/// A record is durable before the first of its files is moved to `_varve/trash/<its number>/`, where they lie under
/// their own paths. A record that undoes another is written when the files are back in their places. So after a crash
/// what is missing is always named by a record, and what a record names may still be there.
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

  struct Record {
    var number: Int64
    /// Milliseconds since 1970.
    var timestamp: Int64
    var files: [File]
    /// Every version that cannot be read since, by this vacuum or an earlier one.
    var versions: [ClosedRange<Int64>]
    /// The vacuum whose files this one brought back.
    var undoes: Int64?
  }

  /// Oldest first.
  let records: [Record]

  static func read(_ storage: Storage) throws -> Vacuums {
    Vacuums(
      records: try storage.list(Layout.vacuums).compactMap(Layout.version(ofLogName:)).sorted().compactMap {
        try record($0, storage)
      })
  }

  /// As above, but without records that cannot be read: their numbers, and those of records that are not there.
  static func readWhole(_ storage: Storage) throws -> (vacuums: Vacuums, damaged: [Int64], missing: [Int64]) {
    let numbers = try storage.list(Layout.vacuums).compactMap(Layout.version(ofLogName:)).sorted()
    var (records, damaged): ([Record], [Int64]) = ([], [])
    for number in numbers {
      do {
        if let record = try record(number, storage) { records.append(record) }
      } catch let problem as Problem where problem.kind == .damaged {
        damaged.append(number)
      }
    }
    let missing = numbers.last.map { last in (0...last).filter { !numbers.contains($0) } } ?? []
    return (Vacuums(records: records), damaged, missing)
  }

  /// Writes down that these files go. Under the table's lock. Returns the record's number.
  @discardableResult
  package static func record(
    _ files: [File], versions: [ClosedRange<Int64>] = [], undoing undone: Int64? = nil, timestamp: Int64,
    in storage: Storage
  ) throws -> Int64 {
    try storage.makeDurableDirectories(Layout.vacuums)
    let number = try (storage.list(Layout.vacuums).compactMap(Layout.version(ofLogName:)).max() ?? -1) + 1
    var json: JSONObject = ["format": JSONValue(format), "timestamp": JSONValue(timestamp)]
    json["versions"] = .array(versions.map { [JSONValue($0.lowerBound), JSONValue($0.upperBound)] })
    if let undone { json["undoes"] = JSONValue(undone) }
    json["files"] = .array(files.map { ["path": .string($0.path), "bytes": JSONValue($0.byteCount)] })
    json["sha256"] = .string(Digest.sha256(JSONValue.object(json).bytes()))
    try storage.replace(
      Layout.vacuum(number), JSONValue.object(json).bytes(), draft: Layout.vacuumDraft, isSealed: true)
    return number
  }

  private static func record(_ number: Int64, _ storage: Storage) throws -> Record? {
    let place = [storage.path, Layout.vacuum(number)]
    guard let bytes = try storage.read(Layout.vacuum(number)) else { return nil }
    guard let json = try? JSONValue(parsing: bytes), let kind = json["format"]?.int,
      let time = json["timestamp"]?.int64, let files = json["files"]?.array
    else { throw Problem(.damaged, at: place, "is no record of a vacuum") }
    guard kind <= format else {
      throw Problem(
        .refused, at: place, "was written by a newer Varve (vacuum format \(kind))", advice: "use that Varve")
    }
    let members = json.object?.members ?? []
    let rest = JSONObject(members.dropLast().map { ($0.key, $0.value) })
    guard members.last?.key == "sha256", json.bytes() == bytes,
      members.last?.value.string == Digest.sha256(JSONValue.object(rest).bytes())
    else { throw Problem(.damaged, at: place, "is not what was written", advice: "put it back from a copy") }
    let ranges = (json["versions"]?.array ?? []).compactMap { range -> ClosedRange<Int64>? in
      guard let bounds = range.array, bounds.count == 2, let first = bounds[0].int64, let last = bounds[1].int64,
        first <= last
      else { return nil }
      return first...last
    }
    return Record(
      number: number, timestamp: time,
      files: files.compactMap { file in
        file["path"]?.string.map { File(path: $0, byteCount: file["bytes"]?.int ?? 0) }
      }, versions: ranges, undoes: json["undoes"]?.int64)
  }

  /// The vacuums that were not undone, oldest first.
  var standing: [Record] {
    let undone = Set(records.compactMap(\.undoes))
    return records.filter { $0.undoes == nil && !undone.contains($0.number) }
  }

  /// Every path that was removed on purpose, with the time of it, in milliseconds since 1970.
  package static func removed(in storage: Storage) throws -> [ExactText: Int64] {
    try read(storage).removed
  }

  var removed: [ExactText: Int64] {
    var removed: [ExactText: Int64] = [:]
    for record in standing {
      for file in record.files { removed[ExactText(file.path)] = record.timestamp }
    }
    return removed
  }

  /// Refuses a version that a vacuum took.
  static func checkReadable(_ version: Int64, in storage: Storage, place: [String]) throws {
    // The newest version is never taken, and most tables were never vacuumed.
    guard try storage.exists(Layout.logEntry(version + 1)),
      let newest = try storage.list(Layout.vacuums).compactMap(Layout.version(ofLogName:)).max(),
      let last = try record(newest, storage), last.versions.contains(where: { $0.contains(version) })
    else { return }
    let readable = last.versions.filter { $0.contains(version) }.map { $0.upperBound + 1 }.first ?? version + 1
    throw Problem(
      .refused, at: place, "version \(version) was vacuumed and cannot be read any more",
      advice: "the next one that can be is \(readable); varve vacuum --undo brings back what is still in the trash")
  }
}

extension [Int64] {
  /// Sorted numbers as ranges without gaps.
  var ranges: [ClosedRange<Int64>] {
    var ranges: [ClosedRange<Int64>] = []
    for number in self {
      if let last = ranges.last, last.upperBound + 1 == number {
        ranges[ranges.count - 1] = last.lowerBound...number
      } else {
        ranges.append(number...number)
      }
    }
    return ranges
  }
}
