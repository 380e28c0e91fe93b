import Testing
import VarveLake
import VarveTables

@Suite struct LayoutTests {
  @Test func `SHA-256 is that of FIPS 180-4`() {
    #expect(Digest.sha256(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }

  @Test(arguments: ["a", "_", "products", "t_9", String(repeating: "x", count: 63)])
  func `legal table names pass`(_ name: String) throws { try TableName.check(name) }

  @Test(arguments: [
    "", "9a", "A", "a-b", "ä", "..", "a/b", "inbox", "_transactions", String(repeating: "x", count: 64),
  ])
  func `other table names are refused`(_ name: String) { #expect(throws: Problem.self) { try TableName.check(name) } }

  @Test func `partition directories are named as Hive names them`() throws {
    #expect(try PartitionDirectory.path(columns: [], values: []) == "")
    #expect(
      try PartitionDirectory.path(columns: ["a", "b:c"], values: ["x y", nil])
        == "a=x y/b%3Ac=__HIVE_DEFAULT_PARTITION__")
    #expect(try PartitionDirectory.path(columns: ["p"], values: ["a/b%\u{7}é"]) == "p=a%2Fb%25%07é")
    #expect(LogPath.encode("p=a%2Fb é/x") == "p=a%252Fb%20%C3%A9/x")
  }

  @Test func `nasty partition values have distinct directories that the log's path leads back to`() throws {
    let values = [
      "..", ".", "/", "//", "\\", "%2e", "%2E", "%", "a%2Fb", "a/b", "\u{1}", "\u{7F}", "e\u{301}", "\u{E9}", "x", "X",
      " ", "x ", " x", "=", "p=x", "null", "__HIVE_DEFAULT_PARTITION__", "*", "?", "'", "\"", "a:b", "\u{0}",
      "\u{1F600}", "日本", "\u{301}", "a\nb", "v00000001", "~", "+", "&", ";", ",",
    ]
    var directories = Set<String>()
    for value in values {
      let path = try PartitionDirectory.path(columns: ["p"], values: [value])
      #expect(path.utf8.split(separator: UInt8(ascii: "/")).count == 1)
      let encoded = LogPath.encode(path)
      #expect(LogPath.decode(encoded).map { Array($0.utf8) } == Array(path.utf8))
      #expect(directories.insert(encoded).inserted, "\(value)")
    }
    #expect(directories.insert(LogPath.encode(try PartitionDirectory.path(columns: ["p"], values: [nil]))).inserted)
  }

  @Test func `an empty partition value and a name past 255 bytes are refused`() throws {
    #expect(throws: Problem.self) { try PartitionDirectory.path(columns: ["p"], values: [""]) }
    #expect(throws: Problem.self) {
      try PartitionDirectory.path(columns: ["p"], values: [String(repeating: "é", count: 127)])
    }
    _ = try PartitionDirectory.path(columns: ["p"], values: [String(repeating: "é", count: 126)])
    #expect(throws: Problem.self) {
      try PartitionDirectory.path(columns: ["p"], values: [String(repeating: "/", count: 85)])
    }
  }

  @Test(arguments: [
    "/etc/passwd", "../x", "a/../x", "a//b", "a/", ".", "file:///x", "%2e%2e/x", "a%00", "a%", "a%zz", "", "%ff",
  ])
  func `log paths that lead out of the table are refused`(_ path: String) { #expect(LogPath.decode(path) == nil) }

  @Test func `names on disk and versions lead to each other`() {
    #expect(Layout.logEntry(7) == "_delta_log/00000000000000000007.json")
    #expect(Layout.version(ofLogName: "00000000000000000007.json") == 7)
    #expect(Layout.version(ofLogName: "00000000000000000007.crc") == nil)
    #expect(Layout.version(ofCheckpointName: "00000000000000000007.checkpoint.parquet") == 7)
    #expect(Layout.versionDirectory(partition: "m=DE", version: 7) == "m=DE/v00000007")
    #expect(Layout.version(ofDirectoryName: "v00000007") == 7)
    #expect(Layout.version(ofDirectoryName: "v123456789") == 123_456_789)
    #expect(Layout.version(ofDirectoryName: "v000000007") == nil)
    #expect(Layout.version(ofDirectoryName: "vx0000007") == nil)
    #expect(Layout.partNumber(ofName: "part-00012-0123456789abcdef.parquet") == 12)
    #expect(Layout.partNumber(ofName: "part-00000-abc-c000.snappy.parquet") == nil)
  }
}
