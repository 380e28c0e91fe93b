import CArchive
import Foundation
import Given
import Testing
import VarveFeeds
import VarveTables

@Suite struct ByteInputTests {
  static let compressions = ["gzip", "zstd", "bzip2", "xz"]

  /// More than two chunks, and little that compresses.
  static let text: [UInt8] = {
    var random = Seed(number: 42)
    return (0..<2_500_000).map { _ in UInt8(truncatingIfNeeded: random.next()) & 0x3F + 0x20 }
  }()

  @Test func `a plain file is read whole, in bounded chunks`() throws {
    let input = try ByteInput(path: try file(ByteInputTests.text))
    #expect(input.compression == nil)
    var all: [UInt8] = []
    while try input.next({
      #expect((1...ByteLimits.chunkBytesMax).contains($0.count))
      all += $0
    }) { #expect(input.bytesRead == all.count) }
    #expect(all == ByteInputTests.text)
    #expect(try input.next { _ in } == false)
  }

  @Test(arguments: compressions)
  func `a compressed file is known by its bytes and read whole`(_ name: String) throws {
    let stored = try compressed(ByteInputTests.text, name)
    let input = try ByteInput(path: try file(stored, "named.csv"))
    #expect(input.compression?.rawValue == name)
    #expect(input.name == "named.csv")
    var all: [UInt8] = []
    while try input.next({
      #expect((1...ByteLimits.chunkBytesMax).contains($0.count))
      all += $0
    }) { #expect((1...stored.count).contains(input.bytesRead)) }
    #expect(all == ByteInputTests.text)
    #expect(input.bytesRead == stored.count)
  }

  @Test(arguments: compressions)
  func `compressed files end to end are one`(_ name: String) throws {
    let stored = try compressed(Array("one\n".utf8), name) + compressed(Array("two\n".utf8), name)
    #expect(try read(stored) == Array("one\ntwo\n".utf8))
  }

  @Test(arguments: compressions)
  func `nothing, compressed, is nothing`(_ name: String) throws {
    #expect(try read(try compressed([], name)) == [])
  }

  @Test(arguments: compressions)
  func `compressed data cut off anywhere is an error`(_ name: String) throws {
    let stored = try compressed(Array("one, two, three, four and five\n".utf8), name)
    // With fewer bytes it is not recognised and is plain text of an odd kind.
    for count in 10..<stored.count {
      let problem = #expect(throws: Problem.self, "\(count) of \(stored.count) bytes") {
        try read(Array(stored[..<count]))
      }
      #expect(problem?.description.contains("cut off") == true)
    }
  }

  // zstd frames carry a checksum only if their writer wished it, and libarchive's does not.
  @Test(arguments: ["gzip", "bzip2", "xz"])
  func `compressed data with a byte changed is an error`(_ name: String) throws {
    let text = Array("one, two, three, four and five\n".utf8)
    let stored = try compressed(text, name)
    for index in 10..<stored.count {
      for bit: UInt8 in [1, 0x80] {
        var damaged = stored
        damaged[index] ^= bit
        // Some bits mean nothing; none may change what is read.
        if let read = try? read(damaged) { #expect(read == text, "bit \(bit) of byte \(index)") }
      }
    }
  }

  @Test(arguments: compressions)
  func `bytes behind compressed data are an error`(_ name: String) throws {
    #expect(throws: Problem.self) { try read(try compressed(Array("one\n".utf8), name) + Array("garbage".utf8)) }
  }

  @Test func `a bomb is stopped`() throws {
    let zeros = try compressed([UInt8](repeating: 0, count: 64 << 20), "zstd")
    let bomb = try ByteInput(path: try file((0..<100).flatMap { _ in zeros }))
    var count = 0
    let problem = #expect(throws: Problem.self) { while try bomb.next({ count += $0.count }) {} }
    #expect(problem?.description.contains("bomb") == true)
    #expect(count <= ByteLimits.ratioCheckedFrom)
  }

  @Test func `an open file is read from its start and stays open`() throws {
    let path = try file(Array("0123456789".utf8))
    let descriptor = open(path, O_RDONLY)
    defer { close(descriptor) }
    lseek(descriptor, 5, SEEK_SET)
    #expect(try ByteInput(descriptor: descriptor, path: path).all(bytesMax: 10) == Array("0123456789".utf8))
    #expect(lseek(descriptor, 0, SEEK_CUR) == 5)
  }

  @Test func `what is no regular file is refused and named`() throws {
    let directory = NSTemporaryDirectory()
    func problem(_ path: String) -> String? {
      #expect(throws: Problem.self) { try ByteInput(path: path) }?.description
    }
    #expect(problem(directory + "no-such.json") == directory + "no-such.json: no such file")
    #expect(problem(directory) == directory + ": a directory; name a file in it")
    #expect(problem("/dev/zero")?.hasPrefix("/dev/zero: no regular file") == true)
    let fifo = directory + "varve-fifo-\(UUID())"
    mkfifo(fifo, 0o600)
    defer { unlink(fifo) }
    #expect(problem(fifo)?.contains("no regular file") == true)
  }

  @Test func `a file larger than it may be is refused`() throws {
    let path = try file(Array("0123456789".utf8))
    #expect(throws: Problem.self) { try ByteInput(path: path).all(bytesMax: 9) }
  }

  private func read(_ stored: [UInt8]) throws -> [UInt8] {
    try ByteInput(path: try file(stored)).all(bytesMax: .max)
  }
}

/// A temporary file of those bytes; the system's clean-up removes it.
func file(_ bytes: [UInt8], _ name: String = "feed") throws -> String {
  let directory = NSTemporaryDirectory() + "varve-feeds-tests/\(UUID())"
  try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
  let path = "\(directory)/\(name)"
  try Data(bytes).write(to: URL(fileURLWithPath: path))
  return path
}

/// The bytes compressed by libarchive's filter of that name.
func compressed(_ bytes: [UInt8], _ filter: String) throws -> [UInt8] {
  let path = try file([], "compressed")
  let archive = try #require(archive_write_new())
  defer { archive_write_free(archive) }
  #expect(archive_write_add_filter_by_name(archive, filter) == ARCHIVE_OK)
  archive_write_set_format_raw(archive)
  archive_write_set_bytes_in_last_block(archive, 1)
  #expect(archive_write_open_filename(archive, path) == ARCHIVE_OK)
  let entry = archive_entry_new()
  defer { archive_entry_free(entry) }
  archive_entry_set_filetype(entry, 0o100000)
  #expect(archive_write_header(archive, entry) == ARCHIVE_OK)
  #expect(archive_write_data(archive, bytes, bytes.count) == bytes.count)
  #expect(archive_write_close(archive) == ARCHIVE_OK)
  return Array(try Data(contentsOf: URL(fileURLWithPath: path)))
}
