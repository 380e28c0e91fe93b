internal import VarveJSON
package import VarveTables

/// A table as it is at one version: a value that never changes, whatever is committed after it.
package struct Snapshot: Sendable {
  package let version: Int64
  /// Milliseconds since 1970: when the version was committed.
  package let timestamp: Int64
  /// Of the file of the log entry, in milliseconds since 1970.
  let entryModificationTime: Int64
  /// SHA-256 of the log entry that made the version.
  package let entrySHA256: String
  package let tableProtocol: TableProtocol
  package let metadata: TableMetadata
  /// The live files, read from the checkpoint when they are first asked for.
  let live: LiveEntries
  /// Counters of applications, by id.
  let transactions: [String: TransactionAction]
  /// Actions that the newest checkpoint does not hold, and the rows that it does.
  let actionsSinceCheckpoint: Int
  let checkpointRows: Int
  /// Where files are read from.
  package let storage: Storage
  let place: [String]

  package var schema: Schema { metadata.schema }
  package var partitionColumns: [String] { metadata.partitionColumns }
  package var fileCount: Int { get throws { try entries.count } }
  /// The live files as the log spells them, in no order of meaning.
  var entries: [AddAction] { get throws { try live.all() } }

  /// All live files, in the version's row order: partition values (nulls first), then directory version, part number.
  /// Files of strangers come after ours in their partition, by the time they were written.
  package func files() throws -> [LiveFile] { try ordered(entries) }

  /// The live files of partitions for which `isWanted` holds, given the partition's values, in row order.
  package func files(inPartitions isWanted: ([String?]) throws -> Bool) throws -> [LiveFile] {
    var wanted: [PartitionText: Bool] = [:]
    return try ordered(
      entries.filter { entry in
        let values = partition(of: entry)
        let key = PartitionText(values)
        if let known = wanted[key] { return known }
        let isWanted = try isWanted(values)
        wanted[key] = isWanted
        return isWanted
      })
  }

  /// The values of each partition that has files, in order.
  package func partitions() throws -> [[String?]] {
    var seen = Set<PartitionText>()
    for entry in try entries { seen.insert(PartitionText(partition(of: entry))) }
    return try seen.map { ($0.values, try typed($0.values)) }.sorted { precedes($0.1, $1.1) }.map(\.0)
  }

  /// The sum of the files' rows that are not struck out, or nil where a file does not say how many it has.
  package func rowCount() throws -> Int? {
    var sum = 0
    for entry in try entries {
      guard let text = entry.statistics, let json = try? JSONValue(parsing: text, duplicateKeys: .lastWins),
        let rows = json["numRecords"]?.int
      else { return nil }
      sum += rows - (entry.deletionVector?.rowCount ?? 0)
    }
    return sum
  }

  package var byteCount: Int { get throws { try entries.reduce(0) { $0 + $1.byteCount } } }

  /// A hold on the version while somebody reads it. Refused where a vacuum took the version.
  package func lease() throws -> ReadLease? {
    let lease = ReadLease.take(version, in: storage)
    // In this order: a vacuum says first what it takes, and then looks who reads it.
    try checkReadable()
    return lease
  }

  /// Refuses a version that a vacuum took.
  package func checkReadable() throws { try Vacuums.checkReadable(version, in: storage, place: place) }

  /// The bytes of a live file; its size must be what the log says.
  package func open(_ file: LiveFile) throws -> FileByteSource {
    guard let source = try storage.openToRead(file.path) else {
      throw Problem(
        .damaged, at: place + [file.path], "the file is missing", advice: "run varve verify to see what else is")
    }
    guard source.byteCount == file.byteCount else {
      throw Problem(
        .damaged, at: place + [file.path], "has \(source.byteCount) bytes, and the log says \(file.byteCount)",
        advice: "run varve verify to see what else differs")
    }
    return source
  }

  // MARK: Order

  func partition(of entry: AddAction) -> [String?] { partitionColumns.map(entry.value(ofPartitionColumn:)) }

  private func typed(_ values: [String?]) throws -> [Value] {
    try zip(metadata.partitionPositions, values).map { position, text in
      guard let text else { return .null }
      let field = metadata.fields[position].field
      guard let value = Value(text: text, type: field.type) else {
        throw Problem(
          .damaged, at: place + ["partition column \"\(field.name)\""], "\"\(text)\" is no \(field.type.name)")
      }
      return value
    }
  }

  private func precedes(_ one: [Value], _ other: [Value]) -> Bool { one.lexicographicallyPrecedes(other) }

  private func ordered(_ entries: [AddAction]) throws -> [LiveFile] {
    var typedPartitions: [PartitionText: [Value]] = [:]
    var keyed: [(partition: [Value], place: FilePlace, file: LiveFile)] = []
    keyed.reserveCapacity(entries.count)
    for entry in entries {
      let values = partition(of: entry)
      let key = PartitionText(values)
      let typedValues = try typedPartitions[key] ?? typed(values)
      typedPartitions[key] = typedValues
      let file = try liveFile(entry, partition: values)
      keyed.append((typedValues, FilePlace(file), file))
    }
    keyed.sort { $0.partition == $1.partition ? $0.place < $1.place : precedes($0.partition, $1.partition) }
    return keyed.map(\.file)
  }

  func liveFile(_ entry: AddAction, partition: [String?]) throws -> LiveFile {
    guard let path = LogPath.decode(entry.path) else {
      throw Problem(
        .refused, at: place, "the log names a file outside the table: \(entry.path)",
        advice: "copy the data into a table of its own")
    }
    return LiveFile(
      path: path, partition: partition, byteCount: entry.byteCount, modificationTime: entry.modificationTime,
      statistics: entry.statistics.flatMap { StatisticsText.parse($0, schema) },
      deletionVector: entry.deletionVector)
  }
}

/// A partition's values, compared by their bytes.
package struct PartitionText: Hashable, Comparable, ExpressibleByArrayLiteral, Sendable {
  package let values: [String?]

  package init(_ values: [String?]) { self.values = values }

  package init(arrayLiteral values: String?...) { self.values = values }

  /// Nulls first, then by bytes.
  package static func < (one: PartitionText, other: PartitionText) -> Bool {
    one.values.lexicographicallyPrecedes(other.values) { left, right in
      guard let left, let right else { return left == nil && right != nil }
      return ExactText(left) < ExactText(right)
    }
  }

  package static func == (one: PartitionText, other: PartitionText) -> Bool {
    one.values.count == other.values.count
      && zip(one.values, other.values).allSatisfy { $0.map(ExactText.init) == $1.map(ExactText.init) }
  }

  package func hash(into hasher: inout Hasher) { for value in values { hasher.combine(value.map(ExactText.init)) } }
}

/// Where a file stands among those of its partition.
private struct FilePlace: Comparable {
  /// Of the directory it lies in; after all of ours where a stranger placed it.
  let directoryVersion: Int64
  let modificationTime: Int64
  let part: Int
  let path: ExactText

  init(_ file: LiveFile) {
    let directory = Layout.version(ofDirectoryName: Layout.name(Layout.parent(file.path)))
    directoryVersion = directory ?? .max
    modificationTime = directory == nil ? file.modificationTime : 0
    part = Layout.partNumber(ofName: Layout.name(file.path)) ?? 0
    path = ExactText(file.path)
  }

  static func < (one: FilePlace, other: FilePlace) -> Bool {
    (one.directoryVersion, one.modificationTime, one.part, one.path)
      < (other.directoryVersion, other.modificationTime, other.part, other.path)
  }
}
