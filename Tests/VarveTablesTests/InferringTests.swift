import Given
import Testing
import VarveTables

private let families: [[Cell]] = [
  csv("0", "1", "-7", "42", "123456789012345", "-999999999999999", nil).map { $0 },
  csv(
    "1.5", "1.50", "-0.25", "2.0", "1e3", "1E-7", "0.1", "0.30000000000000004", "0.00001", "-0", "-0.0",
    "100000000000000.5"),
  csv("007", "+1", "1234567890123456", "00", "-01", "0.12345678901234567890"),
  csv("", nil, nil), csv(" 12", "12 ", " 1.5"), csv("true", "FALSE", "True", "TRUE", "false"),
  csv("tRUE", "fALSE", "t"),
  csv("2024-01-31", "0001-01-01", "2024-02-29"), csv("2023-02-29", "2024-1-1"),
  csv(
    "2024-01-31T08:30:00Z", "2024-01-31 08:30", "2024-01-31T08:30:00.500Z", "2024-01-31T08:30:00+02:00",
    "2024-01-31T08:30:00.1234567Z"),
  csv("abc", "-", "+", ".5", "5.", "1,5", "é", "NaN", "0x10", "1e", "--1"),
  ["0", "12", "-3", "9007199254740991", "9007199254740993", "-9223372036854775808"].map { Cell(.number, $0) },
  ["1.5", "2.0", "1e20", "3.141592653589793", "0.1"].map { Cell(.number, $0) },
  ["18446744073709551616", "0.12345678901234567891", "1e30", "123456789012345678.5"].map { Cell(.number, $0) },
  ["1e400", "1e-400", "99999999999999999999999999999999999999999.5"].map { Cell(.number, $0) },
  [Cell(.boolean, "true"), Cell(.boolean, "false")],
  [Cell(.text, "abc"), Cell(.text, ""), Cell(.text, "a\"\\\n\u{1}\u{1f}é")],
  [Cell(.text, "12"), Cell(.text, "2024-01-31")],
  [Cell(.date, "2024-01-31"), Cell(.dateTime, "2024-01-31T08:30:00"), Cell(.dateTime, "1999-12-31T23:59:59.25")],
  [Cell(.time, "08:30:00"), Cell(.duration, "PT36H")], [Cell(.json, "{\"a\":[1]}"), Cell(.json, "[]")],
  [Cell(.absent), Cell(.null)],
]

private func randomCells(_ random: inout Seed) -> [Cell] {
  // Feeds of one kind mostly; now and then anything.
  let untyped = Array(families[0...10])
  let typed = Array(families[11...])
  let source = [untyped, typed, families].randomElement(using: &random)!
  let picked = (0..<Int.random(in: 1...3, using: &random)).map { _ in source.randomElement(using: &random)! }
  return (0..<Int.random(in: 1...40, using: &random)).map { _ in
    Int.random(in: 0..<6, using: &random) == 0
      ? Cell([.null, .null, .absent].randomElement(using: &random)!)
      : picked.randomElement(using: &random)!.randomElement(using: &random)!
  }
}

private func cut(_ count: Int, _ random: inout Seed) -> [Range<Int>] {
  var ranges: [Range<Int>] = []
  var start = 0
  while start < count {
    let end = min(count, start + Int.random(in: 1...12, using: &random))
    ranges.append(start..<end)
    start = end
  }
  return ranges
}

@Test func `inference is what the written rules say, however the feed is cut, and every raw cell can be had back`()
  throws
{
  var random = Seed()
  var types: [String: Int] = [:]
  for round in 0..<3_000 {
    let all = randomCells(&random)
    let expected = referenceType(all)
    types[expected?.name.prefix(7).description ?? "nil", default: 0] += 1
    let whole = infer(all)
    try #require(whole.typer.type == expected, "\(all)")
    let declared = try expected.map { try declare(Field("a", $0), all) }
    if let declared { #expect(declared.rejections.isEmpty, "\(all)") }

    var typer = ColumnTyper(inferring: "a")
    var runs: [(typed: TypedColumn, range: Range<Int>)] = []
    var parts: [TypeEvidence] = []
    for range in cut(all.count, &random) {
      let typed = typer.type(rawColumn(all[range]), origins: origins(range))
      try #require(typed.column?.type == typer.type, "\(all) \(range)")
      try #require(typed.rejections.isEmpty)
      #expect(typed.absent == [] || typed.absent == all[range].map { $0.kind == .absent })
      if all[range].contains(where: { $0.kind == .absent }) { #expect(!typed.absent.isEmpty) }
      runs.append((typed, range))
      var alone = ColumnTyper(inferring: "a")
      _ = alone.type(rawColumn(all[range]), origins: origins(range))
      parts.append(alone.evidence!)
    }
    try #require(typer.type == expected, "\(all) in \(runs.map(\.range))")
    try #require(typer.reason == whole.typer.reason, "\(all)")

    var sum = TypeEvidence()
    for part in parts.shuffled(using: &random) { sum.add(part) }
    try #require(sum.type == expected, "\(all) added up in another order")

    var joined = expected.map { Column.empty($0) }
    for (typed, range) in runs {
      guard let expected else { continue }
      guard let column = typed.column else {
        joined?.append(contentsOf: .nulls(expected, count: range.count))
        continue
      }
      let restored = typer.restore(column, Spellings(encoded: typed.spellings.encoded()))
      try #require(cells(restored) == Array(all[range]), "\(column.type.name) of \(all[range])")
      let rows = (0..<range.count).filter { _ in Bool.random(using: &random) }
      let some = typer.restore(column.gather(rows: rows), typed.spellings.gather(rows: rows))
      try #require(cells(some) == rows.map { all[range.lowerBound + $0] })
      if column.type == expected {
        joined?.append(contentsOf: column)
      } else {
        var retyper = ColumnTyper(retyping: "a", to: expected)
        let again = retyper.type(restored, origins: origins(range))
        try #require(again.rejections.isEmpty)
        joined?.append(contentsOf: try #require(again.column))
      }
    }
    try #require(values(joined) == values(declared?.column), "round \(round): \(all)")
    try #require(values(joined) == (expected == nil ? [] : values(whole.typed.column)))
  }
  // Every type must have been met, or the test is blind to it.
  for type in ["nil", "boolean", "int64", "double", "decimal", "date", "timesta", "text", "json"] {
    #expect(types[type, default: 0] > 0, "\(type): \(types)")
  }
}

@Test(
  arguments: [
    (csv("1", "2", nil), "int64: all 2 values are whole numbers"),
    (csv("1", "2", ""), "int64: all 2 values are whole numbers; 1 empty in quotes count as null"),
    (csv("1", "1.5", "2"), "double: 1 of 3 values has a fraction or an exponent, at row 3 (\"1.5\")"),
    (csv("1", "007", "08"), "text: 2 of 3 values have leading zeros, first at row 3 (\"007\")"),
    (csv("1", "+4912"), "text: 1 of 2 values has a plus sign, at row 3 (\"+4912\")"),
    (
      csv("4006381333931000"),
      "text: 1 of 1 values has more than 15 significant digits, at row 2 (\"4006381333931000\")"
    ),
    (csv("1", "n/a", "2"), "text: row 3 is text (\"n/a\")"),
    (
      csv("1", "true"),
      "text: 1 of 2 values is true or false, at row 3 (\"true\"); 1 of 2 values is a whole number, at row 2 (\"1\")"
    ),
    (csv(nil, nil), "no value yet"), (csv("", nil), "text: every value is an empty text in quotes"),
    (csv("TRUE", "FALSE"), "boolean: all 2 values are true or false"),
    (
      csv("2024-01-31", "2024-01-31 10:00"),
      "timestamp: 1 of 2 values has a time of day, at row 3 (\"2024-01-31 10:00\")"
    ),
    (
      [Cell(.number, "1.5"), Cell(.number, "9007199254740993")],
      "decimal(17,1): 1 of 2 values is a whole number of 2^53 or more, at row 3 (\"9007199254740993\") beside fractions"
    ),
    ([Cell(.number, "1"), Cell(.json, "[1]")], "json: row 3 is an object or array (\"[1]\")"),
  ] as [([Cell], String)])
func `the reason names what decided and where it stood first`(cells: [Cell], reason: String) {
  #expect(infer(cells).typer.reason == reason)
}

@Test func `counts are grouped and name the sheet`() {
  var typer = ColumnTyper(inferring: "a")
  let all = (0..<1_204).map { Cell(.untyped, $0 < 1_201 ? "1" : "0\($0)") }
  var place = origins(0..<1_204)
  place.sheet = "Prices"
  _ = typer.type(rawColumn(all), origins: place)
  #expect(
    typer.reason == "text: 3 of 1,204 values have leading zeros, first at sheet \"Prices\" row 1203 (\"01201\")")
}

@Test func `an error cell is a rejection in any column, unless told otherwise`() {
  let cells = [Cell(.number, "1"), Cell(.error, "#N/A"), Cell(.number, "3")]
  let rejected = infer(cells)
  #expect(rejected.typer.type == .int64)
  #expect(values(rejected.typed.column) == [.int64(1), .null, .int64(3)])
  #expect(rejected.typed.rejectedRows == [1])
  #expect(
    rejected.typed.rejections == [
      Rejection(
        origin: Origin(file: "f.csv", unit: .row, position: 3), column: "a", raw: "#N/A",
        reason: "\"#N/A\" is an error cell")
    ])
  let null = infer(cells, TypingOptions(errorCells: .null))
  #expect(null.typed.rejections.isEmpty && values(null.typed.column)[1] == .null)
  let text = infer(cells, TypingOptions(errorCells: .text))
  #expect(values(text.typed.column) == [.text("1"), .text("#N/A"), .text("3")])
  let only = infer([Cell(.error, "#REF!"), Cell(.null)])
  #expect(only.typer.type == nil && only.typed.column == nil && only.typed.rejectedRows == [0])
}

@Test func `times without a zone are taken in the one given, and come back as they were`() throws {
  let berlin = try Zone(named: "Europe/Berlin")
  let options = TypingOptions(zone: berlin)
  let cells = csv("2024-07-01 08:30:00", "2024-01-31 08:30:00", "2024-10-27 02:30:00", "2024-07-01 08:30:00Z")
  let (typer, typed) = infer(cells, options)
  #expect(
    values(typed.column).map(\.text) == [
      "2024-07-01T06:30:00Z", "2024-01-31T07:30:00Z", "2024-10-27T00:30:00Z", "2024-07-01T08:30:00Z",
    ])
  #expect(VarveTablesTests.cells(typer.restore(typed.column!, typed.spellings)) == cells)
  let jumped = infer(csv("2024-03-31T02:30:00"), options)
  #expect(jumped.typer.type == .text)
}

@Test func `a feed is joined to a table's column by the widening rules`() {
  func join(_ table: DataType, _ cells: [Cell], stored: Column? = nil) -> TypeJoin {
    var evidence: TypeEvidence?
    if let stored {
      evidence = TypeEvidence()
      evidence?.add(stored: stored)
    }
    return infer(cells).typer.evidence!.join(table: table, stored: evidence)
  }
  func isRefused(_ join: TypeJoin) -> Bool { if case .refuse = join { true } else { false } }
  let money = DataType.decimal(precision: 10, scale: 2)
  #expect(join(.int64, csv("1", nil)) == .same)
  #expect(join(.int64, csv(nil)) == .same)
  #expect(join(.int64, csv("")) == .same)
  #expect(join(.text, csv("1", "2024-01-31")) == .same)
  #expect(join(.json, csv("1")) == .same)
  #expect(join(.timestamp, csv("2024-01-31")) == .same)
  #expect(join(.double, csv("1")) == .same)
  #expect(join(.int64, csv("1.5")) == .needsStoredValues)
  let small = Column(.int64, .int64([1, 9_007_199_254_740_991]))
  let large = Column(.int64, .int64([1, 9_007_199_254_740_992]))
  #expect(join(.int64, csv("1.5"), stored: small) == .widen(to: .double))
  #expect(join(.int64, csv("1.5"), stored: large) == .widen(to: .decimal(precision: 17, scale: 1)))
  let beyond = [Cell(.number, "18446744073709551617")]
  #expect(join(.double, beyond) == .needsStoredValues)
  #expect(
    join(.double, beyond, stored: Column(.double, .double([0.25]))) == .widen(to: .decimal(precision: 22, scale: 2)))
  #expect(isRefused(join(.double, beyond, stored: Column(.double, .double([1e-30])))))
  #expect(
    join(.double, [Cell(.number, "9007199254740993")], stored: .nulls(.double, count: 1))
      == .widen(to: .decimal(precision: 16, scale: 0)))
  #expect(join(money, csv("1", "99999999.99")) == .same)
  #expect(join(money, csv("1.005")) == .widen(to: .decimal(precision: 11, scale: 3)))
  #expect(join(money, csv("123456789")) == .widen(to: .decimal(precision: 11, scale: 2)))
  #expect(isRefused(join(.decimal(precision: 38, scale: 2), csv("1.005"))))
  #expect(join(.int64, csv("1234567890123456")) == .same)
  #expect(
    join(.int64, csv("007"))
      == .refuse("the table has int64, the feed text: 1 of 1 values has leading zeros, at row 2 (\"007\")"))
  #expect(isRefused(join(.int64, csv("abc"))))
  #expect(isRefused(join(.int64, csv("2024-01-31"))))
  #expect(join(.date, csv("2024-01-31T10:00")) == .widen(to: .timestamp))
  #expect(isRefused(join(.date, csv("31.01.2024"))))
  #expect(isRefused(join(.boolean, csv("1"))))
}

@Test func `a decimal comma is read where the feed is said to have one`() {
  let fields = csv("6,90", "7", "1,5e3", "0,30000000000000004", nil)
  let (typer, typed) = infer(fields, TypingOptions(decimal: ","))
  #expect(values(typed.column) == [.double(6.9), .double(7), .double(1500), .double(0.30000000000000004), .null])
  #expect(cells(typer.restore(typed.column!, typed.spellings)) == fields)
  var next = typer
  let again = next.type(rawColumn(fields), origins: origins(5..<10))
  #expect(values(again.column) == values(typed.column))
  #expect(cells(next.restore(again.column!, Spellings(encoded: again.spellings.encoded()))) == fields)
  #expect(infer(fields).typer.type == .text)
  #expect(infer(csv("6.90"), TypingOptions(decimal: ",")).typer.type == .text)
  #expect(infer([Cell(.number, "6.90")], TypingOptions(decimal: ",")).typer.type == .double)
}
