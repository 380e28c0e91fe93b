import Foundation
import Testing

/// Habits that a reader relies on: place, what, and what to do instead.
@Suite struct HabitTests {
  private let texts = [
    "Sources", "Tests", "Documentation", "Benchmarks", "Package.swift", "Makefile", ".ci/run", "README.md",
    "ARCHITECTURE.md", "CHANGELOG.md",
  ]
  private let endings = [".swift", ".c", ".h", ".py", ".md", ".sh", "Makefile", ".ci/run", ".txt"]

  /// Spelled in pieces, so that this file does not find itself.
  @Test(arguments: [
    ("TO" + "DO", "do it, or say in the documentation that it is not done"),
    ("FIX" + "ME", "mend it"),
    ("XX" + "X", "say what it is"),
    ("/ho" + "me/", "use a path relative to the repository, or made by the test"),
    ("/Us" + "ers/", "use a path relative to the repository, or made by the test"),
    ("/wo" + "rk/", "use a path relative to the repository, or made by the test"),
    ("/ro" + "ot/", "use a path relative to the repository, or made by the test"),
  ])
  func `nothing is left undone, and nothing names somebody's machine`(word: String, instead: String) throws {
    for file in try Repository.files(texts, endings: endings) {
      for (number, line) in file.lines.enumerated() where line.contains(word) {
        Issue.record("\(file.path):\(number + 1): \(word); \(instead)")
      }
    }
  }

  @Test func `the sources do without Foundation`() throws {
    for file in try Repository.swiftSources() {
      for (number, line) in file.lines.enumerated() where code(line).contains("import Foundation") {
        Issue.record("\(file.path):\(number + 1): imports Foundation; use Glibc, Dispatch or Synchronization")
      }
    }
  }

  @Test func `the library prints nothing and never presumes success`() throws {
    for file in try Repository.swiftSources() {
      for (number, line) in file.lines.enumerated() {
        let text = code(line).trimmingCharacters(in: .whitespaces)
        if text.hasPrefix("print(") || text.contains(" print(") || text.contains("debugPrint(") {
          Issue.record("\(file.path):\(number + 1): prints; emit an event, or write to the session's stream")
        }
        if text.contains("try" + "!") {
          Issue.record("\(file.path):\(number + 1): presumes that nothing throws; handle it, or trap with a sentence")
        }
      }
    }
  }

  @Test func `an unchecked promise to the compiler has its reason beside it`() throws {
    for file in try Repository.swiftSources() {
      for (number, line) in file.lines.enumerated() where code(line).contains("@unchecked Sendable") {
        let above = number > 0 ? file.lines[number - 1].trimmingCharacters(in: .whitespaces) : ""
        #expect(
          above.hasPrefix("//") || line.contains("//"),
          "\(file.path):\(number + 1): say in a comment above why it is safe")
      }
    }
  }

  @Test func `a source file can be read in one sitting`() throws {
    for file in try Repository.swiftSources() {
      #expect(file.lines.count <= 600, "\(file.path) has \(file.lines.count) lines; part it by what it does")
    }
  }

  @Test func `no folder or file is named for what kind of thing it holds`() throws {
    let kinds = ["Utils", "Utilities", "Helpers", "Helper", "Managers", "Manager", "Models", "Misc", "Common"]
    for file in try Repository.swiftSources() {
      for part in file.path.replacingOccurrences(of: ".swift", with: "").split(separator: "/") {
        #expect(!kinds.contains { part.hasSuffix($0) }, "\(file.path): name it for its concept")
      }
    }
  }
}
