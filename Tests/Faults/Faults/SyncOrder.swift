/// What would not be there after a power cut: a model of a file system that keeps only what was synced.
///
/// A file keeps its content when it was synced after its last write; a directory keeps a name when it was synced after
/// the name came. A sync of the file system keeps all.
package struct SyncOrder {
  private var dirtyFiles = Set<String>()
  /// Names that came since the directory was last synced.
  private var freshNames: [String: Set<String>] = [:]

  package init() {}

  /// What a commit promises and these calls of it would not keep, a sentence each. `table` is the table's directory.
  ///
  /// When a staged directory gets its place, the draft of the entry must be kept, by which the next writer would find it.
  /// When an entry gets its name in the log, all that it leads to must be kept: the entry's content, every file of the
  /// directories of its version, and the names on the way to them. Before the next entry, and before the end, the
  /// entry's own name must be kept.
  ///
  /// When a decision over several commits gets its name, all that is staged must be kept, and when the first of its
  /// entries gets its name, the decision's.
  package static func violations(of calls: [StorageCall], table: String) -> [String] {
    var order = SyncOrder()
    var violations: [String] = []
    let log = table + "/_delta_log"
    let transactions = split(table).parent + "/_transactions"
    for call in calls {
      if call.name == "link", let entry = call.newPath, entry.hasPrefix(log + "/"), entry.hasSuffix(".json") {
        violations += order.lost(entry: call.path, newName: entry, table: table)
        let fresh = order.freshNames[transactions]?.filter { $0.hasSuffix(".json") } ?? []
        violations += fresh.map { "the name of the decision \($0) is not kept" }
      }
      if call.name == "link", let decision = call.newPath, decision.hasPrefix(transactions + "/") {
        violations += order.lost(decision: call.path, table: table, warehouse: split(table).parent)
      }
      if call.name == "rename", call.newPath?.hasPrefix(table + "/_varve/") == false,
        call.path.hasPrefix(table + "/_varve/staging/")
      {
        violations += order.lost(onTheWayTo: split(call.path).parent, table: table)
      }
      if call.name == "rename", call.newPath == table + "/_proxy.json" {
        if order.dirtyFiles.contains(call.path) {
          violations.append("the proxy is replaced by a file that is not kept")
        }
        if let name = order.freshNames[log]?.sorted().first {
          violations.append("the proxy shows a version whose entry \(name) is not kept")
        }
      }
      order.take(call)
    }
    for name in order.freshNames[log]?.sorted() ?? [] { violations.append("the name \(name) in the log is not kept") }
    return violations
  }

  /// The draft in a transaction's directory, and the names from the table down to it.
  private func lost(onTheWayTo transaction: String, table: String) -> [String] {
    var lost = dirtyFiles.filter { $0.hasPrefix(transaction + "/0") && $0.hasSuffix(".json") }
      .map { "the draft \($0) is not kept" }
    var directory = transaction
    var names = freshNames[transaction]?.filter { $0.hasSuffix(".json") } ?? []
    while directory != table {
      lost += names.map { "the name \(directory)/\($0) is not kept" }
      let (parent, name) = SyncOrder.split(directory)
      names = freshNames[parent]?.filter { $0 == name } ?? []
      directory = parent
    }
    return lost.sorted()
  }

  /// The decision itself, and what it says is staged; scratch files are of no more use.
  private func lost(decision: String, table: String, warehouse: String) -> [String] {
    let staging = table + "/_varve/staging"
    var lost = dirtyFiles.filter { path in
      path == decision || path.hasPrefix(staging) && !SyncOrder.split(path).name.hasPrefix("scratch-")
    }.map { "the content of \($0) is not kept" }
    for (parent, names) in freshNames where parent.hasPrefix(staging) {
      for name in names where !name.hasPrefix("scratch-") { lost.append("the name \(parent)/\(name) is not kept") }
    }
    if freshNames[table + "/_varve"]?.contains("staging") ?? false { lost.append("the name \(staging) is not kept") }
    // By its mark the next writer finds a decision that is not carried out.
    let transactions = warehouse + "/_transactions"
    if freshNames[warehouse]?.contains("_transactions") ?? false { lost.append("the decisions' name is not kept") }
    if freshNames[transactions]?.contains("pending") ?? false { lost.append("the marks' name is not kept") }
    lost += freshNames[transactions + "/pending"]?.map { "the mark \($0) is not kept" } ?? []
    return (lost + lostInputs(table)).sorted()
  }

  /// The inputs of executions, which are merged again when one before them is corrected.
  private func lostInputs(_ table: String) -> [String] {
    let inputs = table + "/_varve/change-sets"
    let names = freshNames.filter { $0.key.hasPrefix(inputs) }.flatMap { parent, names in
      names.map { "the name \(parent)/\($0) is not kept" }
    }
    let isFresh = freshNames[table + "/_varve"]?.contains("change-sets") ?? false
    let fresh = isFresh ? ["the name \(inputs) is not kept"] : []
    return dirtyFiles.filter { $0.hasPrefix(inputs) }.map { "the content of \($0) is not kept" } + names + fresh
  }

  private func lost(entry: String, newName: String, table: String) -> [String] {
    var lost = lostInputs(table)
    if dirtyFiles.contains(entry) { lost.append("the content of the entry is not kept") }
    let version = Int(newName.suffix(25).prefix(20)) ?? 0
    let directory = "/v" + String(repeating: "0", count: 8 - String(version).count) + String(version)
    for file in dirtyFiles.sorted() where file.contains(directory + "/") {
      lost.append("the content of \(file) is not kept")
    }
    for (parent, names) in freshNames.sorted(by: { $0.key < $1.key }) {
      for name in names.sorted() {
        let path = parent + "/" + name
        let isInVersion = parent.hasSuffix(directory) || path.hasSuffix(directory)
        // A directory on the way to one of the version's: some synced or unsynced path of the version lies below it.
        let isOnTheWay = placed.contains { $0.hasSuffix(directory) && $0.hasPrefix(path + "/") }
        if isInVersion || isOnTheWay { lost.append("the name \(path) is not kept") }
      }
    }
    if freshNames[table]?.contains("_delta_log") ?? false { lost.append("the name of the log is not kept") }
    if version > 0, let fresh = freshNames[table + "/_delta_log"]?.sorted().first {
      lost.append("the name \(fresh) in the log is not kept before the next")
    }
    return lost
  }

  /// Directories that were renamed to where they are.
  private var placed = Set<String>()

  private mutating func take(_ call: StorageCall) {
    switch call.name {
    case "create":
      dirtyFiles.insert(call.path)
      come(call.path)
    case "write", "fchmod", "futimens": dirtyFiles.insert(call.path)
    case "mkdir": come(call.path)
    case "unlink":
      dirtyFiles.remove(call.path)
      let (parent, name) = SyncOrder.split(call.path)
      freshNames[parent]?.remove(name)
    case "link":
      if let new = call.newPath {
        if dirtyFiles.contains(call.path) { dirtyFiles.insert(new) }
        come(new)
      }
    case "rename":
      if let new = call.newPath { move(call.path, new) }
    case "fsync":
      dirtyFiles.remove(call.path)
      freshNames[call.path] = nil
    case "syncfs":
      dirtyFiles = []
      freshNames = [:]
    default: break
    }
  }

  private mutating func come(_ path: String) {
    let (parent, name) = SyncOrder.split(path)
    freshNames[parent, default: []].insert(name)
  }

  /// What was not kept under the old name is not under the new one.
  private mutating func move(_ old: String, _ new: String) {
    func moved(_ path: String) -> String {
      path == old || path.hasPrefix(old + "/") ? new + path.dropFirst(old.count) : path
    }
    dirtyFiles = Set(dirtyFiles.map(moved))
    freshNames = Dictionary(freshNames.map { (moved($0.key), $0.value) }) { $0.union($1) }
    let (parent, name) = SyncOrder.split(old)
    freshNames[parent]?.remove(name)
    come(new)
    placed.insert(new)
  }

  private static func split(_ path: String) -> (parent: String, name: String) {
    let slash = path.lastIndex(of: "/") ?? path.startIndex
    return (String(path[..<slash]), String(path[path.index(after: slash)...]))
  }
}
