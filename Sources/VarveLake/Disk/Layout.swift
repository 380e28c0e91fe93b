internal import VarveTables

/// Every path that Varve uses on disk is spelled here (Documentation/WarehouseFormat.md).
///
/// All of them are relative: a table's to the table's root, the warehouse's to the warehouse.
package enum Layout {
  // A table's log (Delta protocol, "Delta Log Entries").
  package static let log = "_delta_log"
  package static let lastCheckpoint = "_delta_log/_last_checkpoint"
  /// `_delta_log/00000000000000000007.json`.
  package static func logEntry(_ version: Int64) -> String { "\(log)/\(digits(version, 20)).json" }
  package static func checkpoint(_ version: Int64) -> String { "\(log)/\(digits(version, 20)).checkpoint.parquet" }
  static let lastCheckpointDraft = "_delta_log/._last_checkpoint.tmp"

  // A table's bookkeeping.
  package static let bookkeeping = "_varve"
  package static let lock = "_varve/lock"
  package static let staging = "_varve/staging"
  package static let proxyHistory = "_varve/proxy"
  package static let proxyShards = "_varve/proxy/shards"
  package static let states = "_varve/state"
  package static let quarantine = "_varve/quarantine"
  /// The rows that an ingestion laid aside.
  /// Each attempt has a file of its own, which nobody else names or takes back.
  package static func quarantine(_ ingestion: String, _ transaction: String) -> String {
    "\(quarantine)/\(ingestion)-\(transaction).ndjson"
  }
  package static let trash = "_varve/trash"
  /// What was deliberately removed, so that it can be told from what is lost.
  package static let vacuums = "_varve/vacuums"
  static func vacuum(_ number: Int64) -> String { "\(vacuums)/\(digits(number, 20)).json" }
  static let vacuumDraft = "_varve/vacuums/.vacuum.json.tmp"
  /// What a vacuum took, each file under its own path.
  static func vacuumed(_ number: Int64) -> String { "\(trash)/\(digits(number, 20))" }
  package static let changeSets = "_varve/change-sets"
  package static let proxy = "_proxy.json"
  /// What an export to Iceberg writes; no part of the table.
  static let icebergMetadata = "metadata"
  static let icebergHint = "metadata/version-hint.text"
  /// The typed input of one execution.
  package static func changeSet(_ execution: String, _ fingerprint: String) -> String {
    "\(changeSets)/\(execution)/\(fingerprint)"
  }
  package static func staging(_ transaction: String) -> String { "\(staging)/\(transaction)" }
  package static func stagedDirectory(_ transaction: String, _ directory: String) -> String {
    "\(staging)/\(transaction)/\(directory)"
  }
  static func stagedQuarantine(_ transaction: String) -> String { "\(staging)/\(transaction)/quarantine.ndjson" }
  /// What a log entry is called before its link. It is written before data is placed, so that the next writer can tell
  /// what a dead one placed.
  static func logEntryDraft(_ transaction: String, _ version: Int64) -> String {
    "\(staging)/\(transaction)/\(digits(version, 20)).json"
  }
  static func checkpointDraft(_ transaction: String, _ version: Int64) -> String {
    "\(staging)/\(transaction)/\(digits(version, 20)).checkpoint.parquet"
  }
  static let proxyDraft = "._proxy.json.tmp"
  package static func state(_ version: Int64) -> String { "\(states)/\(digits(version, 20)).json" }
  static let stateDraft = "_varve/state/.state.json.tmp"
  /// One publication, kept after the proxy has moved on; `ordinal` counts them from 0.
  package static func proxyPast(_ ordinal: Int64) -> String { "\(proxyHistory)/\(digits(ordinal, 20)).json" }
  static let proxyPastDraft = "_varve/proxy/.past.json.tmp"
  package static func proxyShard(_ sha256: String) -> String { "\(proxyShards)/\(sha256).json" }
  static func isProxyShard(_ path: String) -> Bool { path == proxyShard(String(name(path).prefix(64))) }
  /// Shards on their way; the directory is there while an update runs, and after one that died.
  static let proxyShardDrafts = "_varve/proxy/drafts"
  static func proxyShardDraft(_ sha256: String) -> String { "\(proxyShardDrafts)/\(sha256).json" }

  package static let tags = "_varve/tags.json"
  static let tagsDraft = "_varve/.tags.json.tmp"

  /// Which files readers are shown, for engines that read no Delta log; and which version that is.
  package static let symlinkManifests = "_symlink_format_manifest"
  static let symlinkManifestName = "manifest"
  static func symlinkManifest(partition: String) -> String {
    join(symlinkManifests, join(partition, symlinkManifestName))
  }
  static func symlinkManifestDraft(partition: String) -> String {
    join(symlinkManifests, join(partition, ".manifest.tmp"))
  }
  package static let symlinks = "_varve/symlinks.json"
  static let symlinksDraft = "_varve/.symlinks.json.tmp"

  // Data.
  package static let manifestName = "_manifest.json"
  /// `v00000007`, below the partition's directory.
  package static func versionDirectoryName(_ version: Int64) -> String { "v\(digits(version, 8))" }
  /// `market=DE/v00000007`; an unpartitioned table's `partition` is empty.
  package static func versionDirectory(partition: String, version: Int64) -> String {
    join(partition, versionDirectoryName(version))
  }
  /// The version that a directory name stands for, or nil when it is none of ours.
  package static func version(ofDirectoryName name: String) -> Int64? {
    let bytes = Array(name.utf8)
    guard bytes.count >= 9, bytes[0] == UInt8(ascii: "v"), bytes.dropFirst().allSatisfy({ (0x30...0x39).contains($0) }),
      let version = Int64(name.dropFirst()), versionDirectoryName(version) == name
    else { return nil }
    return version
  }
  /// `part-00000-0123456789abcdef.parquet`: number within the directory, head of the content's SHA-256.
  package static func partName(number: Int, sha256: String) -> String {
    "part-\(digits(Int64(number), 5))-\(sha256.prefix(16)).parquet"
  }
  /// The part's number, or nil when the name is not one of ours.
  package static func partNumber(ofName name: String) -> Int? {
    let parts = name.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0].elementsEqual("part".utf8) else { return nil }
    return Int(Substring(parts[1]))
  }

  // The warehouse.
  package static let inbox = "inbox"
  package static let settings = "varve.json"
  package static let ledger = "varve.sqlite"
  static let ledgerJournal = "varve.sqlite-journal"
  /// Kernel locks on its bytes tell which entries of the ledger a living process works on; it holds nothing.
  package static let ledgerLocks = "varve.locks"
  /// Tables that were dropped: each as it was, under `<table>@<milliseconds since 1970>`.
  package static let droppedTables = "_trash"
  package static func droppedTable(_ name: String, at milliseconds: Int64) -> String {
    "\(droppedTables)/\(name)@\(milliseconds)"
  }
  /// When the table of that name was dropped that lies there, or nil.
  package static func dropTime(ofName directory: String, table: String) -> Int64? {
    guard directory.hasPrefix("\(table)@") else { return nil }
    return Int64(directory.dropFirst(table.utf8.count + 1))
  }
  /// The bearer token of the service, and the directory of its logs.
  package static let serviceToken = "varve.token"
  package static let serviceLogs = "varve.logs"
  package static let transactions = "_transactions"
  /// A file for each decision that may not be carried out yet, locked by its writer.
  package static let pendingTransactions = "_transactions/pending"
  package static func pendingTransaction(_ id: String) -> String { "\(pendingTransactions)/\(id)" }
  /// What became of transactions that committed nothing.
  static let endedTransactions = "_transactions/ended"
  static func endedTransaction(_ id: String) -> String { "\(endedTransactions)/\(id).json" }
  static func endedTransactionDraft(_ id: String) -> String { "\(endedTransaction(id)).tmp" }
  /// In a staging directory: the id of the decision that it belongs to.
  package static let decisionMark = "decision"
  /// Ids are one path component of letters, digits, `-` and `_`.
  package static func isIdentifier(_ text: String) -> Bool {
    (1...128).contains(text.utf8.count)
      && text.utf8.allSatisfy {
        (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D
          || $0 == 0x5F
      }
  }
  package static func transaction(_ id: String) -> String { "\(transactions)/\(id).json" }
  static func transactionDraft(_ id: String) -> String { "\(transaction(id)).tmp" }

  /// The version that a name in `_delta_log` is the entry of, or nil.
  package static func version(ofLogName name: String) -> Int64? { version(ofLogName: name, suffix: ".json") }

  /// The version that a name in `_delta_log` is the single-file checkpoint of, or nil.
  package static func version(ofCheckpointName name: String) -> Int64? {
    version(ofLogName: name, suffix: ".checkpoint.parquet")
  }

  private static func version(ofLogName name: String, suffix: String) -> Int64? {
    let bytes = Array(name.utf8)
    guard bytes.count == 20 + suffix.utf8.count, bytes[20...].elementsEqual(suffix.utf8),
      bytes[..<20].allSatisfy({ (0x30...0x39).contains($0) })
    else { return nil }
    return Int64(String(decoding: bytes[..<20], as: UTF8.self))
  }

  /// The two joined by a slash, or the second alone when the first is empty.
  package static func join(_ directory: String, _ name: String) -> String {
    directory.isEmpty ? name : "\(directory)/\(name)"
  }

  /// The path without its last component; empty when there is but one.
  package static func parent(_ path: String) -> String {
    let bytes = path.utf8
    return bytes.lastIndex(of: UInt8(ascii: "/")).map { String(path[..<$0]) } ?? ""
  }

  /// The path's last component.
  package static func name(_ path: String) -> String {
    let bytes = path.utf8
    return bytes.lastIndex(of: UInt8(ascii: "/")).map { String(path[bytes.index(after: $0)...]) } ?? path
  }

  static func digits(_ number: Int64, _ count: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
  }
}

/// Table names: `[a-z_][a-z0-9_]{0,62}`, and not `inbox`, which holds feeds.
package enum TableName {
  /// Refuses a name outside the grammar, since it becomes a directory and an SQL name as it is.
  package static func check(_ name: String) throws {
    let bytes = Array(name.utf8)
    let isLegal =
      (1...63).contains(bytes.count) && !(0x30...0x39).contains(bytes[0])
      && bytes.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "_") }
    guard isLegal else {
      throw Problem(
        .usage, "\"\(name)\" is no table name",
        advice: "use 1 to 63 small letters, digits and underscores, not beginning with a digit")
    }
    guard ![Layout.inbox, Layout.transactions, Layout.droppedTables].contains(name) else {
      throw Problem(.usage, "\"\(name)\" is reserved for Varve itself", advice: "choose another table name")
    }
  }
}
