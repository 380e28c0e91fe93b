import Testing
import VarveTables

private func one(_ field: Field, _ cell: Cell, _ options: TypingOptions = TypingOptions()) throws -> (Value, String?) {
  let typed = try declare(field, [cell], options)
  #expect(typed.rejectedRows == (typed.rejections.isEmpty ? [] : [0]))
  return (values(typed.column)[0], typed.rejections.first?.reason)
}

private let money = DataType.decimal(precision: 6, scale: 2)
private let wide = DataType.decimal(precision: 25, scale: 3)

@Test(
  arguments: [
    (DataType.boolean, Cell(.boolean, "true"), Value.boolean(true)),
    (.boolean, Cell(.untyped, "FALSE"), .boolean(false)),
    (.boolean, Cell(.text, " true "), .boolean(true)),
    (.int64, Cell(.number, "-7"), .int64(-7)), (.int64, Cell(.untyped, "007"), .int64(7)),
    (.int64, Cell(.untyped, "+7"), .int64(7)),
    (.int64, Cell(.text, " 7 "), .int64(7)), (.int64, Cell(.number, "5.0"), .int64(5)),
    (.int64, Cell(.number, "5e3"), .int64(5000)),
    (.int64, Cell(.number, "9223372036854775807"), .int64(.max)),
    (.int64, Cell(.number, "-9223372036854775808"), .int64(.min)),
    (.double, Cell(.number, "1e3"), .double(1000)), (.double, Cell(.untyped, ".5"), .double(0.5)),
    (.double, Cell(.untyped, "0.1000000000000000055511151231257827"), .double(0.1)),
    (money, Cell(.number, "1.5"), .decimal(unscaled: 150, scale: 2)),
    (money, Cell(.untyped, "9999.990"), .decimal(unscaled: 999_999, scale: 2)),
    (money, Cell(.number, "1e3"), .decimal(unscaled: 100_000, scale: 2)),
    (money, Cell(.number, "-0"), .decimal(unscaled: 0, scale: 2)),
    (
      wide, Cell(.number, "1234567890123456789012.345"),
      .decimal(unscaled: Int128("1234567890123456789012345")!, scale: 3)
    ),
    (.date, Cell(.date, "2024-01-31"), .date(19_753)), (.date, Cell(.untyped, "2024-01-31"), .date(19_753)),
    (.date, Cell(.dateTime, "2024-01-31T00:00:00"), .date(19_753)),
    (.date, Cell(.text, "2024-01-31T00:00:00Z"), .date(19_753)),
    (.timestamp, Cell(.dateTime, "1970-01-01T00:00:01"), .timestamp(1_000_000)),
    (.timestamp, Cell(.date, "1970-01-02"), .timestamp(86_400_000_000)),
    (.timestamp, Cell(.text, "1970-01-01T01:00:00.5+01:00"), .timestamp(500_000)),
    (.text, Cell(.number, "1.50"), .text("1.50")), (.text, Cell(.boolean, "true"), .text("true")),
    (.text, Cell(.time, "08:30:00"), .text("08:30:00")),
    (.text, Cell(.untyped, ""), .text("")), (.text, Cell(.json, "{\"a\":1}"), .text("{\"a\":1}")),
    (.text, Cell(.duration, "PT36H"), .text("PT36H")),
    (.json, Cell(.json, "[1]"), .json("[1]")), (.json, Cell(.number, "1.50"), .json("1.50")),
    (.json, Cell(.boolean, "true"), .json("true")),
    (.json, Cell(.text, "[1]\n"), .json("\"[1]\\n\"")), (.json, Cell(.date, "2024-01-31"), .json("\"2024-01-31\"")),
    (.int64, Cell(.untyped, ""), .null), (.double, Cell(.text, "  "), .null), (.date, Cell(.null), .null),
    (.json, Cell(.absent), .null),
  ] as [(DataType, Cell, Value)])
func `a declared column takes what is of its type`(type: DataType, cell: Cell, value: Value) throws {
  let (read, reason) = try one(Field("a", type), cell)
  #expect(reason == nil && read == value)
}

@Test(
  arguments: [
    (DataType.boolean, Cell(.untyped, "ja"), "\"ja\" is no boolean"),
    (.boolean, Cell(.number, "1"), "\"1\" is no boolean"),
    (.int64, Cell(.untyped, "n/a"), "\"n/a\" is no int64"), (.int64, Cell(.number, "1.5"), "\"1.5\" has a fraction"),
    (.int64, Cell(.untyped, "9223372036854775808"), "\"9223372036854775808\" does not fit in 64 bits"),
    (.int64, Cell(.boolean, "true"), "\"true\" is no int64"), (.int64, Cell(.untyped, "1,5"), "\"1,5\" is no int64"),
    (.double, Cell(.number, "1e400"), "\"1e400\" is beyond the range of a double"),
    (.double, Cell(.text, "NaN"), "\"NaN\" is no double"),
    (money, Cell(.number, "1.505"), "\"1.505\" has more than 2 digits after the point"),
    (money, Cell(.number, "10000"), "\"10000\" has more than 4 digits before the point"),
    (.date, Cell(.untyped, "31.01.2024"), "\"31.01.2024\" is no date"),
    (.date, Cell(.text, "2023-02-29"), "\"2023-02-29\" is no date"),
    (.date, Cell(.dateTime, "2024-01-31T08:30:00"), "\"2024-01-31T08:30:00\" has a time of day"),
    (.timestamp, Cell(.number, "1706689800"), "\"1706689800\" is no timestamp"),
    (.timestamp, Cell(.time, "08:30:00"), "\"08:30:00\" is no timestamp"),
    (
      .timestamp, Cell(.text, "0001-01-01T00:00:00+02:00"),
      "\"0001-01-01T00:00:00+02:00\" lies outside the years 0001 to 9999"
    ),
    (.text, Cell(.error, "#REF!"), "\"#REF!\" is an error cell"), (.int64, Cell(.json, "[1]"), "\"[1]\" is no int64"),
  ] as [(DataType, Cell, String)])
func `what does not fit a declared column is rejected with the reason`(type: DataType, cell: Cell, reason: String)
  throws
{
  let (value, given) = try one(Field("a", type), cell)
  #expect(value == .null && given == reason)
}

@Test(
  arguments: [
    ("DD.MM.YYYY", "31.01.2024", "2024-01-31T00:00:00Z"), ("MM/DD/YYYY", "01/31/2024", "2024-01-31T00:00:00Z"),
    ("YYYYMMDD", "20240131", "2024-01-31T00:00:00Z"), ("D.M.YYYY", "1.2.2024", "2024-02-01T00:00:00Z"),
    ("D.M.YY", "31.12.68", "2068-12-31T00:00:00Z"), ("D.M.YY", "31.12.69", "1969-12-31T00:00:00Z"),
    ("DD.MM.YYYY hh:mm", "31.01.2024 08:30", "2024-01-31T08:30:00Z"),
    ("DD.MM.YYYY[ hh:mm[:ss]]", "31.01.2024", "2024-01-31T00:00:00Z"),
    ("DD.MM.YYYY[ hh:mm[:ss]]", "31.01.2024 08:30:05", "2024-01-31T08:30:05Z"),
    ("DD.MM.YYYY[ hh:mm[:ss]]", "31.01.2024 08:30", "2024-01-31T08:30:00Z"),
    ("MM/DD/YYYY h:mm A", "01/31/2024 12:05 am", "2024-01-31T00:05:00Z"),
    ("MM/DD/YYYY h:mm A", "01/31/2024 1:05 PM", "2024-01-31T13:05:00Z"),
    ("YYYY-MM-DD hh:mm:ss.fffZ", "2024-01-31 08:30:00.25+01:00", "2024-01-31T07:30:00.25Z"),
    ("DD. MM. YYYY", "31.01.2024", nil),
    ("DD.MM.YYYY", "2024-01-31", nil), ("DD.MM.YYYY", "31.01.24", nil), ("DD.MM.YYYY", "1.1.2024", nil),
    ("DD.MM.YYYY", "31.02.2024", nil),
    ("DD.MM.YYYY", "31.01.2024 ", "2024-01-31T00:00:00Z"), ("DD.MM.YYYY hh:mm", "31.01.2024 24:00", nil),
    ("h A DD.MM.YYYY", "13 PM 31.01.2024", nil),
  ] as [(String, String, String?)])
func `dates and times are read in the declared format and no other`(format: String, text: String, expected: String?)
  throws
{
  for kind in [RawKind.untyped, .text] {
    let (value, reason) = try one(Field("a", .timestamp, format: format), Cell(kind, text))
    #expect(value.text == expected)
    #expect((reason == nil) == (expected != nil))
    if expected == nil { #expect(reason == "\"\(text)\" is no timestamp of the form \(format)") }
  }
}

@Test func `a format does not stand in the way of typed cells`() throws {
  let field = Field("a", .date, format: "YYYYMMDD")
  #expect(try one(field, Cell(.date, "2024-01-31")).0 == .date(19_753))
  #expect(try one(field, Cell(.number, "20240131")).0 == .date(19_753))
  #expect(try one(field, Cell(.untyped, "2024-01-31")).1 != nil)
}

@Test func `words for true and false are those of the format`() throws {
  let field = Field("a", .boolean, format: "Ja/Nein")
  #expect(try one(field, Cell(.text, "ja")).0 == .boolean(true))
  #expect(try one(field, Cell(.untyped, "NEIN")).0 == .boolean(false))
  #expect(try one(field, Cell(.boolean, "true")).0 == .boolean(true))
  #expect(try one(field, Cell(.untyped, "true")).1 == "\"true\" is neither \"ja\" nor \"nein\"")
  #expect(try one(Field("a", .boolean, format: "1/0"), Cell(.number, "0")).0 == .boolean(false))
}

@Test(arguments: [
  (DataType.date, "DD.MM"), (.date, "YYYY-MM-DD["), (.timestamp, "YYY-MM-DD"), (.boolean, "ja"), (.boolean, "x/x"),
  (.int64, "0"),
])
func `a format that says nothing is refused`(type: DataType, format: String) {
  #expect(throws: Problem.self) { try ColumnTyper(declared: Field("a", type, format: format)) }
}

@Test(arguments: [
  ("DD.MM.YYYY hh:MM", "the month comes twice"), ("DD.MM.YYYY DD", "the day comes twice"),
  ("YYYY-DD-MM YYYY", "the year comes twice"), ("DD.MM.YYYY[ YY]", "the year comes twice"),
  ("DD.MM.YYYY HH:MM", "\"HH\" is no placeholder"), ("d.M.yyyy", "\"d\" is no placeholder"),
  ("DD.MMM.YYYY", "\"MMM\" is no placeholder"), ("DD.MM.", "it has no year"),
  ("DD.MM.YYYY mm", "it has minute, but no hour"), ("DD.MM.YYYY A", "it has AM or PM, but no hour"),
  ("DD.MM.YYYY]", "a bracket has no partner"), ("DD.MM.YYYY[", "a bracket has no partner"),
])
func `a format of times says why it is none, and which placeholders there are`(format: String, why: String) throws {
  let problem = try #require(throws: Problem.self) { try ColumnTyper(declared: Field("a", .timestamp, format: format)) }
  #expect(problem.what == "\"\(format)\" is no format of a date: \(why)")
  #expect(problem.advice?.contains("mm (minutes)") == true)
}

@Test func `a format may hold the T of ISO 8601 and marks of any script`() throws {
  let (value, _) = try one(Field("a", .timestamp, format: "YYYY年M月D日Thh:mm"), Cell(.untyped, "2024年1月31日T08:30"))
  #expect(value.text == "2024-01-31T08:30:00Z")
}

@Test func `a formula without a value is a rejection that says what to do`() throws {
  let (_, reason) = try one(Field("a", .double), Cell(.error, "=1.5*2"))
  #expect(
    reason == "the workbook keeps no value of the formula \"=1.5*2\": open and save it in Excel or LibreOffice")
}

@Test(
  arguments: [
    (".", "1.234,56", 1234.56), (".", "-1.234.567,5", -1_234_567.5), (".", "+12.345", 12_345), (".", "1234,5", 1234.5),
    (".", " 999,5 ", 999.5), (".", "1.234e2", nil),
    (".", "12.345.678.901.234.567.168", 12_345_678_901_234_567_168),
    (" ", "1 234,56", 1234.56), (" ", "1\u{A0}234,56", 1234.56), (" ", "1\u{202F}234\u{202F}567", 1_234_567),
    ("'", "1'234,5", 1234.5), ("'", "1’234,5", 1234.5),
    // Not by threes, behind the decimal separator, or a fraction with a point.
    (".", "1.23", nil), (".", "1.2345", nil), (".", "1234.567", nil), (".", "1.234.56", nil), (".", "1,234.567", nil),
    (".", "0.125", nil), (".", ".123", nil), (".", "1..234", nil), (".", "1.234,", 1234), (".", "1 234", nil),
    (".", "1.234x", nil), (".", "1.-234", nil), (" ", "1  234", nil), (" ", "1.234", nil), ("'", "'123", nil),
  ] as [(String, String, Double?)])
func `digits are grouped as declared, or not at all`(grouping: String, text: String, value: Double?) throws {
  let field = Field("a", .double, decimal: ",", grouping: grouping)
  for kind in [RawKind.untyped, .text] {
    #expect(try one(field, Cell(kind, text)).0 == value.map(Value.double) ?? .null)
  }
  #expect(try one(Field("a", .double, decimal: ","), Cell(.text, "1.234,56")).1 == "\"1.234,56\" is no double")
}

@Test func `whole and exact numbers are grouped, too`() throws {
  #expect(try one(Field("a", .int64, grouping: ","), Cell(.untyped, "-12,345")).0 == .int64(-12_345))
  #expect(try one(Field("a", .int64, grouping: ","), Cell(.number, "12345")).0 == .int64(12_345))
  #expect(try one(Field("a", .int64, grouping: ","), Cell(.untyped, "1,5")).1 == "\"1,5\" is no int64")
  let price = Field("a", money, decimal: ",", grouping: ".")
  #expect(try one(price, Cell(.text, "1.234,5")).0 == .decimal(unscaled: 123_450, scale: 2))
  #expect(try one(price, Cell(.number, "1.234")).1 == "\"1.234\" has more than 2 digits after the point")
}

@Test func `decimal commas, nulls and required values are as declared`() throws {
  let price = Field("a", money, nulls: ["-", "n/a"], decimal: ",")
  #expect(try one(price, Cell(.untyped, "6,90")).0 == .decimal(unscaled: 690, scale: 2))
  #expect(try one(price, Cell(.untyped, "6.90")).1 == "\"6.90\" is no decimal(6,2)")
  #expect(try one(price, Cell(.number, "6.90")).0 == .decimal(unscaled: 690, scale: 2))
  #expect(try one(price, Cell(.text, "n/a")) == (.null, nil))
  #expect(try one(Field("a", .double, decimal: ","), Cell(.text, "-1,5e2")).0 == .double(-150))
  #expect(
    try one(Field("a", .double, decimal: ","), Cell(.text, "0,30000000000000004")).0 == .double(0.30000000000000004))
  #expect(try one(Field("a", .text, nulls: ["NULL"]), Cell(.untyped, "NULL")) == (.null, nil))
  #expect(try one(Field("a", .text, nulls: ["NULL"]), Cell(.untyped, "")) == (.text(""), nil))

  let required = Field("a", .int64, isNullable: false, nulls: ["-"])
  #expect(try one(required, Cell(.null)).1 == "is null, and the column must have a value")
  #expect(try one(required, Cell(.untyped, "-")).1 == "\"-\" counts as null, and the column must have a value")
  #expect(try one(required, Cell(.untyped, "x")).1 == "\"x\" is no int64")
  #expect(try one(required, Cell(.absent)).1 == nil)
  #expect(
    try one(required, Cell(.absent), TypingOptions(absentIsNull: true)).1
      == "is missing, and the column must have a value")
  let mixed = try declare(required, [Cell(.number, "1"), Cell(.null), Cell(.text, "x"), Cell(.number, "2")])
  #expect(mixed.rejectedRows == [1, 2] && mixed.rejections.map(\.origin.position) == [3, 4])
  #expect(values(mixed.column) == [.int64(1), .null, .null, .int64(2)])
}

@Test func `missing keys are told from nulls`() throws {
  let typed = try declare(Field("a", .int64), [Cell(.number, "1"), Cell(.absent), Cell(.null)])
  #expect(typed.absent == [false, true, false])
  #expect(try declare(Field("a", .int64), [Cell(.null)]).absent == [])
}

@Test func `text in a declared JSON column is JSON where the feed cannot say so`() throws {
  let options = TypingOptions(canonicalJSON: { $0.first == UInt8(ascii: "{") ? Array("{}".utf8) : nil })
  #expect(try one(Field("a", .json), Cell(.untyped, "{ }"), options).0 == .json("{}"))
  #expect(try one(Field("a", .json), Cell(.untyped, "x"), options).0 == .json("\"x\""))
  #expect(try one(Field("a", .json), Cell(.text, "{ }"), options).0 == .json("\"{ }\""))
}

@Test func `zones follow the system's database, its rules included`() throws {
  func utc(_ zone: String, _ local: String) throws -> String? {
    let zone = try Zone(named: zone)
    guard case .timestamp(let shown) = Value(text: local, type: .timestamp) else { return nil }
    guard let instant = zone.instant(ofLocal: shown) else { return "never" }
    #expect(zone.local(ofInstant: instant) == shown)
    return Value.timestamp(instant).text
  }
  #expect(try utc("UTC", "2024-07-01T12:00") == "2024-07-01T12:00:00Z")
  #expect(try utc("+05:30", "2024-07-01T12:00") == "2024-07-01T06:30:00Z")
  #expect(try utc("-03", "2024-07-01T12:00") == "2024-07-01T15:00:00Z")
  #expect(try utc("Europe/Berlin", "2024-01-31T12:00") == "2024-01-31T11:00:00Z")
  #expect(try utc("Europe/Berlin", "2024-07-01T12:00") == "2024-07-01T10:00:00Z")
  #expect(try utc("Europe/Berlin", "2024-03-31T01:59:59") == "2024-03-31T00:59:59Z")
  #expect(try utc("Europe/Berlin", "2024-03-31T02:00") == "never")
  #expect(try utc("Europe/Berlin", "2024-03-31T02:59:59") == "never")
  #expect(try utc("Europe/Berlin", "2024-03-31T03:00") == "2024-03-31T01:00:00Z")
  // Twice: the first.
  #expect(try utc("Europe/Berlin", "2024-10-27T02:30") == "2024-10-27T00:30:00Z")
  #expect(try utc("Europe/Berlin", "2024-10-27T03:00") == "2024-10-27T02:00:00Z")
  // Beyond what the file lists, by its rule; on both halves of the globe.
  #expect(try utc("Europe/Berlin", "2099-07-01T12:00") == "2099-07-01T10:00:00Z")
  #expect(try utc("Europe/Berlin", "9999-12-31T12:00") == "9999-12-31T11:00:00Z")
  #expect(try utc("Australia/Sydney", "2099-01-01T12:00") == "2099-01-01T01:00:00Z")
  #expect(try utc("Australia/Sydney", "2099-07-01T12:00") == "2099-07-01T02:00:00Z")
  #expect(try utc("Asia/Kolkata", "2024-07-01T12:00") == "2024-07-01T06:30:00Z")
  #expect(try utc("America/New_York", "1945-08-14T12:00") == "1945-08-14T16:00:00Z")
  #expect(try utc("Europe/Berlin", "1800-01-01T00:00") == "1799-12-31T23:06:32Z")
  for name in [
    "Europe/Atlantis", "../../etc/passwd", "/etc/passwd", "", "Europe", "posixrules/..", "Europe/Berlin\u{0}", "+25",
    "zone.tab",
  ] {
    #expect(throws: Problem.self, "\(name)") { try Zone(named: name) }
  }
}

@Test func `a local time without an instant is rejected`() throws {
  let options = TypingOptions(zone: try Zone(named: "Europe/Berlin"))
  let (value, reason) = try one(Field("a", .timestamp), Cell(.dateTime, "2024-03-31T02:30:00"), options)
  #expect(value == .null)
  #expect(reason == "\"2024-03-31T02:30:00\" does not exist in Europe/Berlin, whose clocks jump over it")
}

@Test func `headers become names, numbered where they collide`() throws {
  func names(_ headers: String...) throws -> [String] { try ColumnName.fields(forHeaders: headers).map(\.name) }
  #expect(try names("a b", " x\t", "p=q;r{s}(t),u", "größe") == ["a_b", "x", "p_q_r_s__t__u", "größe"])
  #expect(try names("a b", "a,b", "a_b") == ["a_b_2", "a_b_3", "a_b"])
  #expect(try ColumnName.fields(forHeaders: ["a b", "c"]).map(\.header) == ["a b", nil])
  for headers in [
    ["a", "a"], ["a", ""], ["a", "  "], ["a", "A"], ["a b", "A_b"], [String(repeating: "x", count: 256)],
  ] {
    #expect(throws: Problem.self, "\(headers)") { try ColumnName.fields(forHeaders: headers) }
  }
  // Two Unicode forms of one word are two columns.
  #expect(try names("\u{e9}", "e\u{301}").count == 2)
}

@Test func `a header finds its column by name, by the header it came with, and by alias`() {
  let schema = Schema([
    Field("a_b", .text, header: "a b"), Field("price", .double, aliases: ["Preis", "x"]), Field("x", .text),
  ])
  #expect(ColumnName.index(ofHeader: "a_b", in: schema) == 0)
  #expect(ColumnName.index(ofHeader: "a b", in: schema) == 0)
  #expect(ColumnName.index(ofHeader: "a;b", in: schema) == 0)
  #expect(ColumnName.index(ofHeader: "Preis", in: schema) == 1)
  #expect(ColumnName.index(ofHeader: "x", in: schema) == 2)
  #expect(ColumnName.index(ofHeader: "preis", in: schema) == nil)
}

@Test func `identifiers are refused where only the table says that a column is numeric`() throws {
  var options = TypingOptions()
  options.keepsIdentifiers = true
  for type in [DataType.int64, .double, money] {
    #expect(
      try one(Field("a", type), Cell(.untyped, "007"), options).1
        == "\"007\" would lose its leading zeros as \(type.name)")
    #expect(
      try one(Field("a", type), Cell(.text, "+7"), options).1 == "\"+7\" would lose its plus sign as \(type.name)")
    for cell in [
      Cell(.untyped, "7"), Cell(.untyped, "-7"), Cell(.untyped, "0"), Cell(.text, "7"), Cell(.number, "0.5e1"),
    ] {
      #expect(try one(Field("a", type), cell, options).1 == nil)
    }
  }
  #expect(try one(Field("a", .text), Cell(.untyped, "007"), options).0 == .text("007"))
}
