import Foundation
import Given
import Testing
import VarveDelivery
import VarveJSON
import VarveTables

/// A batch of these columns.
func batch(_ columns: [(name: String, column: Column)]) -> Batch {
  Batch(
    Schema(columns.map { Field($0.name, $0.column.type) }), columns.map(\.column), rowCount: columns[0].column.count)
}

func texts(_ values: [String?], _ type: DataType = .text) -> Column {
  var bytes = ByteValues()
  for value in values {
    bytes.bytes += (value ?? "").utf8
    bytes.ends.append(bytes.bytes.count)
  }
  return Column(type, .bytes(bytes), validity: values.map { $0 != nil })
}

func integers(_ values: [Int64], _ type: DataType = .int64) -> Column { Column(type, .int64(values)) }

func encoded(_ batch: Batch, _ mapping: RecordMapping = .identity, kinds: [String] = []) throws -> [String] {
  let encoder = try RecordEncoder(batch.schema, mapping, kindField: kinds.isEmpty ? nil : "_change_type")
  let records = try encoder.encode(batch, firstRecord: 0, kinds: kinds)
  return (0..<records.count).map {
    String(decoding: records.bytes[($0 == 0 ? 0 : records.ends[$0 - 1])..<records.ends[$0]], as: UTF8.self)
  }
}

@Suite struct RecordEncoderTests {
  @Test func `fields are sorted by code point, and every type has one spelling`() throws {
    let wide = Column(.decimal(precision: 20, scale: 2), .int128([12_345_678_901_234_567_89, -5]))
    let records = try encoded(
      batch([
        ("price", integers([1999, -50], .decimal(precision: 10, scale: 2))), ("sku", texts(["A\"1", nil])),
        ("Zoll", Column(.double, .double([0.1, 1e16]))), ("listed", integers([1, 0], .boolean)),
        ("day", integers([0, 19_753], .date)), ("at", integers([0, 1_500_000], .timestamp)),
        ("wide", wide), ("\u{1F600}", integers([.min, .max])), ("\u{FFFD}", integers([0, -1])),
      ]))
    #expect(
      records == [
        #"{"Zoll":0.1,"at":"1970-01-01T00:00:00Z","day":"1970-01-01","listed":true,"price":19.99,"sku":"A\"1","#
          + "\"wide\":\"12345678901234567.89\",\"\u{FFFD}\":0,\"\u{1F600}\":-9223372036854775808}",
        #"{"Zoll":1e+16,"at":"1970-01-01T00:00:01.5Z","day":"2024-01-31","listed":false,"price":-0.5,"sku":null,"#
          + "\"wide\":\"-0.05\",\"\u{FFFD}\":-1,\"\u{1F600}\":9223372036854775807}",
      ])
  }

  @Test func `a mapping renames, leaves out and spells as strings`() throws {
    let rows = batch([
      ("sku", texts(["A"])), ("n", integers([7])), ("b", integers([1], .boolean)), ("d", Column(.double, .double([2]))),
      ("cost", integers([5])),
    ])
    let mapping = RecordMapping(
      [
        RecordMapping.Column("sku", field: "id"), RecordMapping.Column("n", form: .string),
        RecordMapping.Column("b", form: .string), RecordMapping.Column("d", form: .string),
      ], sendsUnlisted: false)
    #expect(try encoded(rows, mapping) == [#"{"b":"true","d":"2.0","id":"A","n":"7"}"#])
    var all = mapping
    all.sendsUnlisted = true
    #expect(try encoded(rows, all) == [#"{"b":"true","cost":5,"d":"2.0","id":"A","n":"7"}"#])
    #expect(try encoded(rows, mapping, kinds: ["delete"])[0].hasPrefix(#"{"_change_type":"delete","b""#))

    for wrong in [
      RecordMapping([RecordMapping.Column("nothing")], sendsUnlisted: true),
      RecordMapping([RecordMapping.Column("sku", field: "n")], sendsUnlisted: true),
      RecordMapping(sendsUnlisted: false),
    ] {
      #expect(throws: Problem.self) { try encoded(rows, wrong) }
    }
    let clash = RecordMapping([RecordMapping.Column("sku", field: "_change_type")], sendsUnlisted: false)
    #expect(throws: Problem.self) { try encoded(rows, clash, kinds: ["insert"]) }
  }

  @Test func `a mapping reads back from its own JSON`() throws {
    let json = try JSONValue(
      parsing: #"{"sku": "id", "price": {"field": "p", "as": "string"}, "o": {"wide_numbers": "string"}}"#)
    let mapping = try RecordMapping(json, unlisted: nil, place: [])
    #expect(mapping.columns.map(\.field) == ["id", "p", "o"] && !mapping.sendsUnlisted)
    #expect(mapping.columns[1].form == .string && mapping.columns[2].wideNumbers == .string)
    #expect(try RecordMapping(mapping.json.columns, unlisted: mapping.json.unlisted, place: []) == mapping)
    #expect(try RecordMapping(nil, unlisted: nil, place: []) == .identity)
    for wrong in [#"["sku"]"#, #"{"a": 1}"#, #"{"a": {"as": "text"}}"#, #"{"a": {"filed": "b"}}"#] {
      let json = try JSONValue(parsing: wrong)
      #expect(throws: Problem.self) { try RecordMapping(json, unlisted: nil, place: []) }
    }
  }

  @Test func `a row that lacks a key is sent without it, and a null with it`() throws {
    let rows = batch([
      ("a", integers([1, 2, 3])), ("b", texts(["x", nil, nil])), ("\u{1}absent:b", integers([0, 1, 0], .boolean)),
      ("\u{1}absent:a", integers([0, 1, 1], .boolean)),
    ])
    #expect(try encoded(rows) == [#"{"a":1,"b":"x"}"#, "{}", #"{"b":null}"#])
  }

  @Test(arguments: [
    (#"{"b":[1.50,1e2,-0],"a":18446744073709551615}"#, #"{"a":18446744073709551615,"b":[1.5,100.0,0]}"#),
    (#"{"n":20000000000000000000}"#, #"{"n":2e+19}"#),
    (#"[0.000001,1E-7]"#, "[1e-6,1e-7]"),
    (#""text""#, #""text""#),
  ])
  func `nested JSON is spelled as orjson reads and writes it`(text: String, expected: String) throws {
    #expect(try encoded(batch([("v", texts([text], .json))])) == [#"{"v":\#(expected)}"#])
  }

  @Test func `nested JSON that is sent as it stands is what parsing it would give`() throws {
    var random = Seed()
    let pieces = [
      "{", "}", "[", "]", ",", ":", "\"a\"", "\"b\"", "\"ab\"", "\"é\"", "\"\\n\"", "0", "-", "1", "12", "90", ".",
      "0.00001",
      "0.000009", "1.50", "1.5", "-0.0", "-0", "1e5", "true", "false", "null", "123456789012345678",
      "1234567890123456789",
      "0.1234567890123456", " ", "1.0", "100.25", "\u{1}",
    ]
    var copied = 0
    for _ in 0..<200_000 {
      let text =
        random.below(2) == 0
        ? "{\"a\":" + pieces.randomElement(using: &random)! + ",\"b\":[" + pieces.randomElement(using: &random)!
          + pieces.randomElement(using: &random)! + "]}"
        : (0..<1 + random.below(6)).map { _ in pieces.randomElement(using: &random)! }.joined()
      var bytes = text
      guard bytes.withUTF8({ NestedScan.isSendable($0) }) else { continue }
      copied += 1
      let normal = try NestedNumbers.normalised(JSONValue(parsing: text), .refuse).text(.canonical)
      if normal != text { Issue.record("\(text) should be sent as \(normal)") }
    }
    #expect(copied > 1000)
  }

  @Test(arguments: [
    (#"{"a":[{"b":12345678901234567.89}]}"#, "$.a[0].b", #"{"a":[{"b":"12345678901234567.89"}]}"#),
    (#"[1,18446744073709551617]"#, "$[1]", #"[1,"18446744073709551617"]"#),
    ("1e400", "$", #""1e400""#),
  ])
  func `a nested number that would change stops the push or is sent as a string`(
    text: String, path: String, expected: String
  ) throws {
    let rows = batch([("v", texts(["1", text], .json))])
    let problem = #expect(throws: Problem.self) { try encoded(rows) }
    #expect(problem?.place == ["record 2", "column \"v\"", path])
    let mapping = RecordMapping([RecordMapping.Column("v", wideNumbers: .string)], sendsUnlisted: true)
    #expect(try encoded(rows, mapping)[1] == #"{"v":\#(expected)}"#)
  }

  @Test func `a decimal asked for as a number must survive a double`() throws {
    let mapping = RecordMapping([RecordMapping.Column("d", form: .number)], sendsUnlisted: true)
    let type = DataType.decimal(precision: 20, scale: 2)
    #expect(try encoded(batch([("d", Column(type, .int128([150])))]), mapping) == [#"{"d":1.5}"#])
    let problem = #expect(throws: Problem.self) {
      try encoded(batch([("d", Column(type, .int128([150, 1_234_567_890_123_456_789])))]), mapping)
    }
    #expect(problem?.place == ["record 2", "column \"d\""])
    #expect(throws: Problem.self) { try encoded(batch([("d", Column(.double, .double([.nan])))])) }
  }

  @Test(.enabled(if: Python.path != nil, "no Python interpreter"))
  func `a million random values read back right and have orjson's own spelling`() throws {
    var random = Seed()
    var lines = Data()
    var valueCount = 0
    for round in 0..<100 {
      // Keys beyond the basic plane sort otherwise by UTF-16 than by code point.
      var names = Set<[UInt8]>()
      while names.count < 12 { names.insert(Array((random.text() + "\(names.count)").utf8)) }
      let name = names.map { String(decoding: $0, as: UTF8.self) }
      let rowCount = 850
      let doubles = (0..<rowCount).map { _ in random.double() }
      let whole = (0..<rowCount).map { _ in Int64(bitPattern: random.next()) >> Int64(random.below(64)) }
      let text = (0..<rowCount).map { _ in random.text() }
      let cents = (0..<rowCount).map { _ in Int64(random.below(2_000_000_000_000) - 1_000_000_000_000) }
      let nested = (0..<rowCount).map { row in
        JSONValue([.string(text[row]), JSONValue(doubles[row]), JSONValue(whole[row])]).text()
      }
      let rows = batch([
        (name[0], Column(.double, .double(doubles))), (name[1], texts(doubles.map { "d\($0.bitPattern)" })),
        (name[2], integers(whole)), (name[3], texts(whole.map { "i\($0)" })),
        (name[4], texts(text)),
        (name[5], texts(text.map { "t" + $0.utf8.map { String(Int($0) + 256, radix: 16).dropFirst() }.joined() })),
        (name[6], integers(cents, .decimal(precision: 13, scale: 3))), (name[7], texts(cents.map { "c\($0)" })),
        (name[8], texts(nested, .json)),
        (name[9], texts(nested.map { "n" + $0.utf8.map { String(Int($0) + 256, radix: 16).dropFirst() }.joined() })),
        (name[10], integers(whole.map { $0 & 1 }, .boolean)),
        (name[11], integers(whole.map { abs($0 % 40_000) }, .date)),
      ])
      let pairs = JSONValue([JSONValue(round)] + name.map { .string($0) })
      lines.append(contentsOf: pairs.bytes() + [10])
      for record in try encoded(rows) { lines.append(contentsOf: Array(record.utf8) + [10]) }
      valueCount += rowCount * 12
    }
    #expect(valueCount >= 1_000_000)
    let verdict = try Python.output(
      """
      import sys, struct, orjson
      wrong = seen = 0
      for line in sys.stdin.buffer:
          line = line.rstrip(b"\\n")
          value = orjson.loads(line)
          if isinstance(value, list):
              names = value[1:]
              continue
          good = orjson.dumps(value, option=orjson.OPT_SORT_KEYS) == line and set(value) == set(names)
          v = [value[name] for name in names]
          good &= isinstance(v[0], float) and struct.pack("<d", v[0]) == int(v[1][1:]).to_bytes(8, "little")
          good &= v[2] == int(v[3][1:]) and v[4].encode() == bytes.fromhex(v[5][1:])
          good &= v[6] == int(v[7][1:]) / 1000 and v[8] == orjson.loads(bytes.fromhex(v[9][1:]))
          good &= isinstance(v[10], bool) and len(v[11]) == 10
          seen += len(v)
          if not good:
              wrong += 1
              if wrong < 5: print(line.decode())
      print(seen, wrong)
      """, lines)
    #expect(verdict == "\(valueCount) 0\n")
  }
}

extension Seed {
  /// A finite double: of any bits, or a short decimal, or near a power of ten.
  fileprivate mutating func double() -> Double {
    while true {
      let value: Double =
        switch below(4) {
        case 0: Double(bitPattern: next())
        case 1:
          Double(Int64(bitPattern: next()) >> Int64(below(64))) / [1, 10, 100, 1e4, 1e9].randomElement(using: &self)!
        case 2:
          (Double("1e\(below(40) - 20)")! * Double(below(1000))).nextUp * (below(2) == 0 ? 1 : -1)
        default: Double(below(2_000_000) - 1_000_000) / [1, 10, 100, 1e5, 1e-12].randomElement(using: &self)!
        }
      if value.isFinite { return value }
    }
  }
}
