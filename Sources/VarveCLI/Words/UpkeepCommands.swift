// Commands that look after tables.

let verifyCommand = Command(
  "verify", "Compare every byte of every version with what was written",
  arguments: [Argument("TABLE", "The table; all of them without it.", isRequired: false)],
  details: [
    "Needs nothing but the directory, and writes nothing. What is damaged is named, with the versions that it takes; "
      + "then the exit code is 4."
  ],
  examples: [("varve verify", "look at all tables")])

let repairCommand = Command(
  "repair", "Put right what the log or a digest proves",
  arguments: [Argument("TABLE", "The table; all of them without it.", isRequired: false)],
  details: [
    "Makes again what follows from the log: proxy, index, sums of history, checkpoints, manifests, the times of "
      + "entries. Data is never guessed: a file comes back only where its very bytes lie elsewhere in the table. What "
      + "is left is named; then the exit code is 4."
  ],
  examples: [("varve repair products", "after `verify` has found something")])
