import Testing
import VarveLake
import VarveTables

/// Keys made from columns that never change (Documentation/WritePatterns.md, "Record keys").
@Suite struct RecordKeyTests {
  private func key(_ values: (Value, DataType)...) -> String? {
    RecordKey.column(values.map { Column.repeating($0.0, $0.1, count: 1) }, rowCount: 1).value(at: 0).text
  }

  private func decimal(_ unscaled: Int128, _ precision: Int, _ scale: Int) -> (Value, DataType) {
    (.decimal(unscaled: unscaled, scale: scale), .decimal(precision: precision, scale: scale))
  }

  @Test func `keys are those that the recipe of the documentation makes`() {
    #expect(key((.text("A1"), .text), (.text("DE"), .text)) == "4396c5e29b39f045369e3102a7390d37")
    #expect(key((.text("A1D"), .text), (.text("E"), .text)) == "c1cf18b2f224b1f31785efde1ddf6dce")
    #expect(key((.text("A1"), .text), (.null, .text)) == "30a140532b2923959ff1ec7f51a7f8cc")
    #expect(key((.text(""), .text), (.int64(1), .int64)) == "cd0e1f4b0a3d3c046c81e2859b2116c9")
    #expect(key((.text("Größe 7½"), .text)) == "7965192ba058d54332176a891d67bb4b")
    #expect(key((.boolean(true), .boolean)) == "b809cf0394a223aac8d6848245776a36")
    #expect(key((.int64(-150), .int64)) == "3c2ee6c93e7eaed31ef83c7f6bad235e")
    #expect(key((.int64(9_007_199_254_740_993), .int64)) == "2a03ebed52e050914ab4ed09b8331edc")
    #expect(key(decimal(-15, 10, 3)) == "7790fae1cb127af8e37dbc04868122bf")
    #expect(
      key(decimal(12_345_678_901_234_567_890_123_456_789_012_345_678, 38, 0)) == "873890166d081870257f18e2ce62f8b9")
    #expect(key((.double(1e16), .double)) == "1c496e5605dac99f664125cc297a4728")
    #expect(key((.double(1e-5), .double)) == "e28e2218ffd03201c66a3a92e00cf7b1")
    #expect(key((.date(20_002), .date)) == "5cadf59b1ff2c4b865b6ff7095323401")
    #expect(key((.date(-1), .date)) == "bccccfd2e0c11e24365f8f9a81519173")
    #expect(key((.timestamp(1_728_217_815_250_000), .timestamp)) == "a362962b74e0c46ffc5f327fe2fb4601")
  }

  @Test func `a value has one key in every type that it can widen to, and text is another value`() {
    let one = "11c8312e515faf8b05c8032eb1922467"
    #expect(key((.int64(1), .int64)) == one && key((.double(1), .double)) == one)
    #expect(key(decimal(100, 5, 2)) == one && key(decimal(100_000, 30, 5)) == one)
    #expect(key((.text("1"), .text)) == "e2a2d25d86e7f00bf603ac8533d69fad")
    let zero = "b8250ab494e346b0a93dbc2cdc6c1bd4"
    #expect(key((.int64(0), .int64)) == zero && key((.double(-0.0), .double)) == zero && key(decimal(0, 38, 9)) == zero)
    #expect(key((.double(0.1), .double)) == key(decimal(10, 3, 2)))
    #expect(key((.date(20_002), .date)) == key((.timestamp(20_002 * 86_400_000_000), .timestamp)))
    #expect(key((.text("1"), .json)) != key((.text("1"), .text)))
  }

  @Test func `white space around a text is no part of it, and a row of nulls has no key`() {
    #expect(key((.text(" A1\t\r\n"), .text)) == key((.text("A1"), .text)))
    #expect(key((.text("A 1"), .text)) != key((.text("A1"), .text)))
    #expect(key((.text("\u{A0}A1"), .text)) != key((.text("A1"), .text)))
    #expect(key((.text(" "), .text)) == key((.text(""), .text)) && key((.text(""), .text)) != nil)
    #expect(key((.null, .text), (.null, .int64)) == nil)
  }

  static let schema = Schema([Field("sku", .text), Field("market", .text), Field("price", .int64)])

  private func table(partitionBy: [String] = []) throws -> EngineTable {
    try EngineTable(schema: Self.schema, partitionBy: partitionBy, keyFrom: ["sku", "market"])
  }

  private func row(_ sku: String?, _ market: String?, _ price: Int64) -> Row {
    [
      "sku": sku.map { .text($0) } ?? .null, "market": market.map { .text($0) } ?? .null, "price": .int64(price),
    ]
  }

  private let merge = WritePattern.merge(deleteWhen: nil, newestBy: nil)

  @Test(arguments: [[], ["market"]])
  func `merges match by the computed key, whatever columns a feed has and in whatever order`(
    _ partitionBy: [String]
  ) throws {
    let table = try table(partitionBy: partitionBy)
    try table.apply([row("A", "DE", 1), row("A", "AT", 2), row("B", nil, 3)], merge)
    let feed = Schema([Field("price", .int64), Field("market", .text), Field("sku", .text)])
    let change = try table.apply([row(" A ", "DE", 10), row("C", "DE", 4)], merge, feedSchema: feed)
    #expect(change.rows.updated == 1 && change.rows.inserted == 1)
    #expect(try table.apply([row("B", nil, 30)], merge).rows.updated == 1)
    let rows = try table.rows()
    #expect(rows.count == 4 && Set(rows.map { $0["_key"]?.text ?? "" }).count == 4)
    #expect(Set(rows.map { $0["price"] }) == [.int64(10), .int64(2), .int64(30), .int64(4)])
  }

  @Test func `an insert leaves known keys as they are, and tells of those with other content`() throws {
    let table = try table()
    try table.apply([row("A", "DE", 1), row("B", "DE", 2)], .insert(newestBy: nil))
    let change = try table.apply(
      [row("A", "DE", 1), row("B", "DE", 9), row("C", "DE", 3)], .insert(newestBy: nil))
    #expect(change.rows.inserted == 1 && change.rows.unchanged == 2)
    #expect(change.collisions.count == 1)
    #expect(
      change.collisions.texts == [
        "feed.xlsx, sheet \"Prices\", row 3: the table has (B, DE) with other content: price 9 here, 2 there"
      ])
    #expect(Set(try table.rows().map { $0["price"] }) == [.int64(1), .int64(2), .int64(3)])
  }

  @Test func `two rows of one key in a feed are named, and so is a row without a key`() throws {
    let table = try table()
    for pattern in [merge, .append, .overwrite(.table, allowEmpty: false)] {
      let double = problem { try table.apply([row("A", "DE", 1), row("B", "DE", 2), row("A", "DE", 1)], pattern) }
      #expect(double?.what == "the key (A, DE) comes twice (so is row 4)")
    }
    let unequal = problem { try table.apply([row("A", "DE", 1), row("A", "DE", 2)], .insert(newestBy: nil)) }
    #expect(unequal?.what == "the key (A, DE) comes twice, with different values (so is row 3)")
    let null = problem { try table.apply([row(nil, nil, 1)], merge) }
    #expect(null?.what == "has no value in the key (sku, market)")
    let lacking = problem {
      try table.apply([["sku": .text("A")]], merge, feedSchema: Schema([Field("sku", .text)]))
    }
    #expect(lacking?.what == "lacks the column \"market\", which is part of the key")
    let brought = problem {
      try table.apply(
        [row("A", "DE", 1).merging(["_key": .text("A")]) { $1 }], merge,
        feedSchema: Schema(Self.schema.fields + [Field("_key", .text)]))
    }
    #expect(brought?.what == "has the name of the key, which is computed from sku and market")
  }

  @Test func `a merge refuses a stored row that is another record under the same key`() throws {
    let table = try table()
    try table.apply([row("A", "DE", 1)], merge)
    // As an engine leaves it that changes a column of the key and knows nothing of it.
    let key = try table.rows()[0]["_key"]!
    let forged = try EngineTable(schema: Schema(Self.schema.fields + [Field("_key", .text)]), key: ["_key"])
    try forged.apply([["sku": .text("X"), "market": .text("DE"), "price": .int64(1), "_key": key]], merge)
    var plan = try forged.plan([row("A", "DE", 2)], merge, feedSchema: Self.schema)
    plan.feed.recordKey = table.recordKey
    let refused = problem { _ = try forged.stage(plan) }
    #expect(refused?.kind == .refused && refused?.place.last == "row 2")
    #expect(
      refused?.what == "the record (A, DE) has the key \(key.text ?? ""), under which the table has (X, DE)")
  }

  private func problem(_ body: () throws -> Void) -> Problem? {
    do {
      try body()
      return nil
    } catch {
      return error as? Problem
    }
  }
}
