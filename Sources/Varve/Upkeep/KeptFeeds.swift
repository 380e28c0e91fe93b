internal import VarveLake
internal import VarveTables

/// Finds the files that were ingested by what they hold: where they were then, and below directories that are named.
final class KeptFeeds {
  enum Found {
    case file(String)
    /// Where it was lies a file of other content.
    case changed(String)
    case gone
  }

  private let directories: [String]
  private let ledger: Ledger?
  /// Files below the directories, by size.
  private var bySize: [Int: [String]]?
  private var digests: [String: String] = [:]

  init(_ directories: [String], ledger: Ledger?) {
    self.directories = directories
    self.ledger = ledger
  }

  func find(_ source: FeedSource) throws -> Found {
    var changed: String?
    for path in (try? ledger?.paths(ofContent: source.sha256)) ?? [] {
      guard let file = try? FileByteSource(path: path) else { continue }
      if file.byteCount == source.byteCount, try digest(path) == source.sha256 { return .file(path) }
      changed = changed ?? path
    }
    for path in try files()[source.byteCount] ?? [] where try digest(path) == source.sha256 { return .file(path) }
    return changed.map(Found.changed) ?? .gone
  }

  private func files() throws -> [Int: [String]] {
    if let bySize { return bySize }
    var found: [Int: [String]] = [:]
    for directory in directories {
      guard let storage = try Storage.open(directory) else {
        throw Problem(.usage, at: [directory], "there is no such directory")
      }
      try KeptFeeds.walk("", storage) { path, byteCount in
        found[byteCount, default: []].append(Layout.join(directory, path))
      }
    }
    bySize = found
    return found
  }

  private static func walk(_ path: String, _ storage: Storage, _ visit: (String, Int) -> Void) throws {
    for name in try storage.list(path) {
      let path = Layout.join(path, name)
      guard let status = try storage.status(path) else { continue }
      if status.isDirectory { try walk(path, storage, visit) }
      if status.isRegular { visit(path, status.byteCount) }
    }
  }

  private func digest(_ path: String) throws -> String {
    if let known = digests[path] { return known }
    let file = try SourceFile(path: path)
    file.startDigest()
    let digest = try file.digest()
    digests[path] = digest
    return digest
  }
}
