internal import VarveJSON
internal import VarveParquet
internal import VarveTables

/// Writing checkpoints, in the classic form that every reader knows (Delta protocol, "Checkpoints").
extension DeltaLog {
  /// Fewer actions than this are read faster from their entries.
  private static let actionsMin = 64
  /// A checkpoint is due when an eighth of its rows has changed, so that it costs each action a bounded number of rows.
  private static let rowsPerAction = 8
  /// Our own sums of history are due after this many versions, whoever writes checkpoints beside us.
  private static let versionsMax: Int64 = 256

  func isCheckpointDue(_ snapshot: Snapshot) throws -> Bool {
    let rows = max(snapshot.checkpointRows, snapshot.live.added.count)
    if snapshot.actionsSinceCheckpoint >= max(DeltaLog.actionsMin, rows / DeltaLog.rowsPerAction) { return true }
    let newest = try storage.list(Layout.states).compactMap(Layout.version(ofLogName:)).max() ?? -1
    return snapshot.version - newest >= DeltaLog.versionsMax
  }

  /// Writes the checkpoint of a version and the state beside it, under the table's lock.
  func writeCheckpoint(_ snapshot: Snapshot, index: ManifestIndex, transaction: String) throws {
    let version = snapshot.version
    let rows = try rows(snapshot)
    let bytes = CheckpointFile.bytes(rows, hasDeletionVectors: snapshot.tableProtocol.hasDeletionVectors)
    let draft = Layout.checkpointDraft(transaction, version)
    try storage.removeIfPresent(draft)
    try storage.write(draft, bytes, isSealed: true)
    // Where a stranger was faster, theirs is as good.
    _ = try storage.link(draft, as: Layout.checkpoint(version))
    try storage.sync(Layout.log)

    let block = try StateBlock.newest(atOrBefore: version - 1, self)
    var tail: [LogEntry] = []
    for number in stride(from: version, to: block?.version ?? -1, by: -1) {
      guard let entry = try entry(number) else { break }
      tail.append(entry)
    }
    try StateBlock.write(tail.reversed(), after: block, index: index, self)

    let last: JSONValue = [
      "version": JSONValue(version), "size": JSONValue(rows.count), "sizeInBytes": JSONValue(bytes.count),
      "numOfAddFiles": JSONValue(try snapshot.fileCount),
    ]
    try storage.replace(Layout.lastCheckpoint, last.bytes(), draft: Layout.lastCheckpointDraft, isDurable: false)
  }

  /// A row per action, as JSON: protocol, metaData, counters, files that are gone, files that are live.
  func rows(_ snapshot: Snapshot) throws -> [JSONValue] {
    var rows = [Action.protocol(snapshot.tableProtocol).json, Action.metadata(snapshot.metadata).json]
    rows += snapshot.transactions.sorted { $0.key < $1.key }.map { Action.transaction($0.value).json }
    rows += try tombstones(snapshot).map { Action.remove($0).json }
    rows += try snapshot.entries.map { ["add": $0.json(dataChange: false)] }
    return rows
  }

  /// Files that are gone and that a vacuum must not take for strays yet: those of the checkpoint before, and those since.
  private func tombstones(_ snapshot: Snapshot) throws -> [RemoveAction] {
    let base = try checkpoint(atOrBefore: snapshot.version - 1)
    var gone: [FileKey: (ordinal: Int, remove: RemoveAction)] = [:]
    var ordinal = 0
    func take(_ remove: RemoveAction) {
      gone[remove.key] = (ordinal, remove)
      ordinal += 1
    }
    for remove in try base.map(readTombstones) ?? [] { take(remove) }
    var version = (base?.version ?? -1) + 1
    while version <= snapshot.version {
      for var remove in try entry(existing: version).removes {
        remove.dataChange = false
        take(remove)
      }
      version += 1
    }
    for add in try snapshot.entries { gone[add.key] = nil }
    return gone.values.sorted { $0.ordinal < $1.ordinal }.map(\.remove)
  }
}

/// A checkpoint's bytes: rows of JSON shredded into the columns of its schema (Parquet, "Nested Encoding").
enum CheckpointFile {
  private static let deletionVector = ParquetNode.group(
    "deletionVector",
    [
      .leaf("storageType", .text), .leaf("pathOrInlineDv", .text), .int32("offset"), .int32("sizeInBytes"),
      .leaf("cardinality", .int64),
    ])

  private static func schema(hasDeletionVectors: Bool) -> [ParquetNode] {
    let vectors = hasDeletionVectors ? [deletionVector] : []
    return [
      .group("txn", [.leaf("appId", .text), .leaf("version", .int64), .leaf("lastUpdated", .int64)]),
      .group(
        "add",
        [
          .leaf("path", .text), .map("partitionValues"), .leaf("size", .int64), .leaf("modificationTime", .int64),
          .leaf("dataChange", .boolean), .map("tags"), .leaf("stats", .text),
        ] + vectors),
      .group(
        "remove",
        [
          .leaf("path", .text), .leaf("deletionTimestamp", .int64), .leaf("dataChange", .boolean),
          .leaf("extendedFileMetadata", .boolean), .map("partitionValues"), .leaf("size", .int64),
        ] + vectors),
      .group(
        "metaData",
        [
          .leaf("id", .text), .leaf("name", .text), .leaf("description", .text),
          .group("format", [.leaf("provider", .text), .map("options")]), .leaf("schemaString", .text),
          .list("partitionColumns", of: .text), .map("configuration"), .leaf("createdTime", .int64),
        ]),
      .group(
        "protocol",
        [
          .int32("minReaderVersion"), .int32("minWriterVersion"), .list("readerFeatures", of: .text),
          .list("writerFeatures", of: .text),
        ]),
    ]
  }

  /// `hasDeletionVectors`: whether the table asks its readers to know them.
  static func bytes(_ rows: [JSONValue], hasDeletionVectors: Bool) -> [UInt8] {
    let schema = schema(hasDeletionVectors: hasDeletionVectors)
    var shredder = Shredder()
    for row in rows {
      shredder.leaf = 0
      for node in schema { shredder.shred(node, row[node.name], definition: 0, repetition: 0) }
    }
    return parquetFile(schema, rowCount: rows.count, leaves: shredder.leaves.map(\.values))
  }

  /// Takes JSON values apart into the leaves of a schema, with their levels.
  private struct Shredder {
    var leaves: [Leaf] = []
    /// The leaf that comes next, depth first.
    var leaf = 0

    mutating func shred(
      _ node: ParquetNode, _ json: JSONValue?, definition: Int, repetition: Int, isRepeated: Bool = false
    ) {
      let json = json?.isNull ?? true ? nil : json
      let level = definition + (node.repetition == .required || json == nil ? 0 : 1)
      switch node.kind {
      case .leaf(let type):
        put(json, type, definition: level, repetition: repetition, isRepeated)
      case .group(let fields, .none):
        for field in fields { shred(field, json?[field.name], definition: level, repetition: repetition) }
      case .group(let fields, .list):
        let element = fields[0].children[0]
        each(json?.array ?? [], element, level, repetition) { $0 }
      case .group(let fields, .map):
        let pairs = json?.object?.members ?? []
        let (key, value) = (fields[0].children[0], fields[0].children[1])
        each(pairs, key, level, repetition) { .string($0.key) }
        each(pairs, value, level, repetition) { $0.value }
      }
    }

    /// The elements of one leaf of a list or map; where there are none, an entry that says so.
    private mutating func each<Element>(
      _ elements: [Element], _ node: ParquetNode, _ definition: Int, _ repetition: Int, json: (Element) -> JSONValue
    ) {
      let this = leaf
      for (index, element) in elements.enumerated() {
        leaf = this
        shred(
          node, json(element), definition: definition + 1, repetition: index == 0 ? repetition : 1, isRepeated: true)
      }
      if elements.isEmpty, case .leaf(let type) = node.kind {
        put(nil, type, definition: definition, repetition: repetition, true)
      }
    }

    private mutating func put(
      _ json: JSONValue?, _ type: ParquetNode.LeafType, definition: Int, repetition: Int, _ isRepeated: Bool
    ) {
      if leaf == leaves.count { leaves.append(Leaf(type, isRepeated: isRepeated)) }
      leaves[leaf].put(json, definition: definition, repetition: repetition)
      leaf += 1
    }
  }

  private struct Leaf {
    private let type: DataType
    private var numbers: [Int64] = []
    private var texts = ByteValues()
    private var definitions: [UInt8] = []
    private var repetitions: [UInt8] = []
    private let isRepeated: Bool

    init(_ type: ParquetNode.LeafType, isRepeated: Bool) {
      self.isRepeated = isRepeated
      self.type = if case .type(let type) = type { type } else { .int64 }
    }

    mutating func put(_ json: JSONValue?, definition: Int, repetition: Int) {
      definitions.append(UInt8(definition))
      repetitions.append(UInt8(repetition))
      guard let json else { return }
      switch (type, json) {
      case (.text, .string(let text)):
        texts.bytes += text.utf8
        texts.ends.append(texts.bytes.count)
      case (.boolean, .boolean(let value)): numbers.append(value ? 1 : 0)
      case (_, .number(let number)):
        guard let number = Int64(number) else { preconditionFailure("an action holds whole numbers") }
        numbers.append(number)
      default: preconditionFailure("an action's JSON has the types of the checkpoint's schema")
      }
    }

    var values: ParquetLeafValues {
      ParquetLeafValues(
        values: Column(type, type == .text ? .bytes(texts) : .int64(numbers)), definitionLevels: definitions,
        repetitionLevels: isRepeated ? repetitions : [])
    }
  }
}

extension ParquetNode {
  fileprivate var children: [ParquetNode] {
    if case .group(let fields, _) = kind { fields } else { [] }
  }
}
