package import VarveJSON
internal import VarveTables

/// One committed version of a table: `_delta_log/<version>.json`.
package struct LogEntry: Sendable {
  package let version: Int64
  package let actions: [Action]
  /// SHA-256 of its bytes.
  package let sha256: String
  /// Of the file, in milliseconds since 1970.
  package let modificationTime: Int64
  /// `commitInfo`, where the entry has one.
  package let commitInfo: JSONObject?
  /// What Varve says about the commit; nil where a stranger made it.
  package let bookkeeping: Bookkeeping?

  init(version: Int64, bytes: [UInt8], modificationTime: Int64, place: [String]) throws {
    self.version = version
    self.modificationTime = modificationTime
    sha256 = Digest.sha256(bytes)
    let place = place + [Layout.logEntry(version)]
    actions = try LogEntry.actions(bytes, place: place)
    commitInfo = actions.lazy.compactMap { if case .commitInfo(let info) = $0 { info } else { nil } }.first
    bookkeeping = try commitInfo?[Bookkeeping.key].map { try Bookkeeping(json: $0, place: place) }
  }

  /// An entry of our own making.
  init(version: Int64, actions: [Action], bytes: [UInt8], commitInfo: CommitInfo) {
    self.version = version
    self.actions = actions
    sha256 = Digest.sha256(bytes)
    modificationTime = commitInfo.timestamp
    self.commitInfo = commitInfo.json
    bookkeeping = commitInfo.bookkeeping
  }

  private static func actions(_ bytes: [UInt8], place: [String]) throws -> [Action] {
    var actions: [Action] = []
    for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
      guard line.contains(where: { !isSpace($0) }) else { continue }
      let place = place + ["line \(index + 1)"]
      do {
        actions.append(try Action(json: try JSONValue(parsing: line, duplicateKeys: .lastWins), place: place))
      } catch let error as JSONError {
        throw Problem(.damaged, at: place, "no JSON: \(error)")
      }
    }
    return actions
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0D || byte == 0x09 }

  /// Milliseconds since 1970: what the commit says where it is ours, else the file's time, as other readers take it.
  package var timestamp: Int64 {
    bookkeeping == nil ? modificationTime : commitInfo?["timestamp"]?.int64 ?? modificationTime
  }

  /// Whether it added, removed or struck out rows, and did not just lay them down anew.
  package var changesRows: Bool {
    adds.contains { $0.dataChange } || removes.contains { $0.dataChange }
  }

  package var adds: [AddAction] { actions.compactMap { if case .add(let add) = $0 { add } else { nil } } }
  package var removes: [RemoveAction] {
    actions.compactMap { if case .remove(let remove) = $0 { remove } else { nil } }
  }
  package var metadata: TableMetadata? {
    actions.lazy.compactMap { if case .metadata(let metadata) = $0 { metadata } else { nil } }.last
  }
  package var tableProtocol: TableProtocol? {
    actions.lazy.compactMap { if case .protocol(let action) = $0 { action } else { nil } }.last
  }

  /// The bytes of an entry: a line per action.
  static func bytes(_ actions: [Action]) -> [UInt8] {
    var bytes: [UInt8] = []
    for action in actions {
      action.json.write(to: &bytes)
      bytes.append(UInt8(ascii: "\n"))
    }
    return bytes
  }
}
