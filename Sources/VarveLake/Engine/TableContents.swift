import VarveParquet
package import VarveTables

/// The rows of one version of a table: what its files are and how they are read.
package struct TableContents: Sendable {
  /// The table's root.
  package var storage: Storage
  package var schema: Schema
  package var partitionColumns: [String]
  /// In row order.
  package var files: [LiveFile]
  /// Keeps the version from being vacuumed while it is read.
  private var lease: ReadLease?

  package init(storage: Storage, schema: Schema, partitionColumns: [String], files: [LiveFile]) {
    self.storage = storage
    self.schema = schema
    self.partitionColumns = partitionColumns
    self.files = files
  }

  /// Refused where a vacuum took the version.
  package init(_ snapshot: Snapshot) throws {
    let lease = try snapshot.lease()
    self.init(
      storage: snapshot.storage, schema: snapshot.schema, partitionColumns: snapshot.partitionColumns,
      files: try snapshot.files())
    self.lease = lease
  }

  func open(_ file: LiveFile) throws -> ParquetFile {
    guard let source = try storage.openToRead(file.path) else {
      throw Problem(.damaged, at: [storage.path, file.path], "is missing", advice: "run varve verify")
    }
    guard source.byteCount == file.byteCount else {
      throw Problem(
        .damaged, at: [storage.path, file.path],
        "has \(source.byteCount) bytes, and the log says \(file.byteCount)", advice: "run varve verify")
    }
    return try ParquetFile(source, name: file.path)
  }

  /// How many rows the file has, struck ones among them, from the log or else from the file.
  func rowCount(_ file: LiveFile) throws -> Int {
    try file.statistics?.rowCount ?? open(file).rowCount
  }

  /// How many rows of the file are not struck out.
  func liveRowCount(_ file: LiveFile) throws -> Int { try rowCount(file) - (file.deletionVector?.rowCount ?? 0) }

  /// The rows of the file, which has so many, that are struck out.
  func struckRows(_ file: LiveFile, rowCount: Int) throws -> RowSet {
    guard let vector = file.deletionVector else { return RowSet() }
    return try vector.rows(of: file.path, rowCount: rowCount, in: storage)
  }

  /// The file's partition value of that column as a value of the type; nil where it is no partition column.
  func partitionValue(_ file: LiveFile, _ field: Field) throws -> Value? {
    guard let index = partitionColumns.firstIndex(of: field.name) else { return nil }
    guard let value = PartitionLayout.value(file.partition[index], field.type) else {
      throw Problem(
        .damaged, at: [file.path], "its partition value \"\(file.partition[index] ?? "")\" is no \(field.type.name)")
    }
    return value
  }
}
