import Foundation
import Testing
import Varve
import VarveCLI

/// What can be typed is documented, and what the documents link to is there.
@Suite struct DocumentationTests {
  @Test func `every command and option is documented`() throws {
    let page = try #require(try Repository.files(["Documentation/CommandLine.md"], endings: []).first)
    for command in allCommands {
      let start = try #require(
        page.lines.firstIndex(of: "## varve \(command.name)"), "\(page.path): \(command.name) has no section")
      let rest = page.lines[(start + 1)...]
      let section = rest.prefix { !$0.hasPrefix("## ") }.joined(separator: "\n")
      for option in command.options {
        #expect(section.contains("--\(option.name)"), "\(page.path): `varve \(command.name)` lacks --\(option.name)")
      }
    }
    for option in globalOptions { #expect(page.text.contains("--\(option.name)")) }
  }

  @Test func `every section of the command line's page is about a command that exists`() throws {
    let page = try #require(try Repository.files(["Documentation/CommandLine.md"], endings: []).first)
    for line in page.lines where line.hasPrefix("## varve ") {
      let name = String(line.dropFirst("## varve ".count))
      #expect(allCommands.contains { $0.name == name }, "\(page.path): there is no command \(name)")
    }
  }

  @Test func `the tree of patterns is drawn in the documentation as it is in the code`() throws {
    let page = try #require(try Repository.files(["Documentation/Patterns.md"], endings: []).first)
    #expect(page.text.contains(Advice.tree.drawing))
    for pattern in Advice.tree.patterns + Advice.companions {
      #expect(page.text.contains("**\(pattern.name)**"), "\(page.path) says nothing about: \(pattern.name)")
    }
  }

  @Test func `everything public says what it is`() throws {
    for file in try Repository.swiftSources() {
      for (number, line) in file.lines.enumerated() {
        let words = line.split(separator: " ").filter { !$0.hasPrefix("@") }
        guard words.first == "public", words.count > 1, !["import", "extension"].contains(words[1]) else { continue }
        let above = file.lines[..<number].last { !$0.trimmingCharacters(in: .whitespaces).hasPrefix("@") } ?? ""
        #expect(
          above.trimmingCharacters(in: .whitespaces).hasPrefix("///"),
          "\(file.path):\(number + 1): write a comment above it (///): \(line.trimmingCharacters(in: .whitespaces))")
      }
    }
  }

  @Test func `relative links lead to files`() throws {
    let places = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "Documentation", "Tests", "Benchmarks"]
    for file in try Repository.files(places, endings: [".md"]) {
      for (number, line) in file.lines.enumerated() {
        for part in line.components(separatedBy: "](").dropFirst() {
          let target = part.prefix { $0 != ")" && $0 != "#" }
          guard !target.isEmpty, !target.contains("://") else { continue }
          let folder = Repository.root.appendingPathComponent(file.path).deletingLastPathComponent()
          let path = folder.appendingPathComponent(String(target)).standardizedFileURL.path
          #expect(
            FileManager.default.fileExists(atPath: path), "\(file.path):\(number + 1): \(target) is not there")
        }
      }
    }
  }

  @Test func `the Swift example in the README is one that a test compiles and runs`() throws {
    let readme = try #require(try Repository.files(["README.md"], endings: []).first)
    let examples = readme.text.components(separatedBy: "```swift\n").dropFirst().map {
      $0.components(separatedBy: "\n```")[0]
    }
    let tests = try Repository.files(["Tests"], endings: [".swift"]).map { unindented($0.text) }
    for example in examples {
      #expect(tests.contains { $0.contains(unindented(example)) }, "no test holds this example:\n\(example)")
    }
  }

  private func unindented(_ text: String) -> String {
    text.components(separatedBy: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
      .filter { !$0.hasPrefix("import ") && !$0.isEmpty }.joined(separator: "\n")
  }
}
