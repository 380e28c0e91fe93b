let serveCommand = Command(
  "serve", "Serve the warehouse over HTTP on this machine",
  options: [
    Option(
      "port", "N", .integer(0...65_535), preset: "8000", "Where to listen on this machine; 0 takes any free port."),
    Option(
      "allow-root", "DIR", .list, preset: "none",
      "A directory below which callers may name files. Repeating adds to it."),
    Option(
      "allow-callback", "URL", .list, preset: "any on this machine",
      "How the URL of a callback may begin. Repeating adds to it."),
    .flag("no-auth", "Ask nobody for a token: for callers that know of none."),
  ],
  details: [
    "Stands in for ingestion services beside Pimcore: POST /api/ingest takes a file, answers at once, and commits and "
      + "pushes it behind. GET /docs is a page to read and try all of it. It listens on the loopback address only, until "
      + "it is interrupted; what it had begun goes on at the next start. The token is in varve.token in the warehouse.",
    "Documentation/Service.md has the routes, and what is refused.",
  ],
  examples: [("varve serve --allow-root inbox", "let callers on this machine ingest what lies in inbox")])
