import Given
import Testing
import VarveParquet
import VarveTables

@Suite struct ColumnChunkTests {
  @Test(arguments: allTypes)
  func `a chunk can be copied into another file without being decoded`(type: DataType) throws {
    var generator = Seed()
    let first = randomColumn(type, rows: 2_000, .few, .some, using: &generator)
    let second = randomColumn(type, rows: 2_000, .many, .runs, using: &generator)
    let source = try ParquetFile(ByteArray(parquetBytes([first, second], rowsPerGroup: 1_200)), name: "source")

    // The columns change places, and names.
    let schema = Schema([Field("b", type), Field("a", type)])
    var writer = try ParquetFileWriter(ByteArray(), schema: schema)
    for group in source.rowGroups.indices {
      let chunks = try [1, 0].map { try #require(try source.copyChunk(rowGroup: group, column: $0)) }
      try writer.append(rowGroup: chunks)
    }
    let copy = try ParquetFile(ByteArray(writer.finish().bytes), name: "copy")
    let read = try columns(of: copy)
    let original = try columns(of: source)
    #expect(isEqual(read[0], original[1]))
    #expect(isEqual(read[1], original[0]))
    for group in source.rowGroups.indices {
      #expect(copy.bounds(rowGroup: group, column: 0) == source.bounds(rowGroup: group, column: 1))
      #expect(copy.nullCount(rowGroup: group, column: 1) == source.nullCount(rowGroup: group, column: 0))
    }
  }

  private func columns(of file: ParquetFile) throws -> [Column] {
    let batches = try collect(file.scan())
    return file.schema.fields.indices.map { index in joined(batches.map { $0.columns[index] }) }
  }

  @Test func `chunks stored otherwise than ours are not copied`() throws {
    let file = try ParquetFile(ByteArray(fixture("pyarrow-types-plain.parquet")), name: "types")
    #expect(try file.copyChunk(rowGroup: 0, column: file.columnIndex(named: "int32")) == nil)
    #expect(try file.copyChunk(rowGroup: 0, column: file.columnIndex(named: "millis")) == nil)
    // Not optional there.
    let required = try ParquetFile(ByteArray(fixture("pyarrow-zstd-v2.parquet")), name: "required")
    #expect(try required.copyChunk(rowGroup: 0, column: required.columnIndex(named: "id")) == nil)
  }

  @Test(arguments: allTypes, Variety.allCases)
  func `a chunk in memory is decoded back into batches`(type: DataType, variety: Variety) throws {
    var generator = Seed()
    let column = randomColumn(type, rows: 3_333, variety, .some, using: &generator)
    let encoder = ColumnChunkEncoder(type: type, options: ParquetOptions(pageRowsMax: 500))
    encoder.append(column)
    let reader = try ColumnChunkReader(encoder.finish())
    try reader.skip(rows: 1_234)
    var batches: [Column] = []
    while let batch = try reader.next(rowsMax: 100) { batches.append(batch) }
    #expect(isEqual(joined(batches), slice(column, 1_234..<3_333)), "seed \(generator.number)")
  }

  @Test func `a dictionary that grows too large is left, and what it had stays readable`() throws {
    var bytes = ByteValues()
    for row in 0..<30_000 {
      // Few values at first, then never the same again.
      bytes.bytes += (row < 10_000 ? "value \(row % 10)" : "value \(row)").utf8
      bytes.ends.append(bytes.bytes.count)
    }
    let column = Column(.text, .bytes(bytes))
    let encoder = ColumnChunkEncoder(
      type: .text, options: ParquetOptions(pageRowsMax: 4_000, dictionaryBytesMax: 50_000))
    encoder.append(column)
    let chunk = encoder.finish()
    #expect(chunk.metadata.dictionaryPageOffset == 0)
    let reader = try ColumnChunkReader(chunk)
    let read = try #require(try reader.next(rowsMax: 30_000))
    #expect(isEqual(read, column))
    #expect(chunk.metadata.bounds == ValueBounds(minimum: .text("value 0"), maximum: .text("value 9")))
  }

  @Test func `values that never repeat have no dictionary`() {
    var generator = Seed()
    for type in allTypes where type != .boolean {
      let encoder = ColumnChunkEncoder(type: type)
      encoder.append(randomColumn(type, rows: 5_000, .many, .none, using: &generator))
      #expect(encoder.finish().metadata.dictionaryPageOffset == nil, "\(type)")
    }
  }

  @Test func `values that will repeat keep their dictionary, though they hardly do on the first page`() {
    var generator = Seed()
    let prices = (0..<200_000).map { _ in Double(Int.random(in: 0..<60_000, using: &generator)) / 100 }
    let encoder = ColumnChunkEncoder(type: .double)
    encoder.append(Column(.double, .double(prices)))
    let metadata = encoder.finish().metadata
    #expect(metadata.dictionaryPageOffset == 0)
    #expect(metadata.byteCountUncompressed < 200_000 * 5)
  }

  @Test func `batches stay within their bytes, whatever a dictionary multiplies`() throws {
    // One long text, 5,000 times: a page of a few bytes.
    let text = Array(repeating: UInt8(ascii: "x"), count: 100_000)
    let short = Column(.int64, .int64(Array(repeating: 1, count: 5_000)))
    let encoder = ColumnChunkEncoder(type: .text)
    for _ in 0..<5_000 { encoder.append(Column(.text, .bytes(ByteValues(bytes: text, ends: [text.count])))) }
    let numbers = ColumnChunkEncoder(type: .int64)
    numbers.append(short)
    var writer = try ParquetFileWriter(ByteArray(), schema: Schema([Field("n", .int64), Field("t", .text)]))
    try writer.append(rowGroup: [numbers.finish(), encoder.finish()])
    let file = try ParquetFile(ByteArray(writer.finish().bytes), name: "long")
    let scan = file.scan(batchColumnBytesMax: 1 << 20)
    var rows = 0
    while let batch = try scan.next() {
      #expect(scan.batchFirstRow == rows)
      rows += batch.rowCount
      guard case .bytes(let values) = batch.columns[1].values else { return }
      #expect(values.bytes.count <= 1 << 20)
      #expect(batch.columns.map(\.count) == [batch.rowCount, batch.rowCount])
    }
    #expect(rows == 5_000)
  }
}
