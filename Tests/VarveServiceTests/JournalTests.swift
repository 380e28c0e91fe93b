import Foundation
import Synchronization
import Testing
import VarveJSON
import VarveLake
import VarveService

@Suite final class JournalTests {
  private let directory = NSTemporaryDirectory() + "varve-journal-\(UUID())"
  private static let day: Int64 = 86_400_000

  deinit { try? FileManager.default.removeItem(atPath: directory) }

  private func events(_ name: String) throws -> [String] {
    try String(contentsOfFile: "\(directory)/\(name)", encoding: .utf8).split(separator: "\n").map {
      try #require(try JSONValue(parsing: Array($0.utf8))["event"]?.string)
    }
  }

  private var names: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: directory).sorted() } }

  @Test func `each level has its file, and a line is one object whatever stands in it`() throws {
    let journal = try Journal(directory: directory, .stepping(from: 0))
    journal.write(.debug, "one", ["text": "a\nb\u{1B}[31m\u{2028}"])
    journal.write(.error, "two", ["text": .string(String(repeating: "x", count: 10_000))])
    #expect(try events("debug.jsonl") == ["one"])
    #expect(try events("info.jsonl") == [])
    #expect(try events("error.jsonl") == ["two"])
    let line = try String(contentsOfFile: directory + "/error.jsonl", encoding: .utf8)
    #expect(line.utf8.count < 1000)
    #expect(try !String(contentsOfFile: directory + "/debug.jsonl", encoding: .utf8).contains("\u{1B}"))
  }

  @Test func `a file that is full makes room, and the oldest goes`() throws {
    let journal = try Journal(directory: directory, .stepping(from: 0), bytesMax: 100)
    for number in 0..<20 { journal.write(.info, "\(number)") }
    let kept = try (0...Journal.oldFilesMax).map { try events($0 == 0 ? "info.jsonl" : "info.jsonl.\($0)") }
    #expect(kept.flatMap { $0 } == (0..<20).suffix(Journal.oldFilesMax + 1).reversed().map { "\($0)" })
    #expect(try names == ["debug.jsonl", "error.jsonl", "info.jsonl"] + (1...7).map { "info.jsonl.\($0)" })
  }

  @Test func `a new day has a new file, also behind a restart`() throws {
    let time = Mutex<Int64>(Int64(Date().timeIntervalSince1970 * 1000))
    let clock = WallClock { time.withLock { $0 } }
    var journal = try Journal(directory: directory, clock)
    journal.write(.info, "today")
    time.withLock { $0 += JournalTests.day }
    journal.write(.info, "tomorrow")
    #expect(try events("info.jsonl") == ["tomorrow"])
    #expect(try events("info.jsonl.1") == ["today"])
    // The file was written now, whatever its lines say.
    journal = try Journal(directory: directory, clock)
    journal.write(.info, "tomorrow, again")
    #expect(try events("info.jsonl") == ["tomorrow, again"])
    #expect(try events("info.jsonl.1") == ["tomorrow"])
  }
}
