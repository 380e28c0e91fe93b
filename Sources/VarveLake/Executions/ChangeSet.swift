internal import VarveJSON
package import VarveParquet
internal import VarveTables

/// The typed input of one execution, kept so that it can be replayed behind a corrected one:
/// `_varve/change-sets/<execution>/<fingerprint>/feed.parquet` and `change-set.json`.
package struct ChangeSet: Sendable {
  static let format = 1

  package var feed: Feed
  package var deleteWhen: String?
  package var newestBy: String?
  package var absentIsNull: Bool
  package var rowsRead: Int
  package var rowsRejected: Int

  package init(
    feed: Feed, deleteWhen: String?, newestBy: String?, absentIsNull: Bool, rowsRead: Int, rowsRejected: Int
  ) {
    self.feed = feed
    self.deleteWhen = deleteWhen
    self.newestBy = newestBy
    self.absentIsNull = absentIsNull
    self.rowsRead = rowsRead
    self.rowsRejected = rowsRejected
  }

  /// With its columns called as the table calls them now, and without those that were dropped from it since.
  func following(_ table: TableMetadata) -> ChangeSet {
    let schema = table.schema
    var set = self
    var names: [String: String] = [:]
    set.feed.schema.fields = []
    set.feed.partiallyAbsent = []
    for var field in feed.schema.fields {
      let old = field.name
      if let now = schema.fields.first(where: { $0.lineage == field.lineage }) {
        field.name = now.name
        field.identity = now.identity
      } else if old != deleteWhen, table.hasGivenUp(field) {
        continue
      }
      names[old] = field.name
      set.feed.spoolNames[field.name] = feed.spoolName(old)
      set.feed.schema.fields.append(field)
      if feed.partiallyAbsent.contains(old) { set.feed.partiallyAbsent.append(field.name) }
    }
    set.deleteWhen = deleteWhen.map { names[$0] ?? $0 }
    set.newestBy = newestBy.map { names[$0] ?? $0 }
    return set
  }

  private static let dataName = "feed.parquet"
  private static let documentName = "change-set.json"
  private static let pieceBytesMax = 4 << 20

  /// Writes it, durably, and returns the name under which it lies: the fingerprint, unless rows lie there that the same
  /// feed had when the table took others of it. The document is written last: without it the change set is not there.
  package func keep(
    _ bytes: any ByteSource, storage: Storage, execution: ExecutionKey, fingerprint: String
  ) throws -> String {
    let directory = Layout.changeSet(execution.description, fingerprint)
    let document = Layout.join(directory, ChangeSet.documentName)
    let draft = document + ".tmp"
    try storage.makeDirectories(directory)
    // Somebody may run the same execution at once.
    let lock = try storage.lock(directory, isDirectory: true, waits: true)
    defer { withExtendedLifetime(lock) {} }
    var names = [directory, Layout.parent(directory), Layout.changeSets]
    // The creation of a table makes this name durable, and the first execution of one that is there must.
    if try storage.exists(Layout.log), try storage.list(Layout.changeSets).count == 1 {
      names.append(Layout.bookkeeping)
    }
    if let there = try storage.read(document) {
      let sha256 = try ChangeSet.digest(bytes)
      if let kept = ChangeSet.rows(toldBy: there), kept.sha256 != sha256 {
        return try keep(
          bytes, storage: storage, execution: execution,
          fingerprint: Digest.sha256(Array("\(fingerprint) \(sha256)".utf8)))
      }
      // Whoever wrote it may have died before its draft was gone and its names were durable.
      try storage.removeIfPresent(draft)
      try storage.sync(directories: names)
      return fingerprint
    }
    let data = Layout.join(directory, ChangeSet.dataName)
    try storage.removeIfPresent(data)
    let file = try storage.create(data)
    let digest = Digest()
    var offset = 0
    while offset < bytes.byteCount {
      let piece = try bytes.read(at: offset, count: min(ChangeSet.pieceBytesMax, bytes.byteCount - offset))
      digest.update(piece)
      try file.write(piece)
      offset += piece.count
    }
    try file.seal()
    try file.sync()
    try storage.removeIfPresent(draft)
    try storage.write(draft, json(sha256: digest.finish(), byteCount: offset).bytes(), isSealed: true)
    _ = try storage.link(draft, as: document)
    try storage.removeIfPresent(draft)
    try storage.sync(directories: names)
    return fingerprint
  }

  private static func digest(_ bytes: any ByteSource) throws -> String {
    let digest = Digest()
    var offset = 0
    while offset < bytes.byteCount {
      let piece = try bytes.read(at: offset, count: min(pieceBytesMax, bytes.byteCount - offset))
      digest.update(piece)
      offset += piece.count
    }
    return digest.finish()
  }

  private func json(sha256: String, byteCount: Int) -> JSONValue {
    var object: JSONObject = [
      "format": JSONValue(ChangeSet.format), "sha256": .string(sha256), "bytes": JSONValue(byteCount),
      "schema": (try? JSONValue(parsing: SchemaText.text(feed.schema))) ?? .null,
      "partially_absent": .array(feed.partiallyAbsent.map(JSONValue.string)), "rows": JSONValue(feed.rowCount),
      "unit": .string(feed.unit.rawValue), "file": .string(feed.file), "absent_is_null": .boolean(absentIsNull),
      "rows_read": JSONValue(rowsRead), "rows_rejected": JSONValue(rowsRejected),
    ]
    if let sheet = feed.sheet { object["sheet"] = .string(sheet) }
    if let deleteWhen { object["delete_when"] = .string(deleteWhen) }
    if let newestBy { object["newest_by"] = .string(newestBy) }
    // The document's own digest, last: no log entry names it.
    object["document_sha256"] = .string(Digest.sha256(JSONValue.object(object).bytes()))
    return .object(object)
  }

  /// What a document says of its rows, where the document is as it was written.
  static func rows(toldBy document: [UInt8]) -> (name: String, byteCount: Int, sha256: String)? {
    guard let json = try? JSONValue(parsing: document), let members = json.object?.members,
      members.last?.key == "document_sha256", let own = members.last?.value.string, json.bytes() == document,
      Digest.sha256(
        JSONValue.object(JSONObject(members.dropLast().map { ($0.key, $0.value) })).bytes()) == own,
      let sha256 = json["sha256"]?.string, let byteCount = json["bytes"]?.int
    else { return nil }
    return (dataName, byteCount, sha256)
  }

  static func document(execution: String, name: String) -> String {
    Layout.join(Layout.changeSet(execution, name), documentName)
  }

  /// The change set that was kept for a run; nil where none is.
  package init?(_ storage: Storage, of run: ExecutionState.Run) throws {
    let directory = Layout.changeSet(run.key.description, run.changeSet)
    guard let bytes = try storage.read(Layout.join(directory, ChangeSet.documentName)) else { return nil }
    let place = [storage.path, directory]
    guard let json = try? JSONValue(parsing: bytes), let format = json["format"]?.int,
      let schema = json["schema"], let rows = json["rows"]?.int,
      let unit = json["unit"]?.string.flatMap(Origins.Unit.init(rawValue:)), let file = json["file"]?.string
    else { throw Problem(.damaged, at: place, "the change set cannot be read", advice: "ingest its feed again") }
    guard format <= ChangeSet.format else {
      throw Problem(
        .refused, at: place, "was written by a newer Varve (change set format \(format))", advice: "use that Varve")
    }
    guard let data = try storage.openToRead(Layout.join(directory, ChangeSet.dataName)),
      data.byteCount == json["bytes"]?.int
    else { throw Problem(.damaged, at: place, "the change set's rows are missing", advice: "ingest its feed again") }
    self.init(
      feed: Feed(
        spool: try ParquetFile(data, name: Layout.join(directory, ChangeSet.dataName)),
        schema: Schema(try SchemaText.parse(schema.text(), place: place).map(\.field)),
        partiallyAbsent: json["partially_absent"]?.array?.compactMap(\.string) ?? [], rowCount: rows, unit: unit,
        file: file, sheet: json["sheet"]?.string),
      deleteWhen: json["delete_when"]?.string, newestBy: json["newest_by"]?.string,
      absentIsNull: json["absent_is_null"]?.boolean ?? false, rowsRead: json["rows_read"]?.int ?? rows,
      rowsRejected: json["rows_rejected"]?.int ?? 0)
  }
}
