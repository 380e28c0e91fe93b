internal import Varve

let adviseCommand = Command(
  "advise", "Name the pattern that fits your feeds, with the command to type",
  options: Advice.tree.questions.map { Option($0.name, "yes|no", .choice(["yes", "no"]), $0.text) }
    + [.flag("tree", "Draw the tree of questions, and ask none.")],
  details: [
    "Asks what the options leave open, on a terminal. Each answer leads on in a tree of a few questions, at whose ends are "
      + "the patterns of idempotent processing."
  ],
  examples: [
    ("varve advise", "be asked"),
    ("varve advise --full no --keys yes --changes yes --backfills yes", "say it all at once"),
  ])
