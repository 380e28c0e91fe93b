import Foundation
import Given
import Testing
import VarveFeeds
import VarveTables

/// A workbook as records: which sheets, which header, which rows.
@Suite struct WorkbookFeedTests {
  private func text(_ text: String) -> String { "<c t=\"inlineStr\"><is><t>\(text)</t></is></c>" }

  /// A row of texts; nil is an empty cell, and what reads as a number is one.
  private func row(_ cells: String?..., number: Int? = nil, attributes: String = "") -> String {
    let cells = cells.map { cell in
      guard let cell else { return "<c/>" }
      return Double(cell) == nil ? text(cell) : "<c><v>\(cell)</v></c>"
    }
    return "<row \(number.map { "r=\"\($0)\"" } ?? "") \(attributes)>\(cells.joined())</row>"
  }

  private func batches(_ feed: WorkbookFeed) throws -> [RawBatch] {
    var batches: [RawBatch] = []
    while let batch = try feed.next() { batches.append(batch) }
    #expect(try feed.next() == nil)
    return batches
  }

  private func lines(_ archive: WorkbookArchive, _ options: WorkbookFeed.Options = .init()) throws -> [String] {
    try batches(archive.feed(options)).flatMap(\.lines)
  }

  private func names(_ archive: WorkbookArchive, _ options: WorkbookFeed.Options = .init()) throws -> [String] {
    try batches(archive.feed(options)).last?.columns.map(\.name) ?? []
  }

  @Test func `rows below the header are records, with the row they came from`() throws {
    let archive = WorkbookArchive(
      rows: row("sku", "price") + row("A", "1.5") + row(nil, "2") + row("", nil) + "<row r=\"9\"/>"
        + row("B", nil, number: 10)
        + row(nil, "0") + "<row><c t=\"b\"><v>0</v></c></row>")
    let feed = try archive.feed()
    let batches = try batches(feed)
    #expect(batches.count == 1)
    #expect(batches[0].columns.map(\.name) == ["sku", "price"])
    #expect(
      batches[0].lines == [
        "2: text A | number 1.5", "3: null | number 2", "10: text B | null", "11: null | number 0",
        "12: boolean false | null",
      ])
    #expect(batches[0].origins.file == "w.xlsx")
    #expect(batches[0].origins[2].place == ["w.xlsx", "sheet \"S\"", "row 10"])
    #expect(feed.remarks == [])
    #expect(feed.declaredFields == nil)
    #expect(feed.headers.map(\.row) == [1])
    #expect(feed.bytesRead > 0)
  }

  @Test func `every kind of cell keeps its kind`() throws {
    let archive = WorkbookArchive(
      rows: row("a", "b", "c", "d", "e", "f", "g") + """
        <row><c s="1"><v>45322</v></c><c s="2"><v>45322.5</v></c><c s="3"><v>0.25</v></c><c s="4"><v>1.50001</v></c>
        <c t="e"><v>#REF!</v></c><c t="b"><v>1</v></c><c><v>7.0</v></c></row>
        """, formats: ["yyyy-mm-dd", "yyyy-mm-dd hh:mm", "hh:mm", "[h]:mm"])
    #expect(
      try lines(archive) == [
        "2: date 2024-01-31 | dateTime 2024-01-31T12:00:00 | time 06:00:00 | duration PT36H0.864S | error #REF! | boolean true | number 7"
      ])
  }

  @Test func `numbers that are shown with zeros in front stay numbers, and are remarked on`() throws {
    let archive = WorkbookArchive(
      rows: row("ean", "zip", "n") + """
        <row><c s="1"><v>400638133393</v></c><c s="2"><v>12345</v></c><c s="3"><v>7</v></c></row>
        """, formats: ["0000000000000", "00000", "0"])
    let feed = try archive.feed()
    #expect(try batches(feed).flatMap(\.lines) == ["2: number 400638133393 | number 12345 | number 7"])
    #expect(
      feed.remarks == [
        "sheet \"S\": numbers in \"ean\" are shown with zeros in front (format 0000000000000), "
          + "which are no part of them: make the column text in the workbook to have them"
      ])
  }

  @Test(arguments: ["", "<!-- read by the XML parser -->"])
  func `a formula of which the workbook keeps no value is an error, and no header`(unusual: String) throws {
    let formulas = [
      "<c><f>1.5*2</f><v></v></c>", "<c><f>A1&amp;\"&lt;\"</f><v/></c>", "<c><f t=\"shared\" si=\"0\"/></c>",
      "<c t=\"b\"><f>1=1</f></c>", "<c t=\"str\"><f>\"\"</f><v></v></c>", "<c><f>1</f><v>1</v></c>",
    ]
    let archive = WorkbookArchive(
      rows: "<row><c><f>TODAY()</f></c></row>" + unusual + row("a", "b", "c", "d", "e", "f")
        + "<row>\(formulas.joined())</row><row>\(formulas[4])</row>")
    let feed = try archive.feed()
    #expect(
      try batches(feed).flatMap(\.lines) == [
        "3: error =1.5*2 | error =A1&\"<\" | error = | error =1=1 | null | number 1"
      ])
    #expect(feed.remarks == [])
    #expect(try archive.cells().count == 7)
  }

  @Test(arguments: [
    ("129600", "PT36H"), ("0", "PT0S"), ("-90", "-PT1M30S"), ("3661.5", "PT1H1M1.5S"), ("60", "PT1M"),
    ("0.25", "PT0.25S"),
  ])
  func `durations are spelled as ISO 8601 does`(seconds: String, expected: String) throws {
    let days = (Double(seconds) ?? 0) / 86_400
    let archive = WorkbookArchive(rows: row("a") + "<row><c s=\"1\"><v>\(days)</v></c></row>", formats: ["[h]"])
    #expect(try lines(archive) == ["2: duration \(expected)"])
  }

  // MARK: The header

  @Test func `title rows above the header are passed over`() throws {
    let table = row("sku", "name", "price", "stock") + row("A", "Pen", "1.5", "3") + row("B", "Book", "2", nil)
    let titles = [
      "", row("Price list 2024"), row("Price list", "Stand:") + row(),
      row("Supplier", "ACME") + row("Date", "45322") + "<row/>",
      row("1", "2", "3", "4"), row(nil, nil, "Numbers"),
    ]
    for title in titles {
      #expect(try names(WorkbookArchive(rows: title + table)) == ["sku", "name", "price", "stock"], "\(title)")
    }
    let feed = try WorkbookArchive(rows: titles[1] + table).feed()
    _ = try batches(feed)
    #expect(
      feed.remarks == ["sheet \"S\": row 2 is the header; rows above it were passed over, --header-row names another"])
  }

  @Test func `a header of texts is preferred to the rows of texts below it`() throws {
    let rows = row("id", "name", nil, "note") + row("a", "b", nil, "c") + row("d", "e", nil, "f")
    #expect(try names(WorkbookArchive(rows: rows)) == ["id", "name", "note"])
    #expect(try names(WorkbookArchive(rows: row("id", "2023", "2024") + row("a", "1", "2"))) == ["id", "2023", "2024"])
    #expect(try lines(WorkbookArchive(rows: row("only"))) == [])
    #expect(try names(WorkbookArchive(rows: row("only") + row("x"))) == ["only"])
    #expect(try names(WorkbookArchive(rows: row("Title") + row("a", "b") + row())) == [])
    #expect(
      try names(WorkbookArchive(rows: row("group", nil, nil) + row("a", "b", "c") + row("x", "1", "2"))) == [
        "a", "b", "c",
      ])
  }

  @Test func `a header given by its row is taken as it is`() throws {
    let rows = row("Title") + row("1", "2") + row("x", "y", number: 7) + row("v", "w")
    #expect(try names(WorkbookArchive(rows: rows), .init(headerRow: 2)) == ["1", "2"])
    #expect(try lines(WorkbookArchive(rows: rows), .init(headerRow: 7)) == ["8: text v | text w"])
    #expect(try lines(WorkbookArchive(rows: rows), .init(headerRow: 8)) == [])
    let refusal = #expect(throws: Problem.self) { try lines(WorkbookArchive(rows: rows), .init(headerRow: 5)) }
    #expect(
      refusal?.description
        == "w.xlsx, sheet \"S\": row 5 has no value, so it is no header; give another row with --header-row N")
  }

  @Test func `a header far down is found when it is given, in little memory`() throws {
    let rows = String(repeating: row("1", "2"), count: 20_000) + row("x", "y") + row("v", "w")
    #expect(try lines(WorkbookArchive(rows: rows), .init(headerRow: 20_001)) == ["20002: text v | text w"])
  }

  @Test func `names lose the blanks around them, and nothing else`() throws {
    let archive = WorkbookArchive(rows: "<row>\(text("&#9; a  b &#10;"))\(text("c_x000A_d"))</row>" + row("1", "2"))
    #expect(try names(archive, .init(headerRow: 1)) == ["a  b", "c\nd"])
  }

  @Test func `a sheet without a header is refused`() throws {
    let refusal = #expect(throws: Problem.self) { try lines(WorkbookArchive(rows: row("A", "1.5") + row("B", "2.5"))) }
    #expect(
      refusal?.description == """
        w.xlsx, sheet "S": no header found: none of the first 2 rows that have a value reads as the names of columns; name \
        its row with --header-row N, or put one above the data
        """)
    for rows in [row("4006381333931", "007"), "<row><c t=\"b\"><v>1</v></c><c t=\"e\"><v>#N/A</v></c></row>"] {
      #expect(throws: Problem.self) { try lines(WorkbookArchive(rows: rows)) }
    }
  }

  @Test func `an empty sheet is refused`() throws {
    let refusal = #expect(throws: Problem.self) {
      try lines(WorkbookArchive(rows: "<row><c/><c t=\"str\"><v/></c></row>"))
    }
    #expect(
      refusal?.description == "w.xlsx, sheet \"S\": has no value in it, so no header; name another sheet with --sheet")
  }

  @Test func `a name used twice is refused with both cells`() throws {
    let refusal = #expect(throws: Problem.self) {
      try lines(WorkbookArchive(rows: row("a", "b", " a ") + row("1", "2", "3")))
    }
    #expect(
      refusal?.description
        == "w.xlsx, sheet \"S\": the header in row 1 names \"a\" twice, in A1 and C1; rename one of them")
  }

  @Test func `a value in a column without a name is refused with its cell`() throws {
    for rows in [
      row("a", nil, "b") + row("1", nil, "2") + row("1", "x"), row("a", "b") + row("1") + row("1", "x", "y"),
    ] {
      let refusal = #expect(throws: Problem.self) { try lines(WorkbookArchive(rows: rows)) }
      let cell = rows.contains(">y<") ? "C3" : "B3"
      #expect(
        refusal?.description == """
          w.xlsx, sheet "S", cell \(cell): holds a value, but the header in row 1 gives its column no name; name the column, \
          empty the cell, or give another row with --header-row
          """)
    }
  }

  // MARK: Sheets

  private var threeSheets: WorkbookArchive {
    WorkbookArchive(sheets: [
      ("Hidden", "state=\"hidden\"", row("id", "sheet") + row("1", "x")),
      ("Preise", "", row("sku", "id") + row("A", "7")),
      ("2", "", row("sku") + row("B")), ("Leer", "", ""), ("all", "", row("z") + row("Z")),
    ])
  }

  @Test func `the first visible sheet is read unless another is named`() throws {
    let feed = try threeSheets.feed()
    #expect(try batches(feed).flatMap(\.lines) == ["2: text A | number 7"])
    #expect(feed.remarks == ["w.xlsx has 5 worksheets; read is \"Preise\" alone, --sheet names another or all"])
  }

  @Test func `a sheet is named by its name first, then by its number`() throws {
    for (wanted, expected) in [("Preise", "A"), ("preise", "A"), ("2", "B"), ("3", "B"), ("all", "Z"), ("5", "Z")] {
      #expect(try lines(threeSheets, .init(sheet: wanted)).first?.contains("text \(expected)") == true, "\(wanted)")
    }
    let hidden = try threeSheets.feed(.init(sheet: "1"))
    _ = try batches(hidden)
    #expect(hidden.remarks == ["sheet \"Hidden\": is hidden, and was read"])
    for wanted in ["0", "6", "nothing", ""] {
      let refusal = #expect(throws: Problem.self) { try threeSheets.feed(.init(sheet: wanted)) }
      #expect(
        refusal?.description == """
          w.xlsx: has no worksheet "\(wanted)"; its worksheets are "Hidden", "Preise", "2", "Leer", "all"
          """)
    }
  }

  @Test func `all sheets together name their sheet first and join their columns by name`() throws {
    var archive = threeSheets
    archive["xl/workbook.xml"] = archive["xl/workbook.xml"]?.replacingOccurrences(of: "\"all\"", with: "\"last\"")
    let feed = try archive.feed(.init(sheet: "all"))
    let batches = try batches(feed)
    #expect(batches.map(\.origins.sheet) == ["Hidden", "Preise", "2", "last"])
    #expect(batches.last?.columns.map(\.name) == ["sheet", "id", "sheet_2", "sku", "z"])
    #expect(
      batches.flatMap(\.lines) == [
        "2: text Hidden | number 1 | text x", "2: text Preise | number 7 | absent | text A",
        "2: text 2 | absent | absent | text B",
        "2: text last | absent | absent | absent | text Z",
      ])
    #expect(feed.remarks == ["sheet \"Hidden\": is hidden, and was read", "sheet \"Leer\": has no value in it"])
    #expect(feed.selection.count == 5)
  }

  @Test func `all sheets empty are refused`() throws {
    let archive = WorkbookArchive(sheets: [("A", "", ""), ("B", "", "")])
    let refusal = #expect(throws: Problem.self) { try lines(archive, .init(sheet: "all")) }
    #expect(refusal?.description == "w.xlsx: has no value in any worksheet, so no header")
  }

  @Test func `hidden rows and columns are read and reported`() throws {
    var archive = WorkbookArchive(rows: "")
    archive["xl/worksheets/sheet1.xml"] = """
      <worksheet xmlns="\(WorkbookArchive.transitional)"><cols><col min="2" max="3" hidden="1"/><col min="5" max="5"/></cols><sheetData>
      \(row("a", "b") + row("1", "2", attributes: "hidden=\"1\"") + row("3", "4", attributes: "hidden=\"true\"") + row("5", "6"))
      </sheetData></worksheet>
      """
    let feed = try archive.feed()
    #expect(try batches(feed).flatMap(\.lines).count == 3)
    #expect(feed.remarks == ["sheet \"S\": 2 hidden rows were read", "sheet \"S\": 2 hidden columns were read"])
  }

  // MARK: Merged cells

  private var merged: WorkbookArchive {
    WorkbookArchive(
      rows: row("group", "sku", "x", "y") + row("G", "A", "both", nil) + row(nil, "B", "own", nil) + row(nil, nil)
        + row(nil, "C")
        + row("H", "D"),
      behind: """
        <mergeCells count="9"><mergeCell ref="A2:A5"/><mergeCell ref="C2:D3"/><mergeCell ref="A1:B1"/><mergeCell ref="B6"/>
        <mergeCell ref="A9:B1048576"/></mergeCells>
        """)
  }

  @Test func `only the first of merged cells has a value`() throws {
    let feed = try merged.feed()
    #expect(
      try batches(feed).flatMap(\.lines) == [
        "2: text G | text A | text both | null", "3: null | text B | text own | null", "5: null | text C | null | null",
        "6: text H | text D | null | null",
      ])
    #expect(
      feed.remarks == [
        "sheet \"S\": in 4 merged ranges only the first cell has a value, --fill-merged fills the others"
      ])
  }

  @Test func `merged cells are filled on request, in rows that have a value of their own`() throws {
    let feed = try merged.feed(.init(fillsMergedCells: true))
    #expect(
      try batches(feed).flatMap(\.lines) == [
        "2: text G | text A | text both | text both", "3: text G | text B | text own | text both",
        "5: text G | text C | null | null",
        "6: text H | text D | null | null",
      ])
    #expect(feed.remarks == [])
  }

  @Test func `merged ranges that overlap are refused where they would be filled`() throws {
    let archive = WorkbookArchive(
      rows: row("a", "b") + row("1", "2") + row("3", "4"),
      behind: "<mergeCells><mergeCell ref=\"A2:B9\"/><mergeCell ref=\"B3:B4\"/></mergeCells>")
    #expect(try lines(archive).count == 2)
    let refusal = #expect(throws: Problem.self) { try lines(archive, .init(fillsMergedCells: true)) }
    #expect(
      refusal?.description == """
        w.xlsx, sheet "S", cell B3: begins a merged range that overlaps another; unmerge one of them
        """)
  }

  @Test func `a merged value reaches across batches`() throws {
    let count = FeedLimits.batchRowsMax + 10
    let rows = row("g", "n") + row("G", "0") + (1..<count).map { row(nil, "\($0)") }.joined()
    let archive = WorkbookArchive(rows: rows, behind: "<mergeCells><mergeCell ref=\"A2:A\(count + 1)\"/></mergeCells>")
    let batches = try batches(archive.feed(.init(fillsMergedCells: true)))
    #expect(batches.count == 2)
    #expect(batches.flatMap(\.lines).allSatisfy { $0.contains("text G") })
  }

  // MARK: Batches

  @Test func `batches are bounded in rows, in bytes and in cells`() throws {
    let many = row("n") + (0..<20_000).map { row("\($0)") }.joined()
    let ofRows = try batches(WorkbookArchive(rows: many).feed())
    #expect(ofRows.map(\.rowCount) == [8_192, 8_192, 3_616])
    #expect(ofRows.flatMap(\.origins.positions) == Array(2...20_001))

    let strings = "<si><t>n</t></si><si><t>\(String(repeating: "x", count: 30_000))</t></si>"
    let long = (0..<500).map { "<row><c t=\"s\"><v>\($0 == 0 ? 0 : 1)</v></c></row>" }.joined()
    let ofBytes = try batches(WorkbookArchive(rows: long, strings: strings).feed())
    #expect(ofBytes.count == 4)
    #expect(ofBytes.allSatisfy { $0.columns[0].bytes.count <= FeedLimits.batchBytesMax + 30_000 })
    #expect(ofBytes.map(\.rowCount).reduce(0, +) == 499)

    let header = "<row>" + (1...16_384).map { text("c\($0)") }.joined() + "</row>"
    let wide = header + (0..<200).map { row("\($0)") }.joined()
    let ofCells = try batches(WorkbookArchive(rows: wide).feed(.init(headerRow: 1)))
    #expect(ofCells.count == 4)
    #expect(ofCells.allSatisfy { $0.columns.allSatisfy { $0.count <= 64 } })
  }

  @Test func `strings too many for memory are read from wherever the rows refer to`() throws {
    var random = Seed()
    let strings = (0..<6_000).map { number in
      number % 50 == 7 ? "" : "\(number) " + String(repeating: "ä", count: number % 100 == 0 ? 9_000 : number % 800)
    }
    #expect(strings.reduce(0) { $0 + $1.utf8.count } > 5 << 20)
    let order = strings.indices.shuffled(using: &random)
    let archive = WorkbookArchive(
      rows: row("text", "number")
        + order.map { "<row><c t=\"s\"><v>\($0)</v></c><c><v>\($0)</v></c></row>" }.joined(),
      strings: strings.map { "<si><t>\($0)</t></si>" }.joined())
    let feed = try archive.feed()
    var read: [String?] = []
    while let batch = try feed.next() {
      let column = batch.columns[0]
      for row in 0..<batch.rowCount {
        read.append(
          column.kinds[row] == .null ? nil : String(decoding: column.bytes[column.range(row)], as: UTF8.self))
      }
    }
    #expect(read == order.map { strings[$0].isEmpty ? nil : strings[$0] })
  }

  @Test func `fixtures of three writers give the same records`() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "Fixtures/workbooks")
    let excel = try batches(WorkbookFeed(path: folder.appendingPathComponent("shop.xlsx").path)).flatMap(\.lines)
    let office = try batches(WorkbookFeed(path: folder.appendingPathComponent("libreoffice-shop.xlsx").path)).flatMap(
      \.lines)
    #expect(excel.count == 6)
    #expect(office.count == 6)
    #expect(excel[0] == "5: text 0004 | text Stifte | number 4.4 | dateTime 2024-10-10T12:00:00 | boolean true")
    // LibreOffice writes 15 digits of a number.
    #expect(excel[2].replacingOccurrences(of: "6.600000000000001", with: "6.6") == office[2])
  }
}
