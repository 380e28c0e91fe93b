import Varve
import VarveJSON
import VarveTables

extension Session {
  func truncate(_ call: Invocation, _ warehouse: Warehouse) throws {
    let report = try warehouse.truncate(
      call.arguments[0], partitions: declaredPartitions(call), isDryRun: call.has("dry-run"))
    try write(report, call)
  }

  func restore(_ call: Invocation, _ warehouse: Warehouse) throws {
    let reference = call.arguments[0]
    if reference.contains("@") { return try write(warehouse.restore(reference), call) }
    let version = try warehouse.bringBack(reference)
    if call.has("json") {
      let object: JSONValue = ["table": .init(reference), "version": .init(version)]
      return try output.writeLine(object.text(.pretty))
    }
    try output.writeLine("\(reference): brought back, version \(version)")
  }

  func drop(_ call: Invocation, _ warehouse: Warehouse) throws {
    let place = try warehouse.drop(call.arguments[0])
    if call.has("json") {
      let object: JSONValue = ["table": .init(call.arguments[0]), "path": .init(place)]
      return try output.writeLine(object.text(.pretty))
    }
    try output.writeLine("\(call.arguments[0]): dropped; it lies in \(printable(place))")
  }

  func immutable(_ call: Invocation, _ warehouse: Warehouse) throws {
    try write(warehouse.makeImmutable(call.arguments[0], days: call.integer("days")), call)
  }

  func symlinks(_ call: Invocation, _ warehouse: Warehouse) throws {
    try write(warehouse.setSymlinks(call.arguments[0], isOn: !call.has("off")), call)
  }

  func publish(_ call: Invocation, _ warehouse: Warehouse) throws {
    let publication = try warehouse.publish(
      call.arguments[0], pins: call.has("pin"), unpins: call.has("unpin"),
      forces: call.has("force"))
    if call.has("json") {
      let object: JSONValue = [
        "table": .init(publication.table), "mode": .init(publication.mode.rawValue),
        "version": .init(publication.version), "newest": .init(publication.newest),
      ]
      return try output.writeLine(object.text(.pretty))
    }
    let state =
      switch publication.mode {
      case .follow: "and follow"
      case .held: "and stay; the newest is \(publication.newest)"
      case .pinned: "and are pinned; the newest is \(publication.newest)"
      }
    try output.writeLine("\(publication.table): readers see version \(publication.version) \(state)")
  }

  func write(_ report: ChangeReport, _ call: Invocation) throws {
    if call.has("json") {
      let object: JSONValue = [
        "table": .init(report.table), "version": .init(report.version), "outcome": .init(report.outcome.rawValue),
        "rows": json(of: report.rows), "remarks": .array(report.remarks.map { .init($0) }),
      ]
      return try output.writeLine(object.text(.pretty))
    }
    for text in report.remarks { try errors.writeLine(text) }
    var parts: [String] = []
    switch report.outcome {
    case .committed: parts.append("version \(report.version)")
    case .unchanged: parts.append("unchanged, still version \(report.version)")
    case .planned: parts.append("nothing committed, as asked")
    }
    for (count, word) in [(report.rows.inserted, "brought back"), (report.rows.deleted, "taken out")] where count > 0 {
      parts.append("\(grouped(count)) \(count == 1 ? "row" : "rows") \(word)")
    }
    try output.writeLine("\(report.table): \(parts.joined(separator: ", "))")
  }

  func verify(_ call: Invocation, _ warehouse: Warehouse) throws {
    guard call.has("rerun") || call.list("feeds").isEmpty else {
      throw Problem(.usage, "--feeds is for verify --rerun")
    }
    let tables = try warehouse.verify(call.arguments.first)
    let ledger = call.arguments.isEmpty ? try warehouse.verifyLedger() : nil
    // What is damaged is no measure.
    let isWhole = tables.allSatisfy(\.isWhole)
    let reruns =
      call.has("rerun") && isWhole
      ? try warehouse.rerun(call.arguments.first, feedsIn: call.list("feeds")) : []
    if call.has("json") {
      let objects = tables.map { table -> JSONValue in
        guard let rerun = reruns.first(where: { $0.table == table.table }) else { return json(of: table) }
        var object = json(of: table).object ?? [:]
        object["rerun"] = json(of: rerun)
        return .object(object)
      }
      try output.writeLine(JSONValue.array(objects + (ledger.flatMap(json(of:)).map { [$0] } ?? [])).text(.pretty))
    } else {
      for table in tables {
        try output.writeLine(sentence(on: table))
        for line in lines(of: table.findings) { try output.writeLine("  \(line)") }
      }
      if let ledger { try write(ledger) }
      for rerun in reruns { try write(rerun) }
    }
    try complain(of: tables)
    try complain(of: ledger)
    let different = reruns.filter { $0.count(.different) > 0 }.map(\.table)
    guard different.isEmpty else {
      throw Problem(
        .damaged, "versions of \(different.joined(separator: ", ")) came out otherwise than they are",
        advice:
          "see whether the feed is read otherwise now (a newer Varve, another zone), or the table was tampered with")
    }
  }

  /// `prices: made again: 2 versions the same, 1 not rerun`, and why.
  private func write(_ rerun: Rerun) throws {
    let counts = [(Rerun.Outcome.same, "the same"), (.different, "different"), (.notRerun, "not rerun")]
      .map { (rerun.count($0.0), $0.1) }.filter { $0.0 > 0 }
    let parts = counts.enumerated().map { index, count in
      "\(grouped(count.0)) \(index > 0 ? "" : count.0 == 1 ? "version " : "versions ")\(count.1)"
    }
    try output.writeLine("\(rerun.table): made again: \(parts.isEmpty ? "no versions" : parts.joined(separator: ", "))")
    for version in rerun.versions where version.outcome != .same {
      let word = version.outcome == .different ? "different" : "not rerun"
      for reason in version.reasons {
        try output.writeLine("  version \(version.number): \(word): \(printable(reason))")
      }
    }
  }

  /// One that is as it should be is not worth a line.
  private func write(_ ledger: LedgerVerification) throws {
    for text in ledger.damage { try output.writeLine("the ledger is damaged: \(printable(text))") }
    if ledger.isWhole, ledger.missingCount > 0 {
      try output.writeLine(
        "the ledger lacks \(counted(ledger.missingCount, "ingestion")) that the logs tell of; varve repair enters them")
    }
  }

  private func complain(of ledger: LedgerVerification?) throws {
    guard let ledger, !ledger.isWhole else { return }
    throw Problem(.damaged, "the ledger is damaged", advice: "run varve repair")
  }

  private func write(_ report: LedgerRepairReport) throws {
    if report.removedCount > 0 {
      try output.writeLine(
        "the ledger: removed \(report.removedCount == 1 ? "an entry" : "\(grouped(report.removedCount)) entries") "
          + "that \(report.removedCount == 1 ? "was" : "were") damaged; a delivery begins again at its first chunk")
    }
    guard report.laidAside != nil || report.restoredCount > 0 else { return }
    if let place = report.laidAside { try output.writeLine("the ledger was damaged; it lies in \(printable(place))") }
    try output.writeLine("the ledger: entered \(counted(report.restoredCount, "ingestion")) from the logs")
    if report.removedCount > 0 { return }
    try output.writeLine(
      "  lost is what only the ledger knew: failed attempts, dead letters, where files lay, and how far deliveries had come; "
        + "they begin again at their first chunk")
  }

  func repair(_ call: Invocation, _ warehouse: Warehouse) throws {
    let reports = try warehouse.repair(call.arguments.first)
    let ledger = call.arguments.isEmpty ? try warehouse.repairLedger() : nil
    if call.has("json") {
      let objects = reports.map { report -> JSONValue in
        var object = json(of: report.verification).object ?? [:]
        object["mended"] = .array(report.mended.map(json(of:)))
        return .object(object)
      }
      try output.writeLine(JSONValue.array(objects).text(.pretty))
    } else {
      for report in reports {
        for finding in report.mended {
          try output.writeLine("\(report.table): mended \(printable(finding.path)) (\(finding.kind))")
        }
        try output.writeLine(sentence(on: report.verification))
        for line in lines(of: report.verification.findings) { try output.writeLine("  \(line)") }
      }
      if let ledger { try write(ledger) }
    }
    try complain(of: reports.map(\.verification))
  }

  private func complain(of tables: [Verification]) throws {
    let damaged = tables.filter { !$0.isWhole }
    guard !damaged.isEmpty else { return }
    let isRepairable = damaged.contains { $0.findings.contains { $0.isDamage && $0.isRepairable } }
    throw Problem(
      .damaged, "damage in \(damaged.map(\.table).joined(separator: ", "))",
      advice: isRepairable
        ? "run varve repair" : "put the files back from a copy, or read the versions that are whole")
  }
}

/// `products: whole; 7 versions, 19 files, 48,231 bytes`.
private func sentence(on table: Verification) -> String {
  let damage = table.findings.count(where: \.isDamage)
  let state = damage == 0 ? "whole" : "\(damage) \(damage == 1 ? "file is" : "files are") damaged"
  let versions = "\(grouped(table.versionCount)) \(table.versionCount == 1 ? "version" : "versions")"
  return "\(table.table): \(state); \(versions), \(grouped(table.fileCount)) files, \(grouped(table.byteCount)) bytes"
}

/// A line for each, but one for all that a vacuum took.
private func lines(of findings: [Verification.Finding]) -> [String] {
  let vacuumed = findings.filter { $0.kind == "vacuumed" }
  var lines = findings.filter { $0.kind != "vacuumed" }.map(line(of:))
  if vacuumed.count == 1 { lines.append(line(of: vacuumed[0])) }
  if vacuumed.count > 1 {
    let versions = vacuumed.compactMap(\.versions)
    let range = versions.map(\.lowerBound).min().flatMap { first in versions.map(\.upperBound).max().map { (first, $0) }
    }
    let place = range.map { $0 == $1 ? " (version \($0))" : " (between versions \($0) and \($1))" } ?? ""
    lines.append("vacuumed: \(grouped(vacuumed.count)) files were removed on purpose\(place)")
  }
  return lines
}

private func line(of finding: Verification.Finding) -> String {
  var text = "\(finding.kind): \(printable(finding.path)) \(printable(finding.what))"
  if let versions = finding.versions {
    text +=
      versions.count == 1
      ? " (version \(versions.lowerBound))" : " (versions \(versions.lowerBound) to \(versions.upperBound))"
  }
  return text
}

private func json(of table: Verification) -> JSONValue {
  [
    "table": .init(table.table), "whole": .init(table.isWhole), "versions": .init(table.versionCount),
    "files": .init(table.fileCount), "bytes": .init(table.byteCount),
    "findings": .array(table.findings.map(json(of:))),
  ]
}

private func counted(_ count: Int, _ word: String) -> String { "\(grouped(count)) \(word)\(count == 1 ? "" : "s")" }

/// Only of one that is not as it should be: the listing is of tables.
private func json(of ledger: LedgerVerification) -> JSONValue? {
  guard !ledger.isWhole || ledger.missingCount > 0 else { return nil }
  return [
    "ledger": .init("varve.sqlite"), "whole": .init(ledger.isWhole), "damage": .array(ledger.damage.map { .init($0) }),
    "missing": .init(ledger.missingCount),
  ]
}

private func json(of rerun: Rerun) -> JSONValue {
  [
    "same": .init(rerun.count(.same)), "different": .init(rerun.count(.different)),
    "not_rerun": .init(rerun.count(.notRerun)),
    "versions": .array(
      rerun.versions.map { version in
        [
          "version": .init(version.number), "outcome": .init(version.outcome.rawValue),
          "reasons": .array(version.reasons.map { .init($0) }),
        ]
      }),
  ]
}

private func json(of finding: Verification.Finding) -> JSONValue {
  [
    "kind": .init(finding.kind), "path": .init(finding.path), "what": .init(finding.what),
    "versions": finding.versions.map { [.init($0.lowerBound), .init($0.upperBound)] } ?? nil,
    "damage": .init(finding.isDamage), "repairable": .init(finding.isRepairable),
  ]
}
