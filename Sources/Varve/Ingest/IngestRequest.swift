/// What an ingestion does to the rows that are there.
public enum IngestMode: String, Sendable, CaseIterable {
  /// Adds the feed's rows; a key that is there already is refused.
  case append
  /// Adds the rows whose keys are unknown; the others stay as they are.
  case insert
  /// Replaces the declared partitions, or the whole table.
  case overwrite
  /// Updates, inserts and deletes by key.
  case merge
  /// A merge that belongs to an execution, so that the past can be run again.
  case statefulMerge = "stateful-merge"
}

/// How a table writes rows that change.
public enum UpdateMethod: String, Sendable, CaseIterable {
  /// The files that they lie in are written anew.
  case copyOnWrite = "copy-on-write"
  /// They are struck out where they lie, and their new values go into new files.
  case mergeOnRead = "merge-on-read"
}

/// What happens to a feed some of whose cells do not fit.
public enum BadRowPolicy: String, Sendable, CaseIterable {
  /// Nothing is committed.
  case fail
  /// The rows that fit are committed; the others are kept in quarantine.
  case quarantine
}

/// One commit: one or more feeds into one table.
public struct IngestRequest: Sendable {
  /// The files, which become one version together.
  public var feeds: [FeedRequest]
  /// The table's name.
  public var table: String
  /// Nil: as the table remembers, `append` for a new one.
  public var mode: IngestMode?
  /// Key columns. Empty: as the table remembers.
  public var key: [String]
  /// Columns that never change, of which a key is made, as the column `_key`. Empty: as the table remembers.
  public var keyFrom: [String]
  /// Columns, or `year|month|week|day(column)`. Empty: as the table remembers.
  public var partitionBy: [String]
  /// Overwrite: the partitions that are replaced, each a value per named column. Empty: the whole table.
  public var partitions: [[String: String?]]
  /// Overwrite: replaces the partitions that the feed has rows of, this many at most; nil: what is declared.
  public var dynamicPartitionsMax: Int?
  /// Which run this is: a date, a UTC time or an integer, as given.
  public var execution: String?
  /// Merge: the boolean column whose true deletes the row.
  public var deleteWhen: String?
  /// Merge: the column whose highest value wins among rows of one key.
  public var newestBy: String?
  /// How rows that change are written. Nil: as the table remembers, copy-on-write for a new one.
  public var updates: UpdateMethod?
  /// What happens to rows whose values do not fit.
  public var badRows: BadRowPolicy
  /// A SELECT over the table `feed`, whose rows are ingested in the place of the feed's.
  public var select: String?
  /// Changes each row of the feed before it is typed for the table.
  public var transform: FeedTransform?
  /// Applies a feed that is in the table already once more.
  public var reingest: Bool
  /// Overwrite: a feed without rows empties the partitions.
  public var allowEmpty: Bool
  /// Stateful merge: executions after a corrected one are replayed behind it.
  public var cascades = true
  /// Stateful merge: readers see a table some of whose executions are stale.
  public var publishesIncomplete = false
  /// Stateful merge: versions made by other means since the corrected execution are dropped.
  public var discardsInterposed = false
  /// Stateful merge: what such versions did to which rows is done again behind the corrected execution.
  public var reappliesInterposed = false
  /// Commits nothing where so many rows are laid aside again.
  var rowsLaidAside: Int?
  /// Commits the version without showing it to readers.
  public var holdsPublication = false
  /// Makes the table write-once from its first version on: directories of versions are read-only, and nothing of a version
  /// is vacuumed before `immutableDays` are over since another took its place, or ever where these are nil.
  public var isImmutable = false
  /// For how many days, if not for ever.
  public var immutableDays: Int?
  /// Adds `_source`, `_row` and `_execution`.
  public var withOrigin: Bool
  /// How small the data files are made, at the cost of time: 1 to 22. Nil: as the table remembers.
  public var zstdLevel: Int?
  /// Plans, and commits nothing.
  public var dryRun: Bool
  /// The name under which this happens at most once. Nil: made from feeds and options.
  public var idempotencyKey: String?
  /// The transaction that it is a part of, and is not tried again without.
  package internal(set) var transaction: String?
  /// What the ingestion is called, where it is made again; nil: by what it is of.
  var ingestionID: String?

  /// Feeds for a table, everything else as the table remembers it.
  public init(_ feeds: [FeedRequest], into table: String) {
    self.feeds = feeds
    self.table = table
    key = []
    keyFrom = []
    partitionBy = []
    partitions = []
    badRows = .fail
    reingest = false
    allowEmpty = false
    withOrigin = false
    dryRun = false
  }
}

/// How an ingestion ended. Ending without a new version is an outcome, not an error.
public struct IngestReport: Sendable {
  /// How an ingestion ended.
  public enum Outcome: String, Sendable {
    case committed
    /// The feed is in the table already, or had no effect.
    case unchanged
    /// A dry run: `plan` says what would be done.
    case planned
  }

  /// What became of rows.
  public struct Rows: Sendable {
    /// Rows of the feeds.
    public var read = 0
    /// Rows that are new.
    public var inserted = 0
    /// Rows that have another value now.
    public var updated = 0
    /// Rows that are gone.
    public var deleted = 0
    /// Rows that were there just so.
    public var unchanged = 0
    /// Rows with a value that does not fit.
    public var rejected = 0

    /// None at all.
    public init() {}
  }

  /// The table's name.
  public var table: String
  /// The version committed, or the one that already holds the feed. Nil only for a table that does not exist yet.
  public var version: Int?
  /// How it ended.
  public var outcome: Outcome
  /// What became of the rows.
  public var rows: Rows
  /// The ingestion's id.
  public var ingestionID: String
  /// Why it is unchanged, what was assumed, what was passed over.
  public var remarks: [String]
  /// What a dry run would have done, line by line.
  public var plan: [String]
  /// Expectations that the newest version does not meet, which readers are therefore not shown.
  public var broken: [BrokenExpectation] = []
}
