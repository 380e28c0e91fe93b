import Foundation

/// The files of this repository, as its own tests read them.
enum Repository {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  struct File {
    /// Relative to the root.
    var path: String
    var lines: [String]
    var text: String { lines.joined(separator: "\n") }
  }

  /// Text files below these folders, or these files, with one of these endings.
  static func files(_ places: [String], endings: [String]) throws -> [File] {
    var files: [File] = []
    for place in places {
      let start = root.appendingPathComponent(place)
      var isDirectory: ObjCBool = false
      guard FileManager.default.fileExists(atPath: start.path, isDirectory: &isDirectory) else { continue }
      let paths = isDirectory.boolValue ? try FileManager.default.subpathsOfDirectory(atPath: start.path) : [""]
      for path in paths.sorted() where endings.isEmpty || endings.contains(where: { (place + path).hasSuffix($0) }) {
        let whole = path.isEmpty ? place : place + "/" + path
        if whole.contains("__pycache__") || whole.contains("/.") || whole.contains("Benchmarks/data") { continue }
        guard let text = try? String(contentsOf: root.appendingPathComponent(whole), encoding: .utf8) else { continue }
        files.append(File(path: whole, lines: text.components(separatedBy: "\n")))
      }
    }
    return files
  }

  static func swiftSources() throws -> [File] { try files(["Sources"], endings: [".swift"]) }
}

/// The line without its comment, if the line is nothing but one.
func code(_ line: String) -> String {
  line.trimmingCharacters(in: .whitespaces).hasPrefix("//") ? "" : line
}
