internal import Varve

/// Every command there is, in the order in which help lists them.
package let commandGroups: [CommandGroup] = [
  CommandGroup(
    "feeds",
    [
      ingestCommand, previewCommand, cellsCommand, watchCommand, transactionCommand, ingestionsCommand, retryCommand,
      deadLettersCommand, replayCommand,
    ]),
  CommandGroup(
    "tables and versions",
    [
      tablesCommand, describeCommand, historyCommand, executionsCommand, queryCommand, diffCommand, exportCommand,
      restoreCommand,
      truncateCommand, alterCommand, checkCommand, dropCommand, publishCommand, tagCommand, holdCommand,
      immutableCommand,
      symlinksCommand, compactCommand, vacuumCommand, verifyCommand, repairCommand,
    ]),
  CommandGroup("deliveries and services", [pushCommand, deliveriesCommand, receiveCommand, serveCommand]),
  CommandGroup("this command", [adviseCommand, completionCommand, manCommand]),
]

package let allCommands: [Command] = commandGroups.flatMap(\.commands)

/// Options that stand before or after any command.
package let globalOptions: [Option] = [
  Option(
    "warehouse", "DIR", .path, preset: "$VARVE_WAREHOUSE, else `Warehouse`",
    "The directory that holds the tables."),
  .flag("json", "Print one JSON document instead of tables for people."),
  .flag("quiet", "Show no progress and no remarks."),
]

/// How a feed is to be read: shared by every command that reads one.
private let feedOptions: [Option] = [
  Option(
    "format", FeedFormat.allCases.map(\.rawValue).joined(separator: "|"),
    .choice(FeedFormat.allCases.map(\.rawValue)), preset: "told by the content", "The feed's format."),
  Option(
    "sheet", "NAME|N|all", .text, preset: "the first that holds rows",
    "The worksheet by name or number; `all` reads every one and adds a column `sheet`."),
  Option(
    "header-row", "N", .integer(1...1_048_576), preset: "found by itself",
    "The row of the worksheet that holds the column names."),
  .flag("fill-merged", "Give every cell of a merged range the value of its top left one."),
  Option(
    "records-at", "PATH", .text, preset: "the document itself",
    "Where in a JSON document the array of records is: `products.items`."),
  Option("schema", "FILE", .path, "A schema file (JSON) that fixes names, types, nullability, aliases."),
  Option(
    "timezone", "ZONE", .text, preset: "UTC",
    "The zone of times that name none: `Europe/Berlin` or `+02:00`."),
  Option(
    "error-cells", "reject|null|text", .choice(FeedRequest.ErrorCells.allCases.map(\.rawValue)), preset: "reject",
    "What an error cell of a workbook (`#N/A`) becomes."),
  Option(
    "duplicate-keys", "refuse|last", .choice(FeedRequest.DuplicateKeys.allCases.map(\.rawValue)), preset: "refuse",
    "What happens when a JSON object has a key twice."),
  Option("delimiter", "CHAR", .text, preset: "detected", group: "CSV", "What parts the fields; `tab` is a tab."),
  Option(
    "quote", "CHAR", .text, preset: "a double quote", group: "CSV", "What encloses a field; '' switches quoting off."),
  Option("escape", "CHAR", .text, preset: "none", group: "CSV", "What escapes a quote, beside doubling it."),
  Option(
    "encoding", "NAME", .text, preset: "UTF-8, or UTF-16 by its byte order mark", group: "CSV",
    "The text's encoding: `windows-1252`, `iso-8859-15`."),
  Option("header", "none|N", .text, preset: "1", group: "CSV", "The line that holds the column names, or none."),
  Option("skip", "N", .integer(0...1_000_000), preset: "0", group: "CSV", "Lines to pass over at the top."),
  Option(
    "ragged", "refuse|pad", .choice(["refuse", "pad"]), preset: "refuse", group: "CSV",
    "What happens to a record with too few fields."),
  Option("decimal", ".|,", .choice([".", ","]), preset: "a point", group: "CSV", "The decimal separator."),
]

/// The same option under a heading of its own, for a command that has many.
private func underReading(_ option: Option) -> Option {
  var option = option
  option.group = option.group ?? "reading"
  return option
}

/// What `ingest` and `watch` are told of the table and of the commit.
private let ingestOptions: [Option] = [
  Option("into", "TABLE", .text, isRequired: true, "The table; it is made by its first feed."),
  Option(
    "mode", "MODE", .choice(IngestMode.allCases.map(\.rawValue)), preset: "the table's, else append",
    "What the feed does to the rows that are there: append, insert (unknown keys only), overwrite, merge or stateful-merge."
  ),
  Option("key", "COLUMN,…", .list, preset: "the table's", "The columns that identify a row."),
  Option(
    "key-from", "COLUMN,…", .list, preset: "the table's",
    "Columns that never change, of which the key is made, as the column `_key`."),
  Option(
    "partition-by", "COLUMN,…", .list, preset: "the table's",
    "The columns that part the table; `year|month|week|day(column)` makes one of a date."),
  Option(
    "partition", "COLUMN=VALUE,…", .pairs, group: "overwrite",
    "The partition that an overwrite replaces; rows outside it are refused."),
  .flag("dynamic", group: "overwrite", "Overwrite the partitions that the feed has rows of; `--dry-run` lists them."),
  Option(
    "partitions-max", "N", .integer(1...10_000), preset: "100", group: "overwrite",
    "How many partitions an overwrite with --dynamic may replace."),
  Option("execution", "WHEN", .text, "The run this feed belongs to: a date, a UTC time or an integer."),
  Option("delete-when", "COLUMN", .text, group: "merge", "A column that is true in rows to be deleted."),
  Option("newest-by", "COLUMN", .text, group: "merge", "The column whose highest value wins among rows of one key."),
  Option(
    "updates", "METHOD", .choice(UpdateMethod.allCases.map(\.rawValue)), preset: "the table's, else copy-on-write",
    group: "files",
    "How rows that change are written: copy-on-write writes their files anew, merge-on-read strikes them out in place."),
  Option(
    "on-bad-row", "fail|quarantine", .choice(BadRowPolicy.allCases.map(\.rawValue)), preset: "fail",
    "Commit nothing when a value does not fit, or keep such rows aside and commit the rest."),
  Option(
    "select", "SQL", .text,
    "A SELECT over the table `feed`, whose rows are ingested: `SELECT sku, upper(brand) AS brand FROM feed`."),
  .flag("hold-publish", "Commit the version without showing it to readers; `varve publish` does that."),
  .flag("allow-empty", group: "overwrite", "Let a feed without rows empty what it overwrites."),
  .flag("with-origin", "Add the columns `_source`, `_row` and `_execution`."),
  .flag("immutable", group: "files", "Make a new table write-once, as `varve immutable` does with one that is there."),
  Option(
    "immutable-days", "N", .integer(0...36_500), preset: "for ever", group: "files",
    "How long nothing of a version can be removed after another took its place."),
  .flag("reingest", "Apply a feed again that is already in the table."),
  .flag(
    "no-cascade", group: "stateful merge",
    "Leave the executions after a corrected one stale, instead of replaying them."),
  .flag(
    "publish-incomplete", group: "stateful merge", "Let readers see a table some of whose executions are stale."),
  .flag(
    "discard-interposed", group: "stateful merge",
    "Drop the versions made by other means since the execution that is run again."),
  .flag(
    "reapply", group: "stateful merge",
    "Keep what such versions did: it is done again to the same rows, behind the execution."),
  Option(
    "zstd-level", "N", .integer(1...22), preset: "the table's, else 3", group: "files",
    "How small data files are made, at the cost of time: 1 (fast) to 22 (small)."),
  .flag("dry-run", "Say what would happen, and commit nothing."),
  Option(
    "idempotency-key", "KEY", .text, preset: "made from the feed and the options",
    "The name under which this ingestion happens at most once."),
]

private let keepGoingOption = Option.flag(
  "keep-going", group: "folders",
  "Take the files after one that failed, in every mode; in append and insert that is so anyway.")

private let ingestCommand = Command(
  "ingest", "Commit feeds to a table as one new version",
  arguments: [
    Argument(
      "FILE",
      "A workbook, JSON, NDJSON, CSV or Parquet file; text also compressed. Or a directory or a quoted pattern.",
      isRepeatable: true)
  ],
  options: ingestOptions + [keepGoingOption] + feedOptions.map(underReading),
  details: [
    "All files become one version, or none does. With a directory or a pattern among them, each file becomes a version "
      + "of its own, in the order of their names.",
    "The table remembers key, partitioning, mode and schema, so that "
      + "later feeds need only the file. A feed that is already in the table changes nothing and counts as done.",
  ],
  examples: [
    ("varve ingest products.xlsx --into products --key sku", "make a table from a workbook"),
    ("varve ingest fixes.json --into products --mode merge", "merge corrections by the table's key"),
    (
      "varve ingest de.csv --into prices --mode overwrite --partition market=DE",
      "replace one partition"
    ),
  ])

let watchCommand = Command(
  "watch", "Ingest what comes into a folder, until it is interrupted",
  arguments: [Argument("DIR", "A directory, or a quoted pattern; files in it are taken in order.", isRepeatable: true)],
  options: ingestOptions.filter { !["dry-run", "idempotency-key", "execution"].contains($0.name) } + [
    keepGoingOption,
    Option("every", "SECONDS", .integer(1...86_400), preset: "5", group: "folders", "How long to wait between looks."),
  ] + feedOptions.map(underReading),
  details: [
    "Each file becomes a version once two looks in a row found it the same. Retries that are due are run, of the whole "
      + "warehouse. Where the order of feeds matters (merge, overwrite), files wait behind one that failed until it is "
      + "done or a dead letter. SIGINT and SIGTERM end it cleanly, with exit code 0."
  ],
  examples: [
    ("varve watch inbox --into prices", "every file that is put into inbox"),
    ("varve watch 'inbox/stock-*.csv' --into stock --key sku --mode merge --every 60", "some of them, once a minute"),
  ])

private let previewCommand = Command(
  "preview", "Show how a feed would be read, and why",
  arguments: [Argument("FILE", "The feed.")],
  options: feedOptions
    + [Option("rows", "N", .integer(0...1_000), preset: "5", "How many rows to show.")],
  details: ["Reads the whole feed: sheets, header, the type of each column with its reason, first rows."],
  examples: [
    ("varve preview products.xlsx --sheet Produkte", "look at one worksheet"),
    ("varve preview prices.csv --decimal , --rows 20", "see whether prices are numbers, and more rows"),
  ])

private let cellsCommand = Command(
  "cells", "Print every cell of a workbook that is not empty, as NDJSON",
  arguments: [Argument("FILE.xlsx", "The workbook.")],
  details: [
    "Each worksheet opens with {\"sheet\": NAME}; then {\"row\", \"col\", \"t\", \"v\"} for each cell, where t is n "
      + "(number), s (text), b (boolean), d (date or time), u (duration in seconds) or e (error)."
  ],
  examples: [("varve cells products.xlsx", "see what the workbook really holds")])

private let tablesCommand = Command(
  "tables", "List the tables of the warehouse",
  examples: [("varve tables", "every table with its newest version")])

private let describeCommand = Command(
  "describe", "Show a table's columns, key, partitioning and size",
  arguments: [Argument("TABLE[@VERSION]", "The table, now or at a version.")],
  options: [.flag("schema", "Print the schema file in force.")],
  details: [versionSpellings],
  examples: [
    ("varve describe products@3", "the table as of version 3"),
    ("varve describe products --schema", "a schema file to start from"),
  ])

private let historyCommand = Command(
  "history", "List the versions of a table, newest first",
  arguments: [Argument("TABLE", "The table.")],
  options: [
    Option("limit", "N", .integer(1...Int.max), preset: "all", "How many versions to show."),
    .flag("published", "List what readers were shown other than the newest version, oldest first."),
  ],
  examples: [
    ("varve history products --limit 10", "which feeds made the newest versions"),
    ("varve --json history products", "all that is known of each version, for a program"),
  ])

private let executionsCommand = Command(
  "executions", "List what each execution of a table did",
  arguments: [Argument("TABLE", "The table.")],
  options: [.flag("all", "Show the runs that were superseded, too.")],
  details: [
    "An execution is active, or stale: one before it was corrected, and it has to run again."
  ],
  examples: [
    ("varve executions stock", "which run made which version, on which base"),
    ("varve executions stock --all", "those that a correction replaced, too"),
  ])

private let queryCommand = Command(
  "query", "Run SQL over any versions of any tables",
  arguments: [Argument("SQL", "One SELECT statement of SQLite.")],
  options: [
    Option(
      "format", "table|csv|json|ndjson", .choice(RowFormat.allCases.map(\.rawValue)),
      preset: "table; json with --json", "How to print the rows."),
    .flag("explain", "Show what would be read, and print no rows."),
  ],
  details: [versionSpellings + " In SQL a name with a version is quoted: \"products@3\"."],
  examples: [
    ("varve query 'SELECT count(*) FROM products'", "the newest version"),
    (
      "varve query 'SELECT n.sku, o.price, n.price FROM products n JOIN \"products@1\" o USING (sku)'",
      "two versions side by side"
    ),
    ("varve query 'SELECT * FROM \"products@history\"' --format csv", "every state of each row, and when it was so"),
  ])

private let diffCommand = Command(
  "diff", "Show the rows inserted, updated and deleted between two versions",
  arguments: [
    Argument("TABLE@VERSION", "Where to start."),
    Argument("TABLE@VERSION", "Where to end; a bare TABLE is its newest version."),
  ],
  options: [
    Option(
      "format", "table|csv|json|ndjson", .choice(RowFormat.allCases.map(\.rawValue)),
      preset: "table; json with --json", "How to print the rows.")
  ],
  details: [versionSpellings],
  examples: [
    ("varve diff products@1 products@2", "what version 2 changed"),
    ("varve diff products@2024-10-06 products --format csv", "what changed since that day, as CSV"),
  ])

let versionSpellings =
  "A version is a number (products@7), a time (products@2024-10-06T12:00:00Z, the newest at or before it) or a date "
  + "(products@2024-10-06, its midnight in UTC)."
