internal import VarveJSON
internal import VarveParquet
import VarveTables

/// The table's versions as Iceberg v2 metadata over the same Parquet files: a snapshot per version, whose id is the
/// version's number.
///
/// It lies in `metadata/` below the table's root, beside the data and apart from the log, which is not touched:
///
/// | file | holds |
/// | --- | --- |
/// | `v<N>.metadata.json` | schemas, partitioning, all snapshots |
/// | `snapshot-<digest>.avro` | the manifests of one snapshot |
/// | `manifest-<digest>.avro` | data files, or files of deletes |
/// | `deletes-<digest>.parquet` | positions that a deletion vector strikes out |
/// | `version-hint.text` | N; replacing it is what makes an export count |
///
/// Everything is derived from the log: the same log and base give the same bytes, so an export after a new version writes
/// only what that added. Addresses are absolute in Iceberg, so a table that moves is exported again. What an export wrote
/// and the newest does not name is removed at its end, as is what a crash left.
package struct IcebergExport {
  private let table: Table
  private let base: String
  private var storage: Storage { table.storage }
  private var place: [String] { [table.name] }

  package struct Report: Sendable {
    /// Below the table's root.
    package var path: String
    package var address: String
    package var snapshotCount = 0
    /// The version that readers see who name none.
    package var current: Int64
    /// Versions that are left out, since files of theirs are gone.
    package var leftOut: [Int64] = []
  }

  /// `base` is the address of the table's root as its readers have it; nil: where it lies now.
  package init(_ table: Table, base: String?) throws {
    self.table = table
    var base = try base ?? "file://" + table.storage.absolutePath()
    while base.hasSuffix("/") { base.removeLast() }
    self.base = base
  }

  private struct SnapshotLine {
    var version: Int64
    var timestamp: Int64
    var parent: Int64?
    var list: String
    var schema: Int
    var summary: JSONObject
  }

  /// Writes it, with that version as the current one.
  package func run(current: Snapshot) throws -> Report {
    let lock = try table.lock()
    defer { withExtendedLifetime(lock) {} }
    guard let head = try table.log.head(hint: current.version) else { preconditionFailure("the table has a version") }
    let newest = try table.log.snapshot(at: head)
    var ids = IcebergSchema()
    let walk = try walk(to: head, &ids)
    let partitioning = try IcebergPartitioning(newest.partitionColumns, newest.schema, ids)
    try storage.makeDurableDirectories(Layout.icebergMetadata)
    var report = Report(path: "", address: "", current: current.version)
    var kept = Set<String>()
    let lines = try snapshots(walk, partitioning, ids, &kept, &report)
    guard lines.contains(where: { $0.version == current.version }) else {
      throw Problem(
        .refused, at: place, "version \(current.version) cannot be exported: files of it are gone, or it has none",
        advice: "export another version")
    }
    let name = "v\(current.version).metadata.json"
    let json = try metadata(newest, current, ids, partitioning, lines)
    report.path = Layout.join(Layout.icebergMetadata, name)
    report.address = address(report.path)
    report.snapshotCount = lines.count
    try storage.syncFileSystem()
    try storage.replace(report.path, json.bytes(.canonical), draft: report.path + ".tmp", isSealed: true)
    let hint = Array(String(current.version).utf8)
    if try storage.read(Layout.icebergHint) != hint {
      try storage.replace(Layout.icebergHint, hint, draft: Layout.icebergHint + ".tmp")
    }
    kept.insert(name)
    try sweep(kept)
    return report
  }

  private func address(_ path: String) -> String { "\(base)/\(path)" }

  // MARK: The log

  private struct Step {
    var version: Int64
    var timestamp: Int64
    var schema: Int
    var removes: [RemoveAction]
    var adds: [AddAction]
  }

  private func walk(to head: Int64, _ ids: inout IcebergSchema) throws -> [Step] {
    var oldest = head
    while oldest > 0, try table.log.entry(oldest - 1) != nil { oldest -= 1 }
    while oldest < head, (try? table.log.snapshot(at: oldest)) == nil { oldest += 1 }
    let first = try table.log.snapshot(at: oldest)
    var metadata = first.metadata
    var steps: [Step] = []
    for version in oldest...head {
      let entry = try table.log.entry(existing: version)
      metadata = entry.metadata ?? metadata
      guard metadata.partitionColumns.map(ExactText.init) == first.partitionColumns.map(ExactText.init) else {
        throw Problem(.refused, at: place, "is partitioned otherwise since version \(version)")
      }
      // Version 0 only makes the table.
      if version == 0, entry.adds.isEmpty, head > 0 { continue }
      steps.append(
        Step(
          version: version, timestamp: entry.timestamp, schema: ids.number(of: metadata.schema),
          removes: version == oldest ? [] : entry.removes, adds: version == oldest ? try first.entries : entry.adds))
    }
    return steps
  }

  // MARK: Snapshots

  private func snapshots(
    _ steps: [Step], _ partitioning: IcebergPartitioning, _ ids: IcebergSchema, _ kept: inout Set<String>,
    _ report: inout Report
  ) throws -> [SnapshotLine] {
    var lines: [SnapshotLine] = []
    var live: [ExactText: AddAction] = [:]
    var missing = Set<ExactText>()
    var touched = Set<ExactText>()
    var data = IcebergManifests(.data)
    var deletes = IcebergManifests(.deletes)
    let vacuumed = try Vacuums.removed(in: storage)
    for step in steps {
      for remove in step.removes {
        let path = ExactText(remove.path)
        guard live[path]?.key == remove.key else { continue }
        live[path] = nil
        missing.remove(path)
        touched.insert(path)
      }
      for add in step.adds {
        let path = ExactText(add.path)
        live[path] = add
        touched.insert(path)
        let onDisk = try decoded(add)
        if vacuumed[ExactText(onDisk)] != nil, try !storage.exists(onDisk) { missing.insert(path) }
      }
      guard missing.isEmpty else {
        report.leftOut.append(step.version)
        continue
      }
      let schema = ids.json(of: step.schema).text()
      let (sortedPaths, version) = (touched.sorted(), step.version)
      touched = []
      var counts = (added: 0, removed: 0)
      // A file that was there all the time stays; its deletes are a matter of their own.
      let gone = sortedPaths.filter { live[$0] == nil && data.file($0) != nil }
      let new = sortedPaths.filter { live[$0] != nil && data.file($0) == nil }
      counts = (new.count, gone.count)
      try data.advance(
        to: version, removing: gone, adding: new.map { try dataFile(live[$0]!, version) }
      ) { [data] in try manifest($0, data, schema, partitioning, version, step.schema, &kept) }
      let changed = sortedPaths.filter {
        deletes.file($0)?.add.deletionVector?.id != live[$0]?.deletionVector?.id
          || (deletes.file($0) != nil && new.contains($0))
      }
      let struck = try changed.compactMap { path in
        try live[path].flatMap { $0.deletionVector == nil ? nil : try deleteFile($0, version, &kept) }
      }
      try deletes.advance(to: version, removing: changed, adding: struck) { [deletes] in
        try manifest($0, deletes, schema, partitioning, version, step.schema, &kept)
      }
      let parent = lines.last?.version
      let rows = (data.all.map(data.listRow) + deletes.all.map(deletes.listRow))
      let list = avroFile(
        schema: IcebergManifests.listSchema,
        metadata: [
          ("snapshot-id", "\(version)"), ("parent-snapshot-id", parent.map { "\($0)" } ?? "null"),
          ("sequence-number", "\(version)"), ("format-version", "2"),
        ], rows: rows)
      let operation =
        counts.removed == 0 && changed.isEmpty
        ? "append" : counts.added == 0 && counts.removed > 0 && struck.isEmpty ? "delete" : "overwrite"
      lines.append(
        SnapshotLine(
          version: version, timestamp: step.timestamp, parent: parent,
          list: try store("snapshot", "avro", list, &kept), schema: step.schema,
          summary: [
            "operation": .string(operation), "added-data-files": .string("\(counts.added)"),
            "deleted-data-files": .string("\(counts.removed)"), "total-data-files": .string("\(data.fileCount)"),
            "total-delete-files": .string("\(deletes.fileCount)"), "total-records": .string("\(data.rowCount)"),
            "total-position-deletes": .string("\(deletes.rowCount)"), "total-equality-deletes": "0",
          ]))
    }
    return lines
  }

  private func decoded(_ add: AddAction) throws -> String {
    guard let path = LogPath.decode(add.path) else {
      throw Problem(.refused, at: place, "the log names a file outside the table: \(add.path)")
    }
    return path
  }

  private func rowCount(_ add: AddAction) throws -> Int {
    if let count = add.statistics.flatMap({ StatisticsText.parse($0, Schema([])) })?.rowCount { return count }
    let path = try decoded(add)
    guard let source = try storage.openToRead(path) else {
      throw Problem(.damaged, at: place + [path], "the file is missing", advice: "run varve verify")
    }
    return try ParquetFile(source, name: path).rowCount
  }

  private func dataFile(_ add: AddAction, _ version: Int64) throws -> IcebergFile {
    IcebergFile(
      path: ExactText(add.path), address: address(try decoded(add)), add: add, recordCount: try rowCount(add),
      byteCount: add.byteCount, version: version)
  }

  /// The rows that are struck out, as a file of positions (Iceberg specification, "Position Delete Files").
  private func deleteFile(_ add: AddAction, _ version: Int64, _ kept: inout Set<String>) throws -> IcebergFile {
    guard let vector = add.deletionVector else { preconditionFailure("only struck files have deletes") }
    let path = try decoded(add)
    let rows = try vector.rows(of: path, rowCount: rowCount(add), in: storage)
    var positions: [Int64] = []
    for (number, word) in rows.words.enumerated() {
      var bits = word
      while bits != 0 {
        positions.append(Int64(number << 6 | bits.trailingZeroBitCount))
        bits &= bits - 1
      }
    }
    let target = address(path)
    var texts = ByteValues()
    for _ in positions {
      texts.bytes += target.utf8
      texts.ends.append(texts.bytes.count)
    }
    let bytes = parquetFile(
      [
        .leaf("file_path", .text, .required).numbered(IcebergManifests.filePathID),
        .leaf("pos", .int64, .required).numbered(IcebergManifests.positionID),
      ], rowCount: positions.count,
      leaves: [
        ParquetLeafValues(values: Column(.text, .bytes(texts)), definitionLevels: [], repetitionLevels: []),
        ParquetLeafValues(values: Column(.int64, .int64(positions)), definitionLevels: [], repetitionLevels: []),
      ])
    return IcebergFile(
      path: ExactText(add.path), address: try store("deletes", "parquet", bytes, &kept), add: add,
      recordCount: positions.count, byteCount: bytes.count, version: version, target: target)
  }

  private func manifest(
    _ entries: [(status: Int, file: IcebergFile)], _ manifests: IcebergManifests, _ schema: String,
    _ partitioning: IcebergPartitioning, _ version: Int64, _ schemaNumber: Int, _ kept: inout Set<String>
  ) throws -> (address: String, byteCount: Int) {
    let rows = try entries.map { try manifests.row($0.status, $0.file, at: version, partitioning, place: place) }
    let bytes = avroFile(
      schema: IcebergManifests.schema(partitioning),
      metadata: [
        ("schema", schema), ("schema-id", "\(schemaNumber)"), ("partition-spec", partitioning.fieldsJSON.text()),
        ("partition-spec-id", "0"), ("format-version", "2"),
        ("content", manifests.content == .data ? "data" : "deletes"),
      ], rows: rows)
    return (try store("manifest", "avro", bytes, &kept), bytes.count)
  }

  /// Under a name by its content; one that is there already, whole, is left as it is.
  private func store(_ kind: String, _ ending: String, _ bytes: [UInt8], _ kept: inout Set<String>) throws -> String {
    let name = "\(kind)-\(Digest.sha256(bytes).prefix(16)).\(ending)"
    let path = Layout.join(Layout.icebergMetadata, name)
    kept.insert(name)
    if let present = try storage.read(path) {
      if present == bytes { return address(path) }
      try storage.removeIfPresent(path)
    }
    let file = try storage.create(path)
    try file.write(bytes)
    try file.seal()
    return address(path)
  }

  // MARK: Metadata

  private func metadata(
    _ newest: Snapshot, _ current: Snapshot, _ ids: IcebergSchema, _ partitioning: IcebergPartitioning,
    _ lines: [SnapshotLine]
  ) throws -> JSONValue {
    var refs: JSONObject = ["main": ["snapshot-id": JSONValue(current.version), "type": "branch"]]
    let exported = Set(lines.map(\.version))
    for (name, tag) in try Tags.read(storage).tags.sorted(by: { $0.key < $1.key })
    where name != "main" && exported.contains(tag.version) {
      refs[name] = ["snapshot-id": JSONValue(tag.version), "type": "tag"]
    }
    let snapshots = lines.map { line -> JSONValue in
      var object: JSONObject = [
        "snapshot-id": JSONValue(line.version), "sequence-number": JSONValue(line.version),
        "timestamp-ms": JSONValue(line.timestamp), "manifest-list": .string(line.list),
        "summary": .object(line.summary), "schema-id": JSONValue(line.schema),
      ]
      if let parent = line.parent { object["parent-snapshot-id"] = JSONValue(parent) }
      return .object(object)
    }
    let currentSchema = lines.first { $0.version == current.version }?.schema ?? 0
    return [
      "format-version": 2, "table-uuid": .string(newest.metadata.id), "location": .string(base),
      "last-sequence-number": JSONValue(lines.last?.version ?? 0),
      "last-updated-ms": JSONValue(lines.last?.timestamp ?? newest.timestamp), "last-column-id": JSONValue(ids.lastID),
      "schemas": ids.json, "current-schema-id": JSONValue(currentSchema),
      "partition-specs": [["spec-id": 0, "fields": partitioning.fieldsJSON]], "default-spec-id": 0,
      "last-partition-id": JSONValue(partitioning.lastID), "sort-orders": [["order-id": 0, "fields": []]],
      "default-sort-order-id": 0,
      "properties": ["schema.name-mapping.default": .string(ids.nameMapping), "write.format.default": "parquet"],
      "current-snapshot-id": JSONValue(current.version), "snapshots": .array(snapshots),
      "snapshot-log": .array(
        lines.filter { $0.version <= current.version }.map {
          ["snapshot-id": JSONValue($0.version), "timestamp-ms": JSONValue($0.timestamp)]
        }), "metadata-log": [], "refs": .object(refs),
    ]
  }

  /// Removes what exports wrote and the newest does not name.
  private func sweep(_ kept: Set<String>) throws {
    for name in try storage.list(Layout.icebergMetadata) where !kept.contains(name) {
      let isOurs =
        ["snapshot-", "manifest-", "deletes-"].contains(where: name.hasPrefix) || name.hasSuffix(".tmp")
        || (name.hasPrefix("v") && name.hasSuffix(".metadata.json"))
      if isOurs { try storage.removeIfPresent(Layout.join(Layout.icebergMetadata, name)) }
    }
  }
}
