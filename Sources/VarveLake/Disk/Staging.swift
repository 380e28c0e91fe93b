internal import Dispatch
internal import Glibc
internal import Synchronization
internal import VarveTables

/// One transaction's own directory, `_varve/staging/<transaction>/`, where its files wait to be committed.
///
/// It holds a `flock` on the directory as long as it lives: a staging directory whose lock is free has no owner any
/// more, and the table's next writer sweeps it. Parts and scratch files may be made from several threads.
package final class StagingArea: Sendable {
  package let storage: Storage
  package let transaction: String
  private let lock: FileLock
  private let state = Mutex(State())
  /// Asked at each write, and may throw to stop: long work writes often.
  let checkInterrupted: @Sendable () throws -> Void

  private struct State {
    var partitions = 0
    var scratches = 0
    var partsUnsynced = 0
    var partsFinished = 0
    var isDecided = false
  }

  /// `storage` is the table's root; `transaction` is a single path component, unique for ever.
  package init(
    _ storage: Storage, transaction: String, checkInterrupted: @escaping @Sendable () throws -> Void = {}
  ) throws {
    self.checkInterrupted = checkInterrupted
    self.storage = storage
    self.transaction = transaction
    try storage.makeDirectories(Layout.staging)
    let path = Layout.staging(transaction)
    while true {
      guard try storage.makeDirectory(path) else {
        throw Problem(.failed, at: [storage.path], "the staging directory \(path) is taken")
      }
      // Between making and locking, a sweeper may take the directory for a dead one and remove it.
      if let lock = try storage.lock(path, isDirectory: true, waits: true), lock.isLinked {
        self.lock = lock
        return
      }
    }
  }

  /// The staging directory of a writer that died, taken over as it is.
  init(adopting transaction: String, in storage: Storage) throws {
    checkInterrupted = {}
    self.storage = storage
    self.transaction = transaction
    let path = Layout.staging(transaction)
    guard let lock = try storage.lock(path, isDirectory: true, waits: false), lock.isLinked else {
      throw Problem(
        .refused, at: [storage.path], "the staging directory \(path) is gone or in use", advice: "try again")
    }
    self.lock = lock
    let taken = try storage.list(path).compactMap { Int($0) }.max() ?? -1
    state.withLock { $0.partitions = taken + 1 }
  }

  /// The table-relative path of this transaction's directory.
  package var path: String { Layout.staging(transaction) }

  /// Makes the directory of one partition's files and returns its name: "0", "1", …
  package func makePartition() throws -> String {
    let name = String(
      state.withLock { state in
        defer { state.partitions += 1 }
        return state.partitions
      })
    guard try storage.makeDirectory(Layout.join(path, name)) else {
      throw Problem(.failed, at: [storage.path], "the staging directory \(path)/\(name) is taken")
    }
    return name
  }

  /// A new data file. `number` is its place among the partition's parts of this commit, from 0.
  package func createPart(in directory: String, number: Int) throws -> StagedFileWriter {
    try StagedFileWriter(self, directory: Layout.join(path, directory), number: number)
  }

  /// A file for spilling: appended to, read back at any place, and gone with the staging directory.
  package func createScratch() throws -> ScratchFile {
    let ordinal = state.withLock { state in
      defer { state.scratches += 1 }
      return state.scratches
    }
    return ScratchFile(try storage.create(Layout.join(path, "scratch-\(ordinal)")), checkInterrupted: checkInterrupted)
  }

  /// Removes all of it, unless a decision counts on it. After a commit only what was not placed is left.
  package func abandon() throws {
    if !state.withLock({ $0.isDecided }) { try remove() }
  }

  /// What is staged belongs to a decision: from now on it goes only when that is carried out.
  func keepForDecision() { state.withLock { $0.isDecided = true } }

  func remove() throws { try storage.removeTree(path) }

  /// Whether the next part syncs itself. Past the first few, `syncParts` does it for all of them at once.
  fileprivate func takesSync() -> Bool {
    state.withLock { state in
      state.partsFinished += 1
      if state.partsFinished <= Storage.syncsSingleMax { return true }
      state.partsUnsynced += 1
      return false
    }
  }

  /// Makes the names durable that lead from the table's bookkeeping to this transaction's files.
  func syncNames() throws { for directory in [path, Layout.staging] { try storage.sync(directory) } }

  /// Makes durable what `StagedFileWriter.finish` left to be synced together.
  func syncParts() throws {
    let isNeeded = state.withLock { state in
      defer { state.partsUnsynced = 0 }
      return state.partsUnsynced > 0
    }
    if isNeeded { try storage.syncFileSystem() }
  }
}

/// A data file being written into staging. Used by one thread at a time; digested on a thread of its own.
package final class StagedFileWriter {
  private let area: StagingArea
  private let directory: String
  private let number: Int
  private let draft: String
  private let file: FileWriter
  private let digester = Digester()
  private var isFinished = false

  fileprivate init(_ area: StagingArea, directory: String, number: Int) throws {
    self.area = area
    self.directory = directory
    self.number = number
    draft = Layout.join(directory, "part-\(number).draft")
    file = try area.storage.create(draft)
  }

  package var byteCount: Int { file.byteCount }

  package func write(_ bytes: [UInt8]) throws {
    precondition(!isFinished, "a finished part takes no more bytes")
    try area.checkInterrupted()
    digester.update(bytes)
    try file.write(bytes)
  }

  /// Reads back what was written, as a spool is before it becomes a part.
  package func read(at offset: Int, count: Int) throws -> [UInt8] { try file.read(at: offset, count: count) }

  /// Makes the file read-only, durable, and gives it its name by content.
  package func finish(statistics: FileStatistics) throws -> StagedFile {
    precondition(!isFinished, "a part is finished once")
    isFinished = true
    let sha256 = digester.finish()
    try file.seal()
    if area.takesSync() { try file.sync() }
    let name = Layout.partName(number: number, sha256: sha256)
    guard try area.storage.rename(draft, to: Layout.join(directory, name)) else {
      throw Problem(.failed, at: [area.storage.path], "the staged file \(directory)/\(name) is there already")
    }
    return StagedFile(name: name, byteCount: file.byteCount, sha256: sha256, statistics: statistics)
  }

  /// Removes the file without finishing it.
  package func discard() throws {
    precondition(!isFinished, "a finished part goes with its staging area")
    isFinished = true
    _ = digester.finish()
    try area.storage.removeIfPresent(draft)
  }
}

/// A file for spilling, made by `StagingArea.createScratch`. Never synced.
package final class ScratchFile {
  private let file: FileWriter
  private let checkInterrupted: @Sendable () throws -> Void

  fileprivate init(_ file: FileWriter, checkInterrupted: @escaping @Sendable () throws -> Void = {}) {
    self.file = file
    self.checkInterrupted = checkInterrupted
  }

  /// One outside any table, for readers, which write nothing into a warehouse. It has no name, and goes with its handle.
  package static func temporary(random: RandomSource = .system) throws -> ScratchFile {
    let storage = try directory()
    let name = ".varve-\(random.identifier())"
    let file = try storage.create(name)
    try storage.removeIfPresent(name)
    return ScratchFile(file)
  }

  /// Where such files are made: TMPDIR, else `/tmp`.
  static func directory() throws -> Storage {
    let path = getenv("TMPDIR").map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 } ?? "/tmp"
    guard let storage = try Storage.open(path) else {
      throw Problem(.failed, at: [path], "there is no such directory", advice: "set TMPDIR to one that is there")
    }
    return storage
  }

  package var byteCount: Int { file.byteCount }

  package func append(_ bytes: [UInt8]) throws {
    try checkInterrupted()
    try file.write(bytes)
  }

  package func read(at offset: Int, count: Int) throws -> [UInt8] {
    try checkInterrupted()
    return try file.read(at: offset, count: count)
  }
}

/// SHA-256 on a thread of its own, a bounded number of pieces behind the writer.
private final class Digester {
  private let queue = DispatchQueue(label: "varve.digest")
  private let state = DigestState()
  private let room = DispatchSemaphore(value: Digester.piecesMax)
  private static let piecesMax = 8

  func update(_ bytes: [UInt8]) {
    room.wait()
    queue.async { [state, room] in
      state.update(bytes)
      room.signal()
    }
  }

  func finish() -> String { queue.sync { state.finish() } }
}

private final class DigestState: Sendable {
  private let digest = Mutex<Digest?>(Digest())

  func update(_ bytes: [UInt8]) { digest.withLock { $0!.update(bytes) } }

  func finish() -> String {
    digest.withLock { digest in
      guard let last = digest.take() else { preconditionFailure("a digest is finished once") }
      return last.finish()
    }
  }
}
