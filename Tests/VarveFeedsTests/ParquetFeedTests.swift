import Foundation
import Testing
import VarveFeeds
import VarveParquet
import VarveTables

private func parquet(_ batch: Batch) throws -> [UInt8] {
  var writer = try ParquetFileWriter(ByteArray(), schema: batch.schema)
  var chunks: [ColumnChunk] = []
  for column in batch.columns {
    let encoder = ColumnChunkEncoder(type: column.type, options: ParquetOptions())
    encoder.append(column)
    chunks.append(encoder.finish())
  }
  try writer.append(rowGroup: chunks)
  return try writer.finish().bytes
}

private let fields = [
  Field("b", .boolean), Field("i", .int64), Field("d", .double), Field("m", .decimal(precision: 10, scale: 2)),
  Field("w", .decimal(precision: 30, scale: 4)), Field("day", .date), Field("at", .timestamp), Field("t", .text),
]

private let rows: [[Value]] = [
  [
    .boolean(true), .int64(-7), .double(1.5), .decimal(unscaled: 150, scale: 2), .decimal(unscaled: -5, scale: 4),
    .date(19_753), .timestamp(1_706_689_800_500_000), .text("é\""),
  ],
  [Value](repeating: .null, count: 8),
  [
    .boolean(false), .int64(.max), .double(1e300), .decimal(unscaled: 0, scale: 2),
    .decimal(unscaled: Int128("123456789012345678901234567890")!, scale: 4), .date(-719_162), .timestamp(-1), .text(""),
  ],
]

private func batch(_ rows: [[Value]], _ fields: [Field]) -> Batch {
  var batch = Batch.empty(Schema(fields))
  for row in rows {
    batch.append(
      contentsOf: Batch(
        Schema(fields), zip(row, fields).map { .repeating($0, $1.type, count: 1) }, rowCount: 1))
  }
  return batch
}

/// All batches of a feed, typed as it declares.
private func typed(_ feed: ParquetFeed) throws -> (rows: [[Value]], rejections: [Rejection]) {
  let declared = try #require(feed.declaredFields)
  var all: [[Value]] = []
  var rejections: [Rejection] = []
  while let raw = try feed.next() {
    #expect(raw.columns.map(\.name) == declared.map(\.name))
    let columns = try zip(declared, raw.columns).map { field, cells in
      var typer = try ColumnTyper(declared: field)
      let typed = typer.type(cells, origins: raw.origins)
      rejections += typed.rejections
      return try #require(typed.column)
    }
    all += (0..<raw.rowCount).map { row in columns.map { $0.value(at: row) } }
  }
  return (all, rejections)
}

@Test func `a Parquet file comes back as it is, with its types and rows numbered`() throws {
  let feed = try ParquetFeed(path: file(parquet(batch(rows, fields)), "a.parquet"))
  #expect(feed.declaredFields == fields)
  let typed = try typed(feed)
  #expect(typed.rows == rows && typed.rejections.isEmpty)
  let again = try ParquetFeed(path: file(parquet(batch(rows, fields)), "a.parquet"))
  let origins = try #require(try again.next()).origins
  #expect(origins.positions == [1, 2, 3] && origins.unit == .row && origins.file == "a.parquet")
  #expect(try again.next() == nil)
}

@Test func `many rows come in bounded batches`() throws {
  let column = Column(.int64, .int64((0..<20_000).map { Int64($0) }))
  let feed = try ParquetFeed(
    path: file(parquet(Batch(Schema([Field("i", .int64)]), [column], rowCount: 20_000)), "a.parquet"))
  var counts: [Int] = []
  var positions: [Int] = []
  while let raw = try feed.next() {
    counts.append(raw.rowCount)
    positions += raw.origins.positions
  }
  #expect(counts.allSatisfy { $0 <= 8_192 } && positions == Array(1...20_000))
  #expect(feed.bytesRead > 0)
}

@Test func `what no table can hold is an error cell`() throws {
  let odd = Batch(
    Schema([Field("d", .double), Field("day", .date), Field("at", .timestamp)]),
    [
      Column(.double, .double([.nan, 1, -.infinity])), Column(.date, .int64([5_000_000, 0, 0])),
      Column(.timestamp, .int64([0, .max, 0])),
    ], rowCount: 3)
  let typed = try typed(ParquetFeed(path: file(parquet(odd), "a.parquet")))
  #expect(
    typed.rejections.map(\.reason).sorted() == [
      "\"-Infinity\" is an error cell", "\"NaN\" is an error cell", "\"day 5000000 of 1970\" is an error cell",
      "\"microsecond 9223372036854775807 of 1970\" is an error cell",
    ])
  #expect(typed.rows[1][0] == .double(1) && typed.rows[2][2] == .timestamp(0))
}

@Test func `a file without rows still has its columns`() throws {
  let feed = try ParquetFeed(path: file(parquet(batch([], fields)), "a.parquet"))
  let raw = try #require(try feed.next())
  #expect(raw.rowCount == 0 && raw.columns.map(\.name) == fields.map(\.name))
  #expect(try feed.next() == nil)
}

private let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .appending(path: "VarveParquetTests/Fixtures")

@Test func `files of other writers are read`() throws {
  for name in ["pyarrow-snappy-v2", "duckdb-zstd-v1", "polars-gzip", "delta-rs-data", "pyarrow-int96"] {
    let read = try typed(ParquetFeed(path: fixtures.appending(path: name + ".parquet").path))
    #expect(!read.rows.isEmpty, "\(name)")
    #expect(
      read.rejections.allSatisfy { $0.reason.hasSuffix("is an error cell") }, "\(name): \(read.rejections.prefix(3))")
  }
}

@Test(arguments: ["pyarrow-nested-v1", "pyarrow-nested-v2"])
func `nested columns come as JSON`(name: String) throws {
  let feed = try ParquetFeed(path: fixtures.appending(path: name + ".parquet").path)
  #expect(
    feed.declaredFields == [Field("id", .int64), Field("tags", .json), Field("inner", .json), Field("map", .json)])
  let read = try typed(feed)
  #expect(feed.remarks.isEmpty && read.rejections.isEmpty)
  #expect(
    read.rows == [
      [.int64(1), .json(#"["x",null,"y"]"#), .json(#"{"a":1,"b":"one"}"#), .json(#"{"k":"v","l":null}"#)],
      [.int64(2), .json("[]"), .null, .json("{}")],
      [.null, .null, .json(#"{"a":null,"b":"two"}"#), .null],
      [.int64(4), .json(#"["z"]"#), .json(#"{"a":4,"b":null}"#), .json(#"{"k":"w"}"#)],
    ])
}

@Test(arguments: ["pyarrow-nested-v1", "pyarrow-nested-v2"])
func `a damaged nested file is read or refused, whatever its bytes claim`(name: String) throws {
  let whole = [UInt8](try Data(contentsOf: fixtures.appending(path: name + ".parquet")))
  for place in stride(from: 0, to: whole.count, by: 3) {
    var bytes = whole
    bytes[place] ^= place.isMultiple(of: 2) ? 0x01 : 0xFF
    do {
      let feed = try ParquetFeed(path: file(bytes, "a.parquet"))
      while try feed.next() != nil {}
    } catch is Problem {}
  }
}

@Test func `what is no Parquet file is said so`() throws {
  for bytes in [[], Array("PAR1".utf8) + [UInt8](repeating: 0, count: 50), Array("id,name\n".utf8)] {
    #expect {
      _ = try ParquetFeed(path: file(bytes, "a.parquet"))
    } throws: {
      "\($0)".hasPrefix("a.parquet")
    }
  }
  #expect(throws: Problem.self) { _ = try ParquetFeed(path: "/nowhere.parquet") }
  #expect(throws: Problem.self) { _ = try ParquetFeed(path: "/tmp") }
}
