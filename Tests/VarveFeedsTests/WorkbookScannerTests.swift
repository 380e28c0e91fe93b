import Foundation
import Given
import Testing
import VarveFeeds
import VarveTables

/// Rows read past the XML parser say what the parser says: the same cells, or the same refusal.
@Suite struct WorkbookScannerTests {
  /// What reading gives: the cells, or the sentence.
  private func outcome(_ path: String, scansRows: Bool) -> Result<[String], Problem> {
    Result { () throws(Problem) in
      do {
        return try WorkbookArchive.cells(of: path, scansRows: scansRows)
      } catch let problem as Problem {
        throw problem
      } catch {
        throw Problem(.failed, "no Problem but \(error)")
      }
    }
  }

  /// Both outcomes, which must be one; broken XML may be noticed at another byte.
  @discardableResult
  private func agreed(_ archive: WorkbookArchive, _ note: @autoclosure () -> String) throws -> Result<[String], Problem>
  {
    try WorkbookArchive.withFile(of: archive.bytes) { agreed($0, note()) }
  }

  @discardableResult
  private func agreed(_ path: String, _ note: @autoclosure () -> String) -> Result<[String], Problem> {
    let scanned = outcome(path, scansRows: true)
    let parsed = outcome(path, scansRows: false)
    switch (scanned, parsed) {
    case (.success(let one), .success(let other)): #expect(one == other, "\(note())")
    case (.failure(let one), .failure(let other)):
      let isMalformed = one.what.hasPrefix("is broken XML") && other.what.hasPrefix("is broken XML")
      #expect(isMalformed || one == other, "\(note())")
    default: Issue.record("scanned: \(scanned), parsed: \(parsed); \(note())")
    }
    return scanned
  }

  @Test func `fixtures are read alike`() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "Fixtures/workbooks")
    let files = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".xlsx") }
    #expect(files.count >= 9)
    for file in files { agreed(folder.appendingPathComponent(file).path, file) }
  }

  @Test(arguments: [
    // Usual.
    "<row r=\"1\" spans=\"1:2\" ht='15' hidden=\"1\"><c r=\"A1\" s=\"1\" t=\"s\"><v>0</v></c></row>", "<row/>",
    "<row></row>",
    "<row><c/></row>", "<row><c><v/></c><c><v></v></c><c t=\"str\"><v/></c></row>", "<row ><c ><v>1</v></c></row>",
    "<row\n r=\"1\"\t><c\r\nr=\"A1\"><v>1</v></c></row>", "<row><c><f>A1&lt;2</f><v>1</v></c></row>",
    "<row><c><f t=\"shared\" ref=\"A1:A2\" si=\"0\"/><v>1</v></c></row>",
    "<row><c t=\"inlineStr\"><is><t>a&amp;&#228;&#xE4;ä😀</t></is></c></row>",
    "<row><c t=\"inlineStr\"><is><t xml:space=\"preserve\"> a </t></is></c></row>",
    "<row><c t=\"str\"><v> &quot;&apos;&gt; </v></c></row>",
    "<row><c t=\"str\"><f>\"a\"&amp;B1</f><v>a&#10;b</v></c></row>", "<row><c> <v>1</v> </c> </row>",
    // Unusual.
    "<row><c><v>1</v><f>A1</f></c></row>", "<row><c t=\"inlineStr\"><is><r><t>a</t></r><r><t>b</t></r></is></c></row>",
    "<row><c t=\"inlineStr\"><is><t/></is></c></row>", "<row><c t=\"str\"><v><![CDATA[a]]></v></c></row>",
    "<row><!-- c --><c><v>1</v></c></row>",
    "<!-- <row><c><v>1</v></c></row> -->", "<?p <row/> ?>", "<row><c t=\"str\"><v>a<!-- b -->c</v></c></row>",
    "<row><c r=\"&#65;1\"><v>1</v></c></row>",
    "<row><c><v>1</v><extLst><ext><v>2</v></ext></extLst></c></row>", "<row x=\"1\"><c><v>1</v></c></row>",
    "<row><c cm=\"1\"><v>1</v></c></row>",
    "<row><c t=\"str\"><v>a>b</v></c></row>", "<row><c t=\"str\"><v>a\r\nb</v></c></row>",
    "<rows/><row><c><v>1</v></c></row>", "<x:row xmlns:x=\"u\"/>",
    "<row xmlns=\"u\"><c><v>1</v></c></row>", "<row><c xmlns=\"u\"><v>1</v></c></row>",
    "<row><x><c><v>1</v></c></x></row>", "text<row><c><v>1</v></c></row>",
    "<row >text<c><v>1</v></c>text</row>", "<row><c><v>1</v ></c ></row >", "<row><c><v a=\"b\">1</v></c></row>",
    "<row><c t = \"n\"><v>1</v></c></row>",
    "<row><c t=\"inlineStr\"><is><t>a</t><t>b</t></is></c></row>",
    "<row><c t=\"inlineStr\"><is><t>a</t><rPh><t>b</t></rPh></is></c></row>",
    // Refused.
    "<row><c r=\"A1\" r=\"A1\"><v>1</v></c></row>", "<row spans=\"1\" spans=\"1\"/>", "<row r=\"1\" r=\"1\"/>",
    "<row><c r=\"A1\"s=\"0\"/></row>", "<row><c r=A1/></row>",
    "<row><c r=\"A<1\"/></row>", "<row><c t=\"str\"><v>a]]>b</v></c></row>", "<row><c t=\"str\"><v>a&b</v></c></row>",
    "<row><c t=\"str\"><v>&nbsp;</v></c></row>",
    "<row><c t=\"str\"><v>&#0;</v></c></row>", "<row><c t=\"str\"><v>&#xD800;</v></c></row>",
    "<row><c t=\"str\"><v>&#x110000;</v></c></row>",
    "<row><c t=\"str\"><v>&#;</v></c></row>", "<row><c t=\"str\"><v>&#x;</v></c></row>",
    "<row><c t=\"str\"><v>&#65</v></c></row>", "<row><c t=\"str\"><v>\u{1}</v></c></row>",
    "<row><c t=\"str\"><v>\u{FFFE}</v></c></row>", "<row><c><f>\u{FFFF}</f><v>1</v></c></row>",
    "<row><c><f>&x;</f><v>1</v></c></row>", "<row x14ac:dyDescent=\"0.25\"/>",
    "<row><c><v>1</c></row>", "<row><c></row>", "<row><c><v>1</v></c>", "<row", "<row><c><v>1</v></c></rox>", "</row>",
    "<row><c><f></v></f></c></row>", "<row/",
    "<row><c r=\"B1\"/><c r=\"A1\"><v>1</v></c></row>", "<row r=\"2\"/><row r=\"1\"/>", "<row><c t=\"q\"/></row>",
    "<row><c t=\"s\"><v>9</v></c></row>",
    "<row><c><v>1</v><v>2</v></c></row>", "<row><c><is><t>a</t></is><is><t>b</t></is></c></row>",
    "<row><c><v>x</v></c></row>", "<row><c s=\"9\"><v>1</v></c></row>",
    "<row><c a=\"\u{7F}\" /></row>", "<row a='\"'/>", "<row ht='<'/>",
  ])
  func `rows of every shape are read alike, first and after others`(rows: String) throws {
    let usual = "<row><c><v>7</v></c><c t=\"s\"><v>0</v></c></row>"
    for rows in [rows, usual + rows + usual, rows + usual] {
      let archive = WorkbookArchive(rows: rows, strings: "<si><t>text</t></si>", formats: ["yyyy"])
      try agreed(archive, rows)
    }
  }

  @Test func `attributes that Excel gives every row are known where their prefix is declared`() throws {
    let row = "<row r=\"1\" spans=\"1:1\" x14ac:dyDescent=\"0.25\"><c r=\"A1\"><v>1</v></c></row>"
    for declaration in [
      "xmlns:x14ac=\"http://schemas.microsoft.com/office/spreadsheetml/2009/9/ac\"", "xmlns:x14ac=\"urn:other\"", "",
    ] {
      let archive = WorkbookArchive(
        sheet:
          "<worksheet xmlns=\"\(WorkbookArchive.transitional)\" \(declaration)><sheetData>\(row)</sheetData></worksheet>"
      )
      switch try agreed(archive, declaration) {
      case .success(let lines): #expect(lines.count == 2 && !declaration.isEmpty)
      case .failure: #expect(declaration.isEmpty)
      }
    }
  }

  @Test(arguments: [
    "<sheetData/>", "<sheetData></sheetData>",
    "<sheetData a=\"b\"><!-- <sheetData><row><c><v>1</v></c></row> --></sheetData>",
    "<!-- <sheetData><row><c><v>1</v></c></row></sheetData> --><sheetData><row><c><v>2</v></c></row></sheetData>",
    "<sheetData a=\"b\"><sheetData><row><c><v>1</v></c></row></sheetData></sheetData>",
    "<x><sheetData><row><c><v>1</v></c></row></sheetData></x><sheetData><row><c><v>2</v></c></row></sheetData>",
    "<sheetData a=\"b\"><row><c t=\"str\"><v><![CDATA[<sheetData><row><c><v>1</v></c></row>]]></v></c></row></sheetData>",
    "<sheetData><row><c><v>1</v></c></row></sheetData><sheetData><row><c><v>2</v></c></row></sheetData>",
    "<sheetData a=\"<sheetData>\"><row><c><v>1</v></c></row></sheetData>", "<sheetData><row><c><v>1</v></c></row>",
    "<sheetData a=\"b\"><?p <sheetData><row><c><v>1</v></c></row> ?></sheetData>",
  ])
  func `rows are scanned only where they are rows`(inside: String) throws {
    for opening in [
      "<worksheet xmlns=\"\(WorkbookArchive.transitional)\">", "<worksheet xmlns=\"urn:other\">", "<worksheet>",
      "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><worksheet>",
    ] {
      try agreed(WorkbookArchive(sheet: opening + inside + "</worksheet>"), opening + inside)
    }
  }

  @Test func `wherever a block ends, the cells are the same`() throws {
    let rows = """
      <row r="1" spans="1:4" hidden="1"><c r="A1" s="1"><v>45322.5</v></c><c r="B1" t="inlineStr"><is><t xml:space="preserve"> ä😀&amp;&#x41;\
      </t></is></c><c t="b"><v>1</v></c><c r="D1" t="str"><f si="1">x&lt;</f><v>課</v></c></row><row><c><v>2</v></c></row>
      """
    // The sheet's part comes first, so that its bytes begin at a known offset. After a seek, an archive is read in blocks
    // of 1, 8 and then 64 KiB.
    func archive(_ filler: Int) -> WorkbookArchive {
      var archive = WorkbookArchive(rows: String(repeating: " ", count: filler) + rows, formats: ["h:mm d"])
      let sheet = archive.parts.firstIndex { $0.name == "xl/worksheets/sheet1.xml" } ?? 0
      archive.parts.swapAt(0, sheet)
      return archive
    }
    let expected = try archive(0).cells()
    #expect(expected.count == 5)
    let bytesBefore = 30 + 24 + "<worksheet xmlns=\"\(WorkbookArchive.transitional)\"><sheetData>".utf8.count
    for boundary in [1 << 10, 9 << 10, 73 << 10] {
      for shift in -3...(rows.utf8.count + 3) {
        let filler = boundary - bytesBefore - shift
        #expect(try archive(filler).cells() == expected, "shift \(shift) at \(boundary)")
        if shift % 16 == 0 { #expect(try archive(filler).cells(scansRows: false) == expected) }
      }
    }
  }

  @Test func `random sheets are read alike`() throws {
    var seed = Seed()
    func random(_ bound: Int) -> Int { seed.below(bound) }
    func pick(_ choices: [String]) -> String { choices[random(choices.count)] }
    func text() -> String {
      (0..<random(4)).map { _ in
        pick(["a", " ", "ä", "😀", "&amp;", "&#65;", "_x0041_", "1", "\n", "]", "'", "\"", "_"])
      }.joined()
    }
    func cell() -> String {
      let attributes = pick(["", "", " s=\"1\"", " s='0'", " s=\"2\""])
      switch random(9) {
      case 0: return "<c\(attributes)/>"
      case 1: return "<c\(attributes) t=\"s\"><v>\(random(3))</v></c>"
      case 2: return "<c\(attributes) t=\"str\"><f>\(text())</f><v>\(text())</v></c>"
      case 3:
        return "<c\(attributes) t=\"inlineStr\"><is><t\(pick(["", " xml:space=\"preserve\""]))>\(text())</t></is></c>"
      case 4: return "<c\(attributes) t=\"b\"><v>\(random(2))</v></c>"
      case 5: return "<c\(attributes) t=\"e\"><v>#N/A</v></c>"
      case 6: return "<c\(attributes) t=\"d\"><v>2024-01-31</v></c>"
      case 7 where random(10) == 0: return "<c t=\"inlineStr\"><is><r><t>\(text())</t></r></is></c>"
      default:
        return
          "<c\(attributes)><v>\(Double(random(100_000)) / pick(["1", "7", "100"]).utf8.reduce(1) { $0 * Double($1) })</v></c>"
      }
    }
    let alphabet = Array("<>/&;\"'= \t\n\r\0\u{1}0189ACDEXfrcstv_x-!?[]".utf8) + [0x80, 0xC3, 0xFF]
    var accepted = 0
    for _ in 0..<1_500 {
      var rows = ""
      for _ in 0..<random(6) {
        rows +=
          "<row\(pick(["", " ht=\"15\"", " hidden=\"1\" spans=\"1:2\""]))>"
          + (0..<random(5)).map { _ in cell() }.joined() + "</row>" + pick(["", "\n"])
      }
      var archive = WorkbookArchive(
        rows: rows, strings: "<si><t>a</t></si><si><t/></si><si><t> b </t></si>", formats: ["yyyy-mm-dd h:mm", "[h]"])
      if random(3) > 0 {
        archive.change("xl/worksheets/sheet1.xml") { part in
          for _ in 0...random(2) {
            let index = 80 + random(max(1, part.bytes.count - 80))
            guard index < part.bytes.count else { continue }
            switch random(3) {
            case 0: part.bytes[index] = alphabet[random(alphabet.count)]
            case 1: part.bytes.insert(alphabet[random(alphabet.count)], at: index)
            default: part.bytes.removeSubrange(index..<min(part.bytes.count, index + 1 + random(8)))
            }
          }
        }
      }
      if case .success = try agreed(archive, "seed \(seed.number): \(archive["xl/worksheets/sheet1.xml"] ?? "")") {
        accepted += 1
      }
    }
    #expect(accepted > 500, "seed \(seed.number)")
  }
}
