import Given
import Testing
import VarveFeeds
import VarveTables

/// A record as the tests write it: nil is null, "∅" absent.
private typealias Row = [String?]

private func rows(_ batches: [RawBatch]) -> [Row] {
  batches.flatMap { batch in
    (0..<batch.rowCount).map { row in
      batch.columns.map { column in
        let text = String(decoding: column.bytes[column.range(row)], as: UTF8.self)
        switch column.kinds[row] {
        case .untyped: return text
        case .null: return text.isEmpty ? nil : "null with text"
        case .absent: return text.isEmpty ? "∅" : "absent with text"
        default: return "a CSV field is \(column.kinds[row])"
        }
      }
    }
  }
}

private func read(_ pieces: [[UInt8]], _ options: CSVFeedOptions = CSVFeedOptions()) throws
  -> (names: [String], rows: [Row], lines: [Int], remarks: [String])
{
  let feed = try CSVFeed(name: "f.csv", pieces: pieces, options: options)
  var batches: [RawBatch] = []
  while let batch = try feed.next() { batches.append(batch) }
  return (
    batches.first?.columns.map(\.name) ?? [], rows(batches), batches.flatMap(\.origins.positions), feed.remarks
  )
}

private func read(_ text: String, _ options: CSVFeedOptions = CSVFeedOptions()) throws
  -> (names: [String], rows: [Row], lines: [Int], remarks: [String])
{ try read([Array(text.utf8)], options) }

private func options(_ change: (inout CSVFeedOptions) -> Void) -> CSVFeedOptions {
  var options = CSVFeedOptions()
  change(&options)
  return options
}

private struct Odd: Sendable, CustomTestStringConvertible {
  var name: String
  var text: String
  var options = CSVFeedOptions()
  var names = ["a", "b"]
  var rows: [[String?]]
  var lines: [Int]?
  var testDescription: String { name }
}

private let odd: [Odd] = [
  Odd(name: "plain", text: "a,b\n1,2\n3,4\n", rows: [["1", "2"], ["3", "4"]], lines: [2, 3]),
  Odd(name: "no line end at the end", text: "a,b\n1,2", rows: [["1", "2"]]),
  Odd(name: "CR LF", text: "a,b\r\n1,2\r\n3,4\r\n", rows: [["1", "2"], ["3", "4"]], lines: [2, 3]),
  Odd(name: "CR", text: "a,b\r1,2\r3,4\r", rows: [["1", "2"], ["3", "4"]], lines: [2, 3]),
  Odd(
    name: "mixed line ends", text: "a,b\n1,2\r\n3,4\r5,6", rows: [["1", "2"], ["3", "4"], ["5", "6"]], lines: [2, 3, 4]),
  Odd(name: "a byte order mark", text: "\u{feff}a,b\n1,2\n", rows: [["1", "2"]]),
  Odd(name: "a byte order mark before a quote", text: "\u{feff}\"a\",b\n1,2\n", rows: [["1", "2"]]),
  Odd(name: "null and empty", text: "a,b\n,\"\"\n\"\",\n", rows: [[nil, ""], ["", nil]]),
  Odd(name: "blank lines", text: "a,b\n\n1,2\n,\n   \n\r\n3,4\n\n", rows: [["1", "2"], ["3", "4"]], lines: [3, 7]),
  Odd(name: "zeros and false are values", text: "a,b\n0,\nfalse,\n", rows: [["0", nil], ["false", nil]]),
  Odd(
    name: "blank lines above the header", text: "\n\n a,b\n1,2\n", names: [" a", "b"], rows: [["1", "2"]], lines: [4]),
  Odd(
    name: "quotes", text: "a,b\n\"1,x\",\"say \"\"hi\"\"\"\n\"\"\"\",2\n", rows: [["1,x", "say \"hi\""], ["\"", "2"]]),
  Odd(
    name: "line ends in quotes", text: "a,b\n\"1\n2\",3\n\"4\r\n5\r6\",7\n8,9\n",
    rows: [["1\n2", "3"], ["4\r\n5\r6", "7"], ["8", "9"]], lines: [2, 4, 7]),
  Odd(name: "a quote inside a field", text: "a,b\n5\" x,2\n", rows: [["5\" x", "2"]]),
  Odd(name: "blanks behind a closing quote", text: "a,b\n\"1\"  ,\"2\" \n", rows: [["1", "2"]]),
  Odd(name: "blanks belong to a field", text: "a,b\n 1 , 2\n", rows: [[" 1 ", " 2"]]),
  Odd(name: "semicolons", text: "a;b\n1,5;2\n3;4,5\n", rows: [["1,5", "2"], ["3", "4,5"]]),
  Odd(name: "tabs", text: "a\tb\n1,5\t2;3\n", rows: [["1,5", "2;3"]]),
  Odd(name: "bars", text: "a|b\n1|2\n", rows: [["1", "2"]]),
  Odd(name: "single quotes", text: "a,b\n'1,x','it''s'\n'3',4\n", rows: [["1,x", "it's"], ["3", "4"]]),
  Odd(
    name: "apostrophes are no quotes", text: "a,b\n'tis,'twas\nrock 'n' roll,x\n",
    rows: [["'tis", "'twas"], ["rock 'n' roll", "x"]]),
  Odd(
    name: "one column", text: "a\n1,5\nx\n\n2;3,4\n", names: ["a"], rows: [["1,5"], ["x"], ["2;3,4"]], lines: [2, 3, 5]),
  Odd(name: "a header alone", text: "a,b\n", rows: []),
  Odd(name: "a header alone without a line end", text: "a,b", rows: []),
  Odd(
    name: "delimiters in quotes do not count", text: "a;b\n\"1,2,3\";4\n\"5,6,7\";8\n",
    rows: [["1,2,3", "4"], ["5,6,7", "8"]]),
  Odd(name: "wide characters", text: "a,b\nÄÖ,日本語\n😀,é\n", rows: [["ÄÖ", "日本語"], ["😀", "é"]]),
  Odd(
    name: "fields longer than words",
    text: "a,b\n\(String(repeating: "x", count: 100)),\"\(String(repeating: "y\"\"", count: 33))\"\n",
    rows: [[String(repeating: "x", count: 100), String(repeating: "y\"", count: 33)]]),
  Odd(
    name: "lines above the header", text: "Report\n\"x\na;b\n1;2\n", options: options { $0.skip = 2 },
    rows: [["1", "2"]], lines: [4]),
  Odd(
    name: "a header further below", text: "Report;\n\na;b\n1;2\n", options: options { $0.header = .line(3) },
    rows: [["1", "2"]], lines: [4]),
  Odd(
    name: "no header", text: "\n1,2\n3,4\n", options: options { $0.header = .none }, names: ["column_1", "column_2"],
    rows: [["1", "2"], ["3", "4"]], lines: [2, 3]),
  Odd(
    name: "missing fields padded", text: "a,b,c\n1\n1,2\n,\"\"\n1,2,3,\n", options: options { $0.ragged = .pad },
    names: ["a", "b", "c"], rows: [["1", "∅", "∅"], ["1", "2", "∅"], [nil, "", "∅"], ["1", "2", "3"]]),
  Odd(
    name: "an escape character", text: "a,b\n\"1\\\"x\",2\\,3\n\"\\\\\",\\\n\n4,\"\\\n\"\n",
    options: options { $0.escape = UInt8(ascii: "\\") }, rows: [["1\"x", "2,3"], ["\\", "\n"], ["4", "\n"]],
    lines: [2, 3, 5]),
  Odd(
    name: "marks given", text: "a:b\n~1:2~:3\n",
    options: options { ($0.delimiter, $0.quote) = (UInt8(ascii: ":"), UInt8(ascii: "~")) },
    rows: [["1:2", "3"]]),
  Odd(name: "a tab-separated file", text: "a,x\tb\n1\t2\n", options: .tsv, names: ["a,x", "b"], rows: [["1", "2"]]),
]

@Test(arguments: odd)
private func `an odd file is read`(file: Odd) throws {
  let whole = try read(file.text, file.options)
  #expect(whole.names == file.names)
  #expect(whole.rows == file.rows)
  if let lines = file.lines { #expect(whole.lines == lines) }
}

@Test(arguments: odd)
private func `an odd file is read alike however its bytes are cut`(file: Odd) throws {
  let bytes = Array(file.text.utf8)
  let whole = try read([bytes], file.options)
  for cut in bytes.indices {
    let parts = try read([Array(bytes[..<cut]), Array(bytes[cut...])], file.options)
    #expect(parts.names == whole.names && parts.rows == whole.rows && parts.lines == whole.lines, "cut at \(cut)")
  }
  let single = try read(bytes.map { [$0] }, file.options)
  #expect(single.names == whole.names && single.rows == whole.rows && single.lines == whole.lines)
}

@Test func `long files are read alike however they are cut, in bounded batches`() throws {
  var random = Seed()
  var text = "id,text,more\n"
  var expected: [Row] = []
  var lines: [Int] = []
  var line = 2
  for id in 0..<20_000 {
    let kind = Int.random(in: 0..<6, using: &random)
    let words = String(repeating: "wörd ", count: Int.random(in: 0...9, using: &random))
    lines.append(line)
    switch kind {
    case 0:
      text += "\(id),\"\(words)\n\"\"x\"\"\",\r\n"
      expected.append(["\(id)", words + "\n\"x\"", nil])
      line += 2
    case 1:
      text += "\(id),,\"\"\n"
      expected.append(["\(id)", nil, ""])
      line += 1
    default:
      text += "\(id),\(words)x,\(kind)\n"
      expected.append(["\(id)", words + "x", "\(kind)"])
      line += 1
    }
  }
  let bytes = Array(text.utf8)
  for _ in 0..<3 {
    var pieces: [[UInt8]] = []
    var start = 0
    while start < bytes.count {
      let end = min(bytes.count, start + Int.random(in: 1...300_000, using: &random))
      pieces.append(Array(bytes[start..<end]))
      start = end
    }
    let feed = try CSVFeed(name: "f.csv", pieces: pieces)
    var batches: [RawBatch] = []
    while let batch = try feed.next() { batches.append(batch) }
    #expect(rows(batches) == expected)
    #expect(batches.flatMap(\.origins.positions) == lines)
    #expect(batches.map(\.rowCount) == [8192, 8192, 20_000 - 16_384])
  }
}

@Test func `other encodings are read by byte order mark or by name`() throws {
  let text = "a,b\nÄ,€\n😀,日\n"
  let expected: [Row] = [["Ä", "€"], ["😀", "日"]]
  for isBig in [true, false] {
    var bytes: [UInt8] = isBig ? [0xFE, 0xFF] : [0xFF, 0xFE]
    for unit in text.utf16 {
      let (high, low) = (UInt8(unit >> 8), UInt8(unit & 0xFF))
      bytes += isBig ? [high, low] : [low, high]
    }
    for cut in bytes.indices where cut >= 2 {
      #expect(try read([Array(bytes[..<cut]), Array(bytes[cut...])]).rows == expected, "cut at \(cut)")
    }
    let named = options { $0.encoding = isBig ? "UTF-16BE" : "UTF-16LE" }
    #expect(try read([Array(bytes.dropFirst(2))], named).rows == expected)
    #expect(throws: Problem.self) { try read([bytes.dropLast()]) }
  }
  let western: [UInt8] = Array("a,b\n".utf8) + [0xC4, 0x2C, 0x80, 0x0A]
  #expect(try read([western], options { $0.encoding = "windows-1252" }).rows == [["Ä", "€"]])
}

@Test(
  arguments: [
    ("", CSVFeedOptions(), "f.csv: the file is empty"),
    ("\u{feff}", CSVFeedOptions(), "f.csv: the file is empty"),
    ("\n\n", CSVFeedOptions(), "f.csv: there is no header, only blank lines"),
    ("a,b\n1,2\n3,\"x\n4,5\n", CSVFeedOptions(), "f.csv, line 3: a quote is opened and never closed"),
    ("a,b\n1,\"2\n\n", CSVFeedOptions(), "f.csv, line 2: a quote is opened and never closed"),
    ("\"a,b\n", CSVFeedOptions(), "f.csv, line 1: a quote is opened and never closed"),
    ("a,b\n1,2,3\n", CSVFeedOptions(), "f.csv, line 2: the record has more fields than the 2 columns"),
    ("a,b\n1,2,\n", CSVFeedOptions(), "f.csv, line 2: the record has more fields than the 2 columns"),
    ("a,b\n1,2,3\n", options { $0.ragged = .pad }, "f.csv, line 2: the record has more fields than the 2 columns"),
    ("a,b\n1,\"2\n3\"\n4\n", CSVFeedOptions(), "f.csv, line 4: the record has 1 of 2 fields"),
    ("a,b\n\"1\"x,2\n", CSVFeedOptions(), "f.csv, line 2: text follows a closing quote"),
    (
      "Title\na,b\n1,2\n3,4\n", CSVFeedOptions(),
      "f.csv, line 2: the record has several fields, and there is one column"
    ),
    ("a,,c\n1,2,3\n", CSVFeedOptions(), "f.csv, header: column 2 has no name"),
    ("a,b,a\n1,2,3\n", CSVFeedOptions(), "f.csv, header: columns 1 and 3 are both named \"a\""),
    ("a,A\n1,2\n", CSVFeedOptions(), "f.csv, header: the columns \"a\" and \"A\" differ only in case"),
    ("a,b\n1,2\n3,x\u{0}y\n", CSVFeedOptions(), "f.csv, line 3, byte 11: a NUL byte, which text does not have"),
    ("a\n1\n", options { $0.encoding = "klingon" }, "there is no encoding \"klingon\""),
    ("a\n1\n", options { $0.encoding = "UTF-16//IGNORE" }, "there is no encoding \"UTF-16//IGNORE\""),
    ("a\n1\n", options { $0.delimiter = 10 }, "--delimiter must be one ASCII character, and no line end"),
    ("a\n1\n", options { ($0.delimiter, $0.quote) = (44, 44) }, "--delimiter must differ from --quote and --escape"),
    (
      "a,b\n1,2\\", options { $0.escape = UInt8(ascii: "\\") },
      "f.csv, line 2: the file ends behind an escape character"
    ),
    ("a,b\n1,2\n", options { $0.header = .line(3) }, "f.csv: there is no header, only blank lines"),
  ] as [(String, CSVFeedOptions, String)])
func `what is wrong with a CSV file is said with its place`(text: String, options: CSVFeedOptions, sentence: String) {
  let bytes = Array(text.utf8)
  for pieces in [[bytes], bytes.map { [$0] }] {
    #expect {
      _ = try read(pieces, options)
    } throws: { error in
      let description = "\(error)"
      #expect(description.hasPrefix(sentence), "\(description)")
      return error is Problem
    }
  }
}

@Test(
  arguments: [
    [0x80], [0xC0, 0xAF], [0xC3], [0xED, 0xA0, 0x80], [0xE0, 0x80, 0xAF], [0xF4, 0x90, 0x80, 0x80], [0xF0, 0x9F, 0x98],
    [0xFF],
  ] as [[UInt8]])
func `bytes that are no UTF-8 are refused with offset and line`(wrong: [UInt8]) throws {
  let bytes = Array("a,b\n\"ü\n\",2\n".utf8) + wrong + Array(",x\n".utf8)
  for pieces in [[bytes], bytes.map { [$0] }] {
    #expect {
      _ = try read(pieces)
    } throws: {
      let isRight = "\($0)".hasPrefix("f.csv, line 4, byte 12: bytes that are no UTF-8")
      #expect(isRight, "\($0)")
      return isRight
    }
  }
  // Cut off at the end of the file.
  if wrong.count > 1 { #expect(throws: Problem.self) { try read([Array("a\nx".utf8) + wrong.dropLast()]) } }
}

@Test func `bytes that another encoding does not have are refused`() throws {
  #expect {
    _ = try read([Array("a\nx".utf8) + [0x81] + Array("\n".utf8)], options { $0.encoding = "windows-1252" })
  } throws: { "\($0)" == "f.csv, line 2, byte 3: bytes that are no text in windows-1252; give the right --encoding" }
}

@Test func `limits hold for columns and fields, and memory does not grow behind an open quote`() throws {
  func header(_ count: Int) -> String { (0..<count).map { "c\($0)" }.joined(separator: ",") }
  let wide = try read(header(16_384) + "\n" + String(repeating: ",", count: 16_383) + "1\n")
  #expect(wide.rows.count == 1 && wide.rows[0].last == "1")
  #expect(throws: Problem.self) { try read(header(16_385) + "\n") }
  let field = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 20)
  let start = Array("a,b\n1,2\n3,".utf8)
  let fits = try read([start] + Array(repeating: field, count: 16) + [[10]])
  #expect(fits.rows[1][1]?.utf8.count == 16 << 20)
  for opening in [start, start + [UInt8(ascii: "\"")]] {
    #expect {
      _ = try read([opening] + Array(repeating: field, count: 80))
    } throws: {
      "\($0)".hasPrefix("f.csv, line 3: a field is longer than 16 MB")
    }
  }
}

@Test func `what was found out is remarked on`() throws {
  #expect(try read("a;b\n1;2\n").remarks == ["the delimiter is \";\""])
  #expect(try read("a\tb\n'1'\t2\n").remarks == ["the delimiter is tab", "the quote is \"'\""])
  #expect(try read("a\n1\n").remarks == ["one column: no delimiter was found"])
  #expect(
    try read("a;b\n;\n1;2\n;\n\n   \n").remarks
      == ["the delimiter is \";\"", "records without a value passed over: 2"])
  #expect(
    try read("x;\na;b\n", options { $0.header = .line(2) }).remarks.last == "lines above the header passed over: 1")
}

@Test func `a file on disk is read, compressed too, and a failed feed goes on failing`() throws {
  let text = "a,b\n1,2\n"
  for bytes in [Array(text.utf8), try compressed(Array(text.utf8), "gzip")] {
    let feed = try CSVFeed(ByteInput(path: try file(bytes, "f.csv")))
    let batch = try #require(try feed.next())
    #expect(rows([batch]) == [["1", "2"]])
    #expect(batch.origins.file == "f.csv" && batch.origins.unit == .line)
    #expect(try feed.next() == nil)
    #expect(feed.bytesRead == bytes.count)
  }
  let failing = try CSVFeed(name: "f.csv", pieces: [Array("a\n\"".utf8)])
  #expect(throws: Problem.self) { try failing.next() }
  #expect(throws: Problem.self) { try failing.next() }
}
