import Testing
import VarveDelivery
import VarveJSON

/// The Pimcore to rehearse with, without a network.
@Suite struct PimcoreDoubleTests {
  func rows(_ text: String) throws -> [JSONValue] { try #require(try JSONValue(parsing: text).array) }

  func skus(_ store: PimcoreStore) -> [String] {
    store.objects.values.sorted { $0.id < $1.id }.compactMap { $0.values["sku"]?.string }
  }

  @Test(arguments: [
    (#"{"a":"ö/\"","b":[1,1e+16,true,null],"c":{}}"#, #"{"a":"\u00f6\/\"","b":[1,1.0e+16,true,null],"c":[]}"#),
    (#"["\ud83d\ude00\u007f\u0001\b"]"#, "[\"\\ud83d\\ude00\u{7f}\\u0001\\b\"]"),
  ])
  func `a row in the queue is spelled as PHP spells it`(sent: String, kept: String) throws {
    #expect(String(decoding: QueueRow.bytes(try JSONValue(parsing: sent)), as: UTF8.self) == kept)
  }

  @Test func `rows are worked on later, and leave the queue whatever becomes of them`() throws {
    var setup = PimcoreSetup()
    setup.lengthsMax = ["name": 3]
    var store = PimcoreStore(setup)
    #expect(
      try store.prepare(rows(#"[{"sku":"a","name":"x"},{"sku":"b","name":"long"},{"sku":"A ","name":"y"}]"#)) == 3)
    #expect(store.objects.isEmpty && store.queueCount == 3)
    store.work(2)
    #expect(skus(store) == ["a"] && store.queueCount == 1 && store.log.count == 1)
    store.work(.max)
    // Case and blanks at the end do not part keys.
    #expect(skus(store) == ["A "] && store.queueCount == 0)
  }

  @Test func `an exception midway leaves what came before it in the queue`() throws {
    var store = PimcoreStore(PimcoreSetup())
    let long = String(repeating: "ö", count: 11_000)
    #expect(throws: PimcoreStore.Interrupted.self) {
      try store.prepare(rows(#"[{"sku":"a"},{"sku":"b","name":"\#(long)"},{"sku":"c"}]"#))
    }
    store.work(.max)
    #expect(skus(store) == ["a"])
  }

  @Test func `a delta check passes over what failed and came again`() throws {
    var store = PimcoreStore(PimcoreSetup())
    store.faults.hasDeltaCheck = true
    store.faults.losesEvery = 1
    #expect(try store.prepare(rows(#"[{"sku":"a"},{"sku":null}]"#)) == 1)
    store.work(.max)
    store.faults.losesEvery = nil
    #expect(try store.prepare(rows(#"[{"sku":"a"}]"#)) == 0)
    #expect(try store.prepare(rows(#"[{"sku":"a","n":1}]"#)) == 1)
  }

  @Test func `cleanup takes everything that is not in the push`() throws {
    var store = PimcoreStore(PimcoreSetup())
    _ = try store.prepare(rows(#"[{"sku":"a"},{"sku":"b"}]"#))
    store.work(.max)
    store.faults.hasCleanup = true
    _ = try store.prepare(rows(#"[{"sku":"c"}]"#))
    store.work(.max)
    #expect(skus(store) == ["c"])
    _ = try store.prepare([])
    store.work(.max)
    #expect(store.objects.isEmpty)
  }

  @Test func `CSV is read as PHP reads it`() throws {
    var csv = ImporterCSV(fields: ["a", "b"])
    csv.hasHeader = false
    let plain: [(String, String)] = [("x", ""), ("", "y"), ("\"q\"", "l1\nl2"), (" a", "b\\c"), ("\\", "c\\\"")]
    for (a, b) in plain where csv.misread(["a": .string(a), "b": .string(b)]) == nil {
      #expect(csv.rows(csv.bytes([["a": .string(a), "b": .string(b)]])) == [[a, b]])
    }
    #expect(csv.misread(["a": "c\\\"", "b": ""]) == "a")
    #expect(csv.misread(["a": "", "b": "x,\\"]) == "b")
    #expect(csv.misread(["a": "\\", "b": "c\\d"]) == nil)
    // An escape does not end a field in PHP.
    #expect(csv.rows(Array("\"c\\\"\"\",d\n".utf8)) != [["c\\\"", "d"]])
    var headed = ImporterCSV(fields: ["a"])
    headed.delimiter = UInt8(ascii: ";")
    #expect(String(decoding: headed.bytes([["a": 1], ["a": nil]]), as: UTF8.self) == "a\n1\n\"\"\n")
  }

  @Test func `a GraphQL request is read with aliases, arguments and variables`() throws {
    let document = try GraphQLDocument(
      #"query($f: String!, $ids: [Int!]) { a: getX(filter: $f, ids: $ids, n: -1.5, o: {k: "\"v\""}) { id, edges { node { b } } } }"#,
      variables: ["f": "{}"])
    let field = try #require(document.fields.first)
    #expect(field.alias == "a" && field.name == "getX" && field.selection.map(\.name) == ["id", "edges"])
    #expect(
      field.arguments["f"] == nil && field.arguments["filter"] == "{}" && field.arguments["ids"] == .null
        && field.arguments["n"] == -1.5 && field.arguments["o"]?["k"] == "\"v\"")
    for wrong in ["", "{", "{}", "{a", "{a(b)}", "query {a} b", #"{a(b:"x}"#] {
      #expect(throws: GraphQLDocument.SyntaxError.self) { try GraphQLDocument(wrong, variables: [:]) }
    }
  }
}
