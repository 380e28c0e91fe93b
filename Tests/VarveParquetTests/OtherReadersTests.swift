import Foundation
import Given
import Testing
import VarveParquet
import VarveTables

/// Files of ours, read by pyarrow, DuckDB and Polars (Tests/Interop/test_parquet.py does the comparing).
///
/// With VARVE_INTEROP_DIR they are left there: the small ones are kept in Fixtures from every release.
@Suite struct OtherReadersTests {
  @Test(.enabled(if: Python.path != nil, "no Python: neither VARVE_PYTHON nor .venv/bin/python is there"))
  func `others read every file of ours as it was meant`() throws {
    let kept = ProcessInfo.processInfo.environment["VARVE_INTEROP_DIR"].map { URL(fileURLWithPath: $0) }
    let temporary = FileManager.default.temporaryDirectory.appendingPathComponent("varve-parquet-\(UUID().uuidString)")
    let directory = kept ?? temporary
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { if kept == nil { try? FileManager.default.removeItem(at: directory) } }

    var generator = Seed()
    let small = ParquetOptions(pageRowsMax: 700, pageBytesMax: 20_000, dictionaryBytesMax: 20_000)
    for variety in Variety.allCases {
      for (nulls, options, rowsPerGroup) in [
        (Nulls.none, ParquetOptions(compression: .none), Int.max), (.some, small, 900), (.runs, small, Int.max),
        (.mostly, ParquetOptions(compression: .zstd(level: 1)), 1_000), (.all, small, Int.max),
      ] {
        let columns = allTypes.map { randomColumn($0, rows: 2_501, variety, nulls, using: &generator) }
        try save(columns, "\(variety)-\(nulls)", directory, options, rowsPerGroup)
      }
    }
    try save(edgeColumns(), "edges", directory, ParquetOptions(), .max)
    try save(edgeColumns().map { slice($0, 0..<1) }, "one-row", directory, ParquetOptions(), .max)
    try save(edgeColumns().map { slice($0, 0..<0) }, "no-rows", directory, ParquetOptions(), .max)

    let mixed = allTypes.map { randomColumn($0, rows: 120, .few, .some, using: &generator) }
    try save(mixed, "mixed", directory, ParquetOptions(pageRowsMax: 50), 70)
    try saveNested(directory)

    let (status, output) = try run([
      testsDirectory.deletingLastPathComponent().appendingPathComponent("Interop/test_parquet.py").path, directory.path,
    ])
    #expect(status == 0, "seed \(generator.number): \(output)")
  }

  /// A small checkpoint, as pyarrow should show it: a map is a list of pairs.
  private func saveNested(_ directory: URL) throws {
    let nodes: [ParquetNode] = [
      .group("protocol", [.int32("minReaderVersion", .required), .list("features", of: .text)]),
      .group("add", [.leaf("path", .text), .map("partitionValues"), .leaf("size", .int64)]),
    ]
    let leaves = [
      ParquetLeafValues(values: Column(.int64, .int64([1])), definitionLevels: [1, 0, 0]),
      ParquetLeafValues(
        values: texts(["x", "y"]), definitionLevels: [4, 3, 4, 0, 0], repetitionLevels: [0, 1, 1, 0, 0]),
      ParquetLeafValues(values: texts(["a", "b"]), definitionLevels: [0, 2, 2]),
      ParquetLeafValues(
        values: texts(["m", "w", "m", "w"]), definitionLevels: [0, 3, 3, 3, 3], repetitionLevels: [0, 0, 1, 0, 1]),
      ParquetLeafValues(
        values: texts(["DE", "ö", "1"]), definitionLevels: [0, 4, 3, 4, 4], repetitionLevels: [0, 0, 1, 0, 1]),
      ParquetLeafValues(values: Column(.int64, .int64([7])), definitionLevels: [0, 2, 1]),
    ]
    let rows = """
      [{"protocol":{"minReaderVersion":1,"features":["x",null,"y"]},"add":null},
       {"protocol":null,"add":{"path":"a","partitionValues":[["m","DE"],["w",null]],"size":7}},
       {"protocol":null,"add":{"path":"b","partitionValues":[["m","ö"],["w","1"]],"size":null}}]
      """
    let bytes = parquetFile(nodes, rowCount: 3, leaves: leaves)
    try Data(bytes).write(to: directory.appendingPathComponent("nested-checkpoint.parquet"))
    try Data(rows.utf8).write(to: directory.appendingPathComponent("nested-checkpoint.json"))
  }

  /// Values at the ends of each type's range.
  private func edgeColumns() -> [Column] {
    let texts = [
      "", "\u{10FFFF}", "z\u{0}z", String(repeating: "ä", count: 100), String(repeating: "\u{10FFFF}", count: 40),
    ]
    var bytes = ByteValues()
    for text in texts {
      bytes.bytes += text.utf8
      bytes.ends.append(bytes.bytes.count)
    }
    let largest = Int128("99999999999999999999999999999999999999")!
    return [
      Column(.boolean, .int64([0, 1, 0, 1, 1])),
      Column(.int64, .int64([.min, .max, 0, -1, 1])),
      Column(.double, .double([-0.0, 0.0, .greatestFiniteMagnitude, .leastNonzeroMagnitude, -1e-300])),
      Column(
        .decimal(precision: 18, scale: 18), .int64([-999_999_999_999_999_999, 999_999_999_999_999_999, 0, 1, -1])),
      Column(.decimal(precision: 38, scale: 0), .int128([-largest, largest, 0, 1, -1])),
      // 0001-01-01 and 9999-12-31.
      Column(.date, .int64([-719_162, 2_932_896, 0, -1, 1])),
      Column(.timestamp, .int64([-62_135_596_800_000_000, 253_402_300_799_999_999, 0, -1, 1])),
      Column(.text, .bytes(bytes)),
    ]
  }

  private func save(
    _ columns: [Column], _ name: String, _ directory: URL, _ options: ParquetOptions, _ rowsPerGroup: Int
  ) throws {
    // Python's dates and times end with the year 9999.
    let columns = columns.map { column -> Column in
      guard column.type == .timestamp, case .int64(let values) = column.values else { return column }
      let range = 62_135_596_800_000_000
      let within = values.map { $0 % Int64(range) }
      return Column(
        .timestamp, .int64(name == "edges" || name == "one-row" ? values : within), validity: column.validity)
    }
    let bytes = try parquetBytes(columns, options: options, rowsPerGroup: rowsPerGroup)
    try Data(bytes).write(to: directory.appendingPathComponent("varve-\(name).parquet"))
    let described = columns.enumerated().map { index, column -> [String: Any] in
      [
        "name": "c\(index)", "type": column.type.name,
        "values": spelledValues(column).map { $0.map { $0 as Any } ?? NSNull() },
      ]
    }
    let json = try JSONSerialization.data(withJSONObject: described)
    try json.write(to: directory.appendingPathComponent("varve-\(name).json"))
  }

  private func run(_ arguments: [String]) throws -> (Int32, String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(Python.path))
    process.arguments = arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, text)
  }
}
