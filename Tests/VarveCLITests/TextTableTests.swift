import Testing
import VarveCLI
import VarveTables

@Suite struct TextTableTests {
  @Test func `columns are aligned by what the terminal shows, numbers to the right`() {
    var table = TextTable([.init("name"), .init("price", .right)])
    table.rows = [["茶碗", "9.5"], ["Käse", "120"], ["🧀🧀", nil]]
    #expect(
      table.lines(width: nil, style: .plain) == [
        "name  price", "────  ─────", "茶碗    9.5", "Käse    120", "🧀🧀   null",
      ])
  }

  @Test func `no line is wider than the terminal`() {
    var table = TextTable([.init("sku"), .init("text"), .init("more"), .init("price", .right)])
    table.rows = [["A-1", String(repeating: "語", count: 50), String(repeating: "m", count: 30), "1"]]
    for width in 10...150 {
      for line in table.lines(width: width, style: .plain) { #expect(displayWidth(line) <= width, "\(width): \(line)") }
    }
    #expect(table.lines(width: 40, style: .plain)[2].contains("…"))
    #expect(table.lines(width: 150, style: .plain)[2].hasPrefix("A-1  語語"))
  }

  @Test func `numbers and times are shown whole or not at all, and text has the room that is left`() {
    var table = TextTable([.init("text"), .init("time"), .init("price", .right), .init("note")])
    table.rows = [[String(repeating: "a", count: 30), "2024-10-06T12:00:00.003Z", "1,234,567", "note"]]
    func row(_ width: Int) -> String { table.lines(width: width, style: .plain)[2] }
    #expect(row(60) == "aaaaaaaaaaaaaaaa…  2024-10-06T12:00:00.003Z  1,234,567  note")
    #expect(row(50) == "aaaaaaaaaa…  2024-10-06T12:00:00.003Z  1,234,567 …")
    #expect(row(46) == "aaaaaaaaaaaaaaaaa…  2024-10-06T12:00:00.003Z …")
    #expect(row(30) == "aaaaaaaaaaaaaaaaaaaaaaaaaaa… …")
  }

  @Test func `what a list is read for stays on a narrow terminal`() {
    var table = TextTable([
      .init("version", .right), .init("time", fate: .time), .init("operation", isMinor: true), .init("mode"),
      .init("inserted", .right, short: "ins."), .init("since", .right, isMinor: true), .init("sources"),
    ])
    table.rows = [["7", "2024-10-06T12:00:00.003Z", "MERGE", "stateful-merge", "1,234", "", "stock of 茶 monday.csv"]]
    func row(_ width: Int) -> String { table.lines(width: width, style: .plain)[2] }
    let start = "      7  2024-10-06T12:00:00"
    #expect(row(101) == start + ".003Z  MERGE      stateful-merge     1,234         stock of 茶 monday.csv")
    // Blank, so that nothing is missed.
    #expect(row(100) == start + ".003Z  MERGE      stateful-merge     1,234  stock of 茶 monday.csv")
    #expect(row(93) == start + "Z  MERGE      stateful-merge     1,234  stock of 茶 monday.csv")
    #expect(row(89) == "      7  2024-10-06T12:00Z  MERGE      stateful-merge     1,234  stock of 茶 monday.csv")
    #expect(row(86) == "      7  2024-10-06T12:00Z  MERGE      stateful-merge  1,234  stock of 茶 monday.csv")
    #expect(row(83) == start + "Z  stateful-merge     1,234  stock of 茶 monday.csv …")
    #expect(row(64) == "      7  2024-10-06T12:00Z  stateful-me…  1,234  stock of 茶 … …")
    #expect(row(40) == "      7  2024-10-06T12:00Z  stateful-… …")
    for width in 10...130 {
      for line in table.lines(width: width, style: .plain) { #expect(displayWidth(line) <= width, "\(width): \(line)") }
    }
  }

  @Test func `a name stays longer than a text, and a note takes the lines it needs`() {
    var table = TextTable([.init("table", fate: .name), .init("text")])
    table.rows = [["supplier_stock_europe", String(repeating: "a", count: 40)], ["t", "b"]]
    table.notes = [0: "line 2: a quote is opened\nand never closed"]
    #expect(
      table.lines(width: 34, style: .plain) == [
        "table                  text", "─────────────────────  ───────────", "supplier_stock_europe  aaaaaaaaaa…",
        #"  line 2: a quote is opened\nand"#, "  never closed", "t                      b",
      ])
    #expect(table.lines(width: nil, style: .plain)[3] == #"  line 2: a quote is opened\nand never closed"#)
  }

  @Test func `a cell can give the terminal no orders`() {
    var table = TextTable([.init("c")])
    table.rows = [["a\u{1B}[31mb\nc\u{202E}d"]]
    #expect(table.lines(width: nil, style: .plain)[2] == #"a\u{1b}[31mb\nc\u{202e}d"#)
  }

  @Test(arguments: [
    ("abc", 3), ("é", 1), ("e\u{301}", 1), ("日本", 4), ("ｱ", 1), ("Ａ", 2), ("한", 2), ("👍🏽", 2), ("👨‍👩‍👧", 2),
    ("🇩🇪", 2), ("❤️", 2), ("❤", 1), ("\u{AD}", 0), ("€", 1), ("─", 1),
  ])
  func `the width of a text is what a terminal takes for it`(text: String, width: Int) {
    #expect(displayWidth(text) == width)
  }

  @Test func `a text is cut between characters`() {
    #expect(cut("日本語", to: 6) == "日本語")
    #expect(cut("日本語", to: 5) == "日本…")
    #expect(cut("日本語", to: 4) == "日…")
    #expect(cut("ab", to: 1) == "…")
    #expect(cut("ab", to: 0) == "")
  }

  @Test func `a progress line keeps to its width`() {
    let full = "reading  ███████████████░░░░░░░░░░░░░░░   50 %  1,234,567 rows"
    #expect(progressLine("reading", done: 50, total: 100, rows: 1_234_567, width: 80) == full)
    for width in 10...80 {
      #expect(displayWidth(progressLine("reading", done: 7, total: 9, rows: 12, width: width)) <= width)
    }
    #expect(progressLine("reading", done: 5, total: 0, rows: 0, width: 80).contains("  0 %"))
  }

  @Test func `large numbers are grouped`() {
    #expect([0, 999, 1_000, -1_234_567].map(grouped) == ["0", "999", "1,000", "-1,234,567"])
  }

  @Test(arguments: [("ingset", "ingest"), ("hist", "history"), ("dif", "diff"), ("tabels", "tables")])
  func `a typing mistake finds the name that was meant`(typed: String, meant: String) {
    #expect(nearest(to: typed, among: allCommands.map(\.name)) == meant)
  }

  @Test func `something else entirely finds nothing`() {
    #expect(nearest(to: "zebra", among: allCommands.map(\.name)) == nil)
  }
}
