import Varve
import VarveJSON
import VarveTables

extension Session {
  func vacuum(_ call: Invocation, _ warehouse: Warehouse) throws {
    let table = call.arguments[0]
    if call.has("undo") { return try write(warehouse.undoVacuum(table), call) }
    var request = VacuumRequest(table)
    request.keepVersions = call.integer("keep-versions")
    request.keepDays = call.integer("keep-days")
    request.keepExecutions = call.integer("keep-executions")
    if let days = call.integer("grace-days") { request.graceDays = days }
    request.applies = call.has("apply")
    let report = try warehouse.vacuum(request)
    if call.has("json") { return try output.writeLine(json(of: report).text(.pretty)) }
    var lines = TextTable([
      .init("version", .right), .init("time", fate: .time), .init("files", .right), .init("bytes", .right),
      .init("freed", .right),
      .init("fate"), .init("why"),
    ])
    // Version 0 makes a table and holds nothing.
    lines.rows = report.versions.filter { $0.version > 0 || $0.fileCount > 0 }.map { version in
      [
        grouped(version.version), version.timestamp, grouped(version.fileCount), grouped(version.byteCount),
        version.freedByteCount == 0 ? "" : grouped(version.freedByteCount), word(for: version, report), why(version),
      ]
    }
    for line in lines.lines(width: output.width, style: output.style) { try output.writeLine(line) }
    let kinds = [
      ("deletion vectors", "deletion vectors"), ("change set", "inputs of executions"),
      ("orphan", "files of no version"), ("shard", "shards of the index"),
    ]
    for (kind, name) in kinds {
      let files = (report.files + report.shards).filter { $0.kind == kind }
      if !files.isEmpty {
        try output.writeLine("\(name): \(sizes(files.count, files.reduce(0) { $0 + $1.byteCount }))")
      }
    }
    try output.writeLine(sentence(on: report))
    for trash in report.trash {
      try output.writeLine(
        "trash: \(sizes(trash.fileCount, trash.byteCount)), taken \(trash.timestamp), purged after \(trash.purgeTime)")
    }
    if report.isApplied, report.purgedByteCount > 0 {
      try output.writeLine("purged from the trash: \(grouped(report.purgedByteCount)) bytes")
    }
  }

  private func write(_ undone: VacuumUndone, _ call: Invocation) throws {
    if call.has("json") {
      let object: JSONValue = [
        "table": .init(undone.table), "vacuumed": .init(undone.timestamp), "files": .init(undone.fileCount),
        "bytes": .init(undone.byteCount), "versions": .array(undone.versions.map { .init($0) }),
      ]
      return try output.writeLine(object.text(.pretty))
    }
    let readable =
      undone.versions.isEmpty
      ? "" : "; \(undone.versions.count == 1 ? "version" : "versions") \(list(undone.versions)) can be read again"
    try output.writeLine(
      "\(undone.table): brought back \(sizes(undone.fileCount, undone.byteCount)), taken \(undone.timestamp)\(readable)"
    )
  }
}

private func word(for version: VacuumReport.Version, _ report: VacuumReport) -> String {
  switch version.fate {
  case "kept", "shared": "keep"
  case "removed": report.isApplied ? "removed" : "remove"
  default: "gone"
  }
}

private func why(_ version: VacuumReport.Version) -> String {
  switch version.fate {
  case "shared": "kept versions have all of its files"
  case "vacuumed": "vacuumed"
  case "lost": "files are missing; run varve verify"
  default: version.reasons.joined(separator: ", ")
  }
}

private func sentence(on report: VacuumReport) -> String {
  let removed = report.versions.filter { $0.fate == "removed" }.map(\.version)
  if report.files.isEmpty && report.shards.isEmpty { return "\(report.table): nothing to remove" }
  let versions = removed.isEmpty ? "" : "\(removed.count == 1 ? "version" : "versions") \(list(removed)), "
  guard report.isApplied else {
    let size = sizes(report.files.count + report.shards.count, report.byteCount + report.shardByteCount)
    return "\(report.table): \(versions)\(size) would go; --apply does it"
  }
  let acts = [
    report.files.isEmpty ? nil : "\(sizes(report.files.count, report.byteCount)) moved to the trash",
    report.shards.isEmpty ? nil : "\(sizes(report.shards.count, report.shardByteCount)) removed",
  ]
  return "\(report.table): \(versions)\(acts.compactMap { $0 }.joined(separator: ", "))"
}

func sizes(_ files: Int, _ bytes: Int) -> String {
  "\(grouped(files)) \(files == 1 ? "file" : "files"), \(grouped(bytes)) bytes"
}

/// `1 to 3, 5`.
private func list(_ versions: [Int]) -> String {
  var parts: [String] = []
  var start = 0
  for index in versions.indices where index + 1 == versions.count || versions[index + 1] != versions[index] + 1 {
    parts.append(start == index ? "\(versions[index])" : "\(versions[start]) to \(versions[index])")
    start = index + 1
  }
  return parts.joined(separator: ", ")
}

private func json(of report: VacuumReport) -> JSONValue {
  [
    "table": .init(report.table), "applied": .init(report.isApplied),
    "versions": .array(
      report.versions.map { version in
        [
          "version": .init(version.version), "timestamp": .init(version.timestamp), "files": .init(version.fileCount),
          "bytes": .init(version.byteCount), "freed_files": .init(version.freedFileCount),
          "freed_bytes": .init(version.freedByteCount), "fate": .init(version.fate),
          "reasons": .array(version.reasons.map { .init($0) }),
        ]
      }),
    "files": .array(
      report.files.map { ["path": .init($0.path), "bytes": .init($0.byteCount), "kind": .init($0.kind)] }),
    "bytes": .init(report.byteCount),
    "shards": ["files": .init(report.shards.count), "bytes": .init(report.shardByteCount)],
    "trash": .array(
      report.trash.map {
        [
          "timestamp": .init($0.timestamp), "purge": .init($0.purgeTime), "files": .init($0.fileCount),
          "bytes": .init($0.byteCount),
        ]
      }),
    "purged_bytes": .init(report.purgedByteCount),
  ]
}
