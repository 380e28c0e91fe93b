// Commands that look after tables.

import Varve

let immutableCommand = Command(
  "immutable", "Make a table write-once, for some days or for ever",
  arguments: [Argument("TABLE", "The table.")],
  options: [
    Option(
      "days", "N", .integer(0...36_500), preset: "for ever",
      "How long nothing of a version can be removed after another took its place.")
  ],
  details: [
    "The directories of its versions become read-only, nothing of a version is vacuumed before its time, and the table "
      + "is not dropped before that of its newest. That cannot be taken back: the days of a table only grow."
  ],
  examples: [("varve immutable invoices --days 3650", "keep every version for ten years")])

let symlinksCommand = Command(
  "symlinks", "Keep lists of a table's files for engines that read no Delta log",
  arguments: [Argument("TABLE", "The table.")],
  options: [.flag("off", "Take the lists away, and keep none.")],
  details: [
    "Each partition has a list of its files' URIs in `_symlink_format_manifest`, as Hive's SymlinkTextInputFormat reads "
      + "it. The lists follow what readers are shown, a partition at a time."
  ],
  examples: [("varve symlinks prices", "let Presto, Athena or Hive read the table")])

let verifyCommand = Command(
  "verify", "Compare every byte of every version with what was written",
  arguments: [Argument("TABLE", "The table; all of them without it.", isRequired: false)],
  options: [
    .flag("rerun", "Ingest the feeds again, aside, and compare what comes out, version by version."),
    Option(
      "feeds", "DIR", .list, preset: "where they were, and the inbox",
      "With --rerun, a directory to look for feeds in, by content. Repeating adds to it."),
  ],
  details: [
    "Needs nothing but the directory, and writes nothing. What is damaged is named, with the versions that it takes; "
      + "then the exit code is 4. Without a table the ledger is looked at, too.",
    "Feeds are not copied by Varve. With --rerun a version whose feeds are found nowhere, or have changed, is named and "
      + "passed over; one that comes out otherwise is a difference, and the exit code is 4.",
  ],
  examples: [
    ("varve verify", "look at all tables"),
    ("varve verify prices --rerun --feeds archive", "make every version again from the feeds below archive"),
  ])

let repairCommand = Command(
  "repair", "Put right what the log or a digest proves",
  arguments: [Argument("TABLE", "The table; all of them without it.", isRequired: false)],
  details: [
    "Makes again what follows from the log: proxy, index, sums of history, checkpoints, manifests, the times of "
      + "entries. Data is never guessed: a file comes back only where its very bytes lie elsewhere in the table. What "
      + "is left is named; then the exit code is 4.",
    "Without a table the ledger is made again from the logs where it is damaged or gone. What only it knew is lost: failed "
      + "attempts, dead letters, and how far deliveries had come.",
  ],
  examples: [
    ("varve repair products", "after `varve verify` found something in it"),
    ("varve repair", "every table, and the ledger"),
  ])

let restoreCommand = Command(
  "restore", "Make a new version of an old one, or bring back a dropped table",
  arguments: [Argument("TABLE[@VERSION]", "The version; of a table that was dropped, its name.")],
  details: [
    "Rows, schema and properties become those of the version. Nothing is erased: the versions between stay. "
      + versionSpellings
  ],
  examples: [
    ("varve restore products@7", "take back all that came after version 7"),
    ("varve restore products", "bring back the table that was dropped"),
  ])

let truncateCommand = Command(
  "truncate", "Empty a table or some partitions, as a new version",
  arguments: [Argument("TABLE", "The table.")],
  options: [
    Option("partition", "COLUMN=VALUE,…", .pairs, "The partitions to empty; those that have these values."),
    .flag("dry-run", "Say what would happen, and commit nothing."),
  ],
  details: ["No data is read or removed, so it takes as long for many rows as for few. Older versions stay."],
  examples: [("varve truncate prices --partition market=DE", "empty one market")])

let alterCommand = Command(
  "alter", "Change columns and how rows are updated, as a new version",
  arguments: [Argument("TABLE", "The table.")],
  options: [
    Option("drop", "COLUMN,…", .list, "Columns that go."),
    Option("rename", "OLD=NEW,…", .pairs, "Columns that get another name; feeds may go on using the old one."),
    Option("add", "NAME:TYPE,…", .list, "Columns that come, null in every row there is."),
    Option("widen", "COLUMN=TYPE,…", .list, "Columns that get a type which holds all their values exactly."),
    Option("order", "COLUMN,…", .list, "Columns that come first; the others follow as they stand."),
    Option("schema", "FILE", .path, "A schema file: what it names is added, widened and read as it says."),
    Option(
      "contract", "[COLUMN=]WORD,…", .list,
      "What feeds may do to the columns, or to one: `evolve`, `freeze` or `quarantine`; `COLUMN=table` for what the table says."
    ),
    Option(
      "updates", "METHOD", .choice(UpdateMethod.allCases.map(\.rawValue)),
      "How rows that change are written from now on: copy-on-write or merge-on-read."),
    .flag("dry-run", "Say what would happen, and commit nothing."),
  ],
  details: [
    "All of it is one version; older ones keep their columns. Names in `--drop` and left in `--rename` are those of "
      + "now, all others those that come of it. Files are written anew where a column goes, widens or is renamed.",
    "Types: boolean, int64, double, decimal(p,s), date, timestamp, text, json. Columns of the key, of partitions and "
      + "of periods keep their names.",
  ],
  examples: [
    ("varve alter products --rename weight__g_=weight --add origin:text", "one version, two changes"),
    ("varve alter products --widen supplier_no=text", "make room for what is no number"),
    ("varve alter products --contract freeze", "refuse feeds that would change the columns"),
  ])

let checkCommand = Command(
  "check", "Hold a version against what is expected of its table",
  arguments: [Argument("TABLE[@VERSION]", "The version; a bare TABLE is its newest.")],
  details: [
    "Expectations stand in the table's schema file: values that are there, in a range, of a list, of a pattern; columns "
      + "that are unique; how many rows; how far from what is published. Every row is looked at, and nothing is changed. "
      + "What is not as expected is named; then the exit code is 1. An ingestion checks by itself before it publishes. "
      + versionSpellings
  ],
  examples: [
    ("varve check products", "what keeps the newest version from readers"),
    ("varve check products@7", "whether version 7 is as is expected by now"),
  ])

let replayCommand = Command(
  "replay", "Ingest rows that were laid aside, where they fit now",
  arguments: [Argument("TABLE", "The table.")],
  options: [
    Option(
      "mode", "append|insert|merge", .choice(["append", "insert", "merge"]), preset: "as their feeds were",
      "How they are ingested.")
  ],
  details: [
    "After columns or expectations were mended: what fits is committed, once, and the rest stays laid aside. "
      + "`SELECT * FROM \"TABLE@quarantine\"` shows all of it."
  ],
  examples: [
    ("varve alter products --widen price=double", "make room for what did not fit"),
    ("varve replay products", "take in what fits by now"),
  ])

let dropCommand = Command(
  "drop", "Take a table away, so that it can be brought back",
  arguments: [Argument("TABLE", "The table.")],
  details: ["The table moves to the warehouse's `_trash`, whole; `varve restore TABLE` brings it back."],
  examples: [
    ("varve drop products", "take the table out of sight"),
    ("varve restore products", "bring it back"),
  ])

let publishCommand = Command(
  "publish", "Show readers a version",
  arguments: [Argument("TABLE[@VERSION]", "The version; a bare TABLE is its newest.")],
  options: [
    .flag("pin", "Keep readers at this version, whatever is committed."),
    .flag("force", "Show a version that is not as expected of it."),
    .flag("unpin", "Let go of the version that readers are pinned to."),
  ],
  details: [
    "The newest version: readers follow from now on. One between what is shown and the newest, while versions are held: "
      + "they are shown it, and the rest stays held. An older one: they go back to it and are pinned there. "
      + versionSpellings
  ],
  examples: [
    ("varve ingest new.csv --into products --hold-publish", "commit a version that nobody sees yet"),
    ("varve publish products", "show it, after it was checked"),
    ("varve publish products@7", "roll readers back to version 7"),
  ])

let tagCommand = Command(
  "tag", "Give a version a name, or list the names",
  arguments: [
    Argument("TABLE[@VERSION]", "The version; a bare TABLE is what is published."),
    Argument("NAME", "The name; without it, all are listed.", isRequired: false),
  ],
  options: [
    .flag("move", "Give a name that is taken to this version."),
    .flag("delete", "Take the name away."),
  ],
  details: ["A version with a name is reached as `products@tag:NAME`, and is never vacuumed."],
  examples: [
    ("varve tag products@7 season-2024", "name version 7"),
    ("varve query 'SELECT count(*) FROM \"products@tag:season-2024\"'", "read it"),
  ])

let holdCommand = Command(
  "hold", "Keep a version from being vacuumed, or list what is kept",
  arguments: [Argument("TABLE[@VERSION]", "The version; a bare TABLE lists its holds.")],
  options: [
    Option("until", "WHEN", .text, preset: "until it is released", "A date or UTC time at which the hold ends."),
    .flag("release", "Let go of the version."),
  ],
  examples: [
    ("varve hold products@7 --until 2030-01-01", "keep version 7"),
    ("varve hold products@7 --release", "let go of it before"),
  ])

let vacuumCommand = Command(
  "vacuum", "Take away the files of versions that need not be read any more",
  arguments: [Argument("TABLE", "The table.")],
  options: [
    Option("keep-versions", "N", .integer(1...Int.max), "Keep the newest N versions."),
    Option(
      "keep-days", "N", .integer(0...36_500), preset: "30, unless --keep-versions is given",
      "Keep the versions that were the newest at some time in the last N days."),
    Option(
      "keep-executions", "N", .integer(1...Int.max), preset: "all",
      "Keep what the newest N executions need to run again: their bases, results and inputs."),
    Option("grace-days", "N", .integer(0...36_500), preset: "7", "How long what was taken lies in the trash."),
    .flag("apply", "Do it; without it there is only the plan."),
    .flag("undo", "Bring back what the last vacuum took, while it is in the trash."),
  ],
  details: [
    "A version stays if any of these keeps it. Whatever is asked for, these stay: the newest, what readers are shown, "
      + "those with a tag or a hold, those that a delivery needs, and those that somebody is reading.",
    "Files that no version needs which stays move to the table's trash, and are purged by the first vacuum after their "
      + "time is over. The log and the manifests stay, so that history is whole. Shards of the index that nothing names "
      + "are removed at once.",
  ],
  examples: [
    ("varve vacuum products --keep-versions 10", "see what would go"),
    ("varve vacuum products --keep-versions 10 --apply", "let it go"),
  ])

let compactCommand = Command(
  "compact", "Write small files anew as larger ones, with the same rows",
  arguments: [Argument("TABLE", "The table.")],
  options: [
    Option("partition", "COLUMN=VALUE,…", .pairs, preset: "all", "The partitions; those that have these values."),
    Option(
      "target-mb", "N", .integer(1...65_536), preset: "128",
      "How large files become, about, in MiB; those of less than half of it are written anew."),
    .flag("dry-run", "Say what would be written anew, and commit nothing."),
  ],
  details: [
    "The new version has the same rows in the same order, which is proven by a digest before it is committed, and stands "
      + "in the commit. Differences, deliveries of changes and executions pass over it. Older versions keep their files."
  ],
  examples: [
    ("varve compact prices", "after many small feeds"),
    ("varve compact prices --partition market=DE --dry-run", "see what there is to do in one market"),
  ])
