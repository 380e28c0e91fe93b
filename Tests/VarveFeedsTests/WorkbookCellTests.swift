import Foundation
import Given
import Testing
import VarveFeeds
import VarveTables

/// What a cell says, in every way that workbooks spell it.
@Suite struct WorkbookCellTests {
  /// The cells of a sheet, `A1 s "text"` each.
  private func cells(
    _ rows: String, strings: String? = nil, formats: [String] = [], properties: String = ""
  ) throws -> [String] {
    let archive = WorkbookArchive(
      rows: rows, strings: strings, formats: formats, workbookProperties: properties)
    return try archive.cells().map(short)
  }

  private func short(_ line: String) throws -> String {
    let match = try #require(line.firstMatch(of: /^\{"row":(\d+),"col":(\d+),"t":"(.)","v":(.*)\}$/))
    let letter = String(UnicodeScalar(UInt8(64 + (Int(match.2) ?? 0))))
    return "\(letter)\(match.1) \(match.3) \(match.4)"
  }

  /// One cell's value, as `n 1`.
  private func cell(_ xml: String, strings: String? = nil, formats: [String] = [], properties: String = "") throws
    -> String?
  {
    try cells("<row r=\"1\">\(xml)</row>", strings: strings, formats: formats, properties: properties).first
      .map { String($0.dropFirst(3)) }
  }

  @Test(arguments: [
    ("1", "1"), ("0", "0"), ("-1", "-1"), ("-0", "0"), ("007", "7"), ("+5", "5"), ("1.0", "1"), ("100", "100"),
    ("1.50", "1.5"),
    (".5", "0.5"), ("5.", "5"), (" 7 ", "7"), ("0.1", "0.1"), ("19.989999999999998", "19.99"),
    ("0.30000000000000004", "0.30000000000000004"), ("6.5999999999999996", "6.6"), ("1E3", "1000"),
    ("1.5E-3", "0.0015"),
    ("1E+21", "1e21"), ("1.2345678901234567E+16", "12345678901234568"), ("1E-7", "1e-7"), ("5E-324", "5e-324"),
    ("4.9406564584124654E-324", "5e-324"), ("12345678901234567890", "12345678901234567890"),
    ("1234567890123456", "1234567890123456"), ("123456789012345.6", "123456789012345.6"),
    ("0.12345678901234567890123", "0.12345678901234567890123"), ("1.7976931348623157E+308", "1.7976931348623157e308"),
    ("-12.340", "-12.34"), ("0.000001", "0.000001"), ("0.00000000012", "0.00000000012"),
  ])
  func `a number keeps its digits, or gets the shortest that mean the same`(spelled: String, expected: String) throws {
    #expect(try cell("<c r=\"A1\"><v>\(spelled)</v></c>") == "n \(expected)")
    #expect(try cell("<c r=\"A1\" t=\"n\"><v>\(spelled)</v></c>") == "n \(expected)")
    #expect(
      Double(expected) == Double(spelled.trimmingCharacters(in: ["+", " "])) || spelled.hasSuffix(".")
        || spelled.hasPrefix("."))
  }

  @Test func `random doubles come back from the 17 digits that Excel spells`() throws {
    var random = Seed()
    var rows = ""
    var values: [Double] = []
    while values.count < 2_000 {
      let bits = random.next()
      let value = values.count % 2 == 0 ? Double(bitPattern: bits) : Double(bits % 10_000_000) / 1_000
      guard value.isFinite else { continue }
      values.append(value)
      rows += "<row><c><v>\(String(format: "%.17G", value))</v></c></row>"
    }
    let found = try WorkbookArchive(rows: rows).cells()
    #expect(found.count == values.count)
    for (line, value) in zip(found, values) {
      let spelled = try #require(line.firstMatch(of: /"v":(.*)\}/)).1
      #expect(Double(spelled) == value, "seed \(random.number)")
      let isWhole = !spelled.contains(where: ".eE".contains)
      let shortest = digits(value.description[...])
      // Of 16 and 17 digits, more than one spelling gives the same double.
      #expect(isWhole || shortest.count > 15 || digits(spelled) == shortest, "seed \(random.number)")
    }
  }

  /// The significant digits.
  private func digits(_ spelled: Substring) -> String {
    let mantissa = spelled.prefix { !"eE".contains($0) }.filter(\.isNumber)
    return mantissa.trimmingCharacters(in: ["0"])
  }

  @Test func `texts come from the shared strings, from the cell and from formulas`() throws {
    let strings = "<si><t>one</t></si><si><t>two &amp; &lt;three&gt;</t></si><si/><si><t/></si>"
    let row = """
      <row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v> 1 </v></c><c r="C1" t="s"><v>2</v></c>
      <c r="D1" t="s"><v>3</v></c><c r="E1" t="s"><v/></c><c r="F1" t="s"/><c r="G1" t="inlineStr"><is><t>in</t></is></c>
      <c r="H1" t="str"><f>"a"&amp;"b"</f><v>ab</v></c><c r="I1" t="str"><f>""</f><v></v></c><c r="J1"><is><t>untyped</t></is></c>
      <c r="K1" t="inlineStr"><v>odd</v></c></row>
      """
    #expect(
      try cells(row, strings: strings) == [
        #"A1 s "one""#, #"B1 s "two & <three>""#, #"G1 s "in""#, #"H1 s "ab""#, #"J1 s "untyped""#, #"K1 s "odd""#,
      ])
  }

  @Test func `rich text is joined and phonetic runs are left out`() throws {
    let rich = """
      <r><rPr><b/></rPr><t>課</t></r><r><t xml:space="preserve"> and </t></r><rPh sb="0" eb="1"><t>か</t></rPh>
      <r><t>more</t></r><phoneticPr fontId="1"/>
      """
    #expect(try cell("<c t=\"s\"><v>0</v></c>", strings: "<si>\(rich)</si>") == #"s "課 and more""#)
    #expect(try cell("<c t=\"inlineStr\"><is>\(rich)</is></c>") == #"s "課 and more""#)
    #expect(
      try cell("<c t=\"s\"><v>0</v></c>", strings: "<si><t>東京</t><rPh sb=\"0\" eb=\"2\"><t>トウキョウ</t></rPh></si>")
        == #"s "東京""#)
  }

  @Test(arguments: [
    ("_x000D_", "\\r"), ("_x000a_", "\\n"), ("_x0041_", "A"), ("_x005F_x0041_", "_x0041_"), ("_xD83D__xDE00_", "😀"),
    ("_xD83D_", "_xD83D_"), ("_xDE00_x", "_xDE00_x"), ("_x41_", "_x41_"), ("_x00G1_", "_x00G1_"), ("a_x", "a_x"),
    ("_", "_"),
    ("_x0000_", "\\u0000"), ("_x001F_", "\\u001f"), ("__x0041__", "_A_"), ("_x00e4_", "ä"),
  ])
  func `escapes stand for UTF-16 code units`(spelled: String, expected: String) throws {
    #expect(try cell("<c t=\"s\"><v>0</v></c>", strings: "<si><t>\(spelled)</t></si>") == "s \"\(expected)\"")
    #expect(try cell("<c t=\"inlineStr\"><is><t>\(spelled)</t></is></c>") == "s \"\(expected)\"")
    #expect(try cell("<c t=\"str\"><v>\(spelled)</v></c>") == "s \"\(expected)\"")
  }

  @Test func `blanks around a text stay only where xml_space keeps them`() throws {
    let strings =
      "<si><t>  a \n</t></si><si><t xml:space=\"preserve\">  b </t></si><si><t xml:space=\"default\"> c</t></si><si><t>   </t></si>"
    let row = (0..<4).map { "<c t=\"s\"><v>\($0)</v></c>" }.joined()
    #expect(try cells("<row>\(row)</row>", strings: strings) == [#"A1 s "a""#, #"B1 s "  b ""#, #"C1 s "c""#])
    #expect(try cell("<c t=\"str\"><v> d </v></c>") == #"s " d ""#)
  }

  @Test func `references, CDATA and comments are part of the text`() throws {
    #expect(
      try cell(
        "<c t=\"inlineStr\"><is><t>a&#228;&#x1F600;&quot;&apos;<![CDATA[<b> & ]]>c<!-- not this -->d<?nor this?></t></is></c>"
      )
        == #"s "aä😀\"'<b> & cd""#)
    #expect(try cell("<c><v><![CDATA[12]]>3</v></c>") == "n 123")
  }

  @Test func `booleans and errors are kinds of their own`() throws {
    let row = """
      <row><c t="b"><v>1</v></c><c t="b"><v>0</v></c><c t="b"><v>true</v></c><c t="b"><v>false</v></c><c t="b"/>
      <c t="e"><v>#N/A</v></c><c t="e"><f>1/0</f><v>#DIV/0!</v></c></row>
      """
    #expect(
      try cells(row) == ["A1 b true", "B1 b false", "C1 b true", "D1 b false", ##"F1 e "#N/A""##, ##"G1 e "#DIV/0!""##])
  }

  @Test(arguments: [
    ("2024-01-31", "d", "\"2024-01-31T00:00:00\""), ("2024-01-31T08:30:00", "d", "\"2024-01-31T08:30:00\""),
    ("2024-02-29T08:30:00.250Z", "d", "\"2024-02-29T08:30:00.25\""),
    ("2024-01-31 08:30", "d", "\"2024-01-31T08:30:00\""),
    ("T08:30:00", "d", "\"08:30:00\""), ("08:30", "d", "\"08:30:00\""), ("PT36H", "u", "129600"),
    ("P1DT1.5S", "u", "86401.5"),
    ("-PT1M", "u", "-60"),
  ])
  func `cells of ISO 8601 spell their dates out`(spelled: String, kind: String, expected: String) throws {
    #expect(try cell("<c t=\"d\"><v>\(spelled)</v></c>") == "\(kind) \(expected)")
  }

  @Test(arguments: [
    "2024-02-30", "2023-02-29", "2024-13-01", "24-01-01", "2024-01-31T25:00:00", "2024-01-31T08:30:00+01:00", "P1Y",
    "P", "PT", "x",
    "2024-01-31T08:30:00.1234567",
  ])
  func `what is no date of ISO 8601 is refused`(spelled: String) throws {
    #expect(throws: Problem.self) { try cell("<c t=\"d\"><v>\(spelled)</v></c>") }
  }

  @Test(arguments: [
    ("yyyy-mm-dd", "d \"2024-01-31T18:00:00\""), ("dd.mm.yy", "d \"2024-01-31T18:00:00\""),
    ("mmm", "d \"2024-01-31T18:00:00\""),
    ("M", "d \"2024-01-31T18:00:00\""), ("h:mm", "d \"2024-01-31T18:00:00\""),
    ("[$-407]d. mmmm yyyy", "d \"2024-01-31T18:00:00\""),
    ("aaa", "d \"2024-01-31T18:00:00\""), ("h AM/PM", "d \"2024-01-31T18:00:00\""),
    ("[$-411]ge", "d \"2024-01-31T18:00:00\""),
    ("[h]:mm", "u 3915885600"), ("[mm]", "u 3915885600"), ("[SS].00", "u 3915885600"),
    ("General", "n 45322.75"), ("GENERAL", "n 45322.75"), ("0.00", "n 45322.75"), ("0 \"days\"", "n 45322.75"),
    ("0\\d", "n 45322.75"),
    ("[Red]0", "n 45322.75"), ("0.00E+00", "n 45322.75"), ("_d0", "n 45322.75"), ("*d0", "n 45322.75"),
    ("0;yyyy", "n 45322.75"),
    ("[$€-407] #,##0", "n 45322.75"), ("@", "n 45322.75"), ("[>5]0", "n 45322.75"), ("\"", "n 45322.75"),
    ("[", "n 45322.75"),
  ])
  func `what a number means is read from its format`(code: String, expected: String) throws {
    #expect(try cell("<c s=\"1\"><v>45322.75</v></c>", formats: [code]) == expected)
  }

  @Test(arguments: [
    // Serial, in the 1900 system, in the 1904 system.
    ("0", "d \"00:00:00\"", "d \"00:00:00\""), ("0.75", "d \"18:00:00\"", "d \"18:00:00\""),
    ("1", "d \"1900-01-01T00:00:00\"", "d \"1904-01-02T00:00:00\""),
    ("59", "d \"1900-02-28T00:00:00\"", "d \"1904-02-29T00:00:00\""),
    ("60", "d \"1900-02-28T00:00:00\"", "d \"1904-03-01T00:00:00\""),
    ("61", "d \"1900-03-01T00:00:00\"", "d \"1904-03-02T00:00:00\""),
    ("45322", "d \"2024-01-31T00:00:00\"", "d \"2028-02-01T00:00:00\""),
    ("45322.354166666664", "d \"2024-01-31T08:30:00\"", "d \"2028-02-01T08:30:00\""),
    ("45322.000005787", "d \"2024-01-31T00:00:00.5\"", "d \"2028-02-01T00:00:00.5\""),
    ("45322.99999999999", "d \"2024-02-01T00:00:00\"", "d \"2028-02-02T00:00:00\""),
    ("0.9999999999", "d \"1900-01-01T00:00:00\"", "d \"1904-01-02T00:00:00\""),
    ("2957003", "d \"9995-12-30T00:00:00\"", "d \"9999-12-31T00:00:00\""),
    ("2957004", "d \"9995-12-31T00:00:00\"", "n 2957004"),
    ("2958465", "d \"9999-12-31T00:00:00\"", "n 2958465"), ("2958466", "n 2958466", "n 2958466"),
    ("-1", "n -1", "n -1"),
    ("4.5E4", "d \"2023-03-15T00:00:00\"", "d \"2027-03-16T00:00:00\""),
  ])
  func `serial numbers are dates of the system in force`(serial: String, of1900: String, of1904: String) throws {
    let xml = "<c s=\"1\"><v>\(serial)</v></c>"
    #expect(try cell(xml, formats: ["yyyy-mm-dd"]) == of1900)
    for properties in ["date1904=\"1\"", "date1904=\"true\""] {
      #expect(try cell(xml, formats: ["yyyy-mm-dd"], properties: properties) == of1904)
    }
    #expect(try cell(xml, formats: ["yyyy-mm-dd"], properties: "date1904=\"0\"") == of1900)
  }

  @Test func `durations keep their sign and their milliseconds, in either system`() throws {
    for (serial, seconds) in [
      ("1.5", "129600"), ("0", "0"), ("-0.25", "-21600"), ("0.0000000116", "0.001"), ("100", "8640000"),
    ] {
      #expect(try cell("<c s=\"1\"><v>\(serial)</v></c>", formats: ["[h]:mm:ss"]) == "u \(seconds)")
      #expect(
        try cell("<c s=\"1\"><v>\(serial)</v></c>", formats: ["[h]"], properties: "date1904=\"1\"") == "u \(seconds)")
    }
  }

  @Test func `cells and rows without a reference follow the one before`() throws {
    let rows = """
      <row><c><v>1</v></c><c/><c><v>3</v></c></row><row r="4"><c r="C4"><v>4</v></c><c><v>5</v></c></row><row/>
      <row><c><v>6</v></c></row>
      """
    #expect(try cells(rows) == ["A1 n 1", "C1 n 3", "C4 n 4", "D4 n 5", "A6 n 6"])
  }

  @Test func `elements of other namespaces and unknown ones say nothing`() throws {
    let sheet = """
      <x:worksheet xmlns:x="\(WorkbookArchive.transitional)" xmlns:o="urn:other"><x:sheetPr/><x:dimension ref="A1"/>
      <x:sheetData><x:row r="1" o:r="9"><x:c r="A1" o:t="s"><x:v>1</x:v><o:v>2</o:v></x:c><o:c r="B1"><x:v>3</x:v></o:c>
      <x:c r="C1" t="inlineStr"><x:f>no</x:f><x:is><x:t>yes</x:t></x:is><x:extLst><x:ext><x:v>no</x:v></x:ext></x:extLst></x:c>
      </x:row></x:sheetData><x:extLst><x:sheetData><x:row><x:c><x:v>9</x:v></x:c></x:row></x:sheetData></x:extLst></x:worksheet>
      """
    #expect(try WorkbookArchive(sheet: sheet).cells().map(short) == ["A1 n 1", #"C1 s "yes""#])
  }

  @Test func `strict workbooks and those without a namespace are read`() throws {
    for namespace in ["xmlns=\"\(WorkbookArchive.strict)\"", ""] {
      var archive = WorkbookArchive(
        sheet:
          "<worksheet \(namespace)><sheetData><row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c></row></sheetData></worksheet>"
      )
      archive["xl/sharedStrings.xml"] = "<sst \(namespace)><si><t>text</t></si></sst>"
      #expect(try archive.cells().map(short) == [#"A1 s "text""#])
    }
    var archive = WorkbookArchive(
      sheet:
        "<worksheet xmlns=\"\(WorkbookArchive.strict)\"><sheetData><row><c><v>1</v></c></row></sheetData></worksheet>")
    for name in ["_rels/.rels", "xl/_rels/workbook.xml.rels", "xl/workbook.xml"] {
      archive[name] = archive[name]?
        .replacingOccurrences(
          of: WorkbookArchive.relationships, with: "http://purl.oclc.org/ooxml/officeDocument/relationships"
        )
        .replacingOccurrences(of: WorkbookArchive.transitional, with: WorkbookArchive.strict)
    }
    #expect(try archive.cells().map(short) == ["A1 n 1"])
  }

  @Test func `parts are found by relationships, whatever they are called`() throws {
    var archive = WorkbookArchive(rows: "<row><c t=\"s\"><v>0</v></c></row>", strings: "<si><t>found</t></si>")
    archive["_rels/.rels"] = WorkbookArchive.relationships([("a", "officeDocument", "/Buch/mappe.xml")])
    archive["Buch/mappe.xml"] = archive["xl/workbook.xml"]
    archive["Buch/_rels/mappe.xml.rels"] = WorkbookArchive.relationships([
      ("rId1", "worksheet", "./../Blatt/eins%20.xml"), ("s", "sharedStrings", "texte.xml"),
    ])
    archive["BLATT/eins .xml"] = archive["xl/worksheets/sheet1.xml"]
    archive["Buch/texte.xml"] = archive["xl/sharedStrings.xml"]
    for name in ["xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"] {
      archive[name] = nil
    }
    #expect(try archive.cells().map(short) == [#"A1 s "found""#])
  }

  @Test func `part names with backslashes, and packages without their own relationships, are read`() throws {
    var archive = WorkbookArchive(rows: "<row><c t=\"s\"><v>0</v></c></row>", strings: "<si><t>found</t></si>")
    for index in archive.parts.indices {
      archive.parts[index].name = archive.parts[index].name.replacingOccurrences(of: "/", with: "\\")
    }
    #expect(try archive.cells().map(short) == [#"A1 s "found""#])
    archive.parts.removeAll { $0.name == "_rels\\.rels" }
    #expect(try archive.cells().map(short) == [#"A1 s "found""#])
  }

  @Test func `parts in UTF-16 and with a byte order mark are read`() throws {
    let text =
      "<?xml version=\"1.0\"?><worksheet xmlns=\"\(WorkbookArchive.transitional)\"><sheetData><row><c t=\"inlineStr\"><is><t>Größe 😀 課</t></is></c></row></sheetData></worksheet>"
    for (mark, encoding) in [
      ([0xFF, 0xFE] as [UInt8], String.Encoding.utf16LittleEndian), ([0xFE, 0xFF], .utf16BigEndian),
      ([0xEF, 0xBB, 0xBF], .utf8),
    ] {
      var archive = WorkbookArchive(rows: "")
      let bytes = mark + (try #require(text.data(using: encoding)))
      archive.change("xl/worksheets/sheet1.xml") { $0.bytes = bytes }
      #expect(try archive.cells().map(short) == [#"A1 s "Größe 😀 課""#])
    }
  }

  @Test func `deflated parts are read, and stored ones`() throws {
    var archive = WorkbookArchive(rows: "<row><c t=\"s\"><v>0</v></c></row>", strings: "<si><t>found</t></si>")
    for index in archive.parts.indices where index % 2 == 0 { archive.parts[index].method = 8 }
    #expect(try archive.cells().map(short) == [#"A1 s "found""#])
  }

  @Test func `the order of parts does not matter, and needless ones are not looked into`() throws {
    var archive = WorkbookArchive(rows: "<row><c t=\"s\"><v>0</v></c></row>", strings: "<si><t>found</t></si>")
    archive.parts.reverse()
    archive["xl/theme/theme1.xml"] = "not XML at all"
    archive["../../outside"] = "names are never paths"
    archive.change("../../outside") { $0.checksum = 1 }
    #expect(try archive.cells().map(short) == [#"A1 s "found""#])
  }

  @Test func `wherever the parser's pieces end, the cells are the same`() throws {
    let rows = """
      <row r="1" spans="1:4"><c r="A1" s="1"><v>45322.5</v></c><c r="B1" t="inlineStr"><is><r><t xml:space="preserve"> ä😀&amp;\
      _x0041_ </t></r></is></c><c t="b"><v>1</v></c><c r="D1" t="str"><f>x</f><v><![CDATA[<]]>課</v></c></row>
      """
    let expected = try cells(rows, formats: ["h:mm d"])
    #expect(expected.count == 4)
    for padding in 0..<rows.utf8.count {
      let filler = String(repeating: " ", count: (32 << 10) - padding)
      let archive = WorkbookArchive(rows: filler + rows, formats: ["h:mm d"])
      #expect(try archive.cells(scansRows: false).map(short) == expected)
    }
  }

  @Test func `every worksheet opens with its name, and other sheets are left out`() throws {
    var archive = WorkbookArchive(sheets: [
      ("One &amp; &lt;two&gt;", "", "<row><c><v>1</v></c></row>"), ("Empty", "", ""),
      ("Hidden", "state=\"hidden\"", "<row><c><v>2</v></c></row>"),
      ("Gone", "state=\"veryHidden\"", ""), ("Chart", "", ""), ("Dialog", "", ""), ("Macro", "", ""),
    ])
    let kinds = [("sheet5", "chartsheet"), ("sheet6", "dialogsheet")]
    var targets = try #require(archive["xl/_rels/workbook.xml.rels"])
    for (name, kind) in kinds {
      targets = targets.replacingOccurrences(
        of: "worksheet\" Target=\"worksheets/\(name).xml", with: "\(kind)\" Target=\"worksheets/\(name).xml")
    }
    targets = targets.replacingOccurrences(
      of: "\(WorkbookArchive.relationships)/worksheet\" Target=\"worksheets/sheet7.xml",
      with: "http://schemas.microsoft.com/office/2006/relationships/xlMacrosheet\" Target=\"worksheets/sheet7.xml")
    archive["xl/_rels/workbook.xml.rels"] = targets
    let (lines, outline) = try WorkbookArchive.withFile(of: archive.bytes, named: "macros.xlsm") {
      (try WorkbookArchive.cells(of: $0), try WorkbookPackage(path: $0).outline)
    }
    #expect(
      lines == [
        #"{"sheet":"One & <two>"}"#, #"{"row":1,"col":1,"t":"n","v":1}"#, #"{"sheet":"Empty"}"#, #"{"sheet":"Hidden"}"#,
        #"{"row":1,"col":1,"t":"n","v":2}"#, #"{"sheet":"Gone"}"#,
      ])
    #expect(outline.sheets.map(\.kind) == [.worksheet, .worksheet, .worksheet, .worksheet, .chart, .dialog, .macro])
    #expect(outline.sheets.map(\.number) == [1, 2, 3, 4, nil, nil, nil])
    #expect(outline.sheets.map(\.visibility)[..<4] == [.visible, .visible, .hidden, .veryHidden])
  }
}
