import Foundation
import Synchronization
import Testing
import VarveJSON
import VarveLake
import VarveTables

@Suite struct LogTests {
  // MARK: Statistics

  @Test func `bounds are rounded outward and read back no narrower`() throws {
    let schema = Schema([
      Field("i", .int64), Field("d", .double), Field("m", .decimal(precision: 20, scale: 2)), Field("day", .date),
      Field("t", .timestamp), Field("s", .text), Field("j", .json), Field("b", .boolean),
    ])
    let long = String(repeating: "z", count: 40)
    let statistics = FileStatistics(
      rowCount: 5,
      columns: [
        "i": ColumnBounds(minimum: .int64(.min), maximum: .int64(.max), nullCount: 1),
        "d": ColumnBounds(minimum: .double(-0.1), maximum: .double(1e300), nullCount: 0),
        "m": ColumnBounds(
          minimum: .decimal(unscaled: -150, scale: 2), maximum: .decimal(unscaled: 12345, scale: 2), nullCount: 2),
        "day": ColumnBounds(minimum: .date(0), maximum: .date(19_000), nullCount: 0),
        "t": ColumnBounds(minimum: .timestamp(-1), maximum: .timestamp(1_700_000_000_123_456), nullCount: 0),
        "s": ColumnBounds(minimum: .text(long), maximum: .text(long), nullCount: 0),
        "j": ColumnBounds(minimum: .json("1"), maximum: .json("2"), nullCount: 3),
        "b": ColumnBounds(minimum: .boolean(false), maximum: .boolean(true), nullCount: 0),
      ])
    let text = StatisticsText.text(statistics, schema)
    let json = try JSONValue(parsing: text)
    #expect(json["minValues"]?["t"] == "1969-12-31T23:59:59.999Z")
    #expect(json["maxValues"]?["t"] == "2023-11-14T22:13:20.124Z")
    #expect(json["minValues"]?["m"] == .number("-1.50"))
    #expect(json["minValues"]?["s"] == .string(String(repeating: "z", count: 32)))
    #expect(json["maxValues"]?["s"] == .string(String(repeating: "z", count: 31) + "{"))
    #expect(json["minValues"]?["j"] == nil && json["minValues"]?["b"] == nil)
    #expect(json["nullCount"]?["j"] == 3)

    let read = try #require(StatisticsText.parse(text, schema))
    #expect(read.rowCount == 5)
    for (name, bounds) in statistics.columns where read.columns[name]?.minimum != nil {
      #expect(read.columns[name]!.minimum! <= bounds.minimum!, "\(name)")
      #expect(read.columns[name]!.maximum! >= bounds.maximum!, "\(name)")
      #expect(read.columns[name]!.nullCount == bounds.nullCount)
    }
    #expect(read.columns["i"]?.maximum == .int64(.max))
  }

  @Test(arguments: [
    ("a", "a"), (String(repeating: "x", count: 32), String(repeating: "x", count: 32)),
    (String(repeating: "x", count: 31) + "\u{D7FF}y", String(repeating: "x", count: 31) + "\u{E000}"),
    (String(repeating: "x", count: 31) + "\u{10FFFF}y", String(repeating: "x", count: 30) + "y"),
  ])
  func `the greatest text is cut and rounded up`(_ text: String, _ bound: String) throws {
    let schema = Schema([Field("s", .text)])
    let bounds = ColumnBounds(minimum: .text(""), maximum: .text(text), nullCount: 0)
    let json = try JSONValue(
      parsing: StatisticsText.text(FileStatistics(rowCount: 1, columns: ["s": bounds]), schema))
    #expect(json["maxValues"]?["s"] == .string(bound))
  }

  @Test func `a text that nothing is greater than has no bounds`() throws {
    let schema = Schema([Field("s", .text)])
    let most = String(repeating: "\u{10FFFF}", count: 40)
    let bounds = ColumnBounds(minimum: .text("a"), maximum: .text(most), nullCount: 0)
    let json = try JSONValue(
      parsing: StatisticsText.text(FileStatistics(rowCount: 1, columns: ["s": bounds]), schema))
    #expect(json["maxValues"]?["s"] == nil && json["minValues"]?["s"] == nil)
  }

  @Test func `an upper time that another writer cut to milliseconds is widened`() throws {
    let schema = Schema([Field("t", .timestamp)])
    let text =
      #"{"numRecords":1,"minValues":{"t":"2024-01-01T00:00:00.001Z"},"maxValues":{"t":"2024-01-01T00:00:00.001Z"}}"#
    let bounds = try #require(StatisticsText.parse(text, schema)?.columns["t"])
    #expect(bounds.minimum == .timestamp(1_704_067_200_001_000))
    #expect(bounds.maximum == .timestamp(1_704_067_200_001_999))
  }

  // MARK: Schema and protocol

  @Test func `a schema with all that Varve says about columns reads back`() throws {
    var schema = Schema([
      Field("a", .boolean, isNullable: false), Field("b", .int64, grouping: "'"), Field("c", .double),
      Field("d", .decimal(precision: 38, scale: 10), decimal: ",", grouping: "."),
      Field("e", .date, format: "DD.MM.YYYY"), Field("f", .timestamp),
      Field("g", .text, header: "G, \"quoted\"", aliases: ["x", "y,z"], nulls: ["-", "n/a"], decimal: ","),
      Field("h", .json),
    ])
    let fields = try SchemaText.parse(SchemaText.text(schema), place: [])
    #expect(fields.map(\.field) == schema.fields)
    #expect(fields.allSatisfy { $0.writeObstacle == nil })
    schema.fields.append(Field("i", .text))
    #expect(
      try SchemaText.parse(SchemaText.text(schema, keeping: fields), place: []).prefix(8).map(\.json)
        == fields.map(\.json))
  }

  @Test func `what others say about a column is kept when the schema changes`() throws {
    let theirs =
      #"{"type":"struct","fields":[{"name":"a","type":"long","nullable":true,"metadata":{"comment":"theirs"}}]}"#
    let fields = try SchemaText.parse(theirs, place: [])
    var schema = Schema(fields.map(\.field))
    schema.fields.append(Field("b", .text))
    #expect(SchemaText.text(schema, keeping: fields).contains("theirs"))
  }

  @Test(arguments: ["binary", "void"])
  func `a column of a type that Varve lacks is refused by name`(_ type: String) throws {
    let text = #"{"type":"struct","fields":[{"name":"a","type":"\#(type)","nullable":true,"metadata":{}}]}"#
    let problem = #expect(throws: Problem.self) { try SchemaText.parse(text, place: ["t"]) }
    #expect(problem?.kind == .refused)
    #expect(problem?.description.contains("\"a\"") == true)
  }

  @Test(arguments: [
    (#"{"minReaderVersion":2,"minWriterVersion":5}"#, false),
    (
      #"{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["rowTracking"],"writerFeatures":["rowTracking"]}"#,
      false
    ),
    (#"{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":[],"writerFeatures":["appendOnly"]}"#, true),
    (#"{"minReaderVersion":4,"minWriterVersion":8}"#, false),
    (#"{"minReaderVersion":1,"minWriterVersion":2}"#, true),
  ])
  func `tables with features that Varve lacks are refused`(_ text: String, _ isReadable: Bool) throws {
    let lake = try Lake()
    try lake.append([(["DE"], "aa")])
    let entry = "\(lake.path)/products/\(Layout.logEntry(2))"
    try #"{"protocol":\#(text)}"#.write(toFile: entry, atomically: false, encoding: .utf8)
    if isReadable {
      #expect(try lake.table().snapshot().version == 2)
      #expect(try lake.append([(["DE"], "bb")]).version == 3)
    } else {
      let problem = #expect(throws: Problem.self) { try lake.table().snapshot() }
      #expect(problem?.kind == .refused)
      #expect(try lake.table().snapshot(at: .version(1)).version == 1)
    }
  }

  @Test func `a table that only others may write is read and not written`() throws {
    let lake = try Lake()
    try lake.append([(["DE"], "aa")])
    let entry = "\(lake.path)/products/\(Layout.logEntry(2))"
    try #"{"protocol":{"minReaderVersion":1,"minWriterVersion":4}}"#.write(
      toFile: entry, atomically: false, encoding: .utf8)
    #expect(try lake.table().snapshot().version == 2)
    let before = try lake.paths()
    let problem = #expect(throws: Problem.self) { try lake.append([(["DE"], "bb")]) }
    #expect(problem?.kind == .refused)
    #expect(try lake.paths() == before)
  }

  @Test func `a log that names a file outside the table is refused`() throws {
    for path in ["/etc/passwd", "../other/x.parquet", "file:///etc/passwd", "a/../../x"] {
      let lake = try Lake()
      try lake.append([(["DE"], "aa")])
      let entry = "\(lake.path)/products/\(Layout.logEntry(2))"
      try
        #"{"add":{"path":"\#(path)","partitionValues":{"market":"DE"},"size":1,"modificationTime":1,"dataChange":true}}"#
        .write(toFile: entry, atomically: false, encoding: .utf8)
      #expect(throws: Problem.self) { try lake.table().snapshot().files() }
    }
  }

  // MARK: Checkpoints and history

  @Test func `versions, history and feeds are the same with and without checkpoints and states`() throws {
    let lake = try Lake()
    for number in 1...150 {
      lake.time.withLock { $0 += 1000 }
      if number % 10 == 0 {
        let table = try lake.table()
        let base = try table.snapshot()
        let area = try StagingArea(table.storage, transaction: "t\(number)")
        let files = try base.files()
        let change = try lake.stage(area, [(["AT"], "replaces \(number)")], removing: [files[0]], reads: .everything)
        _ = try lake.committer.commit(
          Commit(change, to: table, base: base, staging: area, bookkeeping: lake.bookkeeping("r\(number)")))
      } else {
        try lake.append([([number % 3 == 0 ? nil : "DE"], "file \(number)")], feed: "feed \(number)")
      }
    }
    let table = try lake.table()
    let checkpoints = try table.storage.list("_delta_log").compactMap(Layout.version(ofCheckpointName:))
    #expect(checkpoints.count >= 2 && checkpoints.count <= 5)
    #expect(try table.storage.list("_varve/state").count == checkpoints.count)

    let copy = lake.directory.path + "/copy"
    try FileManager.default.copyItem(atPath: lake.path + "/products", toPath: copy)
    try FileManager.default.removeItem(atPath: copy + "/_varve")
    try FileManager.default.removeItem(atPath: copy + "/_delta_log/_last_checkpoint")
    for version in checkpoints { try FileManager.default.removeItem(atPath: "\(copy)/\(Layout.checkpoint(version))") }
    let plain = try #require(try Table.open(copy))

    #expect(try table.history() == plain.history())
    #expect(try table.history(limit: 3).map(\.version) == [150, 149, 148])
    for version in stride(from: Int64(0), through: 150, by: 7) + [63, 64, 65, 127, 128, 129, 150] {
      let (one, other) = (try table.snapshot(at: .version(version)), try plain.snapshot(at: .version(version)))
      #expect(try one.files() == other.files())
      #expect(one.metadata == other.metadata && one.tableProtocol == other.tableProtocol)
      #expect(one.timestamp == other.timestamp && one.entrySHA256 == other.entrySHA256)
    }
    for number in [1, 33, 64, 65, 101, 149] {
      let source = lake.bookkeeping("", feed: "feed \(number)").sources[0]
      #expect(try table.ingested(source)?.version == Int64(number))
    }
    #expect(try table.ingested(lake.bookkeeping("", feed: "feed 10").sources[0]) == nil)
    #expect(try table.snapshot(at: .time(1_700_000_000_000 + 40_500)).version == 40)
    let reopened = try #require(try lake.warehouse.table("products"))
    #expect(try reopened.log.manifestIndex(at: 97).manifests(table.storage).count == 3)
  }

  @Test func `a checkpoint alone is enough, and keeps what is gone`() throws {
    let lake = try Lake()
    try lake.append((0..<70).map { (["m\($0)"], "file \($0)") })
    let table = try lake.table()
    let base = try table.snapshot()
    let area = try StagingArea(table.storage, transaction: "t")
    let gone = Array(try base.files().prefix(68))
    _ = try lake.committer.commit(
      Commit(
        try lake.stage(area, [], removing: gone, reads: .everything), to: table, base: base, staging: area,
        bookkeeping: lake.bookkeeping("i")))
    let now = try table.snapshot()
    #expect(try table.storage.list("_delta_log").compactMap(Layout.version(ofCheckpointName:)) == [1, 2])
    try FileManager.default.removeItem(atPath: lake.path + "/products/" + Layout.logEntry(0))
    try FileManager.default.removeItem(atPath: lake.path + "/products/" + Layout.logEntry(1))
    let reopened = try #require(try lake.warehouse.table("products"))
    #expect(try reopened.snapshot().files() == now.files())
    #expect(try reopened.history().count == 3)
    #expect(try lake.append([(["DE"], "x")]).version == 3)
    #expect(throws: Problem.self) { try reopened.snapshot(at: .version(0)) }
  }

  @Test(arguments: ["{}", "", "{\"version\":999}", "{\"version\":-5}", "[", "{\"version\":2,\"parts\":100000000}"])
  func `a last checkpoint that lies is passed over`(_ text: String) throws {
    let lake = try Lake()
    for _ in 0..<3 { try lake.append([(["DE"], "aa")]) }
    try text.write(toFile: lake.path + "/products/_delta_log/_last_checkpoint", atomically: false, encoding: .utf8)
    #expect(try lake.table().snapshot().version == 3)
    #expect(try lake.append([(["DE"], "aa")]).version == 4)
  }

  @Test func `a state that is damaged or of another history is passed over`() throws {
    let lake = try Lake()
    for _ in 0..<70 { try lake.append([(["DE"], "aa")]) }
    let table = try lake.table()
    let history = try table.history()
    let state = try #require(try table.storage.list("_varve/state").last)
    let path = "\(lake.path)/products/_varve/state/\(state)"
    let bytes = try #require(try table.storage.read("_varve/state/\(state)"))
    for position in [3, 40, bytes.count / 2, bytes.count - 3] {
      var damaged = bytes
      damaged[position] ^= 1
      try FileManager.default.removeItem(atPath: path)
      try Data(damaged).write(to: URL(fileURLWithPath: path))
      #expect(try lake.table().history() == history)
    }
  }
}
