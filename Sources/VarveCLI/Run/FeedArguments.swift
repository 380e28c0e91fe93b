import Varve

/// What the options say of a feed and how it is to be read.
func feedRequest(_ path: String, _ call: Invocation) throws -> FeedRequest {
  var feed = FeedRequest(path: path)
  feed.format = call["format"].flatMap { FeedFormat(rawValue: $0) }
  feed.sheet = call["sheet"]
  feed.headerRow = call.integer("header-row")
  feed.fillMerged = call.has("fill-merged")
  feed.recordsAt = call["records-at"]
  feed.schemaPath = call["schema"]
  feed.timezone = call["timezone"]
  if let choice = call["error-cells"].flatMap({ FeedRequest.ErrorCells(rawValue: $0) }) { feed.errorCells = choice }
  if let choice = call["duplicate-keys"].flatMap({ FeedRequest.DuplicateKeys(rawValue: $0) }) {
    feed.duplicateKeys = choice
  }
  feed.csv = try csvDialect(call)
  return feed
}

private func csvDialect(_ call: Invocation) throws -> FeedRequest.CSVDialect {
  var options = FeedRequest.CSVDialect()
  options.delimiter = try call["delimiter"].map { try character($0 == "tab" ? "\t" : $0, of: "delimiter", call) }
  options.quote = try call["quote"].map { try $0.isEmpty ? $0 : character($0, of: "quote", call) }
  options.escape = try call["escape"].map { try $0.isEmpty ? $0 : character($0, of: "escape", call) }
  options.encoding = call["encoding"]
  options.headerLine = try call["header"].map { text in
    if text == "none" { return 0 }
    guard let number = Int(text), number > 0 else {
      throw Problem(
        .usage, at: ["varve \(call.command.name)"], "--header: \"\(text)\" is neither none nor the number of a record")
    }
    return number
  }
  options.skippedLines = call.integer("skip") ?? 0
  options.padsRagged = call["ragged"] == "pad"
  options.decimal = call["decimal"]
  return options
}

private func character(_ text: String, of option: String, _ call: Invocation) throws -> String {
  guard text.utf8.count == 1 else {
    throw Problem(.usage, at: ["varve \(call.command.name)"], "--\(option): \"\(text)\" is not one ASCII character")
  }
  return text
}
