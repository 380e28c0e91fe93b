import Testing
import VarveLake
import VarveParquet
import VarveSQLite
import VarveTables

/// What each pattern does, one rule a test (Documentation/WritePatterns.md).
@Suite struct EnginePatternTests {
  static let schema = Schema([
    Field("sku", .text), Field("market", .text), Field("price", .int64), Field("seen", .date), Field("gone", .boolean),
  ])

  func table(partitionBy: [String] = ["market"], key: [String] = ["sku"]) throws -> EngineTable {
    try EngineTable(schema: Self.schema, partitionBy: partitionBy, key: key)
  }

  func row(_ sku: String, _ market: String?, _ price: Int64?) -> Row {
    ["sku": .text(sku), "market": market.map { .text($0) } ?? .null, "price": price.map { .int64($0) } ?? .null]
  }

  func sku(_ rows: [Row]) -> [String] { rows.map { $0["sku"]?.text ?? "" } }

  func problem(_ body: () throws -> Void) -> Problem? {
    do {
      try body()
      return nil
    } catch {
      return error as? Problem
    }
  }

  let merge = WritePattern.merge(deleteWhen: nil, newestBy: nil)

  @Test func `append keeps the feed's order and adds to what is there`() throws {
    let table = try table(partitionBy: [], key: [])
    try table.apply([row("b", "DE", 1), row("a", "DE", 2)], .append)
    let change = try table.apply([row("c", "DE", 3), row("a", "DE", 4)], .append)
    #expect(try sku(table.rows()) == ["b", "a", "c", "a"])
    #expect(change.rows.inserted == 2 && change.reads == .nothing && change.removed.isEmpty)
  }

  @Test func `append refuses keys that are there, naming the row`() throws {
    let table = try table()
    try table.apply([row("b", "DE", 1), row("a", "AT", 2)], .append)
    let refused = problem { try table.apply([row("c", "DE", 3), row("a", "DE", 4)], .append) }
    #expect(refused?.kind == .refused)
    #expect(refused?.place == ["feed.xlsx", "sheet \"Prices\"", "row 3"])
    #expect(refused?.what == "the key (a) is in the table already")
    try table.apply([row("c", "DE", 3)], .append)
    #expect(try sku(table.rows()) == ["a", "b", "c"])
  }

  @Test(arguments: [WritePattern.append, .merge(deleteWhen: nil, newestBy: nil), .overwrite(.table, allowEmpty: false)])
  func `double and null keys are refused with their rows`(_ pattern: WritePattern) throws {
    let table = try table()
    let double = problem {
      try table.apply([row("a", "DE", 1), row("b", "DE", 2), row("a", "AT", 3), row("a", "DE", 1)], pattern)
    }
    #expect(double?.kind == .failed)
    #expect(double?.place.last == "row 2")
    #expect(double?.what == "the key (a) comes twice (so are row 4 and 5)")
    let null = problem { try table.apply([row("a", "DE", 1), ["sku": .null], ["market": .text("DE")]], pattern) }
    #expect(null?.place.last == "row 3")
    #expect(null?.what == "has no value in the key (sku) (so is row 4)")
  }

  @Test func `insert takes unknown keys only, and equal twins once`() throws {
    let table = try table()
    try table.apply([row("b", "DE", 1)], .append)
    let change = try table.apply(
      [row("c", "DE", 3), row("b", "AT", 9), row("a", "DE", 2), row("c", "DE", 3)], .insert(newestBy: nil))
    #expect(change.rows.inserted == 2 && change.rows.unchanged == 2)
    #expect(try table.rows().map { $0["price"] } == [.int64(1), .int64(2), .int64(3)])
    let unequal = problem { try table.apply([row("d", "DE", 3), row("d", "DE", 4)], .insert(newestBy: nil)) }
    #expect(unequal?.what == "the key (d) comes twice, with different values (so is row 3)")
    try table.apply([row("d", "DE", 3), row("d", "DE", 4)], .insert(newestBy: "price"))
    #expect(try table.rows().last?["price"] == .int64(4))
  }

  @Test func `a whole overwrite leaves the feed alone, and the same again is no change`() throws {
    let table = try table()
    try table.apply([row("a", "DE", 1), row("b", "AT", 2)], .append)
    let feed = [row("z", "DE", 1), row("c", "CH", 2)]
    let change = try table.apply(feed, .overwrite(.table, allowEmpty: false))
    #expect(change.rows.inserted == 2 && change.rows.deleted == 2)
    #expect(try sku(table.rows()) == ["c", "z"])
    let again = try table.apply(feed, .overwrite(.table, allowEmpty: false))
    #expect(again.added.isEmpty && again.removed.isEmpty && again.rows.unchanged == 2 && again.rows.inserted == 0)
  }

  @Test func `an overwrite of declared partitions touches no other, and refuses rows outside`() throws {
    let table = try table(key: [])
    try table.apply([row("a", "DE", 1), row("b", "AT", 2), row("c", nil, 3)], .append)
    let scope = OverwriteScope.partitions([["market": "DE"], ["market": nil]])
    let outside = problem {
      try table.apply([row("x", "DE", 1), row("y", "AT", 1)], .overwrite(scope, allowEmpty: false))
    }
    #expect(outside?.kind == .failed && outside?.place.last == "row 3")
    let empty = problem { try table.apply([row("x", "DE", 1)], .overwrite(scope, allowEmpty: false)) }
    #expect(empty?.kind == .refused)
    #expect(empty?.what == "has no row for market=null, which would be left empty")
    let change = try table.apply([row("x", "DE", 1)], .overwrite(scope, allowEmpty: true))
    #expect(try sku(table.rows()) == ["b", "x"])
    #expect(change.rows.inserted == 1 && change.rows.deleted == 2)
    #expect(change.reads == .partitions([["DE"], [nil]]))
    let unknown = problem {
      try table.apply([], .overwrite(.partitions([["price": "1"]]), allowEmpty: true))
    }
    #expect(unknown?.kind == .usage)
  }

  @Test func `an overwritten partition may not bring a key that another one has`() throws {
    let table = try table()
    try table.apply([row("a", "DE", 1), row("b", "AT", 2)], .append)
    let scope = OverwriteScope.partitions([["market": "DE"]])
    let refused = problem { try table.apply([row("b", "DE", 1)], .overwrite(scope, allowEmpty: false)) }
    #expect(refused?.what == "the key (b) is in the table already")
    try table.apply([row("a", "DE", 7)], .overwrite(scope, allowEmpty: false))
    #expect(try table.rows().map { $0["price"] } == [.int64(2), .int64(7)])
  }

  @Test func `an empty feed empties the table only when told`() throws {
    let table = try table()
    try table.apply([row("a", "DE", 1)], .append)
    #expect(problem { try table.apply([], .overwrite(.table, allowEmpty: false)) }?.kind == .refused)
    let change = try table.apply([], .overwrite(.table, allowEmpty: true))
    #expect(change.added.isEmpty && change.removed.count == 1 && change.rows.deleted == 1)
  }

  @Test func `merge updates, inserts and counts only what changed`() throws {
    let table = try table()
    try table.apply([row("a", "DE", 1), row("b", "DE", 2), row("c", "AT", 3)], .append)
    let change = try table.apply([row("d", "DE", 4), row("b", "DE", 9), row("c", "AT", 3)], merge)
    #expect(change.rows.inserted == 1 && change.rows.updated == 1 && change.rows.unchanged == 1)
    #expect(change.added.map(\.partition) == [["DE"]])
    #expect(try sku(table.rows()) == ["c", "a", "b", "d"])
    let nothing = try table.apply([row("b", "DE", 9), row("c", "AT", 3)], merge)
    #expect(nothing.added.isEmpty && nothing.removed.isEmpty && nothing.rows.unchanged == 2)
  }

  @Test func `only files that lose a row are rewritten`() throws {
    let table = try table(partitionBy: [])
    try table.apply([row("a", "DE", 1)], .append)
    try table.apply([row("b", "DE", 2)], .append)
    let change = try table.apply([row("a", "DE", 9)], merge)
    #expect(change.removed.count == 1 && change.added[0].files[0].statistics.rowCount == 1)
  }

  @Test func `absent columns keep their value, an explicit null does not`() throws {
    let table = try table()
    try table.apply([row("a", "DE", 1), row("b", "DE", 2), row("c", "DE", 3)], .append)
    try table.apply(
      [["sku": .text("a"), "price": .null], ["sku": .text("b"), "market": .text("AT")], ["sku": .text("n")]], merge)
    let rows = try table.rows()
    #expect(sku(rows) == ["n", "b", "a", "c"])
    #expect(rows.map { $0["price"] } == [.null, .int64(2), .null, .int64(3)])
    #expect(rows.map { $0["market"] } == [.null, .text("AT"), .text("DE"), .text("DE")])
    try table.apply([["sku": .text("c")]], merge, absentIsNull: true)
    #expect(try table.rows().filter { $0["sku"] == .text("c") }.map { $0["price"] } == [.null])
  }

  @Test func `a row whose partition value changed moves, and is one update`() throws {
    let table = try table()
    try table.apply([row("a", "DE", 1), row("b", "DE", 2)], .append)
    let change = try table.apply([row("a", "AT", 1)], merge)
    #expect(change.rows.updated == 1 && change.rows.inserted == 0 && change.rows.deleted == 0)
    #expect(change.added.map(\.partition) == [["AT"], ["DE"]])
    #expect(try table.rows().map { $0["market"]?.text } == ["AT", "DE"])
  }

  @Test func `deletes strike known rows, and null is not deleted`() throws {
    let table = try table()
    try table.apply([row("a", "DE", 1), row("b", "DE", 2), row("c", "AT", 3)], .append)
    var feed = [row("a", "DE", 1), row("b", "DE", 5), row("x", "DE", 1), row("c", "AT", 3)]
    feed[0]["gone"] = .boolean(true)
    feed[1]["gone"] = .null
    feed[2]["gone"] = .boolean(true)
    feed[3]["gone"] = .boolean(false)
    let schema = Schema(Self.schema.fields.filter { $0.name != "gone" })
    let other = try EngineTable(schema: schema, partitionBy: ["market"], key: ["sku"])
    try other.apply([row("a", "DE", 1), row("b", "DE", 2), row("c", "AT", 3)], .append)
    // The column is an instruction: the table need not have it.
    let change = try other.apply(
      feed, .merge(deleteWhen: "gone", newestBy: nil), feedSchema: Self.schema, schema: schema)
    #expect(change.rows.deleted == 1 && change.rows.updated == 1 && change.rows.unchanged == 2)
    #expect(try sku(other.rows()) == ["c", "b"])
    #expect(try other.rows().last?["price"] == .int64(5))
    let wrong = problem { try table.apply(feed, .merge(deleteWhen: "price", newestBy: nil)) }
    #expect(wrong?.what == "is int64, and --delete-when needs a boolean")
  }

  @Test func `the newest row of a key counts, ties are refused, and older than stored changes nothing`() throws {
    let table = try table()
    let merge = WritePattern.merge(deleteWhen: nil, newestBy: "seen")
    func seen(_ sku: String, _ day: Int64?, _ price: Int64) -> Row {
      var row = row(sku, "DE", price)
      row["seen"] = day.map { .date($0) } ?? .null
      return row
    }
    try table.apply([seen("a", 5, 1), seen("b", 5, 1), seen("b", 7, 2), seen("b", nil, 3)], merge)
    #expect(try table.rows().map { $0["price"] } == [.int64(1), .int64(2)])
    let change = try table.apply([seen("a", 4, 9), seen("b", 7, 8)], merge)
    #expect(change.rows.updated == 1 && change.rows.unchanged == 1)
    #expect(try table.rows().map { $0["price"] } == [.int64(1), .int64(8)])
    let tie = problem { try table.apply([seen("a", 8, 1), seen("a", 8, 2), seen("a", 1, 2)], merge) }
    #expect(tie?.what == "the key (a) comes twice with the same \"seen\" (so is row 3)")
    try table.apply([seen("a", 8, 1), seen("a", 7, 2), seen("a", 7, 3)], merge)
  }

  @Test func `an empty text as partition value is refused with its row`() throws {
    let table = try table()
    let refused = problem { try table.apply([row("a", "DE", 1), row("b", "", 1)], .append) }
    #expect(refused?.place == ["feed.xlsx", "sheet \"Prices\"", "row 3", "partition column \"market\""])
    let long = problem { try table.apply([row("b", String(repeating: "x", count: 249), 1)], merge) }
    #expect(long?.place.contains("row 2") == true)
  }

  @Test func `new columns are null in old files, and wider types rewrite them`() throws {
    let table = try table()
    try table.apply([row("a", "DE", 1), row("b", "AT", 2)], .append)
    var schema = Self.schema
    schema.fields.append(Field("stock", .int64))
    let grown = try table.apply(
      [["sku": .text("b"), "stock": .int64(4)]], merge, feedSchema: schema, schema: schema)
    #expect(grown.removed.count == 1)
    #expect(try table.rows().map { $0["stock"] } == [.int64(4), .null])

    schema.fields[2].type = .double
    let widened = try table.apply(
      [["sku": .text("c"), "price": .double(0.5)]], merge, feedSchema: schema, schema: schema)
    #expect(widened.removed.count == 2 && widened.reads == .everything)
    #expect(try table.rows().map { $0["price"] } == [.double(0.5), .double(2), .double(1)])
    #expect(widened.rows.inserted == 1 && widened.rows.updated == 0)
    for file in table.contents.files {
      let parquet = try ParquetFile(table.storage.openToRead(file.path)!, name: file.path)
      #expect(parquet.schema["price"]?.type == .double)
    }
  }

  @Test func `a value that a wider type cannot hold is refused`() throws {
    let table = try table()
    try table.apply([row("a", "DE", 1 << 60 + 1)], .append)
    var schema = Self.schema
    schema.fields[2].type = .double
    let refused = problem { try table.apply([["sku": .text("c")]], merge, feedSchema: schema, schema: schema) }
    #expect(refused?.kind == .refused)
  }

  @Test func `periods become text columns by which the table is partitioned`() throws {
    #expect(try PartitionBy("week(seen)").name == "seen_week")
    #expect(PartitionBy.text(.week, days: 20_087) == "2025-W01")
    #expect(PartitionBy.text(.week, days: 19_358) == "2022-W52")
    #expect(PartitionBy.text(.week, days: 18_628) == "2020-W53")
    #expect(PartitionBy.text(.week, days: -1) == "1970-W01")
    #expect(PartitionBy.text(.month, days: 20_087) == "2024-12")
    #expect(PartitionBy.text(.year, days: 20_087) == "2024")
    #expect(PartitionBy.text(.day, days: -719_162) == "0001-01-01")
    #expect(throws: Problem.self) { try PartitionBy("quarter(seen)") }
    #expect(throws: Problem.self) { try PartitionBy.extend(Self.schema, by: [PartitionBy("week(price)")]) }

    let table = try table(partitionBy: ["week(seen)"])
    try table.apply(
      [
        ["sku": .text("a"), "seen": .date(20_087)], ["sku": .text("b"), "seen": .date(19_358)], ["sku": .text("c")],
      ], .append)
    #expect(table.contents.files.map(\.partition) == [[nil], ["2022-W52"], ["2025-W01"]])
    #expect(try table.rows().map { $0["seen_week"] } == [.null, .text("2022-W52"), .text("2025-W01")])
    let change = try table.apply([["sku": .text("a"), "seen": .date(19_358)]], merge)
    #expect(change.rows.updated == 1)
    #expect(table.contents.files.map(\.partition) == [[nil], ["2022-W52"], ["2022-W52"]])
  }

  @Test func `a microsecond before midnight belongs to the day before`() throws {
    let schema = Schema([Field("t", .timestamp)])
    let table = try EngineTable(schema: schema, partitionBy: ["day(t)"])
    try table.apply([["t": .timestamp(-1)], ["t": .timestamp(0)]], .append)
    #expect(table.contents.files.map(\.partition) == [["1969-12-31"], ["1970-01-01"]])
  }

  @Test func `files of strangers may lack the partition column and statistics`() throws {
    let table = try table()
    try table.apply([row("a", "DE", 1)], .append)
    let schema = Schema([Field("sku", .text), Field("price", .int64)])
    var writer = try ParquetFileWriter(ByteArray(), schema: schema)
    let columns = [column([.text("x"), .text("y")], .text), column([.int64(1), .int64(2)], .int64)]
    try writer.append(
      rowGroup: columns.map { column in
        let encoder = ColumnChunkEncoder(type: column.type)
        encoder.append(column)
        return encoder.finish()
      })
    try table.addStranger(writer.finish().bytes, "part-1-c000.parquet", partition: ["AT"])
    #expect(try table.rows().map { $0["market"]?.text } == ["AT", "AT", "DE"])
    let change = try table.apply([row("y", "DE", 2), ["sku": .text("x"), "price": .int64(9)]], merge)
    #expect(change.rows.updated == 2 && change.removed.count == 1)
    #expect(try table.rows().map { $0["market"]?.text } == ["AT", "DE", "DE"])
    #expect(try sku(table.rows()) == ["x", "a", "y"])
  }

  @Test func `files and row groups that cannot match are passed over`() throws {
    let table = try table(key: [])
    for day in 0..<4 {
      try table.apply([row("a", "DE", Int64(day * 10)), row("b", "AT", Int64(day * 10 + 5))], .append)
    }
    func files(_ column: Int, _ condition: ScanConstraint.Condition) -> Int {
      TableScan(table.contents, ScanRequest(columns: [0], constraints: [ScanConstraint(column: column, condition)]))
        .files.count
    }
    #expect(files(1, .equals(.text("DE"))) == 4)
    #expect(files(1, .isNull) == 0)
    #expect(files(2, .isGreaterOrEqual(.int64(35))) == 1)
    #expect(files(2, .isLess(.int64(0))) == 0)
    #expect(files(2, .isOneOf([.int64(10), .int64(25)])) == 2)
    #expect(files(3, .isNotNull) == 0)
    #expect(files(3, .isNull) == 8)
  }

  @Test func `a plan says what it reads, computes and writes`() throws {
    let table = try table()
    try table.apply([row("a", "DE", 1)], .append)
    let plan = try table.plan([row("a", "DE", 1)], .merge(deleteWhen: "gone", newestBy: nil))
    #expect(
      plan.lines == [
        "read: the feed feed.xlsx, 1 row of 3 columns", "read: the key (sku) of 1 live file in 1 partition",
        "compute: merge by key (sku), deleting where gone is true, absent columns keep their value",
        "write: partitions by market, sorted by key",
      ])
  }
}
