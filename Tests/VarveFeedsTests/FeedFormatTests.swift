import Testing
import VarveFeeds
import VarveTables

private func detect(_ name: String, _ bytes: [UInt8]) throws -> FeedFormat.Detection {
  try FeedFormat.detect(path: file(bytes, name))
}

private func detect(_ name: String, _ text: String) throws -> FeedFormat.Detection {
  try detect(name, Array(text.utf8))
}

@Test(
  arguments: [
    ("a.csv", "id,name\n1,a\n", FeedFormat.csv), ("a", "id,name\n1,a\n", .csv), ("a.txt", "id\n1\n", .csv),
    ("a.tsv", "id\tname\n", .tsv), ("a.csv", "id,na\u{0}me\n", .csv), ("a.dat", "id;b\n1;2\n", .csv),
    ("a.csv", "[id],[name]\n1,2\n", .csv), ("a.csv", "{id},b\n1,2\n", .csv),
    ("a.json", "[{\"a\":1}]", .json), ("a.json", "\u{feff} \n[ ]", .json), ("a", "[1]", .json),
    ("a.json", "{\"a\":1}", .json),
    ("a.json", "{\n  \"a\": 1\n}\n", .json), ("a.json", "{\"a\":{\n}}\n", .json),
    ("a.json", "[{\"a\":1},{\"a\":}]", .json),
    ("a.json", "nope", .json), ("a.json", "{\"a\":1", .json), ("a.json", "", .json),
    ("a.ndjson", "{\"a\":1}\n{\"a\":2}\n", .ndjson), ("a.ndjson", "{\"a\":1}\n", .ndjson),
    ("a.jsonl", "{\"a\":\n{\"a\":3}\n", .ndjson),
    ("a", "{\"a\":1}\n{\"a\":2}\n", .ndjson), ("a", "{\"a\":1}\r\n\r\n{\"a\":2}", .ndjson), ("a", "{\"a\":1}\n", .json),
    ("a.xlsx", "PK\u{3}\u{4}…", .xlsx), ("a.xlsm", "PK\u{3}\u{4}…", .xlsx), ("a", "PK\u{3}\u{4}…", .xlsx),
    ("a.xlsx", "", .xlsx),
    ("a.xlsx", "no workbook", .xlsx), ("a.parquet", "PAR1…", .parquet), ("a", "PAR1…", .parquet),
    ("a.csv.gz", "a,b\n1,2\n", .csv),
  ] as [(String, String, FeedFormat)])
func `a file's format is told by its content, then by its name`(name: String, text: String, format: FeedFormat) throws {
  #expect(try detect(name, text) == FeedFormat.Detection(format: format))
}

@Test(
  arguments: [
    ("a.xlsx", "id,name\n1,a\n2,b\n", FeedFormat.csv, "named as xlsx, but read as the csv that it is"),
    ("a.json", "id;name\n1;a\n2;b\n", .csv, "named as json, but read as the csv that it is"),
    ("a.csv", "[{\"id\":1}]", .json, "named as csv, but read as the json that it is"),
    ("a.csv", "{\"id\":1}\n{\"id\":2}\n", .ndjson, "named as csv, but read as the ndjson that it is"),
    ("a.json", "{\"id\":1}\n{\"id\":2}\n", .ndjson, "named as json, but read as the ndjson that it is"),
    ("a.ndjson", "[{\"id\":1}]", .json, "named as ndjson, but read as the json that it is"),
    ("a.ndjson", "{\n\"id\":1}", .json, "named as ndjson, but read as the json that it is"),
    ("a.csv", "PK\u{3}\u{4}", .xlsx, "named as csv, but read as the xlsx that it is"),
    ("a.xlsx", "PAR1", .parquet, "named as xlsx, but read as the parquet that it is"),
  ] as [(String, String, FeedFormat, String)])
func `where the name is wrong the content counts, with a remark`(
  name: String, text: String, format: FeedFormat, remark: String
) throws {
  #expect(try detect(name, text) == FeedFormat.Detection(format: format, remark: remark))
}

@Test func `what is no feed is refused by name`() throws {
  for (name, bytes) in [
    ("a.pdf", Array("%PDF-1.7\n".utf8) + [0, 1, 2]), ("a", [0x89, 0x50, 0x4E, 0x47, 0, 0]),
    ("a.doc", Array("Dear all\n".utf8)),
    ("a", []),
  ] as [(String, [UInt8])] {
    #expect {
      try detect(name, bytes)
    } throws: {
      "\($0)".hasPrefix("\(name): ")
    }
  }
  #expect(throws: Problem.self) { try detect("a.xlsx.gz", compressed(Array("PK\u{3}\u{4}".utf8), "gzip")) }
  #expect(throws: Problem.self) { try FeedFormat.detect(path: "/nowhere/a.csv") }
}

@Test func `compressed text is looked into`() throws {
  #expect(try detect("a.csv", compressed(Array("[1]".utf8), "gzip")).format == .json)
  #expect(try detect("a.ndjson.zst", compressed(Array("{\"a\":1}\n{}\n".utf8), "zstd")) == .init(format: .ndjson))
}
