import Foundation
import Testing

/// What ARCHITECTURE.md says of the modules holds in the sources.
@Suite struct ArchitectureTests {
  /// Folder below Sources → what it may import, beside the system's own modules.
  private let allowed: [String: Set<String>] = [
    "VarveCLI": ["VarveService", "VarveDelivery", "Varve", "VarveJSON", "VarveTables", "CSystem"],
    "VarveService": ["VarveDelivery", "Varve", "VarveLake", "VarveJSON", "VarveTables", "CSystem"],
    "VarveDelivery": [
      "Varve", "VarveLake", "VarveSQLite", "VarveJSON", "VarveTables", "CCurl", "CMicrohttpd", "CHTTP", "CCrypto",
      "CSystem",
    ],
    "Varve": ["VarveFeeds", "VarveLake", "VarveSQLite", "VarveParquet", "VarveJSON", "VarveTables", "CSystem"],
    "VarveLake": ["VarveParquet", "VarveSQLite", "VarveJSON", "VarveTables", "CCrypto", "CSystem"],
    "VarveFeeds": ["VarveTables", "VarveJSON", "VarveParquet", "CArchive", "CXML", "CZlib"],
    "VarveParquet": ["VarveTables", "CZstd", "CZlib"],
    "VarveSQLite": ["VarveTables", "CSQLite"],
    "VarveJSON": [],
    "VarveTables": [],
  ]
  private let system: Set<String> = ["Glibc", "Dispatch", "Synchronization"]

  @Test func `imports run one way, as the architecture draws them`() throws {
    for file in try Repository.swiftSources() {
      let module = file.path.split(separator: "/")[1]
      guard let mayImport = allowed[String(module)] else {
        Issue.record("\(file.path): the module \(module) is not in the table of allowed imports; add it there")
        continue
      }
      for (number, line) in file.lines.enumerated() {
        guard let imported = importedModule(line) else { continue }
        #expect(
          mayImport.contains(imported) || system.contains(imported),
          "\(file.path):\(number + 1): \(module) may not import \(imported)")
      }
    }
  }

  @Test func `every module of the package has its row in the table`() throws {
    let folders = Set(try Repository.swiftSources().map { String($0.path.split(separator: "/")[1]) })
    #expect(folders.isSubset(of: Set(allowed.keys)))
  }

  @Test func `the names of files in a table are spelled in one file only`() throws {
    let names = ["_delta_log", "_manifest.json", "_proxy.json", "_varve", "_last_checkpoint", "_transactions"]
    for file in try Repository.swiftSources() where !file.path.hasSuffix("/Layout.swift") {
      for (number, line) in file.lines.enumerated() {
        for name in names where code(line).contains("\"\(name)") || code(line).contains("/\(name)/") {
          Issue.record("\(file.path):\(number + 1): \(name) is spelled here; Layout.swift has a name for it")
        }
      }
    }
  }

  /// `VarveJSON` of `package import VarveJSON`, or nil.
  private func importedModule(_ line: String) -> String? {
    let words = line.split(separator: " ")
    guard let position = words.firstIndex(of: "import"), position <= 2, words.count > position + 1,
      !line.hasPrefix("//"), !line.hasPrefix(" ")
    else { return nil }
    let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
    let name = kinds.contains(words[position + 1]) ? words[position + 2] : words[position + 1]
    return String(name.split(separator: ".")[0])
  }
}
