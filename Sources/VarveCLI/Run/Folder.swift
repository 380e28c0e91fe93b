import Varve
import VarveJSON
import VarveTables

extension Session {
  /// `ingest` of a directory or pattern: a version for each file.
  func ingestFolder(_ request: IngestRequest, _ call: Invocation, _ warehouse: Warehouse) throws {
    let folder = folderRequest(request, call)
    let entries = try warehouse.ingest(folder, onEvent: remarks(call)) { entry in
      if !call.has("json") { say(line(on: entry)) }
    }
    if call.has("json") { try output.writeLine(JSONValue.array(entries.map(json(of:))).text(.pretty)) }
    let failed = entries.count { $0.problem != nil }
    if failed > 0 {
      throw Problem(
        .failed, "\(failed) of \(entries.count) file\(entries.count == 1 ? "" : "s") failed",
        advice: entries.last?.problem == nil || folder.keepsGoing == true
          ? "see `varve ingestions --state failed`"
          : "files after it, if there are any, wait; mend it, or say --keep-going")
    }
  }

  func watch(_ call: Invocation, _ warehouse: Warehouse) throws {
    let folder = folderRequest(try ingestRequest(call), call)
    let isJSON = call.has("json")
    if !call.has("quiet") { tell("watching \(folder.paths.joined(separator: ", "))") }
    try warehouse.watch(
      folder, everySeconds: Double(call.integer("every") ?? 5), onEvent: remarks(call),
      onFile: { say(isJSON ? json(of: $0).text() : line(on: $0)) },
      onRetry: { say(isJSON ? json(of: $0).text() : line(on: $0)) })
  }

  private func folderRequest(_ request: IngestRequest, _ call: Invocation) -> FolderRequest {
    var folder = FolderRequest(call.arguments, each: request)
    if call.has("keep-going") { folder.keepsGoing = true }
    return folder
  }

  private func remarks(_ call: Invocation) -> (Event) -> Void {
    let isQuiet = call.has("quiet") || call.has("json")
    return { event in if !isQuiet, case .remark(let text) = event { tell(text) } }
  }

  private func tell(_ text: String) {
    try? errors.writeLine(text)
    try? errors.flush()
  }

  /// Printed at once: the next line may be long in coming.
  private func say(_ text: String) {
    try? output.writeLine(text)
    try? output.flush()
  }
}

private func line(on entry: FolderEntry) -> String {
  let path = printable(entry.path)
  if let problem = entry.problem { return "\(path): failed: \(printable(problem.description))" }
  return "\(path): " + (entry.report.map(sentence(on:)) ?? "")
}

private func json(of entry: FolderEntry) -> JSONValue {
  var object: JSONObject = ["file": .init(entry.path)]
  if let problem = entry.problem {
    object["outcome"] = "failed"
    object["error"] = .init(problem.description)
  } else if let report = entry.report {
    for member in json(of: report).object?.members ?? [] { object[member.key] = member.value }
  }
  return .object(object)
}
