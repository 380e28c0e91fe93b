import Testing
import VarveLake
import VarveTables

@Suite struct TableReferenceTests {
  @Test(arguments: [
    ("products", VersionSelector.latest), ("products@7", .number(7)), ("products@0", .number(0)),
    ("products@1970-01-02", .date(1)), ("products@1970-01-01T00:00:01Z", .time(1_000_000)),
    ("products@1970-01-01T00:00:01.5Z", .time(1_500_000)), ("products@1970-01-01T02:00:00+02:00", .time(0)),
    ("products@1970-01-01T00:00:00", .time(0)), ("products@execution:2024-10-06", .execution("2024-10-06")),
    ("products@execution:17", .execution("17")), ("products@tag:spring@2024", .tag("spring@2024")),
    ("products@tag:Frühling", .tag("Frühling")),
  ])
  func `a version can be named by number, date, time, execution and tag`(text: String, version: VersionSelector) throws
  {
    let reference = try TableReference(parsing: text)
    #expect(reference == TableReference("products", version))
  }

  @Test(arguments: [
    "products", "p@7", "p@2024-10-06", "p@2024-10-06T12:00:00.25Z", "p@execution:2024-10-06", "p@tag:a b",
  ])
  func `a reference reads back as it is written`(text: String) throws {
    #expect(try TableReference(parsing: text).description == text)
  }

  @Test(arguments: [
    "", "@7", "Products", "7up", "pro-ducts", "inbox", "ä", "p@", "p@-1", "p@7.0", "p@2024-13-01", "p@2024-10",
    "p@latest",
    "p@tag:", "p@execution:", "p@99999999999999999999", "p@ 7", "a/b", "..", String(repeating: "a", count: 64),
  ])
  func `what names no table or version is a problem that says so`(text: String) {
    let problem = #expect(throws: Problem.self) { try TableReference(parsing: text) }
    #expect(problem?.kind == .failed)
    #expect(problem?.advice != nil)
  }

  @Test func `a table's name has up to 63 characters`() {
    #expect(TableReference.isTableName("_" + String(repeating: "z", count: 62)))
    #expect(!TableReference.isTableName(String(repeating: "z", count: 64)))
  }
}
