internal import CSystem
internal import Glibc
internal import Synchronization
internal import VarveSQLite
internal import VarveTables

/// What only the ledger knows: which ingestions were tried, how often, and by whom they are being done; which
/// deliveries stand where. What the data is stands in the logs, never here, and neither do
/// versions, executions and processed feeds: the logs and their state files answer for these as fast.
///
/// Several processes may use one ledger. Each call is one durable transaction: SQLite with a rollback journal and full
/// syncs (a write-ahead log can be corrupted by SQLite 3.40's checkpoints). Who works on an entry holds a kernel lock, so
/// that a process that died is known at once, whatever the clock says.
///
/// The journal keeps its blocks between transactions (PERSIST), since on a busy disk a file that grows and shrinks waits,
/// at each sync, for what everybody else has written. A transaction writes the old pages into the journal and syncs it,
/// then the journal's header, then the ledger's pages, then zeros over the header: this is its commit. A crash before the
/// header is synced leaves the ledger as it was; one before the zeros are leaves a journal that whoever comes next plays
/// back; after that the journal says nothing, whatever still stands behind its header.
package final class Ledger: Sendable {
  private let mutex = Mutex<Void>(())
  /// Used under the mutex only.
  nonisolated(unsafe) private let connection: Connection
  let storage: Storage
  let clock: WallClock
  /// For messages.
  let path: String

  private init(_ connection: sending Connection, _ storage: Storage, _ clock: WallClock) {
    path = connection.file
    self.connection = connection
    self.storage = storage
    self.clock = clock
  }

  /// The warehouse's ledger, made where it is missing.
  package static func open(_ storage: Storage, clock: WallClock = .system) throws -> Ledger {
    try storage.checkOwner()
    try createFiles(storage)
    let connection = try Connection(Layout.join(storage.path, Layout.ledger), .readWrite)
    try LedgerFormat.prepareForWriting(connection)
    return Ledger(connection, storage, clock)
  }

  /// The warehouse's ledger for reading; nil where there is none. Nothing is written, unless SQLite must first take back
  /// what a crash left half done, or an older Varve wrote the ledger.
  package static func openToRead(_ storage: Storage, clock: WallClock = .system) throws -> Ledger? {
    guard let status = try storage.status(Layout.ledger), status.byteCount > 0 else { return nil }
    let path = Layout.join(storage.path, Layout.ledger)
    do {
      let connection = try Connection(path, .readOnly)
      if try LedgerFormat.isUnmade(connection) { return nil }
      try LedgerFormat.check(connection)
      if try LedgerFormat.isOlder(connection) { return try open(storage, clock: clock) }
      return Ledger(connection, storage, clock)
    } catch let problem as Problem where problem.kind == .failed {
      guard let connection = try? Connection(path, .readWrite) else { throw problem }
      if try LedgerFormat.isUnmade(connection) { return nil }
      try LedgerFormat.check(connection)
      return Ledger(connection, storage, clock)
    }
  }

  /// Both files, for the owner only, and never through a link.
  private static func createFiles(_ storage: Storage) throws {
    for name in [Layout.ledger, Layout.ledgerLocks] where try storage.status(name) == nil {
      let file = varve_open_beneath(storage.descriptor, name, O_RDWR | O_CREAT | O_CLOEXEC, Storage.fileMode)
      guard file >= 0 else { throw storage.problem("create", name) }
      close(file)
      try storage.sync()
    }
    guard try storage.status(Layout.ledger)?.isRegular == true else {
      throw Problem(
        .refused, at: [Layout.join(storage.path, Layout.ledger)], "is no regular file",
        advice: "the ledger is never reached through a link; put the file itself there")
    }
  }

  /// Milliseconds since 1970.
  package var now: Int64 { clock.milliseconds() }

  func read<Result: Sendable>(_ body: (Connection) throws -> Result) throws -> Result {
    try mutex.withLock { _ in try connection.transaction(.reading) { try body(connection) } }
  }

  func write<Result: Sendable>(_ body: (Connection) throws -> Result) throws -> Result {
    try mutex.withLock { _ in try connection.transaction(.writing) { try body(connection) } }
  }
}

/// The format of the ledger's file, and what is asked of SQLite before it is touched.
enum LedgerFormat {
  /// `PRAGMA user_version`.
  static let version: Int64 = 3
  /// `PRAGMA application_id`: "vrve".
  static let applicationID: Int64 = 0x7672_7665
  /// Of the journal between transactions.
  private static let journalBytesMax = 1 << 20

  static func prepareForWriting(_ connection: Connection) throws {
    try connection.execute(
      """
      PRAGMA journal_mode = PERSIST;
      PRAGMA journal_size_limit = \(journalBytesMax);
      PRAGMA synchronous = FULL;
      PRAGMA mmap_size = 0;
      PRAGMA cell_size_check = ON;
      PRAGMA foreign_keys = ON;
      """)
    if try connection.value("PRAGMA user_version") == 0 {
      try connection.transaction {
        // Another process may have been faster.
        guard try connection.value("PRAGMA user_version") == 0 else { return }
        guard try connection.value("SELECT count(*) FROM sqlite_schema") == 0 else { throw foreign(connection) }
        try makeTables(connection)
        try connection.execute("PRAGMA application_id = \(applicationID); PRAGMA user_version = \(version);")
      }
    }
    try check(connection)
    if try isOlder(connection) { try connection.transaction { try bringUpToDate(connection) } }
    try LedgerChecksums.install(connection)
  }

  private static func bringUpToDate(_ connection: Connection) throws {
    // Another process may have been faster.
    guard case .integer(let found)? = try connection.value("PRAGMA user_version"), found < version else { return }
    if found < 2 { try connection.execute(proofs) }
    try connection.execute(LedgerChecksums.columns)
    try LedgerChecksums.fill(connection)
    try connection.execute("PRAGMA user_version = \(version);")
  }

  static func makeTables(_ connection: Connection) throws {
    try connection.execute(tables + proofs + LedgerChecksums.columns)
  }

  /// Whether nothing was ever made in it: who began to died.
  static func isUnmade(_ connection: Connection) throws -> Bool {
    try connection.value("PRAGMA user_version") == 0 && connection.value("PRAGMA application_id") == 0
      && connection.value("SELECT count(*) FROM sqlite_schema") == 0
  }

  static func isOlder(_ connection: Connection) throws -> Bool {
    guard case .integer(let found)? = try connection.value("PRAGMA user_version") else { return false }
    return found < version
  }

  /// Refuses what is newer, or no ledger.
  static func check(_ connection: Connection) throws {
    try connection.execute("PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON;")
    try connection.addRowChecksum()
    guard case .integer(let found)? = try connection.value("PRAGMA user_version"),
      try connection.value("PRAGMA application_id") == .integer(applicationID)
    else { throw foreign(connection) }
    guard found <= version else {
      throw Problem(
        .refused, at: [connection.file],
        "was written by a newer Varve (ledger format \(found); this one knows \(version))",
        advice: "use that version of Varve")
    }
  }

  private static func foreign(_ connection: Connection) -> Problem {
    Problem(.damaged, at: [connection.file], "is no ledger of Varve's", advice: "move it away; a new one will be made")
  }

  /// Times are milliseconds since 1970; `completion` numbers complete deliveries in their order. The rows of `ingestions`
  /// and `targets` number the bytes of the lock file.
  private static let tables = """
    CREATE TABLE ingestions (
      row INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      target TEXT NOT NULL,
      schema_version TEXT NOT NULL,
      request TEXT NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('pending', 'in_progress', 'done', 'failed', 'dead')),
      attempts INTEGER NOT NULL DEFAULT 0,
      next_try INTEGER,
      error TEXT,
      owner TEXT,
      noted INTEGER NOT NULL,
      started INTEGER,
      ended INTEGER,
      outcome TEXT,
      version INTEGER,
      rows_read INTEGER NOT NULL DEFAULT 0,
      rows_inserted INTEGER NOT NULL DEFAULT 0,
      rows_updated INTEGER NOT NULL DEFAULT 0,
      rows_deleted INTEGER NOT NULL DEFAULT 0,
      rows_unchanged INTEGER NOT NULL DEFAULT 0,
      rows_rejected INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX ingestions_by_state ON ingestions (state, next_try);
    CREATE INDEX ingestions_by_target ON ingestions (target, row);
    CREATE TABLE sources (
      ingestion INTEGER NOT NULL REFERENCES ingestions (row) ON DELETE CASCADE,
      ordinal INTEGER NOT NULL,
      path TEXT NOT NULL,
      name TEXT NOT NULL,
      sha256 TEXT NOT NULL,
      byte_count INTEGER NOT NULL,
      selector TEXT NOT NULL,
      PRIMARY KEY (ingestion, ordinal)
    ) STRICT;
    CREATE INDEX sources_by_content ON sources (sha256);
    CREATE INDEX sources_by_path ON sources (path);
    CREATE TABLE targets (row INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE deliveries (
      row INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      target TEXT NOT NULL,
      source TEXT NOT NULL,
      version INTEGER NOT NULL,
      since INTEGER,
      chunking TEXT NOT NULL,
      plan TEXT NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('planned', 'sending', 'complete', 'stopped')),
      attempts INTEGER NOT NULL DEFAULT 0,
      next_try INTEGER,
      error TEXT,
      owner TEXT,
      noted INTEGER NOT NULL,
      started INTEGER,
      ended INTEGER,
      record_count INTEGER,
      completion INTEGER
    ) STRICT;
    CREATE INDEX deliveries_by_target ON deliveries (target, row);
    CREATE TABLE chunks (
      delivery INTEGER NOT NULL REFERENCES deliveries (row) ON DELETE CASCADE,
      number INTEGER NOT NULL,
      first_record INTEGER NOT NULL,
      record_count INTEGER NOT NULL,
      sha256 TEXT NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('planned', 'sent', 'acknowledged', 'failed')),
      attempts INTEGER NOT NULL DEFAULT 0,
      error TEXT,
      sent INTEGER,
      acknowledged INTEGER,
      PRIMARY KEY (delivery, number)
    ) STRICT, WITHOUT ROWID;
    """
  /// What version 2 added: when a chunk was proven to be at its target as it was sent, and the records that are not.
  /// `record` counts from 0 in the delivery; `key` is what the target knows the record by.
  private static let proofs = """

    ALTER TABLE chunks ADD COLUMN proven INTEGER;
    CREATE TABLE dead_records (
      delivery INTEGER NOT NULL REFERENCES deliveries (row) ON DELETE CASCADE,
      record INTEGER NOT NULL,
      chunk INTEGER NOT NULL,
      key TEXT NOT NULL,
      reason TEXT NOT NULL,
      noted INTEGER NOT NULL,
      PRIMARY KEY (delivery, record)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX dead_records_by_key ON dead_records (key);

    """
}
