import Foundation
import Given
import Testing
import VarveFeeds
import VarveTables

/// Files that are no workbooks, damaged ones, and those made to hurt: each refused with one sentence.
@Suite struct WorkbookRefusalTests {
  /// Reads all cells and expects this sentence, after the file's name.
  private func refuse(
    _ archive: WorkbookArchive, _ sentence: String, limits: WorkbookLimits = WorkbookLimits(),
    _ location: SourceLocation = #_sourceLocation
  ) {
    refuse(location, sentence) { try archive.cells(limits: limits) }
  }

  private func refuse(_ bytes: [UInt8], _ sentence: String, _ location: SourceLocation = #_sourceLocation) {
    refuse(location, sentence) { try WorkbookArchive.withFile(of: bytes) { try WorkbookArchive.cells(of: $0) } }
  }

  private func refuse(_ location: SourceLocation, _ sentence: String, _ read: () throws -> [String]) {
    let problem = #expect(throws: Problem.self, sourceLocation: location) { try read() }
    #expect(problem?.kind == .failed, sourceLocation: location)
    #expect(problem.map { String($0.description.dropFirst("w.xlsx".count)) } == sentence, sourceLocation: location)
  }

  private func row(_ cells: String) -> WorkbookArchive {
    WorkbookArchive(rows: "<row r=\"1\">\(cells)</row>", strings: "<si><t>a</t></si>")
  }

  // MARK: Files

  @Test func `what is no file is named`() throws {
    for (path, sentence) in [
      ("/nonexistent/w.xlsx", "/nonexistent/w.xlsx: no such file"), ("/tmp", "/tmp: is a directory, not a workbook"),
      ("/dev/zero", "/dev/zero: is no regular file"),
    ] {
      #expect(#expect(throws: Problem.self) { try WorkbookFeed(path: path) }?.description == sentence)
    }
    let fifo = FileManager.default.temporaryDirectory.appendingPathComponent("varve-\(UUID().uuidString)").path
    #expect(mkfifo(fifo, 0o600) == 0)
    #expect(#expect(throws: Problem.self) { try WorkbookFeed(path: fifo) }?.what == "is no regular file")
    let empty = #expect(throws: Problem.self) { try WorkbookArchive.withFile(of: []) { try WorkbookFeed(path: $0) } }
    #expect(empty?.what == "the file is empty")
  }

  @Test func `other formats are named`() throws {
    let advice = "; save it as an Excel workbook (.xlsx)"
    let ole: [UInt8] = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1] + Array(repeating: 0, count: 1_024)
    func named(_ stream: String) -> [UInt8] {
      ole + stream.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] } + [0, 0]
    }
    refuse(named("EncryptedPackage"), ": is an encrypted workbook; remove the password in the program that set it")
    refuse(ole, ": is an encrypted workbook; remove the password in the program that set it")
    refuse(named("Workbook"), ": is a workbook of the old binary format (.xls)" + advice)
    refuse(named("Book"), ": is a workbook of the old binary format (.xls)" + advice)
    let other = ": is no workbook: it does not begin as a zip archive does\(advice), or name its format with --format"
    refuse(Array("a;b\n1;2\n".utf8), other)
    refuse([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0], other)
    refuse(Array("P".utf8), other)
    refuse([0x50, 0x4B, 5, 6] + Array(repeating: 0, count: 18), ": the zip archive is empty")

    var archive = row("")
    archive["_rels/.rels"] = WorkbookArchive.relationships([("a", "officeDocument", "xl/workbook.bin")])
    refuse(archive, ": is a binary workbook (.xlsb)" + advice)
    archive["_rels/.rels"] = WorkbookArchive.relationships([("a", "officeDocument", "word/document.xml")])
    archive["word/document.xml"] = "<document/>"
    refuse(archive, ": is an Office document, but no workbook")
    archive.parts = []
    archive["mimetype"] = "application/vnd.oasis.opendocument.spreadsheet"
    archive["content.xml"] = "<x/>"
    refuse(archive, ": is an OpenDocument file" + advice)
    archive["mimetype"] = nil
    refuse(archive, ": is a zip archive, but holds no workbook")
  }

  @Test func `a workbook cut off anywhere is refused`() throws {
    let bytes = row("<c><v>1</v></c>").bytes
    for count in 4..<bytes.count {
      #expect(throws: Problem.self, "\(count) bytes") {
        try WorkbookArchive.withFile(of: Array(bytes[..<count])) { try WorkbookArchive.cells(of: $0) }
      }
    }
    refuse(
      Array(bytes[..<1_000]),
      ": is cut off or damaged: a zip archive ends with a directory of its parts, this does not; fetch it again")
  }

  @Test func `a flipped byte is refused or changes nothing`() throws {
    let archive = row("<c><v>12345</v></c><c t=\"s\"><v>0</v></c>")
    let bytes = archive.bytes
    let whole = try archive.cells()
    for index in bytes.indices {
      var damaged = bytes
      damaged[index] ^= 0x10
      let lines = try? WorkbookArchive.withFile(of: damaged) { try WorkbookArchive.cells(of: $0) }
      if let lines { #expect(Array(lines.dropFirst()) == whole, "byte \(index)") }
    }
  }

  // MARK: Zip

  @Test func `a part that does not match its checksum or size is refused`() throws {
    for part in ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml", "xl/workbook.xml", "_rels/.rels"]
    {
      for method in [0, 8] as [UInt16] {
        var archive = row("<c t=\"s\"><v>0</v></c>")
        archive.change(part) {
          $0.method = method
          $0.checksum = 1
        }
        let problem = #expect(throws: Problem.self) { try archive.cells() }
        #expect(
          problem?.description.hasPrefix("w.xlsx, part \(part): the zip archive is damaged (") == true,
          "\(String(describing: problem))")
        archive.change(part) {
          $0.method = 8
          $0.checksum = nil
          $0.size = $0.bytes.count + 1
        }
        #expect(throws: Problem.self) { try archive.cells() }
      }
    }
  }

  @Test(
    arguments: [("bzip", 12), ("lzma", 14), ("xz", 95), ("zstd", 93), ("deflation-64-bit", 9), ("ppmd-1", 98)]
      as [(String, UInt16)])
  func `parts are stored or deflated`(name: String, method: UInt16) throws {
    var archive = row("<c><v>1</v></c>")
    archive.change("xl/worksheets/sheet1.xml") { $0.method = method }
    refuse(
      archive,
      ", part xl/worksheets/sheet1.xml: is compressed by \(name), but workbooks are stored or deflated; save it anew")
  }

  @Test func `doubled parts, links and encrypted parts are refused`() throws {
    for name in [
      "xl/worksheets/sheet1.xml", "XL/Worksheets/SHEET1.xml", "xl\\worksheets\\sheet1.xml", "/xl/worksheets/sheet1.xml",
    ] {
      var archive = row("<c><v>1</v></c>")
      archive.parts.append(.init(name: name, bytes: Array("<worksheet/>".utf8)))
      let shown = name.replacingOccurrences(of: "\\", with: "/")
      refuse(archive, ": has the part \(shown) twice; save it anew")
    }
    var archive = row("<c><v>1</v></c>")
    archive.parts.append(.init(name: "xl/link", bytes: Array("/etc/passwd".utf8), mode: 0o120777))
    refuse(archive, ", part xl/link: is a link or a device, not a file")
    archive = row("<c><v>1</v></c>")
    archive.change("xl/worksheets/sheet1.xml") { $0.flags = 1 }
    refuse(archive, ": is an encrypted zip archive; remove the password")
  }

  @Test func `parts that are referred to must be there`() throws {
    for (part, relationship) in [
      ("xl/worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"), ("xl/sharedStrings.xml", "xl/sharedStrings.xml"),
      ("xl/styles.xml", "xl/styles.xml"),
    ] {
      var archive = row("<c><v>1</v></c>")
      archive[part] = nil
      refuse(archive, ": lacks the part \(relationship), which it refers to; save it anew")
    }
    var archive = row("<c><v>1</v></c>")
    archive["xl/_rels/workbook.xml.rels"] = WorkbookArchive.relationships([])
    refuse(archive, ", sheet \"S\": the workbook names no part that holds it; save it anew")
    archive["xl/workbook.xml"] = WorkbookArchive.workbook(sheets: [])
    refuse(archive, ": has no worksheet")
    archive = WorkbookArchive(sheets: [("A", "", ""), ("A", "", "")])
    refuse(archive, ": has two sheets named \"A\"")
  }

  @Test func `sheets lie in any order, if finding them does not take too long`() throws {
    var archive = WorkbookArchive(sheets: (1...50).map { ("S\($0)", "", "<row><c><v>\($0)</v></c></row>") })
    archive.parts.reverse()
    let expected = (1...50).map { "{\"row\":1,\"col\":1,\"t\":\"n\",\"v\":\($0)}" }
    #expect(try archive.cells() == expected)
    var limits = WorkbookLimits()
    limits.entriesPassedMax = 500
    refuse(
      archive, ": keeps its many sheets in an order that takes too long to find them in; save it anew", limits: limits)
    archive.parts.reverse()
    #expect(try archive.cells(limits: limits) == expected)
  }

  @Test func `names beyond ASCII are read, flagged or not`() throws {
    for flags in [0, 1 << 11] as [UInt16] {
      var archive = row("<c><v>1</v></c>")
      archive["xl/_rels/workbook.xml.rels"] = WorkbookArchive.relationships([("rId1", "worksheet", "Blätter/表.xml")])
      archive["xl/Blätter/表.xml"] = archive["xl/worksheets/sheet1.xml"]
      archive.change("xl/Blätter/表.xml") { $0.flags = flags }
      #expect(try archive.cells().count == 1)
    }
  }

  @Test func `bombs are refused by what they really inflate to`() throws {
    let filler = "<row><c t=\"inlineStr\"><is><t>\(String(repeating: "0", count: 30_000))</t></is></c></row>"
    var archive = WorkbookArchive(rows: String(repeating: filler, count: 100))
    archive.change("xl/worksheets/sheet1.xml") { $0.method = 8 }
    let advice = "; this is how a zip bomb looks"
    var limits = WorkbookLimits()
    limits.inflationMax = 10
    limits.inflationFreeBytes = 1 << 20
    refuse(archive, ", part xl/worksheets/sheet1.xml: inflates to more than 10 times its size" + advice, limits: limits)
    limits.inflationFreeBytes = 4 << 20
    #expect(try archive.cells(limits: limits).count == 100)
    limits = WorkbookLimits()
    limits.partBytesMax = 1 << 20
    refuse(archive, ", part xl/worksheets/sheet1.xml: inflates to more than 1048576 bytes" + advice, limits: limits)
    limits = WorkbookLimits()
    limits.workbookBytesMax = 3_000_000
    refuse(archive, ", part xl/worksheets/sheet1.xml: inflates to more than 3000000 bytes" + advice, limits: limits)
    limits = WorkbookLimits()
    limits.partsMax = 6
    #expect(try archive.cells(limits: limits).count == 100)
    limits.partsMax = 5
    refuse(archive, ": has more than 5 parts", limits: limits)
    archive["xl/styles.xml"] = "<styleSheet>\(String(repeating: " ", count: 100_000))</styleSheet>"
    limits = WorkbookLimits()
    limits.descriptionBytesMax = 99_999
    refuse(archive, ", part xl/styles.xml: is larger than 99999 bytes", limits: limits)
  }

  // MARK: XML

  @Test func `a DOCTYPE is refused in every part, before anything in it counts`() throws {
    let laughs = """
      <!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>
      """
    let kinds = [
      laughs, "<!DOCTYPE x>", "<!DOCTYPE x SYSTEM \"file:///etc/passwd\">",
      "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>",
      "<!DOCTYPE x [<!ENTITY % p SYSTEM \"http://127.0.0.1:9/x\"> %p;]>",
    ]
    let places = [
      ("xl/worksheets/sheet1.xml", ", sheet \"S\""), ("xl/sharedStrings.xml", ", the shared strings"),
      ("xl/styles.xml", ", part xl/styles.xml"),
      ("xl/workbook.xml", ", part xl/workbook.xml"), ("_rels/.rels", ", part _rels/.rels"),
    ]
    for kind in kinds {
      for (part, place) in places {
        var archive = row("<c t=\"inlineStr\"><is><t>&c;&e;</t></is></c>")
        archive[part] = kind + (archive[part] ?? "")
        refuse(archive, "\(place): holds a DOCTYPE, which workbooks must not")
      }
    }
  }

  @Test func `entities that nobody declared are refused`() throws {
    let problem = #expect(throws: Problem.self) { try row("<c t=\"inlineStr\"><is><t>&boom;</t></is></c>").cells() }
    #expect(problem?.description.contains("Entity 'boom' not defined") == true)
  }

  @Test func `elements nest to a bound, in every part`() throws {
    func nested(_ depth: Int) -> String {
      String(repeating: "<x>", count: depth) + String(repeating: "</x>", count: depth)
    }
    for (depth, isRead) in [(63, true), (64, false), (200_000, false)] {
      var archive = row("")
      archive["xl/worksheets/sheet1.xml"] =
        "<worksheet xmlns=\"\(WorkbookArchive.transitional)\">\(nested(depth))</worksheet>"
      if isRead {
        #expect(try archive.cells() == [])
      } else {
        refuse(archive, ", sheet \"S\": nests elements more than 64 deep")
      }
      archive = row("")
      archive["xl/styles.xml"] = "<styleSheet>\(nested(depth))</styleSheet>"
      if isRead {
        #expect(try archive.cells() == [])
      } else {
        refuse(archive, ", part xl/styles.xml: nests elements more than 64 deep")
      }
    }
  }

  @Test func `tags, comments and attributes are bounded`() throws {
    func attributes(_ count: Int) -> String { (0..<count).map { "a\($0)=\"\"" }.joined(separator: " ") }
    #expect(try row("<c \(attributes(256))><v>1</v></c>").cells().count == 1)
    refuse(row("<c \(attributes(257))><v>1</v></c>"), ", sheet \"S\": has a tag of more than 256 attributes")
    let most = 128 << 10
    #expect(try row("<c a=\"\(String(repeating: "x", count: most - 100))\"><v>1</v></c>").cells().count == 1)
    let sentence = ", sheet \"S\": has a tag or comment of more than 131072 bytes"
    refuse(row("<c a=\"\(String(repeating: "x", count: most + 1))\"><v>1</v></c>"), sentence)
    refuse(row("<c a=\"\(String(repeating: "x", count: 20 << 20))"), sentence)
    refuse(row("<!--\(String(repeating: "x", count: most * 2))--><c/>"), sentence)
    refuse(row("<?p \(String(repeating: "x", count: most * 2))?><c/>"), sentence)
    refuse(row("<c \(String(repeating: " ", count: most * 2))/>"), sentence)
  }

  @Test func `broken XML is refused with its place`() throws {
    for (sheet, message) in [
      ("<worksheet><sheetData><row></sheetData></worksheet>", "is broken XML at byte"),
      ("<worksheet><sheetData>", "is broken XML at byte"),
      ("", "is broken XML at byte 0"), ("<", "is broken XML at byte"),
      ("<worksheet/><worksheet/>", "is broken XML at byte"),
      ("<worksheet/>x", "is broken XML at byte"), ("<worksheet a='1' a='2'/>", "is broken XML at byte"),
      ("<worksheet>\u{1}</worksheet>", "is broken XML at byte"),
      ("<chartsheet/>", "is no worksheet: its root element is another"),
      ("<worksheet><q:x/></worksheet>", "is broken XML at byte"),
    ] {
      let problem = #expect(throws: Problem.self) { try WorkbookArchive(sheet: sheet).cells() }
      #expect(problem?.place == ["w.xlsx", "sheet \"S\""])
      #expect(problem?.what.hasPrefix(message) == true, "\(sheet): \(problem?.what ?? "")")
    }
    var archive = row("<c/>")
    archive.change("xl/worksheets/sheet1.xml") { $0.bytes += [0xFF, 0xC0] }
    #expect(throws: Problem.self) { try archive.cells() }
    archive = WorkbookArchive(sheet: "")
    archive.change("xl/worksheets/sheet1.xml") {
      $0.bytes =
        Array("<worksheet><sheetData><row><c t='str'><v>".utf8) + [0xED, 0xA0, 0x80]
        + Array("</v></c></row></sheetData></worksheet>".utf8)
    }
    #expect(throws: Problem.self) { try archive.cells() }
  }

  // MARK: Cells

  @Test(arguments: [
    ("<c r=\"XFE1\"><v>1</v></c>", ", row 1: cell \"XFE1\" lies outside of A1 to XFD1048576"),
    ("<c r=\"AAAA1\"/>", ", row 1: cell \"AAAA1\" lies outside of A1 to XFD1048576"),
    ("<c r=\"A0\"/>", ", row 1: cell \"A0\" lies outside of A1 to XFD1048576"),
    ("<c r=\"A1048577\"/>", ", row 1: cell \"A1048577\" lies outside of A1 to XFD1048576"),
    ("<c r=\"A01\"/>", ", row 1: cell \"A01\" lies outside of A1 to XFD1048576"),
    ("<c r=\"1\"/>", ", row 1: cell \"1\" lies outside of A1 to XFD1048576"),
    ("<c r=\"A\"/>", ", row 1: cell \"A\" lies outside of A1 to XFD1048576"),
    ("<c r=\"\"/>", ", row 1: cell \"\" lies outside of A1 to XFD1048576"),
    ("<c r=\"$A$1\"/>", ", row 1: cell \"$A$1\" lies outside of A1 to XFD1048576"),
    ("<c r=\"A99999999999999999999\"/>", ", row 1: cell \"A99999999999999999999\" lies outside of A1 to XFD1048576"),
    ("<c r=\"A2\"/>", ": cell A2 stands in row 1"), ("<c r=\"C1\"/><c r=\"B1\"/>", ": cell B1 comes after cell C1"),
    ("<c r=\"C1\"/><c r=\"C1\"/>", ": cell C1 comes after cell C1"),
    ("<c r=\"XFD1\"/><c/>", ": row 1 has more than 16384 cells"),
    ("<c t=\"s\"><v>1</v></c>", ", cell A1: refers to shared string \"1\", but there are 1, counted from 0"),
    ("<c t=\"s\"><v>-1</v></c>", ", cell A1: refers to shared string \"-1\", but there are 1, counted from 0"),
    ("<c t=\"s\"><v>one</v></c>", ", cell A1: refers to shared string \"one\", but there are 1, counted from 0"),
    (
      "<c t=\"s\"><v>99999999999999999999999999</v></c>",
      ", cell A1: refers to shared string \"99999999999999999999999999\", but there are 1, counted from 0"
    ),
    ("<c/><c t=\"x\"><v>1</v></c>", ", cell B1: has the unknown type \"x\""),
    ("<c t=\"\"><v>1</v></c>", ", cell A1: has the unknown type \"\""),
    ("<c><v>abc</v></c>", ", cell A1: holds \"abc\", which is no number of a spreadsheet"),
    ("<c><v>NaN</v></c>", ", cell A1: holds \"NaN\", which is no number of a spreadsheet"),
    ("<c><v>inf</v></c>", ", cell A1: holds \"inf\", which is no number of a spreadsheet"),
    ("<c><v>0x10</v></c>", ", cell A1: holds \"0x10\", which is no number of a spreadsheet"),
    ("<c><v>1e400</v></c>", ", cell A1: holds \"1e400\", which is no number of a spreadsheet"),
    (
      "<c><v>1.797693134862316E+308</v></c>",
      ", cell A1: holds \"1.797693134862316E+308\", which is no number of a spreadsheet"
    ),
    ("<c><v>1,5</v></c>", ", cell A1: holds \"1,5\", which is no number of a spreadsheet"),
    ("<c><v>1 2</v></c>", ", cell A1: holds \"1 2\", which is no number of a spreadsheet"),
    ("<c><v>.</v></c>", ", cell A1: holds \".\", which is no number of a spreadsheet"),
    ("<c><v>1e</v></c>", ", cell A1: holds \"1e\", which is no number of a spreadsheet"),
    ("<c t=\"b\"><v>2</v></c>", ", cell A1: holds \"2\", which is neither true nor false"),
    ("<c t=\"d\"><v>soon</v></c>", ", cell A1: holds \"soon\", which is no ISO 8601 date, time or duration"),
    ("<c s=\"7\"><v>1</v></c>", ", cell A1: names style 7, but the workbook has 1"),
    ("<c s=\"x\"><v>1</v></c>", ", cell A1: names the style \"x\", which is no number"),
    ("<c><v>1</v><v>2</v></c>", ", cell A1: has two values"), ("<c><is/><is/></c>", ", cell A1: has two texts"),
  ])
  func `cells that are wrong are refused with their name`(cells: String, sentence: String) throws {
    refuse(row(cells), ", sheet \"S\"" + sentence)
  }

  @Test(arguments: [
    ("<row r=\"0\"/>", "a row is numbered \"0\", but they go from 1 to 1048576"),
    ("<row r=\"1048577\"/>", "a row is numbered \"1048577\", but they go from 1 to 1048576"),
    ("<row r=\"x\"/>", "a row is numbered \"x\", but they go from 1 to 1048576"),
    ("<row r=\"7\"/><row r=\"5\"/>", "row 5 comes after row 7"),
    ("<row r=\"7\"/><row r=\"7\"/>", "row 7 comes after row 7"),
    ("<row r=\"1048576\"/><row/>", "has more than 1048576 rows"),
  ])
  func `rows that are wrong are refused`(rows: String, sentence: String) throws {
    refuse(WorkbookArchive(rows: rows), ", sheet \"S\": " + sentence)
  }

  @Test(arguments: ["A1:", ":A1", "B2:A1", "A2:A1", "A1:XFE1", "x", ""])
  func `merged ranges that are none are refused`(range: String) throws {
    refuse(
      WorkbookArchive(rows: "", behind: "<mergeCells><mergeCell ref=\"\(range)\"/></mergeCells>"),
      ", sheet \"S\": merges the cells \"\(range)\", which is no range")
  }

  @Test func `the corners of a sheet are read without a grid between them`() throws {
    let archive = WorkbookArchive(
      rows: "<row r=\"1\"><c r=\"XFD1\"><v>1</v></c></row><row r=\"1048576\"><c r=\"A1048576\"><v>2</v></c></row>")
    #expect(
      try archive.cells() == [#"{"row":1,"col":16384,"t":"n","v":1}"#, #"{"row":1048576,"col":1,"t":"n","v":2}"#])
  }

  @Test func `declared counts and sizes are not believed`() throws {
    var archive = row("<c r=\"A1\" t=\"s\"><v>0</v></c>")
    archive["xl/worksheets/sheet1.xml"] = archive["xl/worksheets/sheet1.xml"]?
      .replacingOccurrences(of: "<sheetData>", with: "<dimension ref=\"A1:XFD1048576\"/><sheetData>")
    archive["xl/sharedStrings.xml"] = archive["xl/sharedStrings.xml"]?
      .replacingOccurrences(of: "<sst ", with: "<sst count=\"4000000000\" uniqueCount=\"-5\" ")
    #expect(try archive.cells() == [#"{"row":1,"col":1,"t":"s","v":"a"}"#])
  }

  @Test func `texts are bounded in characters, wherever they stand`() throws {
    for (character, count) in [("x", 32_767), ("ä", 32_767), ("😀", 32_767)] {
      let most = String(repeating: character, count: count)
      let inline = { (text: String) in "<c t=\"inlineStr\"><is><t>\(text)</t></is></c>" }
      let formula = { (text: String) in "<c t=\"str\"><v>\(text)</v></c>" }
      #expect(try row(inline(most) + formula(most)).cells().count == 2)
      refuse(row(inline(most + character)), ", sheet \"S\", cell A1: holds more than 32767 characters")
      refuse(row(formula(most + character)), ", sheet \"S\", cell A1: holds more than 32767 characters")
      #expect(
        try WorkbookArchive(rows: "<row><c t=\"s\"><v>0</v></c></row>", strings: "<si><t>\(most)</t></si>").cells()
          .count == 1)
      refuse(
        WorkbookArchive(rows: "", strings: "<si><t>\(most)x</t></si>"),
        ", the shared strings: hold a string of more than 32767 characters, number 0")
    }
    let large = String(repeating: "x", count: 11 << 20)
    refuse(row("<c t=\"str\"><v>\(large)</v></c>"), ", sheet \"S\", cell A1: holds more than 1048576 bytes of text")
    refuse(
      WorkbookArchive(rows: "", strings: "<si><t>\(large)</t></si>"),
      ", the shared strings: hold a string of more than 1048576 bytes")
    refuse(
      row(
        "<c t=\"inlineStr\"><is>\(String(repeating: "<r><t>\(String(repeating: "x", count: 1_000))</t></r>", count: 2_000))</is></c>"
      ),
      ", sheet \"S\", cell A1: holds more than 1048576 bytes of text")
  }

  @Test func `shared strings are bounded in number and in bytes`() throws {
    let archive = WorkbookArchive(rows: "", strings: String(repeating: "<si><t>0123456789</t></si>", count: 100))
    var limits = WorkbookLimits()
    limits.sharedStringsMax = 100
    limits.sharedStringBytesMax = 1_000
    #expect(try archive.cells(limits: limits) == [])
    limits.sharedStringsMax = 99
    refuse(archive, ", the shared strings: are more than 99", limits: limits)
    limits = WorkbookLimits()
    limits.sharedStringBytesMax = 999
    refuse(archive, ", the shared strings: hold more than 999 bytes of text", limits: limits)
  }

  @Test func `a record is bounded in bytes`() throws {
    let strings = "<si><t>\(String(repeating: "x", count: 30_000))</t></si>"
    let header = "<row>" + (0..<100).map { "<c t=\"inlineStr\"><is><t>c\($0)</t></is></c>" }.joined() + "</row>"
    let cells = "<row>" + String(repeating: "<c t=\"s\"><v>0</v></c>", count: 100) + "</row>"
    var options = WorkbookFeed.Options()
    options.limits.recordBytesMax = 3_000_000
    #expect(try WorkbookArchive(rows: header + cells, strings: strings).feed(options).next()?.rowCount == 1)
    options.limits.recordBytesMax = 2_999_999
    let problem = #expect(throws: Problem.self) {
      try WorkbookArchive(rows: header + cells, strings: strings).feed(options).next()
    }
    #expect(problem?.description == "w.xlsx, sheet \"S\", row 2: holds more than 2999999 bytes of text")
  }

  @Test func `random damage inside the XML never does harm`() throws {
    var seed = Seed()
    func random(_ bound: Int) -> Int { seed.below(bound) }
    let archive = WorkbookArchive(
      rows:
        "<row r=\"1\"><c r=\"A1\" t=\"s\" s=\"1\"><v>0</v></c><c t=\"inlineStr\"><is><r><t>x</t></r></is></c><c s=\"1\"><v>45322.5</v></c></row>",
      strings: "<si><r><t>a</t></r><rPh sb=\"0\" eb=\"1\"><t>b</t></rPh></si>", formats: ["[h]:mm"],
      behind: "<mergeCells><mergeCell ref=\"A1:B2\"/></mergeCells>")
    let alphabet = Array("<>/&;\"'= \0\u{1}0189ACDEXfrcstv_x-!?[]".utf8) + [0x80, 0xC3, 0xFF]
    var refusals = 0
    for _ in 0..<3_000 {
      var damaged = archive
      let part = random(damaged.parts.count)
      for _ in 0...random(3) {
        let count = damaged.parts[part].bytes.count
        let index = random(count)
        switch random(3) {
        case 0: damaged.parts[part].bytes[index] = alphabet[random(alphabet.count)]
        case 1: damaged.parts[part].bytes.insert(alphabet[random(alphabet.count)], at: index)
        default: damaged.parts[part].bytes.removeSubrange(index..<min(count, index + 1 + random(8)))
        }
        if damaged.parts[part].bytes.isEmpty { break }
      }
      do { _ = try damaged.cells() } catch {
        #expect(error is Problem, "seed \(seed.number)")
        refusals += 1
      }
    }
    #expect(refusals > 300, "seed \(seed.number)")
  }
}
