import Testing
import VarveJSON

/// The cases of JSONTestSuite (Nicolas Seriot, "Parsing JSON is a minefield"), spelled anew: `‹ED A0 80›` are bytes.
///
/// The tree parser and the record scanner must agree on each of them.
@Suite struct ConformanceTests {
  @Test(arguments: accepted) func `what the grammar allows is accepted`(_ text: String) throws {
    let bytes = bytes(text)
    let value = try JSONValue(parsing: bytes)
    let canonical = value.text(.canonical)
    #expect(try JSONValue(parsing: canonical).text(.canonical) == canonical)
    #expect(try scanned(bytes) == canonical)
  }

  @Test(arguments: refused) func `what the grammar forbids is refused`(_ text: String) {
    let bytes = bytes(text)
    #expect(throws: JSONError.self) { try JSONValue(parsing: bytes) }
    #expect(throws: JSONError.self) { try scanned(bytes) }
  }

  @Test(arguments: decidedAccepted) func `where the grammar leaves the choice, these are accepted`(_ text: String)
    throws
  {
    #expect(try JSONValue(parsing: bytes(text)) == scannedValue(bytes(text)))
  }

  @Test(arguments: decidedRefused) func `where the grammar leaves the choice, these are refused`(_ text: String) {
    #expect(throws: JSONError.self) { try JSONValue(parsing: bytes(text)) }
    #expect(throws: JSONError.self) { try scanned(bytes(text)) }
  }

  @Test func `containers within each other are bounded`() throws {
    for (open, close) in [("[", "]"), (#"{"a":"#, "}")] {
      func nested(_ depth: Int) -> [UInt8] {
        let inner = open == "[" ? "" : "1"
        return Array(
          (String(repeating: open, count: depth) + inner + String(repeating: close, count: depth)).utf8)
      }
      #expect(try JSONValue(parsing: nested(512)).bytes() == nested(512))
      #expect(throws: JSONError.self) { try JSONValue(parsing: nested(513)) }
      // The array and the record around it count too.
      #expect(try scanned(nested(510)).utf8.elementsEqual(nested(510)))
      #expect(throws: JSONError.self) { try scanned(nested(511)) }
      #expect(throws: JSONError.self) { try JSONValue(parsing: Array(repeating: open, count: 100_000).joined()) }
      #expect(throws: JSONError.self) { try scanned(Array(Array(repeating: open, count: 100_000).joined().utf8)) }
    }
  }

  @Test func `a byte order mark may come once, at the start`() throws {
    #expect(try JSONValue(parsing: bytes("‹EF BB BF›{}")) == [:])
    #expect(throws: JSONError.self) { try JSONValue(parsing: bytes("‹EF BB BF›‹EF BB BF›{}")) }
    #expect(throws: JSONError.self) { try JSONValue(parsing: bytes("{}‹EF BB BF›")) }
  }

  /// The canonical form that the scanner gives the text as a member of a record.
  private func scanned(_ text: [UInt8]) throws -> String {
    let rows = try rows(Array(#"[{"v":"#.utf8) + text + Array("}]".utf8))
    let member = try #require(rows.first?.members.first)
    if member.kind == .string { return JSONValue(member.text).text() }
    return member.kind == .null ? "null" : member.text
  }

  private func scannedValue(_ text: [UInt8]) throws -> JSONValue {
    // A byte order mark stands before the record, not within it.
    let isMarked = text.starts(with: [0xEF, 0xBB, 0xBF])
    return try JSONValue(parsing: scanned(isMarked ? Array(text.dropFirst(3)) : text))
  }
}

/// The text's bytes, with `‹HH HH›` as the bytes of those hexadecimal numbers.
func bytes(_ text: String) -> [UInt8] {
  var bytes: [UInt8] = []
  for part in text.split(separator: "‹", omittingEmptySubsequences: false) {
    let pieces = part.split(separator: "›", omittingEmptySubsequences: false)
    if pieces.count == 2 { bytes += pieces[0].split(separator: " ").compactMap { UInt8($0, radix: 16) } }
    bytes += (pieces.last ?? "").utf8
  }
  return bytes
}

private let accepted: [String] = [
  // Arrays.
  "[[]   ]", #"[""]"#, "[]", #"["a"]"#, "[false]", #"[null, 1, "1", {}]"#, "[null]", "[1\n]", " [1]",
  "[1,null,null,null,2]", "[2] ",
  // Numbers.
  "[123e65]", "[0e+1]", "[0e1]", "[ 4]",
  "[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]", "[20e1]", "[-0]", "[-123]",
  "[-1]", "[1E22]", "[1E-2]", "[1E+2]", "[123e45]", "[123.456e78]", "[1e-2]", "[1e+2]", "[123]", "[123.456789]",
  // Objects.
  #"{"asd":"sdf", "dfg":"fgh"}"#, #"{"asd":"sdf"}"#, "{}", #"{"":0}"#, #"{"foo\u0000bar": 42}"#,
  #"{ "min": -1.0e+28, "max": 1.0e+28 }"#,
  #"{"x":[{"id": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}], "id": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}"#,
  #"{"a":[]}"#,
  #"{"title":"\u041f\u043e\u043b\u0442\u043e\u0440\u0430 \u0417\u0435\u043c\u043b\u0435\u043a\u043e\u043f\u0430" }"#,
  "{\n\"a\": \"b\"\n}",
  // Strings.
  #"["\u0060\u012a\u12AB"]"#, #"["\uD801\udc37"]"#, #"["\ud83d\ude39\ud83d\udc8d"]"#, #"["\"\\\/\b\f\n\r\t"]"#,
  #"["\\u0000"]"#, #"["\""]"#, #"["a/*b*/c/*d//e"]"#, #"["\\a"]"#, #"["\\n"]"#, #"["\u0012"]"#, #"["\uFFFF"]"#,
  #"["asd"]"#, #"[ "asd"]"#, #"["\uDBFF\uDFFF"]"#, #"["new\u00A0line"]"#, "[\"‹F4 8F BF BF›\"]", "[\"‹EF BF BF›\"]",
  #"["\u0000"]"#, #"["\u002c"]"#, "[\"π\"]", "[\"‹F0 9B BF BF›\"]", #"["asd "]"#, #"" ""#, #"["\uD834\uDd1e"]"#,
  #"["\u0821"]"#, #"["\u0123"]"#, "[\"‹E2 80 A8›\"]", "[\"‹E2 80 A9›\"]", #"["\u0061\u30af\u30EA\u30b9"]"#,
  "[\"new‹C2 A0›line\"]", #"["\uA66D"]"#, #"["\u005C"]"#, "[\"⍂㈴⍂\"]", #"["\uDBFF\uDFFE"]"#, #"["\uD83F\uDFFE"]"#,
  #"["\u200B"]"#, #"["\u2064"]"#, #"["\uFDD0"]"#, #"["\uFFFE"]"#, #"["\u0022"]"#, "[\"€𝄞\"]", "[\"a‹7F›a\"]",
  #"["\u0000\u001F\u007f"]"#,
  // Structure.
  "false", "42", "-0.1", "null", #""asd""#, "true", #""""#, "[\"a\"]\n", "[true]", " [] ", "\t\r\n[\t\r\n]\t\r\n",
]

private let refused: [String] = [
  // Arrays.
  "[1 true]", "[a‹E5›]", #"["": 1]"#, #"[""],"#, "[,1]", "[1,,2]", #"["x",,]"#, #"["x"]]"#, #"["",]"#, #"["x""#,
  "[x", "[3[4]]", "[‹FF›]", "[1:2]", "[,]", "[-]", "[   , \"\"]", "[\"a\",\n4\n,1,", "[1,]", "[1,,]", "[\"‹0B›a\"\\f]",
  "[*]", #"[""#, "[1,", "[1,\n1\n,1", "[{}", "[fals]", "[nul]", "[tru]", "123‹00›",
  // Numbers.
  "[++1234]", "[+1]", "[+Inf]", "[-01]", "[-1.0.]", "[-2.]", "[-NaN]", "[.-1]", "[.2e-3]", "[0.1.2]", "[0.3e+]",
  "[0.3e]", "[0.e1]", "[0E+]", "[0E]", "[0e+]", "[0e]", "[1.0e+]", "[1.0e-]", "[1.0e]", "[1 000.0]", "[1eE2]",
  "[2.e+3]", "[2.e-3]", "[2.e3]", "[9.e+]", "[Inf]", "[NaN]", "[‹EF BC 91›]", "[1+2]", "[0x1]", "[0x42]", "[Infinity]",
  "[0e+-1]", "[-123.123foo]", "[123‹E5›]", "[1e1‹E5›]", "[0‹E5›]", "[-Infinity]", "[-foo]", "[- 1]", "[-012]",
  "[-.123]", "[-1x]", "[1ea]", "[1e‹E5›]", "[1.]", "[.123]", "[1.2a-3]", "[1.8011670033376514H-308]", "[012]", "[00]",
  // Objects.
  #"["x", truth]"#, "{[: \"x\"}\n", #"{"x", null}"#, #"{"x"::"b"}"#, "{🇨🇭}", #"{"a":"a" 123}"#, #"{key: 'value'}"#,
  "{\"‹B9›\":\"0\",}", #"{"a" b}"#, #"{:"b"}"#, #"{"a" "b"}"#, #"{"a":"#, #"{"a""#, "{1:1}", "{9999E9999:1}",
  "{null:null,null:null}", #"{"id":0,,,,,}"#, "{'a':0}", #"{"id":0,}"#, #"{"a":"b"}/**/"#, #"{"a":"b"}/**//"#,
  #"{"a":"b"}//"#, #"{"a":"b"}/"#, #"{"a":"b",,"c":"d"}"#, #"{a: "b"}"#, #"{"a":"a"#, #"{ "foo" : "bar", "a" }"#,
  #"{"a":"b"}#"#, #"{"a":1,"a":2}"#, #"{"a":1,"b":{},"\u0061":1}"#, #"{"a":"b","a":"b"}"#, #"{"b":1,"a":2,"b":3}"#,
  " ",
  // Strings.
  #"["\uD800\"]"#, #"["\uD800\u"]"#, #"["\uD800\u1"]"#, #"["\uD800\u1x"]"#, "[é]", "[\"\\‹00›\"]", #"["\x00"]"#,
  #"["\\\"]"#, "[\"\\\t\"]", "[\"\\🌀\"]", #"["\"]"#, #"["\u00A"]"#, #"["\uD834\uDd"]"#, #"["\uD800\uD800\x"]"#,
  "[\"\\u‹E5›\"]", #"["\a"]"#, #"["\uqqqq"]"#, "[\"\\‹E5›\"]", #"[\u0020"asd"]"#, #"[\n]"#, "\"", "['single quote']",
  "abc", #"["\"#, "[\"a‹00›a\"]", "[\"new\nline\"]", "[\"\t\"]", #""\UA66D""#, #""""x"#, "[\"‹1F›\"]",
  // Structure.
  "<.>", "[<null>]", "[1]x", "[1]]", #"["asd]"#, "aå", "[True]", "1]", #"{"x": true,"#, "[][]", "]", "",
  "‹EF BB›{}", "‹E5›", "[", "[‹00›]", "2@", "{}}", #"{"":"#, #"{"a":/*comment*/"b"}"#, #"{"a": true} "x""#, "['",
  "[,", "[{", #"["a"#, #"["a""#, "{", "{]", "{,", "{[", #"{"a"#, "{'a'", #"["\{["\{["\{["\{"#, "‹E9›", "*",
  ##"{"a":"b"}#{}"##, #"[\u000A""]"#, "[1", "[ false, nul", "[ true, fals", "[ false, tru", #"{"asd":"asd""#, "å",
  "‹E2 81 A0›", "[‹0C›]", "[‹E2 81 A0›]", "‹EF BB BF›",
]

private let decidedAccepted: [String] = [
  // Numbers stay as spelled, so that none is out of range.
  "[123.456e-789]",
  "[0.4e00669999999999999999999999999999999999999999999999999999999999999999999999999999999999969999999006]",
  "[-1e+9999]", "[1.5e+9999]", "[-123123e100000]", "[123123e100000]", "[123123e-10000000]",
  "[-123123123123123123123123123123]", "[100000000000000000000]", "[-237462374673276894279832749832423479823246327846]",
  "‹EF BB BF›{}",
]

private let decidedRefused: [String] = [
  // Half surrogate pairs.
  #"{"\uDFAA":0}"#, #"["\uDADA"]"#, #"["\uD888\u1234"]"#, #"["\uD800\n"]"#, #"["\uDd1ea"]"#, #"["\uD800\uD800\n"]"#,
  #"["\ud800"]"#, #"["\ud800abc"]"#, #"["\uDd1e\uD834"]"#, #"["\uDFAA"]"#,
  // What is no UTF-8: UTF-16, cut sequences, surrogates, overlong forms, past U+10FFFF.
  "‹FF FE›[‹00›\"‹00 E9 00›\"‹00›]‹00›", "‹00›[‹00›\"‹00 E9 00›\"‹00›]", "[\"‹E6 97 A5 D1 88 FA›\"]",
  "[\"‹F4 BF BF BF›\"]", "[\"‹E9›\"]", "[\"‹ED A0 80›\"]", "[\"‹FF›\"]", "[\"‹81›\"]", "[\"‹C0 AF›\"]",
  "[\"‹FC 83 BF BF BF BF›\"]", "[\"‹FC 80 80 80 80 80›\"]", "[\"‹E0 FF›\"]", "[\"‹E0 80 AF›\"]", "[\"‹F0 80 80 AF›\"]",
  "[\"‹ED A0 BD ED B8 80›\"]", "[\"‹F4 90 80 80›\"]", "[\"‹C1 BF›\"]", "[\"‹F5 80 80 80›\"]", "[\"‹E2 82›\"]",
  "[\"‹F0 9F 98›\"]", "[\"‹C3›\"]", "[\"‹80›\"]", "[\"‹C3 28›\"]", "[\"‹F0 9F 28 80›\"]", "{\"‹ED A0 80›\":1}",
]
