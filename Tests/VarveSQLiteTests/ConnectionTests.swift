import Foundation
import Testing
import VarveSQLite
import VarveTables

/// A path for a database that is gone when the test is done.
func withDatabaseFile<Result>(_ body: (String) throws -> Result) throws -> Result {
  let directory = FileManager.default.temporaryDirectory.appendingPathComponent("varve-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: directory) }
  return try body(directory.appendingPathComponent("test.sqlite").path)
}

@Suite struct ConnectionTests {
  @Test func `every kind of value comes back as it was bound`() throws {
    let connection = try Connection()
    let values: [SQLValue] = [
      nil, 0, .integer(.min), .integer(.max), 1.5, .real(-0.1), "", "ä\u{0}日本 🧊", .blob([]), .blob([0, 255]),
    ]
    let marks = values.map { _ in "?" }.joined(separator: ",")
    #expect(try connection.rows("SELECT \(marks)", values) == [values])
  }

  @Test(arguments: ["a", "select", "a\"b", "a'b", "ä b", "日本", "a;--", "", "a]b`c", "x\ny"])
  func `a quoted name is a name whatever it holds`(name: String) throws {
    let connection = try Connection()
    try connection.execute("CREATE TABLE \(quoted(name + "_")) (\(quoted(name + "c")) INTEGER)")
    try connection.run("INSERT INTO \(quoted(name + "_")) VALUES (7)")
    let statement = try connection.prepare("SELECT * FROM \(quoted(name + "_"))")
    #expect(try statement.step() && statement[0] == 7)
    #expect(statement.columnName(0) == name + "c")
  }

  @Test func `a name with a null character cannot end the statement`() {
    #expect(quoted("a\0b") == "\"a\u{FFFD}b\"")
  }

  @Test func `a transaction that throws leaves nothing`() throws {
    struct Stop: Error {}
    let connection = try Connection()
    try connection.execute("CREATE TABLE t (a INTEGER)")
    #expect(throws: Stop.self) {
      try connection.transaction {
        try connection.run("INSERT INTO t VALUES (?)", [1])
        throw Stop()
      }
    }
    #expect(try connection.value("SELECT count(*) FROM t") == 0)
    try connection.transaction { try connection.transaction { try connection.run("INSERT INTO t VALUES (1)") } }
    #expect(try connection.value("SELECT count(*) FROM t") == 1)
  }

  @Test func `a statement can be run again inside its own rows`() throws {
    let connection = try Connection()
    try connection.execute("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (2), (3)")
    var pairs = 0
    try connection.run("SELECT a FROM t") { _ in try connection.run("SELECT a FROM t") { _ in pairs += 1 } }
    #expect(pairs == 9)
  }

  @Test func `a connection is closed when its owner lets go`() throws {
    try withDatabaseFile { path in
      let before = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
      for _ in 0..<20 {
        let connection = try Connection(path, .createOrReadWrite)
        try connection.run("CREATE TABLE IF NOT EXISTS t (a INTEGER)")
        try connection.run("INSERT INTO t VALUES (1)")
      }
      let after = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
      #expect(after < before + 15)
    }
  }

  @Test(arguments: ["", "  -- nothing", "SELECT 1; SELECT 2", "SELECT 1 SELECT", "ATTACH '/tmp/x' AS x"])
  func `what is not one statement is a problem`(sql: String) throws {
    let connection = try Connection()
    #expect(throws: Problem.self) { try connection.run(sql) }
  }

  @Test func `blanks and comments behind a statement are no second one`() throws {
    let connection = try Connection()
    #expect(try connection.value("SELECT 1 ; -- done\n ;") == 1)
  }

  @Test func `double quotes never make a text`() throws {
    let connection = try Connection()
    #expect(throws: Problem.self) { try connection.run("SELECT \"nothing of that name\"") }
  }

  @Test func `a missing file that must exist, and one that is no database, are named`() throws {
    try withDatabaseFile { path in
      let missing = #expect(throws: Problem.self) { try Connection(path, .readOnly) }
      #expect(missing?.place == [path] && missing?.kind == .failed)
      try Data("this is no database, but long enough to look at".utf8).write(to: URL(fileURLWithPath: path))
      let broken = #expect(throws: Problem.self) { try Connection(path, .readOnly).run("SELECT * FROM sqlite_schema") }
      #expect(broken?.kind == .damaged)
    }
  }
}
