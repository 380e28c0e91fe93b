import Testing
import VarveFeeds
import VarveJSON
import VarveTables

private func parse(_ text: String) throws -> SchemaFile { try SchemaFile(parsing: Array(text.utf8), name: "s.json") }

@Test func `a schema file says all that a field has, and reads back what it prints`() throws {
  let file = try parse(
    """
    {"columns": [
      {"name": "sku", "type": "text", "nullable": false, "aliases": ["Artikel Nr", "EAN"]},
      {"name": "price", "type": "decimal(10,2)", "decimal": ",", "grouping": ".", "nulls": ["-", "n/a"]},
      {"name": "from", "type": "date", "format": "DD.MM.YYYY"},
      {"name": "active", "type": "boolean", "format": "ja/nein", "nullable": true}
    ], "timezone": "Europe/Berlin", "absent": "null"}
    """)
  #expect(
    file.schema.fields == [
      Field("sku", .text, isNullable: false, aliases: ["Artikel Nr", "EAN"]),
      Field("price", .decimal(precision: 10, scale: 2), nulls: ["-", "n/a"], decimal: ",", grouping: "."),
      Field("from", .date, format: "DD.MM.YYYY"), Field("active", .boolean, format: "ja/nein"),
    ])
  #expect(file.timezone == "Europe/Berlin" && file.absentIsNull == true)
  #expect(try parse(file.json.text()) == file)
  let plain = try parse("{\"columns\":[]}")
  #expect(plain == SchemaFile(schema: Schema([])) && plain.json.text() == "{\"columns\":[]}")
  #expect(try parse("{\"columns\":[],\"absent\":\"keep\"}").absentIsNull == false)
}

@Test func `a header becomes an alias`() throws {
  let file = SchemaFile(schema: Schema([Field("unit_price", .double, header: "unit price", aliases: ["price"])]))
  #expect(try parse(file.json.text()).schema.fields[0].aliases == ["unit price", "price"])
}

@Test(
  arguments: [
    ("[", "s.json, line 1, column 2: "), ("[]", "s.json: an object is expected"),
    ("{}", "s.json: \"columns\" must be an array"),
    ("{\"columns\":[],\"zone\":1}", "s.json: there is no key \"zone\"; use columns, timezone, absent"),
    ("{\"columns\":[{\"name\":\"a\"}]}", "s.json, column \"a\": it has no \"type\""),
    ("{\"columns\":[{\"type\":\"text\"}]}", "s.json, column 1: it has no \"name\""),
    ("{\"columns\":[{\"name\":\"a\",\"type\":\"string\"}]}", "s.json, column \"a\": there is no type \"string\""),
    (
      "{\"columns\":[{\"name\":\"a\",\"type\":\"decimal(40,2)\"}]}",
      "s.json, column \"a\": there is no type \"decimal(40,2)\""
    ),
    ("{\"columns\":[{\"name\":\"a\",\"type\":\"text\",\"null\":1}]}", "s.json, column 1: there is no key \"null\""),
    (
      "{\"columns\":[{\"name\":\"a b\",\"type\":\"text\"}]}",
      "s.json, column \"a b\": this cannot be a column's name; call it \"a_b\", with \"a b\" as an alias"
    ),
    (
      "{\"columns\":[{\"name\":\"a\",\"type\":\"text\",\"nullable\":1}]}",
      "s.json, column \"a\": \"nullable\" must be true or false"
    ),
    (
      "{\"columns\":[{\"name\":\"a\",\"type\":\"text\",\"aliases\":\"b\"}]}",
      "s.json, column \"a\": \"aliases\" must be an array of texts"
    ),
    (
      "{\"columns\":[{\"name\":\"a\",\"type\":\"date\",\"format\":\"D.M\"}]}",
      "s.json, column \"a\": \"D.M\" is no format of a date: it has no year; write each once: YYYY or YY"
    ),
    (
      "{\"columns\":[{\"name\":\"a\",\"type\":\"text\",\"format\":\"x\"}]}",
      "s.json, column \"a\": a text column takes no format"
    ),
    (
      "{\"columns\":[{\"name\":\"a\",\"type\":\"double\",\"decimal\":\";\"}]}",
      "s.json, column \"a\": \"decimal\" is \";\""
    ),
    (
      "{\"columns\":[{\"name\":\"a\",\"type\":\"double\",\"grouping\":\"_\"}]}",
      "s.json, column \"a\": \"_\" is no grouping of digits; write \".\", \",\", \"'\" or \" \""
    ),
    (
      "{\"columns\":[{\"name\":\"a\",\"type\":\"double\",\"grouping\":\".\"}]}",
      "s.json, column \"a\": \".\" is both its grouping and its decimal separator"
    ),
    (
      "{\"columns\":[{\"name\":\"a\",\"type\":\"text\",\"grouping\":\".\"}]}",
      "s.json, column \"a\": a text column takes no grouping"
    ),
    (
      "{\"columns\":[{\"name\":\"a\",\"type\":\"text\"},{\"name\":\"A\",\"type\":\"text\"}]}",
      "s.json: the columns \"a\" and \"A\" differ only in case"
    ),
    (
      "{\"columns\":[{\"name\":\"a\",\"type\":\"text\"},{\"name\":\"b\",\"type\":\"text\",\"aliases\":[\"a\"]}]}",
      "s.json: \"a\" means both \"a\" and \"b\""
    ),
    ("{\"columns\":[],\"timezone\":\"Mars/Base\"}", "there is no time zone \"Mars/Base\""),
    ("{\"columns\":[],\"absent\":\"no\"}", "s.json: \"absent\" is \"no\"; write \"keep\" or \"null\""),
  ] as [(String, String)])
func `a schema file that says something unknown is refused with its place`(text: String, sentence: String) {
  #expect {
    try parse(text)
  } throws: {
    #expect("\($0)".hasPrefix(sentence), "\($0)")
    return $0 is Problem
  }
}
