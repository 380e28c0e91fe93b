internal import VarveJSON
internal import VarveTables

/// One data or delete file as a manifest lists it.
struct IcebergFile {
  /// Below the table's root; a file of deletes is known by the file that it is of.
  var path: ExactText
  var address: String
  var add: AddAction
  var recordCount: Int
  var byteCount: Int
  /// The version that brought it: its snapshot's id, and its sequence number.
  var version: Int64
  /// Of a delete file: the address of the data file whose rows it deletes.
  var target: String?
}

/// The manifests of one kind, data or deletes, from version to version (Iceberg specification, "Manifests").
///
/// A version writes a manifest of what it adds, and anew those that list what it removes; all others are carried on. When
/// there are many they become one.
struct IcebergManifests {
  enum Content: Int { case data = 0, deletes = 1 }

  let content: Content
  private var groups: [Int: Group] = [:]
  private var nextGroup = 0
  private var groupOf: [ExactText: Int] = [:]

  private static let groupsMax = 64

  private struct Group {
    var files: [IcebergFile] = []
    var written: Written?
  }

  struct Written {
    var address: String
    var byteCount: Int
    var version: Int64
    var leastVersion: Int64
    var added = (files: 0, rows: 0)
    var existing = (files: 0, rows: 0)
    var deleted = (files: 0, rows: 0)
  }

  init(_ content: Content) { self.content = content }

  func file(_ path: ExactText) -> IcebergFile? { groupOf[path].flatMap { groups[$0]?.files.first { $0.path == path } } }

  var fileCount: Int { groupOf.count }
  var rowCount: Int { groups.values.reduce(0) { $0 + $1.files.reduce(0) { $0 + $1.recordCount } } }

  /// `write` stores a manifest of these entries and gives its address and size.
  mutating func advance(
    to version: Int64, removing removed: [ExactText], adding added: [IcebergFile],
    write: ([(status: Int, file: IcebergFile)]) throws -> (address: String, byteCount: Int)
  ) throws {
    for (number, group) in groups where group.files.isEmpty { groups[number] = nil }
    var gone: [Int: Set<ExactText>] = [:]
    for path in removed {
      guard let number = groupOf.removeValue(forKey: path) else { continue }
      gone[number, default: []].insert(path)
    }
    for (number, paths) in gone.sorted(by: { $0.key < $1.key }) {
      let files = groups[number]!.files
      groups[number]!.files = files.filter { !paths.contains($0.path) }
      let entries = files.map { (status: paths.contains($0.path) ? Status.deleted : Status.existing, file: $0) }
      groups[number]!.written = try written(entries, version, write)
    }
    if !added.isEmpty {
      groups[nextGroup] = Group(files: added, written: try written(added.map { (Status.added, $0) }, version, write))
      for file in added { groupOf[file.path] = nextGroup }
      nextGroup += 1
    }
    if groups.count > IcebergManifests.groupsMax { try merge(version, write) }
  }

  private mutating func merge(
    _ version: Int64, _ write: ([(status: Int, file: IcebergFile)]) throws -> (address: String, byteCount: Int)
  ) throws {
    let files = groups.sorted { $0.key < $1.key }.flatMap(\.value.files)
    let entries = files.map { (status: $0.version == version ? Status.added : Status.existing, file: $0) }
    groups = [nextGroup: Group(files: files, written: try written(entries, version, write))]
    for file in files { groupOf[file.path] = nextGroup }
    nextGroup += 1
  }

  private enum Status {
    static let existing = 0
    static let added = 1
    static let deleted = 2
  }

  private func written(
    _ entries: [(status: Int, file: IcebergFile)], _ version: Int64,
    _ write: ([(status: Int, file: IcebergFile)]) throws -> (address: String, byteCount: Int)
  ) throws -> Written {
    let (address, byteCount) = try write(entries)
    let live = entries.filter { $0.status != Status.deleted }
    var written = Written(
      address: address, byteCount: byteCount, version: version,
      leastVersion: live.map(\.file.version).min() ?? version)
    for (status, file) in entries {
      switch status {
      case Status.added: written.added = (written.added.files + 1, written.added.rows + file.recordCount)
      case Status.existing: written.existing = (written.existing.files + 1, written.existing.rows + file.recordCount)
      default: written.deleted = (written.deleted.files + 1, written.deleted.rows + file.recordCount)
      }
    }
    return written
  }

  var all: [Written] { groups.sorted { $0.key < $1.key }.compactMap(\.value.written) }

  // MARK: Avro

  static func schema(_ partitioning: IcebergPartitioning) -> String {
    func bounds(_ name: String, _ id: Int) -> JSONValue {
      let pair: JSONValue = [
        "type": "record", "name": .string("k\(id + 1)_v\(id + 2)"),
        "fields": [
          ["name": "key", "type": "int", "field-id": JSONValue(id + 1)],
          ["name": "value", "type": "bytes", "field-id": JSONValue(id + 2)],
        ],
      ]
      return [
        "name": .string(name), "type": ["null", ["type": "array", "items": pair, "logicalType": "map"]],
        "default": .null, "field-id": JSONValue(id),
      ]
    }
    let file: JSONValue = [
      "type": "record", "name": "r2",
      "fields": [
        ["name": "content", "type": "int", "field-id": 134],
        ["name": "file_path", "type": "string", "field-id": 100],
        ["name": "file_format", "type": "string", "field-id": 101],
        [
          "name": "partition", "type": ["type": "record", "name": "r102", "fields": partitioning.avroFields],
          "field-id": 102,
        ],
        ["name": "record_count", "type": "long", "field-id": 103],
        ["name": "file_size_in_bytes", "type": "long", "field-id": 104],
        bounds("lower_bounds", 125), bounds("upper_bounds", 128),
      ],
    ]
    func number(_ name: String, _ id: Int) -> JSONValue {
      ["name": .string(name), "type": ["null", "long"], "default": .null, "field-id": JSONValue(id)]
    }
    let entry: JSONValue = [
      "type": "record", "name": "manifest_entry",
      "fields": [
        ["name": "status", "type": "int", "field-id": 0], number("snapshot_id", 1), number("sequence_number", 3),
        number("file_sequence_number", 4), ["name": "data_file", "type": file, "field-id": 2],
      ],
    ]
    return entry.text()
  }

  /// `filePath` of a file of position deletes (Iceberg specification, "Reserved Field IDs").
  static let filePathID = 2_147_483_546
  static let positionID = 2_147_483_545

  func row(
    _ status: Int, _ file: IcebergFile, at version: Int64, _ partitioning: IcebergPartitioning, place: [String]
  ) throws -> AvroRow {
    var row = AvroRow()
    row.number(Int64(status))
    row.isPresent(true)
    row.number(status == Status.deleted ? version : file.version)
    for _ in 0..<2 {
      row.isPresent(true)
      row.number(file.version)
    }
    row.number(Int64(content.rawValue))
    row.text(file.address)
    row.text("PARQUET")
    try partitioning.write(file.add, to: &row, place: place)
    row.number(Int64(file.recordCount))
    row.number(Int64(file.byteCount))
    for _ in 0..<2 {
      // A file of deletes says by its bounds whose they are.
      row.isPresent(file.target != nil)
      guard let target = file.target else { continue }
      row.number(1)
      row.number(Int64(IcebergManifests.filePathID))
      row.text(target)
      row.number(0)
    }
    return row
  }

  /// The fields of a manifest list, which has a row per manifest.
  static let listSchema: String = {
    let fields: [(String, JSONValue, Int)] = [
      ("manifest_path", "string", 500), ("manifest_length", "long", 501), ("partition_spec_id", "int", 502),
      ("content", "int", 517), ("sequence_number", "long", 515), ("min_sequence_number", "long", 516),
      ("added_snapshot_id", "long", 503), ("added_files_count", "int", 504), ("existing_files_count", "int", 505),
      ("deleted_files_count", "int", 506), ("added_rows_count", "long", 512), ("existing_rows_count", "long", 513),
      ("deleted_rows_count", "long", 514),
    ]
    let record: JSONValue = [
      "type": "record", "name": "manifest_file",
      "fields": .array(fields.map { ["name": .string($0.0), "type": $0.1, "field-id": JSONValue($0.2)] }),
    ]
    return record.text()
  }()

  func listRow(_ manifest: Written) -> AvroRow {
    var row = AvroRow()
    row.text(manifest.address)
    for number in [manifest.byteCount, 0, content.rawValue] { row.number(Int64(number)) }
    for number in [manifest.version, manifest.leastVersion, manifest.version] { row.number(number) }
    for count in [manifest.added.files, manifest.existing.files, manifest.deleted.files] { row.number(Int64(count)) }
    for count in [manifest.added.rows, manifest.existing.rows, manifest.deleted.rows] { row.number(Int64(count)) }
    return row
  }
}
