internal import VarveDelivery

let pushCommand = Command(
  "push", "Deliver a version of a table to a receiver, acknowledged",
  arguments: [
    Argument("TABLE[@VERSION]", "What is delivered; a bare TABLE is its newest version.", isRequired: false)
  ],
  options: [
    Option(
      "to", "TARGET", .text,
      "A target declared in varve.json, a URL, or `dir:PATH` for files."),
    Option(
      "changes-since", "VERSION|delivered", .text, preset: "all rows",
      "Only what differs from that version, or from the one that this target took last."),
    Option(
      "chunk-records", "N", .integer(1...10_000_000), preset: "the target's, else 1000", "Records in a chunk."),
    Option(
      "chunk-bytes", "N", .integer(1...1 << 30), preset: "by records",
      "Bytes of records in a chunk, instead of a number of them."),
    .flag("again", "Deliver under a new id what was delivered before."),
    Option(
      "check", "TARGET", .text,
      "Find what is wrong with a target, and with the table for it if one is given; nothing is delivered."),
  ],
  details: [
    "Each chunk is posted as JSON, and counts as delivered only when the receiver answers with `ack: true`. The same "
      + "push again resumes exactly behind the last acknowledged chunk, after a crash too, or finds nothing to do. "
      + "Documentation/Delivery.md has the protocol, targets and what is tried again.",
    versionSpellings,
  ],
  examples: [
    ("varve push products --to http://127.0.0.1:9000/", "the newest version, to a receiver on this machine"),
    ("varve push products --to shop --changes-since delivered", "what the target `shop` does not have yet"),
    ("varve push products@3 --to dir:outbox", "version 3, as files"),
    ("varve push products --check pim", "whether Pimcore is set up for it"),
  ])

let deliveriesCommand = Command(
  "deliveries", "List deliveries, show the chunks of one, or resume what stopped",
  arguments: [
    Argument("ID", "A delivery, whose chunks are shown; the beginning of its id will do.", isRequired: false)
  ],
  options: [
    Option("target", "TARGET", .text, preset: "all", "Only deliveries to this target, as it is listed."),
    Option("table", "TABLE", .text, preset: "all", "Only deliveries of this table."),
    Option("limit", "N", .integer(1...Int.max), preset: "all", "How many to show."),
    .flag("dead", "List the records that targets took and do not hold as they were sent, each with its reason."),
    Option("resume", "ID|all", .text, "Go on with a delivery that stopped, or with all of them, oldest first."),
  ],
  examples: [
    ("varve deliveries", "what was delivered where, and what stopped why"),
    ("varve deliveries --dead --target pim", "what is not in Pimcore, and why"),
    ("varve deliveries --resume all", "go on with whatever stopped"),
  ])

let receiveCommand = Command(
  "receive", "Be a receiver to rehearse deliveries with",
  options: [
    Option(
      "port", "N", .integer(0...65_535), preset: "9000", "Where to listen on this machine; 0 takes any free port."),
    Option(
      "as", "WHAT,…", .choices(["callback", "data-importer", "graphql"]), preset: "callback",
      "Be a receiver of acknowledged callbacks, or Pimcore's data-importer, its graphql, or both over the same objects."
    ),
    Option(
      "setup", "FILE", .path, preset: "a class Product, known by sku",
      "How Pimcore is set up: class, attributes, configurations, pace."),
    Option(
      "misbehave", "KIND,…", .choices(Misbehaviour.allCases.map(\.rawValue)), preset: "not at all",
      "What to do wrong, in turn: die, stall, 5xx, 429, no-ack, wrong-id, double-ack, forget; as Pimcore stall, 5xx, 429, "
        + "405, partial, lost-rows, wrong-value, no-workers, cut-text, delta-check, cleanup."),
    Option("every", "N", .integer(1...1_000_000), preset: "3", "Misbehave at every Nth request."),
    Option("save", "DIR", .path, "Keep the records of each chunk there, as ID/00000000.json."),
  ],
  details: [
    "Takes chunks as a well-behaved receiver does: it checks id, order and checksum, acknowledges repeats without "
      + "effect, and forgets all when it ends. It listens on the loopback address only, until it is interrupted."
  ],
  examples: [
    ("varve receive", "acknowledge whatever comes to http://127.0.0.1:9000/"),
    ("varve receive --misbehave stall,5xx", "see a push survive"),
    (
      "varve receive --as data-importer,graphql --setup pimcore.json",
      "be a Pimcore; Documentation/Pimcore.md tells how"
    ),
  ])
