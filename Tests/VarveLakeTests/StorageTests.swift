import Foundation
import Testing
import VarveLake
import VarveTables

@Suite struct StorageTests {
  @Test func `no path leads out of the directory or through a symbolic link`() throws {
    let directory = try TemporaryDirectory()
    let outside = try TemporaryDirectory()
    try "secret".write(toFile: outside.path + "/file", atomically: false, encoding: .utf8)
    let storage = try directory.storage()
    try FileManager.default.createSymbolicLink(atPath: directory.path + "/link", withDestinationPath: outside.path)
    try FileManager.default.createSymbolicLink(
      atPath: directory.path + "/file", withDestinationPath: outside.path + "/file")

    #expect(throws: Problem.self) { try storage.read("link/file") }
    #expect(throws: Problem.self) { try storage.read("file") }
    #expect(throws: Problem.self) { try storage.read("../\(Layout.name(outside.path))/file") }
    #expect(throws: Problem.self) { try storage.write("link/new", [1]) }
    #expect(throws: Problem.self) { try storage.write("file", [1]) }
    #expect(throws: Problem.self) { try storage.makeDirectories("link/a/b") }
    #expect(throws: Problem.self) { try storage.rename("link/file", to: "stolen") }
    try storage.removeTree("link")
    #expect(try String(contentsOfFile: outside.path + "/file", encoding: .utf8) == "secret")
    #expect(try FileManager.default.contentsOfDirectory(atPath: outside.path) == ["file"])
  }

  @Test func `a new file never takes the place of another`() throws {
    let directory = try TemporaryDirectory()
    let storage = try directory.storage()
    try storage.write("a", [1])
    try storage.write("b", [2])
    #expect(throws: Problem.self) { try storage.write("a", [3]) }
    #expect(try storage.link("b", as: "a") == false)
    #expect(try storage.rename("b", to: "a") == false)
    #expect(try storage.read("a") == [1])
    try storage.replace("a", [4], draft: ".a.tmp")
    #expect(try storage.read("a") == [4])
    #expect(try storage.list("") == ["a", "b"])
  }

  @Test func `reading a pipe fails at once`() throws {
    let directory = try TemporaryDirectory()
    #expect(mkfifo(directory.path + "/pipe", 0o600) == 0)
    #expect(throws: Problem.self) { try directory.storage().read("pipe") }
  }

  @Test func `a staged part is sealed and named by its content`() throws {
    let directory = try TemporaryDirectory()
    let storage = try directory.storage()
    let area = try StagingArea(storage, transaction: "t1")
    let partition = try area.makePartition()
    let writer = try area.createPart(in: partition, number: 3)
    for piece in 0..<100 { try writer.write([UInt8](repeating: UInt8(piece), count: 1000)) }
    #expect(try writer.read(at: 1999, count: 2) == [1, 2])
    let file = try writer.finish(statistics: FileStatistics(rowCount: 7))

    let bytes = (0..<100).flatMap { [UInt8](repeating: UInt8($0), count: 1000) }
    #expect(file.sha256 == Digest.sha256(bytes))
    #expect(file.name == "part-00003-\(file.sha256.prefix(16)).parquet")
    #expect(file.byteCount == 100_000)
    let path = "_varve/staging/t1/0/\(file.name)"
    #expect(try storage.read(path) == bytes)
    var status = stat()
    #expect(stat(directory.path + "/" + path, &status) == 0)
    #expect(status.st_mode & 0o7777 == 0o444)
    try area.abandon()
    #expect(try storage.list("_varve/staging").isEmpty)
  }

  @Test func `a staging directory is locked for as long as its owner lives`() throws {
    let directory = try TemporaryDirectory()
    let storage = try directory.storage()
    var area: StagingArea? = try StagingArea(storage, transaction: "t1")
    #expect(try storage.lock("_varve/staging/t1", isDirectory: true, waits: false) == nil)
    #expect(throws: Problem.self) { try StagingArea(storage, transaction: "t1") }
    _ = area
    area = nil
    #expect(try storage.lock("_varve/staging/t1", isDirectory: true, waits: false) != nil)
  }

  @Test func `a scratch file is read while it grows`() throws {
    let directory = try TemporaryDirectory()
    let scratch = try StagingArea(directory.storage(), transaction: "t1").createScratch()
    try scratch.append([1, 2, 3])
    try scratch.append([4])
    #expect(try scratch.read(at: 1, count: 3) == [2, 3, 4])
    #expect(scratch.byteCount == 4)
  }
}
