import Testing
import VarveJSON

@Suite struct JSONValueTests {
  @Test func `members keep their order and are found by key`() throws {
    let value = try JSONValue(parsing: #" {"b": 1, "a": {"path": "x\u0041\n"}, "list": [true, null, -1.50e+2]} "#)
    #expect(value.object?.keys == ["b", "a", "list"])
    #expect(value["a"]?["path"]?.string == "xA\n")
    #expect(value["b"]?.int64 == 1)
    #expect(value["list"]?[0]?.boolean == true)
    #expect(value["list"]?[1]?.isNull == true)
    #expect(value["list"]?[2]?.number == "-1.50e+2")
    #expect(value["list"]?[2]?.double == -150)
    #expect(value["list"]?[2]?.int64 == nil)
    #expect(value["c"] == nil)
    #expect(value["list"]?[3] == nil)
  }

  @Test func `integers that do not fit are no int64 and numbers past a double are no double`() throws {
    #expect(try JSONValue(parsing: "9223372036854775807").int64 == .max)
    #expect(try JSONValue(parsing: "9223372036854775808").int64 == nil)
    #expect(try JSONValue(parsing: "1e400").double == nil)
    #expect(try JSONValue(parsing: "-0").double?.sign == .minus)
  }

  @Test func `the three forms`() throws {
    let value: JSONValue = [
      "z": [1, 2.5, []], "é": "a\"\\\u{1}\u{1F}\t\u{7F}/é😀", "a": ["y": nil, "x": true], "e": [:],
    ]
    #expect(
      value.text() == #"{"z":[1,2.5,[]],"é":"a\"\\\u0001\u001f\t"# + "\u{7F}"
        + #"/é😀","a":{"y":null,"x":true},"e":{}}"#)
    #expect(
      value.text(.canonical) == #"{"a":{"x":true,"y":null},"e":{},"z":[1,2.5,[]],"é":"a\"\\\u0001\u001f\t"# + "\u{7F}"
        + #"/é😀"}"#)
    #expect(
      try JSONValue(parsing: #"{"b":[1,{"c":2}],"a":{},"d":[]}"#).text(.pretty) == """
        {
          "b": [
            1,
            {
              "c": 2
            }
          ],
          "a": {},
          "d": []
        }
        """)
    for form in [JSONForm.compact, .pretty] { #expect(try JSONValue(parsing: value.text(form)) == value) }
  }

  @Test func `keys are sorted by code point, not by UTF-16 unit or Unicode equivalence`() {
    let value: JSONValue = ["\u{1F600}": 1, "\u{FB01}": 2, "e\u{301}": 3, "\u{E9}": 4]
    #expect(value.object?.count == 4)
    #expect(value.text(.canonical) == "{\"e\u{301}\":3,\"\u{E9}\":4,\"\u{FB01}\":2,\"\u{1F600}\":1}")
    #expect(value["\u{E9}"] == 4)
    #expect(JSONValue("\u{E9}") != JSONValue("e\u{301}"))
  }

  @Test func `an object of many members finds, replaces and removes them`() {
    var object = JSONObject()
    for number in 0..<100 { object["key\(number)"] = JSONValue(number) }
    object["key7"] = "seven"
    object["key8"] = nil
    #expect(object.count == 99)
    #expect(object.members[7].value == "seven")
    #expect(object["key8"] == nil)
    #expect(object["key99"] == 99)
    for number in 9..<100 { object["key\(number)"] = nil }
    object["new"] = true
    #expect(object.keys == ["key0", "key1", "key2", "key3", "key4", "key5", "key6", "key7", "new"])
    #expect(object["key6"] == 6)
  }

  @Test func `duplicate keys are refused with their place, or the last wins`() throws {
    let text = #"{"a": 1, "b": {"x": 1, "\u0078": 2}}"#
    let error = #expect(throws: JSONError.self) { try JSONValue(parsing: text) }
    #expect(error == JSONError(offset: 23, #"the key "x" comes a second time in its object"#))
    #expect(try JSONValue(parsing: text, duplicateKeys: .lastWins) == ["a": 1, "b": ["x": 2]])
  }

  @Test func `errors have a line and a column in code points`() throws {
    let text = "{\"a\": 1,\n \"äé\" 2}"
    let error = try #require(throws: JSONError.self) { try JSONValue(parsing: text) }
    #expect(error.what == #""2" where ":" is expected"#)
    let place = error.place(in: Array(text.utf8))
    #expect(place.line == 2)
    #expect(place.column == 7)
  }

  @Test func `doubles are spelled shortest, as orjson spells them`() {
    let spellings: [(Double, String)] = [
      (0, "0.0"), (-0.0, "-0.0"), (1, "1.0"), (-100, "-100.0"), (1e15, "1000000000000000.0"), (1e16, "1e+16"),
      (123_456_789_012_345_680, "1.2345678901234568e+17"), (1.5e300, "1.5e+300"), (1e-5, "0.00001"),
      (1.234e-5, "0.00001234"), (1e-6, "1e-6"), (1.234e-6, "1.234e-6"), (.leastNonzeroMagnitude, "5e-324"),
      (0.1, "0.1"),
      (.greatestFiniteMagnitude, "1.7976931348623157e+308"), (1_234_567_890_000_000, "1234567890000000.0"),
      (1.2, "1.2"), (12.34, "12.34"), (9_007_199_254_740_992, "9007199254740992.0"),
    ]
    for (value, spelling) in spellings { #expect(JSONNumber.text(of: value) == spelling) }
    #expect(JSONValue(Double.nan) == .null)
  }
}
