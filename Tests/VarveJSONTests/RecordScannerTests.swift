import Testing
import VarveJSON

/// A record as the scanner took it apart.
struct Row: Hashable, CustomStringConvertible {
  struct Member: Hashable {
    var key: String
    var kind: JSONKind
    var text: String
  }
  var offset: Int
  var line: Int
  var members: [Member]

  var description: String {
    "\(offset)/\(line): " + members.map { "\($0.key)=\($0.kind) \($0.text)" }.joined(separator: ", ")
  }
}

/// Every record of the text, which is handed over in pieces that end at `cuts` and at most `piece` bytes long.
func rows(
  _ text: [UInt8], _ options: JSONRecordOptions = JSONRecordOptions(), cuts: [Int] = [], piece: Int = .max
) throws -> [Row] {
  var scanner = JSONRecordScanner(options)
  var rows: [Row] = []
  var place = 0
  while true {
    let progress = try scanner.scan()
    let tape = scanner.tape
    var member = 0
    for record in tape.records {
      var row = Row(offset: record.offset, line: record.line, members: [])
      while member < record.membersEnd {
        let value = tape.members[member]
        let start = (value.isRewritten ? tape.rewritten : tape.source) + Int(value.start)
        row.members.append(
          Row.Member(
            key: scanner.key(Int(value.key)), kind: value.kind,
            text: String(decoding: UnsafeBufferPointer(start: start, count: Int(value.length)), as: UTF8.self)))
        member += 1
      }
      rows.append(row)
    }
    switch progress {
    case .tapeIsFull: break
    case .isAtEnd: return rows
    case .needsBytes:
      let end = min(cuts.first { $0 > place } ?? text.count, place + min(piece, text.count - place))
      if place == text.count {
        scanner.finish()
      } else {
        text[place..<end].withUnsafeBufferPointer { scanner.append($0) }
      }
      place = end
    }
  }
}

@Suite struct RecordScannerTests {
  static let documents: [(String, JSONRecordOptions)] = [
    (#"[{"a":1,"b":"x"},{"b":"\u00e9\ud83d\ude00\n","a":-0.5e-3},{},{"c":[1,{"z":1,"a":[]}],"d":{"k":"v"}}]"#, .init()),
    ("\u{FEFF} [ {\"ü\" : true , \"€😀\" : null,\"x\":\"ü€😀\"} ,\r\n{ } ] \n", .init()),
    (#"{"one": {"b": 1, "a": [ 1 , 2 ]}, "two": 12}"#, .init()),
    (
      #"{"m":{"n":[1,"]",{"}":2}],"o":{}},"p":{"q":1.25,"r":[{"a":"\\"},{"a":10}],"s":[]},"t":[],"u":null}"#,
      .init(path: ["p", "r"])
    ),
    (#"{"a":{"records":{"x":1}},"b":[[[]],{"a":[{}]}, "x", 1e5]}"#, .init(path: ["a", "records"])),
    ("{\"a\":1}\n\n{\"a\":\"ü\",\"b\":[ ]} \r\n  \n{\"c\":0}", .init(isLines: true)),
    ("\u{FEFF}{\"a\":12}\n{\"a\":{\"b\":1}}\n", .init(isLines: true)),
    // Wrong ones, which must be wrong in the same way.
    (#"[{"a":1},{"a":1,"b":[1,2,]}]"#, .init()),
    (#"[{"a":"\ud83d\ude0"}]"#, .init()),
    (#"[{"a":1,"b":{"x":1,"y":2,"\u0078":1}}]"#, .init()),
    (#"[{"a":1,"b":2,"a":3}]"#, .init()),
    (#"[{"a":01}]"#, .init()),
    (#"[{"a":tru}]"#, .init()),
    (#"[{"a":1}"#, .init()),
    (#"{"a":[{}],"b":[1,{"c":1,"c":2}]}"#, .init(path: ["a"])),
    (#"{"a":[{}],"b":1,"a":[]}"#, .init(path: ["a"])),
    (#"{"a":{"b":1}}"#, .init(path: ["a", "c"])),
    ("{\"a\":1}\n{\"a\":\n2}", .init(isLines: true)),
    ("{\"a\":1} {\"a\":2}", .init(isLines: true)),
    ("[{\"a\":\"\u{1}\"}]", .init()),
    ("[{}]\u{FEFF}", .init()),
    ("1234", .init()),
    ("", .init()),
  ]

  @Test(arguments: documents.indices) func `the result does not depend on how the text is cut`(_ index: Int) {
    let (document, options) = RecordScannerTests.documents[index]
    let text = Array(document.utf8)
    let whole = outcome { try rows(text, options) }
    for piece in 1...16 {
      #expect(outcome { try rows(text, options, piece: piece) } == whole, "pieces of \(piece) bytes")
    }
    for cut in 0...text.count {
      #expect(outcome { try rows(text, options, cuts: [cut]) } == whole, "cut at \(cut)")
      for other in stride(from: cut, through: text.count, by: 5) {
        #expect(outcome { try rows(text, options, cuts: [cut, other]) } == whole, "cut at \(cut) and \(other)")
      }
    }
  }

  @Test func `a text of broken UTF-8 is refused however it is cut`() {
    for broken in ["‹F0 9F 98›", "‹F0 9F›x", "‹E2›", "‹ED A0 80›", "‹C3›", "‹F4 90 80 80›", "‹E0 80 80›"] {
      let text = bytes(#"[{"a":"x"# + broken + #""}]"#)
      let whole = outcome { try rows(text) }
      #expect(whole.error?.what == "a byte that is no UTF-8")
      for cut in 0...text.count { #expect(outcome { try rows(text, cuts: [cut]) } == whole) }
    }
  }

  @Test func `members, kinds and texts`() throws {
    let rows = try rows(
      Array(#"[{"s":"a\"b","n":-1.50,"t":true,"f":false,"z":null,"o":{ "b":1, "a":"\u0041\/" },"l":[1,[]]}]"#.utf8))
    #expect(rows.count == 1)
    #expect(rows[0].members.map(\.kind) == [.string, .number, .boolean, .boolean, .null, .nested, .nested])
    #expect(rows[0].members.map(\.text) == ["a\"b", "-1.50", "true", "false", "", #"{"a":"A/","b":1}"#, "[1,[]]"])
  }

  @Test func `keys that look alike are kept apart`() throws {
    let keys = [
      "a", "ab", "aaaaaaaa", "aaaaaaaaa", "aaaaaaaab", #"a\\n"#, #"a\n"#, #"a\""#, #"\u0061a"#, "", "é", "e\u{301}",
      String(repeating: "k", count: 300),
    ]
    for order in [keys, keys.reversed(), keys] {
      let record = "{" + order.enumerated().map { "\"\($1)\":\($0)" }.joined(separator: ",") + "}"
      let text = Array("[\(record),\(record),{\"z\":0},\(record)]".utf8)
      let expected = order.map { key in (try? JSONValue(parsing: "\"\(key)\""))?.string ?? "?" }
      let rows = try rows(text)
      for index in [0, 1, 3] {
        #expect(rows[index].members.map { Array($0.key.utf8) } == expected.map { Array($0.utf8) })
        #expect(rows[index].members.map(\.text) == order.indices.map { "\($0)" })
      }
    }
  }

  @Test func `equal keys are refused or the last one wins, at every level`() throws {
    let wide = (0..<40).map { #""k\#($0 % 39)":\#($0)"# }.joined(separator: ",")
    for text in [#"[{"a":1,"b":2,"\u0061":3}]"#, #"[{"a":{"y":{"p":1,"q":1,"p":2}}}]"#, "[{\"a\":{\(wide)}}]"] {
      #expect(outcome { try rows(Array(text.utf8)) }.error?.what.contains("a second time") == true)
      let last = try rows(Array(text.utf8), JSONRecordOptions(duplicateKeys: .lastWins))
      let tree = try JSONValue(parsing: text, duplicateKeys: .lastWins)
      let value = try #require(tree[0]?["a"])
      #expect(last[0].members[0].text == value.text(.canonical))
    }
    let error = outcome { try rows(Array("[{\"a\":{\(wide)}}]".utf8)) }.error
    #expect(error?.offset == #"[{"a":{"#.utf8.count + wide.utf8.count - #""k0":39"#.utf8.count)
  }

  @Test func `the limits hold on both sides`() throws {
    let options = JSONRecordOptions(keysMax: 3, recordBytesMax: 30, envelopeKeysMax: 4)
    let fits = #"{"a":"123456789012345678901"}"#
    #expect(fits.utf8.count == 29)
    func text(_ record: String) -> [UInt8] { Array("[\(record),\(record)]".utf8) }
    let over = fits.replacing("123", with: "12345")
    for piece in [1, 7, 1000] {
      #expect(try rows(text(fits), options, piece: piece).count == 2)
      let error = outcome { try rows(text(over), options, piece: piece) }.error
      #expect(error == JSONError(offset: 1, "a value of more than 30 bytes", kind: .tooLong))
    }
    #expect(try rows(Array(#"[{"a":1,"b":1},{"c":1}]"#.utf8), options).count == 2)
    #expect(throws: JSONError.self) { try rows(Array(#"[{"a":1,"b":1},{"c":1,"d":1}]"#.utf8), options) }
    var beside = options
    beside.path = ["r"]
    #expect(
      try rows(Array(#"{"a":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16],"b":{"x":1},"r":[{}],"c":0}"#.utf8), beside).count
        == 1)
    #expect(throws: JSONError.self) { try rows(Array(#"{"a":1,"b":2,"c":3,"d":4,"r":[]}"#.utf8), beside) }
  }

  @Test func `a number of a million digits is read`() throws {
    let number = String(repeating: "7", count: 1_000_000)
    #expect(try rows(Array("[{\"n\":\(number)}]".utf8), piece: 65_536)[0].members[0].text == number)
  }

  @Test func `a long record comes through in small pieces without being read again and again`() throws {
    let record = #"{"l":["# + String(repeating: "1,", count: 200_000) + "2]}"
    #expect(try rows(Array("[\(record)]".utf8), piece: 100).count == 1)
  }
}

/// What came of it: rows or the error.
struct Outcome: Hashable {
  var rows: [Row] = []
  var error: JSONError?
}

func outcome(_ body: () throws -> [Row]) -> Outcome {
  do {
    return Outcome(rows: try body())
  } catch {
    return Outcome(error: error as? JSONError)
  }
}
