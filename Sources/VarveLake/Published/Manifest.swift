package import VarveJSON
package import VarveTables

/// `_manifest.json`: what a commit wrote into one partition, and on what it stands. It lies beside its files.
///
/// It holds no clock time, no path of its own and not the version that it belongs to, so that the same feed on the
/// same base gives the same bytes. Every one that would be too far from a complete one is complete itself.
package struct Manifest: Hashable, Sendable {
  static let format = 2
  /// Of a manifest that tells of no struck rows, which readers of format 1 understand.
  private static let formatWithoutVectors = 1
  /// Manifests that a reader may have to read, to know all files of a partition.
  static let chainMax = 64

  package struct File: Hashable, Sendable {
    /// Own files: their name. Kept files: their path below the table.
    package var path: String
    /// Nil where a stranger's statistics did not say.
    package var rows: Int?
    package var bytes: Int
    /// Nil for files of strangers, whose bytes we never had in hand.
    package var sha256: String?
    /// The least and the greatest key, where the table has one: a text per key column, nil for null.
    package var keyMinimum: [String?]?
    package var keyMaximum: [String?]?
    /// Which rows are struck out, of kept files; nil for none.
    package var struck: Struck?
  }

  /// A deletion vector, by its digest: the log has the vector itself.
  package struct Struck: Hashable, Sendable {
    package var rows: Int
    /// Of what the log knows the vector by.
    package var sha256: String

    init(_ vector: DeletionVector) {
      rows = vector.rowCount
      sha256 = Digest.sha256(Array(vector.id.utf8))
    }

    init?(json: JSONValue) {
      guard let rows = json["rows"]?.int, let sha256 = json["sha256"]?.string else { return nil }
      (self.rows, self.sha256) = (rows, sha256)
    }

    var json: JSONValue { ["rows": JSONValue(rows), "sha256": .string(sha256)] }
  }

  /// A file of the predecessor that is live still, with other rows struck out than before, or none.
  package struct Change: Hashable, Sendable {
    package var path: String
    package var struck: Struck?
  }

  /// What the partition was before.
  package enum Predecessor: Hashable, Sendable {
    case nothing
    case manifest(ManifestReference)
    /// What the log said at that version, where a stranger wrote last or the partition had been emptied.
    case log(version: Int64, sha256: String)
  }

  /// By partition column.
  package var partition: [JSONObject.PartitionMember]
  package var files: [File]
  package var predecessor: Predecessor
  /// Files of the predecessor that are live no more: paths below the table.
  package var dropped: [String]
  /// Files of the predecessor of which other rows are struck out since.
  package var changed: [Change] = []
  /// All other live files of the partition, in a complete manifest; nil in one that counts on its predecessor.
  package var kept: [File]?
  /// How many manifests lie between this one and the complete one before it, plus one; 0 in a complete one.
  package var depth: Int
  package var schema: Schema
  package var ingestion: String
  package var execution: String?
  package var sources: [FeedSource]

  package var isComplete: Bool { kept != nil }
}

extension JSONObject {
  /// A partition column and its value, null where nil.
  package struct PartitionMember: Hashable, Sendable {
    package var column: String
    package var value: String?
  }
}

// MARK: JSON

extension Manifest {
  package var bytes: [UInt8] { json.bytes(.canonical) + [UInt8(ascii: "\n")] }

  private var json: JSONValue {
    var object: JSONObject = [
      "format": JSONValue(hasVectors ? Manifest.format : Manifest.formatWithoutVectors),
      "partition": .object(JSONObject(partition.map { ($0.column, $0.value.map(JSONValue.string) ?? .null) })),
      "files": .array(files.map { Manifest.json($0, pathKey: "name") }),
      "dropped": .array(dropped.map(JSONValue.string)), "depth": JSONValue(depth),
      "schema": (try? JSONValue(parsing: SchemaText.text(schema))) ?? .null,
      "lineage": .object(lineage),
    ]
    switch predecessor {
    case .nothing: object["predecessor"] = .null
    case .manifest(let reference): object["predecessor"] = reference.json
    case .log(let version, let sha256):
      object["predecessor"] = ["log_version": JSONValue(version), "sha256": .string(sha256)]
    }
    if !changed.isEmpty {
      object["changed"] = .array(
        changed.map { ["path": .string($0.path), "deletion_vector": $0.struck?.json ?? .null] })
    }
    if let kept { object["kept"] = .array(kept.map { Manifest.json($0, pathKey: "path") }) }
    return .object(object)
  }

  private var hasVectors: Bool { !changed.isEmpty || kept?.contains { $0.struck != nil } ?? false }

  private var lineage: JSONObject {
    var lineage: JSONObject = ["ingestion": .string(ingestion), "sources": .array(sources.map(\.json))]
    if let execution { lineage["execution"] = .string(execution) }
    return lineage
  }

  private static func json(_ file: File, pathKey: String) -> JSONValue {
    var object: JSONObject = [pathKey: .string(file.path), "bytes": JSONValue(file.bytes)]
    if let rows = file.rows { object["rows"] = JSONValue(rows) }
    if let sha256 = file.sha256 { object["sha256"] = .string(sha256) }
    if let minimum = file.keyMinimum, let maximum = file.keyMaximum {
      object["key"] = ["min": texts(minimum), "max": texts(maximum)]
    }
    if let struck = file.struck { object["deletion_vector"] = struck.json }
    return .object(object)
  }

  private static func texts(_ texts: [String?]) -> JSONValue { .array(texts.map { $0.map(JSONValue.string) ?? .null }) }

  /// Everything in it is checked, since anybody may have written it.
  package init(_ bytes: [UInt8], place: [String]) throws {
    func damaged(_ what: String) -> Problem { Problem(.damaged, at: place, what) }
    let json: JSONValue
    do {
      json = try JSONValue(parsing: bytes)
    } catch {
      throw damaged("the manifest is no JSON: \(error)")
    }
    guard let format = json["format"]?.int else { throw damaged("the manifest has no format") }
    guard format <= Manifest.format else {
      throw Problem(
        .refused, at: place, "was written by a newer Varve (manifest format \(format))", advice: "use that Varve")
    }
    guard let partition = json["partition"]?.object, let files = json["files"]?.array,
      let dropped = json["dropped"]?.array, let depth = json["depth"]?.int, let schema = json["schema"],
      let lineage = json["lineage"], let ingestion = lineage["ingestion"]?.string
    else { throw damaged("the manifest lacks a field") }
    self.partition = partition.members.map { JSONObject.PartitionMember(column: $0.key, value: $0.value.string) }
    self.files = try files.map { file in
      guard let file = Manifest.file(file, pathKey: "name"), LogPath.isSafe(file.path), Layout.parent(file.path).isEmpty
      else { throw damaged("the manifest names a file that does not lie beside it") }
      return file
    }
    kept = try json["kept"]?.array?.map { file in
      guard let file = Manifest.file(file, pathKey: "path"), LogPath.isSafe(file.path) else {
        throw damaged("the manifest names a file outside the table")
      }
      return file
    }
    self.dropped = try dropped.map { path in
      guard let path = path.string, LogPath.isSafe(path) else {
        throw damaged("the manifest names a file outside the table")
      }
      return path
    }
    changed = try (json["changed"]?.array ?? []).map { change in
      guard let path = change["path"]?.string, LogPath.isSafe(path) else {
        throw damaged("the manifest names a file outside the table")
      }
      return Change(path: path, struck: change["deletion_vector"].flatMap(Struck.init(json:)))
    }
    guard (0..<Manifest.chainMax).contains(depth), (depth == 0) == (kept != nil) else {
      throw damaged("the manifest's depth is wrong")
    }
    self.depth = depth
    predecessor = try Manifest.predecessor(json["predecessor"] ?? .null, damaged)
    self.schema = Schema(try SchemaText.parse(schema.text(), place: place).map(\.field))
    self.ingestion = ingestion
    execution = lineage["execution"]?.string
    sources = lineage["sources"]?.array?.compactMap(FeedSource.init(json:)) ?? []
  }

  private static func predecessor(_ json: JSONValue, _ damaged: (String) -> Problem) throws -> Predecessor {
    if json.isNull { return .nothing }
    if let version = json["log_version"]?.int64, let sha256 = json["sha256"]?.string {
      return .log(version: version, sha256: sha256)
    }
    guard let reference = ManifestReference(json: json), LogPath.isSafe(reference.path) else {
      throw damaged("the manifest's predecessor is wrong")
    }
    return .manifest(reference)
  }

  private static func file(_ json: JSONValue, pathKey: String) -> File? {
    guard let path = json[pathKey]?.string, let bytes = json["bytes"]?.int, bytes >= 0 else { return nil }
    return File(
      path: path, rows: json["rows"]?.int, bytes: bytes, sha256: json["sha256"]?.string,
      keyMinimum: json["key"]?["min"]?.array?.map(\.string), keyMaximum: json["key"]?["max"]?.array?.map(\.string),
      struck: json["deletion_vector"].flatMap(Struck.init(json:)))
  }
}

extension Manifest.File {
  /// A file that is live again, or still.
  init(_ file: LiveFile) {
    self.init(path: file.path, rows: file.statistics?.rowCount, bytes: file.byteCount)
    struck = file.deletionVector.map(Manifest.Struck.init)
  }
}

// MARK: The chain

extension Manifest {
  /// The manifest behind a reference, its bytes checked against the digest.
  package static func read(_ reference: ManifestReference, _ storage: Storage) throws -> Manifest {
    let place = [storage.path, reference.path]
    guard let bytes = try storage.read(reference.path) else {
      throw Problem(.damaged, at: place, "the manifest is missing", advice: "run varve repair")
    }
    guard Digest.sha256(bytes) == reference.sha256 else {
      throw Problem(.damaged, at: place, "the manifest is not the one that was committed", advice: "run varve verify")
    }
    return try Manifest(bytes, place: place)
  }

  /// The files after these changes of what is struck out of them.
  static func files(_ files: [File], with changes: [Change]) -> [File] {
    let changes = Dictionary(changes.map { (ExactText($0.path), $0) }, uniquingKeysWith: { $1 })
    return files.map { file in
      guard let change = changes[ExactText(file.path)] else { return file }
      var file = file
      file.struck = change.struck
      return file
    }
  }

  /// All files of the partition as of that manifest, by their paths below the table, in no order of meaning.
  ///
  /// A chain that ends at a log version, and not at a complete manifest, cannot happen: such ones are complete.
  package static func files(of reference: ManifestReference, _ storage: Storage) throws -> [File] {
    var files: [File] = []
    var dropped = Set<ExactText>()
    // What the newest manifest says that names a file.
    var changed: [ExactText: Change] = [:]
    var next = reference
    for _ in 0..<chainMax {
      let manifest = try read(next, storage)
      let own = manifest.files.map { file in
        var file = file
        file.path = Layout.join(Layout.parent(next.path), file.path)
        return file
      }
      for change in manifest.changed where changed[ExactText(change.path)] == nil {
        changed[ExactText(change.path)] = change
      }
      files += (own + (manifest.kept ?? [])).filter { !dropped.contains(ExactText($0.path)) }.map { file in
        guard let change = changed[ExactText(file.path)] else { return file }
        var file = file
        file.struck = change.struck
        return file
      }
      if manifest.isComplete { return files }
      dropped.formUnion(manifest.dropped.map(ExactText.init))
      guard case .manifest(let predecessor) = manifest.predecessor else { break }
      next = predecessor
    }
    throw Problem(
      .damaged, at: [storage.path, reference.path], "the manifests before it lead to no complete one",
      advice: "run varve repair")
  }
}
