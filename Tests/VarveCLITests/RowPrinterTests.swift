import Foundation
import Testing
import VarveCLI
import VarveJSON

@Suite struct RowPrinterTests {
  private let rows: [[JSONValue]] = [
    ["a,b", 1, nil], ["say \"hi\"", .number("-2.50"), true], ["", nil, .array([1, "x"])],
  ]

  @Test func `CSV tells the empty text from null`() throws {
    #expect(
      try printed(.csv, rows) == """
        name,price,"x,y"
        "a,b",1,
        "say ""hi""\",-2.50,true
        "",,"[1,""x""]"

        """)
  }

  @Test func `JSON is one array, and NDJSON a line each`() throws {
    #expect(
      try printed(.json, rows) == """
        [
          {"name": "a,b", "price": 1, "x,y": null},
          {"name": "say \\"hi\\"", "price": -2.50, "x,y": true},
          {"name": "", "price": null, "x,y": [1,"x"]}
        ]

        """)
    #expect(try printed(.json, []) == "[]\n")
    #expect(try printed(.ndjson, [rows[0]]) == "{\"name\": \"a,b\", \"price\": 1, \"x,y\": null}\n")
  }

  @Test func `columns of one name are told apart in objects`() throws {
    let text = try printed(.ndjson, [[1, 2, 3]], columns: ["a", "a", "a_2"])
    #expect(text == "{\"a\": 1, \"a_3\": 2, \"a_2\": 3}\n")
  }

  @Test func `a table without rows still shows its columns`() throws {
    #expect(try printed(.table, []) == "name  price  x,y\n────  ─────  ───\n")
  }

  @Test func `a long table has its headings once`() throws {
    let lines = try printed(.table, (0..<12_000).map { [.init("r"), .init($0), nil] }).split(separator: "\n")
    #expect(lines.count == 12_002)
    #expect(lines[2] == "r         0  null")
    #expect(lines.last == "r     11999  null")
  }

  private func printed(
    _ format: RowFormat, _ rows: [[JSONValue]], columns: [String] = ["name", "price", "x,y"]
  ) throws -> String {
    let path = NSTemporaryDirectory() + "varve-rows-\(UUID().uuidString)"
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL, 0o600)
    defer {
      close(descriptor)
      unlink(path)
    }
    let stream = Stream(descriptor, name: path)
    let printer = try RowPrinter(format, columns: columns, to: stream)
    for row in rows { try printer.add(row) }
    try printer.finish()
    try stream.flush()
    return try String(contentsOfFile: path, encoding: .utf8)
  }
}
