import VarveParquet
import VarveTables

/// A live file written anew because columns of it become wider, go, or get another name. Row groups stay as they are, and
/// chunks whose values stay are copied as bytes. Rows that were struck out are left out, and then every row is encoded
/// anew.
struct WidenedFile {
  private let contents: TableContents
  private let file: LiveFile
  private let schema: Schema
  private let names: [String: String]?
  private let limits: EngineLimits

  /// `names`: what each column of the schema is called in the contents; one that is not there is null. Nil: as there.
  init(
    _ contents: TableContents, _ file: LiveFile, schema: Schema, names: [String: String]? = nil, limits: EngineLimits
  ) {
    self.contents = contents
    self.file = file
    self.schema = schema
    self.names = names
    self.limits = limits
  }

  /// The file's rows as parts of their own.
  func write(to writer: PartWriter) throws {
    if file.deletionVector != nil {
      try writer.append(LiveFileRows(contents, file, fields: schema.fields, names: names))
      return try writer.closePart()
    }
    let parquet = try contents.open(file)
    let partition = try schema.fields.map { try contents.partitionValue(file, $0) }
    for (number, group) in parquet.rowGroups.enumerated() where group.rowCount > 0 {
      let chunks = try concurrently(schema.fields.count, parallelism: limits.parallelism) { column in
        try chunk(parquet, number, schema.fields[column], partition[column])
      }
      try writer.append(rowGroup: chunks, rowCount: group.rowCount)
    }
    try writer.closePart()
  }

  private func chunk(_ parquet: ParquetFile, _ group: Int, _ field: Field, _ constant: Value?) throws -> ColumnChunk {
    let rowCount = parquet.rowGroups[group].rowCount
    let encoder = ColumnChunkEncoder(
      type: field.type, options: ParquetOptions(compression: .zstd(level: limits.zstdLevel)))
    guard constant == nil, let name = names.map({ $0[field.name] }) ?? field.name,
      let column = try parquet.index(of: name)
    else {
      encoder.append(.repeating(constant ?? .null, field.type, count: rowCount))
      return encoder.finish()
    }
    let stored = parquet.schema.fields[column].type
    let known = contents.schema[name]?.type ?? field.type
    if known == field.type, stored == known || (stored == .text && known == .json),
      let chunk = try parquet.copyChunk(rowGroup: group, column: column)
    {
      return chunk
    }
    let reader = try parquet.decodeChunk(rowGroup: group, column: column)
    while let values = try reader.next(rowsMax: MergedBatches.rowsPerBatchMax) {
      encoder.append(
        try values.known(as: known).widened(to: field.type) { _ in [file.path, "column \"\(field.name)\""] })
    }
    return encoder.finish()
  }
}
