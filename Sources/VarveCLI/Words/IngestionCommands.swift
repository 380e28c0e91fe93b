// Commands about what was ingested, and what was not.

let ingestionsCommand = Command(
  "ingestions", "List the ingestions of the warehouse, newest first",
  options: [
    Option("limit", "N", .integer(1...Int.max), preset: "all", "How many to show."),
    Option(
      "state", "STATE", .choice(["pending", "in_progress", "done", "failed", "dead"]), preset: "all",
      "Only those that are pending, in_progress, done, failed or dead (given up)."),
  ],
  details: [
    "What made a version is told by the tables' logs; what waits, failed or changed nothing, by the ledger."
  ],
  examples: [
    ("varve ingestions", "every feed, and what became of it"),
    ("varve ingestions --state failed", "what is to be tried again, and when"),
  ])

let retryCommand = Command(
  "retry", "Try failed ingestions again that are due",
  arguments: [
    Argument(
      "ID", "Ingestions to try now, due or not; the beginning of an id will do. Without one, all that are due.",
      isRequired: false, isRepeatable: true)
  ],
  details: [
    "An ingestion that failed is due after half a minute, then after twice as long each time, up to an hour; after "
      + "eight attempts it is a dead letter. What a process left behind when it died is due at once. An ingestion that "
      + "is in its table already is not done twice."
  ],
  examples: [
    ("varve retry", "what failed and is due, in the order of time"),
    ("varve retry 3f9a20c1", "one at once, as `varve ingestions` lists it"),
  ])

let deadLettersCommand = Command(
  "dead-letters", "List, requeue or purge the ingestions that were given up",
  arguments: [
    Argument(
      "requeue|purge ID",
      "`requeue` lets `varve retry` do them again, `purge` forgets them: those of the given ids, or of their beginnings, "
        + "else all.",
      isRequired: false, isRepeatable: true)
  ],
  examples: [
    ("varve dead-letters", "what failed for good, and why"),
    ("varve dead-letters requeue", "let all of them be tried again"),
  ])

let transactionCommand = Command(
  "transaction", "Commit feeds to several tables together, all or nothing",
  arguments: [
    Argument("FILE", "A transaction file (JSON): which feeds go into which tables, and how.", isRequired: false)
  ],
  options: [
    Option("id", "ID", .text, preset: "the file's, else a random one", "Names it for ever; one id commits once."),
    Option("outcome", "ID", .text, "Say what became of a transaction, and do nothing."),
  ],
  details: [
    "The file looks so: {\"ingestions\": [{\"table\": \"products\", \"feeds\": [\"products.xlsx\"], \"mode\": \"merge\", \"key\": [\"sku\"]}, …]}. "
      + "Options of `varve ingest` are keys, with `_` for `-`; a feed is a path, or an object with `path` and how it is "
      + "read. After a crash the next command that writes carries out what was decided."
  ],
  examples: [
    ("varve transaction nightly.json --id nightly-2024-10-06", "several tables, or none"),
    ("varve transaction --outcome nightly-2024-10-06", "whether it was committed, and as which versions"),
  ])
