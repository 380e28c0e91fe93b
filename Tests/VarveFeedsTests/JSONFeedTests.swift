import Foundation
import Testing
import VarveFeeds
import VarveJSON
import VarveTables

@Suite struct JSONFeedTests {
  @Test func `kinds of values, missing keys and new keys`() throws {
    let batches = try read(
      #"[{"sku": "A-1", "price": 1.50, "live": true}, {"price": null, "tags": [ 1, "\u0078" ], "sku": ""}, {},"#
        + #" {"a\nb": {"z": 1, "y": 2e+0}, "live": false}]"#)
    #expect(batches.count == 1)
    let batch = batches[0]
    #expect(batch.rowCount == 4)
    #expect(batch.columns.map(\.name) == ["sku", "price", "live", "tags", "a\nb"])
    #expect(cells(batch, 0) == ["text A-1", "text ", "absent ", "absent "])
    #expect(cells(batch, 1) == ["number 1.50", "null ", "absent ", "absent "])
    #expect(cells(batch, 2) == ["boolean true", "absent ", "absent ", "boolean false"])
    #expect(cells(batch, 3) == ["absent ", #"json [1,"x"]"#, "absent ", "absent "])
    #expect(cells(batch, 4) == ["absent ", "absent ", "absent ", #"json {"y":2e+0,"z":1}"#])
    #expect(batch.origins.unit == .byte)
    #expect(batch.origins.positions == [1, 46, 99, 103])
    #expect(batch.origins[1].place == ["feed", "byte 46"])
  }

  @Test func `NDJSON has lines as origins and passes over blank ones`() throws {
    let batches = try read("\u{FEFF}{\"a\":1}\r\n\n \t\n{\"a\":2}\n{\"b\":3}", JSONFeedOptions(isLines: true))
    #expect(batches.count == 1)
    #expect(batches[0].origins.unit == .line)
    #expect(batches[0].origins.positions == [1, 4, 5])
    #expect(cells(batches[0], 0) == ["number 1", "number 2", "absent "])
    #expect(cells(batches[0], 1) == ["absent ", "absent ", "number 3"])
  }

  /// `{}` is too short to be looked at before its end is known, and so is the rest of a record that the pieces of the
  /// file cut late.
  @Test(arguments: [0, 1, 200_000, 300_000, 400_000, 600_000, 1_100_000, 1_500_000, 2_200_000], [false, true])
  func `what is read at the very end is a record once`(length: Int, isLines: Bool) throws {
    let text = length == 0 ? "{}" : "{\"a\":\"\(String(repeating: "x", count: length))\"}"
    let feed = try feed(Array(text.utf8), JSONFeedOptions(isLines: isLines))
    #expect(try feed.next()?.rowCount == 1)
    #expect(try feed.next() == nil)
    #expect(try feed.next() == nil)
  }

  @Test func `records at a path, by dots and by pointer`() throws {
    let text =
      #"{"meta": {"items": [1]}, "products": {"count": 1, "items": [{"a": 1}], "x/y.z": {"": [{"b": 2}]}}, "n": 0}"#
    #expect(try read(text, JSONFeedOptions(recordsAt: "products.items"))[0].columns.map(\.name) == ["a"])
    #expect(try read(text, JSONFeedOptions(recordsAt: "/products/x~1y.z/"))[0].columns.map(\.name) == ["b"])
    #expect(try read(text, JSONFeedOptions(recordsAt: "meta"))[0].columns.map(\.name) == ["items"])
  }

  /// Shorter than a byte order mark, so that it is read in the step that knows of its end.
  @Test(arguments: [false, true]) func `two bytes are one record`(isLines: Bool) throws {
    let feed = try feed(Array("{}".utf8), JSONFeedOptions(isLines: isLines))
    #expect(try feed.next()?.rowCount == 1)
    #expect(try feed.next() == nil)
  }

  @Test func `an array without records is a feed without rows`() throws {
    #expect(try read("[]").isEmpty)
    #expect(try read(" [ ]\n").isEmpty)
  }

  @Test(arguments: [
    ("", nil, "feed: the file is empty"),
    ("  ", nil, "feed, byte 2: the text ends where a value is expected"),
    ("12", nil, "feed, byte 0: the value at the top is a number, no array of records and no record"),
    ("\"x\"", nil, "feed, byte 0: the value at the top is a string, no array of records and no record"),
    ("[{}, 7]", nil, "feed, byte 5: a number where a record is expected: records are objects"),
    ("[[{}]]", nil, "feed, byte 1: an array where a record is expected: records are objects"),
    ("[{},]", nil, "feed, byte 4: \"]\" where a record is expected"),
    ("[{}", nil, "feed, byte 3: the text ends where \",\" or \"]\" is expected"),
    ("[{}] x", nil, "feed, byte 5: \"x\" where the end of the text is expected"),
    (
      "{}\n{}", nil,
      "feed, byte 3: a second record behind the first, outside of any array; "
        + "read it with --format ndjson if it has one record on each line"
    ),
    (
      #"{"a": [], "b": 1}"#, "items",
      #"feed, byte 17: the value at the top has no key "items": it has "a", "b"; "#
        + "name the array that holds the records with --records-at"
    ),
    (
      #"{"a": {}}"#, "a.items",
      #"feed, byte 9: "a" has no key "items": it is empty; name the array that holds the records with --records-at"#
    ),
    (
      #"[{"a": 1}]"#, "a",
      #"feed, byte 10: the value at the top is an array, and "a" is looked for in it; "#
        + "name the array that holds the records with --records-at"
    ),
    (
      #"{"a": {"b": null}}"#, "a.b", #"feed, byte 12: "a.b" is null, no array of records and no record"#
    ),
    (
      #"{"a": {"b": 5}}"#, "a.b.c",
      #"feed, byte 15: "a.b" is a number, and "c" is looked for in it; "#
        + "name the array that holds the records with --records-at"
    ),
    (#"{"x": [1,, 2], "a": []}"#, "a", #"feed, byte 9: "," where a value is expected"#),
    (#"{"a": [{}], "x": tru}"#, "a", #"feed, byte 20: "}" where "true" is expected"#),
    (#"{"a": [{}], "a": []}"#, "a", #"feed, byte 12: the key "a" comes a second time in its object"#),
    (#"{"a": [{"b": 1, "\u0062": 2}]}"#, "a", #"feed, byte 16: the key "b" comes a second time in its object"#),
    (#"[{"a": {"b": 1, "c": 2, "b": 3}}]"#, nil, #"feed, byte 24: the key "b" comes a second time in its object"#),
    ("\u{FEFF}[{\"a\": 01}]", nil, "feed, byte 11: a digit behind a leading zero"),
  ])
  func `what is wrong with a feed is said with its place`(_ text: String, _ recordsAt: String?, _ sentence: String)
    throws
  {
    let problem = #expect(throws: Problem.self) { try read(text, JSONFeedOptions(recordsAt: recordsAt)) }
    #expect(problem?.description == sentence)
    #expect(problem?.kind == .failed)
  }

  @Test(arguments: [
    ("", "feed: the file is empty"),
    ("\n \n", "feed: no records, only blank lines"),
    ("{}\n[1]\n", "feed, line 2, byte 3: an array where a record is expected: records are objects"),
    ("{}\n{\"a\":\n1}\n", "feed, line 2, byte 8: the end of the line where a value is expected"),
    ("{\"a\":\"\n\"}\n", "feed, line 1, byte 6: the line ends within a string"),
    ("{}\n\n{} {}\n", "feed, line 3, byte 7: more behind the record on its line; NDJSON has one record on each"),
    ("{}\n{\"a\"", "feed, line 2, byte 7: the text ends where \":\" is expected"),
  ])
  func `what is wrong with NDJSON is said with its line`(_ text: String, _ sentence: String) throws {
    let problem = #expect(throws: Problem.self) { try read(text, JSONFeedOptions(isLines: true)) }
    #expect(problem?.description == sentence)
  }

  @Test func `a feed that failed goes on failing`() throws {
    let feed = try feed(Array("[{},".utf8))
    #expect(throws: Problem.self) { try feed.next() }
    #expect(throws: Problem.self) { try feed.next() }
  }

  @Test func `paths that cannot be are refused`() throws {
    for options in [JSONFeedOptions(recordsAt: "a..b"), JSONFeedOptions(isLines: true, recordsAt: "a")] {
      #expect(#expect(throws: Problem.self) { try read("[]", options) }?.kind == .usage)
    }
  }

  @Test func `the last of equal keys wins if asked`() throws {
    let batch = try read(
      #"[{"a": 1, "b": 2, "a": {"x": 1, "y": 2, "x": 3}}]"#, JSONFeedOptions(duplicateKeys: .lastWins))[0]
    #expect(cells(batch, 0) == [#"json {"x":3,"y":2}"#])
    #expect(cells(batch, 1) == ["number 2"])
  }

  @Test func `an array and NDJSON of the same records are the same rows, in batches of bounded size`() throws {
    let records = (0..<20_000).map { number -> String in
      let late = number >= 9_000 && number % 7 == 0 ? #","late \#(number % 3)":"\#(number)""# : ""
      return #"{"id":\#(number),"name":"n\t\#(number)","tags":["a", {"z":\#(number), "b":null}]\#(late)}"#
    }
    let array = try read("[" + records.joined(separator: ",\n") + "]")
    let lines = try read(records.joined(separator: "\n"), JSONFeedOptions(isLines: true))
    #expect(array.map(\.rowCount) == [8192, 8192, 3616])
    #expect(array.map { $0.columns.count } == [3, 6, 6])
    for (one, other) in zip(array, lines) {
      #expect(one.columns.map(\.name) == other.columns.map(\.name))
      for (one, other) in zip(one.columns, other.columns) {
        #expect(one.kinds == other.kinds && one.ends == other.ends && one.bytes == other.bytes)
      }
    }
    #expect(lines.count == array.count)
    #expect(lines.flatMap(\.origins.positions) == Array(1...20_000))
    for name in ByteInputTests.compressions {
      let stored = try compressed(Array(records.joined(separator: "\n").utf8), name)
      let rows = try read(stored, JSONFeedOptions(isLines: true)).flatMap { cells($0, 1) }
      #expect(rows == (0..<20_000).map { "text n\t\($0)" })
    }
  }

  @Test func `many columns make short batches, and too many are refused`() throws {
    let wide = #"{"# + (0..<2_000).map { #""c\#($0)":\#($0)"# }.joined(separator: ",") + "}"
    let rows = repeatElement(wide, count: 1_200).joined(separator: ",")
    let batches = try read("[{}," + rows + "]")
    #expect(batches.map(\.rowCount).reduce(0, +) == 1_201)
    #expect(batches.allSatisfy { $0.rowCount * $0.columns.count <= 1 << 20 && $0.columns.count == 2_000 })
    #expect(batches.count == 3)

    func columns(_ count: Int) -> String {
      "[{}, {" + (0..<count).map { #""c\#($0)":0"# }.joined(separator: ",") + "}]"
    }
    #expect(try read(columns(FeedLimits.columnsMax)).last?.columns.count == FeedLimits.columnsMax)
    let problem = #expect(throws: Problem.self) { try read(columns(FeedLimits.columnsMax + 1)) }
    #expect(problem?.what == "more than 16384 different keys")
  }

  @Test func `a feed cut off anywhere is a problem`() throws {
    let text = Array(
      #"{"m": [1, {"k": "\ud83d\ude00"}], "r": [{"a": -1.5e3, "b": {"c": [null, true]}}, {"é": "x"}]}"#.utf8)
    for count in 1..<text.count {
      #expect(throws: Problem.self, "\(count) bytes") {
        try read(Array(text[..<count]), JSONFeedOptions(recordsAt: "r"))
      }
    }
    #expect(try read(text, JSONFeedOptions(recordsAt: "r"))[0].rowCount == 2)
  }

  private func feed(_ bytes: [UInt8], _ options: JSONFeedOptions = JSONFeedOptions()) throws -> JSONFeed {
    try JSONFeed(try ByteInput(path: try file(bytes)), options: options)
  }

  private func read(_ bytes: [UInt8], _ options: JSONFeedOptions = JSONFeedOptions()) throws -> [RawBatch] {
    let feed = try feed(bytes, options)
    var batches: [RawBatch] = []
    while let batch = try feed.next() {
      #expect(batch.origins.positions.count == batch.rowCount)
      for column in batch.columns {
        #expect(column.kinds.count == batch.rowCount && column.ends.count == batch.rowCount)
      }
      batches.append(batch)
    }
    #expect(try feed.next() == nil)
    return batches
  }

  private func read(_ text: String, _ options: JSONFeedOptions = JSONFeedOptions()) throws -> [RawBatch] {
    try read(Array(text.utf8), options)
  }
}

/// A column's cells as `kind text`.
func cells(_ batch: RawBatch, _ column: Int) -> [String] {
  let column = batch.columns[column]
  return (0..<batch.rowCount).map {
    "\(column.kinds[$0]) \(String(decoding: column.bytes[column.range($0)], as: UTF8.self))"
  }
}
