public import VarveFeeds

/// A feed to read, and how: the file and everything that may have to be said about it.
///
/// What is left out is found by looking at the file.
public struct FeedRequest: Sendable {
  /// Where the file lies.
  public var path: String
  /// What the file is called in history and manifests; nil for the last component of its path.
  public var name: String?
  /// Nil: told by the content.
  public var format: FeedFormat?
  /// Workbooks: a sheet's name, its number from 1, or `all`.
  public var sheet: String?
  /// Workbooks: the row that holds the header, from 1.
  public var headerRow: Int?
  /// Workbooks: every cell of a merged range gets the value of its top-left one.
  public var fillMerged = false
  /// JSON: where the records are, as keys joined by points: `products.items`.
  public var recordsAt: String?
  /// What happens when a JSON object has a key twice.
  public var duplicateKeys = DuplicateKeys.refuse
  /// How CSV is written.
  public var csv = CSVDialect()
  /// What an error cell of a workbook becomes.
  public var errorCells = ErrorCells.reject
  /// The zone of times that name none: `UTC`, `+02:00`, `Europe/Berlin`.
  public var timezone: String?
  /// A schema file that fixes names, types and aliases.
  public var schemaPath: String?

  /// Lines of a quarantine that are ingested anew.
  struct Replayed: Sendable {
    /// Relative to the table.
    var path: String
    /// From 0.
    var lines: [Int]
  }

  var replayed: Replayed?

  /// The file at a path, read as its content tells.
  public init(path: String) { self.path = path }

  /// JSON: what to do about a key that stands twice in one object.
  public enum DuplicateKeys: String, Sendable, CaseIterable {
    case refuse
    /// The last one counts.
    case last
  }

  /// What to do about a workbook's error cells.
  public enum ErrorCells: String, Sendable, CaseIterable {
    /// The row does not fit.
    case reject
    case null
    /// `#N/A`, as it prints.
    case text
  }

  /// How a CSV file is written; what is nil is found by looking at its beginning.
  public struct CSVDialect: Sendable {
    /// What parts the fields; nil: detected.
    public var delimiter: String?
    /// What encloses a field; the empty text: nothing does. Nil: a double quote.
    public var quote: String?
    /// What escapes a quote, beside doubling it.
    public var escape: String?
    /// The text's encoding: `windows-1252`. Nil: UTF-8, or UTF-16 by its byte order mark.
    public var encoding: String?
    /// The line of the header, from 1; 0 where there is none.
    public var headerLine: Int?
    /// Lines before the header that are passed over.
    public var skippedLines = 0
    /// Whether records with fewer fields than the header are filled up with nulls, instead of being refused.
    public var padsRagged = false
    /// The decimal separator: `.` or `,`.
    public var decimal: String?

    /// Everything as it is preset.
    public init() {}
  }
}
