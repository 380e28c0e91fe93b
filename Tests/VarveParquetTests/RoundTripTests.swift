import Given
import Testing
import VarveParquet
import VarveTables

/// Writes columns as one file, `rowsPerGroup` rows to a group.
func parquetBytes(
  _ columns: [Column], options: ParquetOptions = ParquetOptions(), rowsPerGroup: Int = .max, batchRows: Int = .max
) throws -> [UInt8] {
  let schema = Schema(columns.enumerated().map { Field("c\($0)", $1.type) })
  var writer = try ParquetFileWriter(ByteArray(), schema: schema)
  let rows = columns.first?.count ?? 0
  var start = 0
  while start < rows {
    let end = min(rows, start + min(rowsPerGroup, rows))
    var chunks: [ColumnChunk] = []
    for column in columns {
      let encoder = ColumnChunkEncoder(type: column.type, options: options)
      var row = start
      while row < end {
        let next = min(end, row + min(batchRows, rows))
        encoder.append(slice(column, row..<next))
        row = next
      }
      chunks.append(encoder.finish())
    }
    try writer.append(rowGroup: chunks)
    start = end
  }
  return try writer.finish().bytes
}

func readAll(_ bytes: [UInt8], batchRowsMax: Int = 8192) throws -> [Column] {
  let file = try ParquetFile(ByteArray(bytes), name: "test.parquet")
  let scan = file.scan(batchRowsMax: batchRowsMax)
  var batches: [Batch] = []
  while let batch = try scan.next() { batches.append(batch) }
  return file.schema.fields.indices.map { column in joined(batches.map { $0.columns[column] }) }
}

@Suite struct RoundTripTests {
  @Test(arguments: allTypes, Variety.allCases)
  func `every type comes back as it was written, however its values repeat and are null`(
    type: DataType, variety: Variety
  ) throws {
    var generator = Seed()
    let options = ParquetOptions(pageRowsMax: 1_000, pageBytesMax: 20_000, dictionaryBytesMax: 30_000)
    var columns = Nulls.allCases.map { randomColumn(type, rows: 5_003, variety, $0, using: &generator) }
    let bytes = try parquetBytes(columns, options: options, rowsPerGroup: 2_700)
    // That a text is JSON is not kept in the file.
    if type == .json { for index in columns.indices { columns[index].type = .text } }
    for batchRowsMax in [8192, 999, 1] where batchRowsMax > 1 || variety == .few {
      let read = try readAll(bytes, batchRowsMax: batchRowsMax)
      for (index, column) in columns.enumerated() {
        #expect(isEqual(read[index], column), "\(type) \(variety) \(Nulls.allCases[index]), seed \(generator.number)")
      }
    }
  }

  @Test(arguments: allTypes, Variety.allCases)
  func `bytes do not depend on how values were cut into batches`(type: DataType, variety: Variety) throws {
    var generator = Seed()
    let options = ParquetOptions(pageRowsMax: 1_000, pageBytesMax: 20_000, dictionaryBytesMax: 30_000)
    let columns = Nulls.allCases.map { randomColumn(type, rows: 3_001, variety, $0, using: &generator) }
    let whole = try parquetBytes(columns, options: options)
    for batchRows in [1, 7, 1_000, 2_999] {
      #expect(try parquetBytes(columns, options: options, batchRows: batchRows) == whole, "seed \(generator.number)")
    }
  }

  @Test func `a file without rows has its schema`() throws {
    let schema = Schema(allTypes.enumerated().map { Field("c\($0)", $1) })
    let bytes = try ParquetFileWriter(ByteArray(), schema: schema).finish().bytes
    let file = try ParquetFile(ByteArray(bytes), name: "empty.parquet")
    #expect(file.rowCount == 0)
    #expect(file.schema.fields.map(\.name) == schema.fields.map(\.name))
    #expect(file.schema.fields.dropLast().map(\.type) == schema.fields.dropLast().map(\.type))
    #expect(try file.scan().next() == nil)
  }
}
