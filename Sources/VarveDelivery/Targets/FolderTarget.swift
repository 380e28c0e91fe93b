internal import Glibc
internal import VarveLake
internal import VarveTables

/// A folder: the same chunks as files, `<ingestion>/<8 digits>.json`, and `complete.json` when all are there. Each file
/// holds what the acknowledged-callback protocol would post, and appears whole or not at all.
package final class FolderTarget: DeliveryTarget {
  private let storage: Storage

  /// The directory is made where it is missing; its parent must exist.
  package init(path: String) throws { storage = try Storage.create(path) }

  /// The path seen from the root, so that a delivery is known again wherever it is resumed from.
  static func absolute(_ path: String) throws -> String {
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw Problem(.usage, "dir: needs a path", advice: "write it like dir:outbox/products")
    }
    if path.hasPrefix("/") { return path }
    guard let directory = getcwd(nil, 0) else {
      throw Problem(.failed, "the working directory is not known: \(String(cString: strerror(errno)))")
    }
    defer { free(directory) }
    return Layout.join(String(cString: directory), path)
  }

  package static func name(of chunk: Int) -> String {
    let digits = String(chunk)
    return String(repeating: "0", count: max(0, 8 - digits.utf8.count)) + digits + ".json"
  }

  static let completionName = "complete.json"
  private static let draftName = ".draft"

  package func deliver(_ chunk: Chunk, of delivery: String) throws -> Answer {
    if try storage.makeDirectory(delivery) || chunk.number == 0 { try storage.sync() }
    let body = AcknowledgedCallback.body(of: chunk, of: delivery)
    let path = Layout.join(delivery, FolderTarget.name(of: chunk.number))
    if let there = try storage.read(path) {
      guard there == body else { return .refused("\(path) is there and holds something else") }
      // It may have been written by a process that died before its sync.
      try storage.sync(delivery)
      return .acknowledged
    }
    try storage.replace(path, body, draft: Layout.join(delivery, FolderTarget.draftName))
    return .acknowledged
  }

  package func complete(_ completion: Completion, of delivery: String) throws -> Answer {
    if try storage.makeDirectory(delivery) { try storage.sync() }
    for number in 0..<completion.chunkCount
    where try !storage.exists(Layout.join(delivery, FolderTarget.name(of: number))) {
      return .outOfOrder(expected: number, "\(FolderTarget.name(of: number)) is missing")
    }
    try storage.replace(
      Layout.join(delivery, FolderTarget.completionName), AcknowledgedCallback.body(of: completion, of: delivery),
      draft: Layout.join(delivery, FolderTarget.draftName))
    return .acknowledged
  }
}
