public import Varve
// Not the lake's class of that name.
public import class Varve.Warehouse
internal import VarveLake
internal import VarveTables

/// Something that was looked at of a target's set-up.
public struct TargetFinding: Hashable, Sendable {
  /// How grave a finding is.
  public enum Kind: String, Sendable {
    case good
    /// A delivery would stop, or lose something.
    case wrong
    /// It cannot be told from outside.
    case open
  }

  /// Which it is.
  public var kind: Kind
  /// What was found.
  public var what: String
  /// What to do about it.
  public var advice: String?

  init(_ kind: Kind, _ what: String, advice: String? = nil) {
    self.kind = kind
    self.what = what
    self.advice = advice
  }

  init(_ problem: Problem) {
    self.init(.wrong, Problem(problem.kind, at: problem.place, problem.what).description, advice: problem.advice)
  }
}

extension Warehouse {
  /// What is wrong with a target, before anything is sent to it: what is declared, whether its secrets are there and
  /// known, and for a table, whether its records can be sent and read back. No record leaves the house.
  public func check(
    target name: String, for reference: String? = nil, isInterrupted: @escaping @Sendable () -> Bool = { false }
  ) throws -> [TargetFinding] {
    let desk = try DeliveryDesk(self, isInterrupted)
    let source = try reference.map { try resolve($0) }
    var findings: [TargetFinding] = []
    do {
      let target = try desk.target(name)
      findings.append(TargetFinding(.good, "target \(target.name) is declared as it should be"))
      var plan: DeliveryPlan?
      if let source {
        plan = DeliveryPlan(
          side: DeliveryPlan.Side(source.snapshot), rows: .all, chunking: .standard, mapping: target.mapping)
        _ = try target.mapping.resolved(source.snapshot.schema, place: [source.table.name])
        findings.append(TargetFinding(.good, "\(source.table.name) has the columns that are sent"))
      }
      switch target.kind {
      case .importer(let settings):
        let keyFields = try plan.map { try desk.keyFields($0, source!.table) } ?? [settings.checkedKeyField]
        let importer = try target.open(
          settings, keyFields, surroundings.clock.milliseconds, isInterrupted)
        findings += try ImporterCheck(importer: importer).findings(
          sent: plan.map { try $0.mapping.resolved(source!.snapshot.schema, place: []).map(\.column.field) })
        if let plan, let table = source?.table { findings += try rows(plan, table, importer, desk) }
      case .callback, .folder:
        _ = try target.open(milliseconds: surroundings.clock.milliseconds, isInterrupted: isInterrupted)
        findings.append(TargetFinding(.open, "whether it takes chunks is seen when one is sent"))
      }
    } catch let problem as Problem where problem.kind != .interrupted {
      findings.append(TargetFinding(problem))
    }
    return findings
  }

  /// Whether there are rows that the target cannot take.
  private func rows(
    _ plan: DeliveryPlan, _ table: Table, _ importer: DataImporter, _ desk: DeliveryDesk
  ) throws -> [TargetFinding] {
    let source = try desk.records(plan, table).0(0)
    var chunker = Chunker(.standard)
    var count = 0
    var first: (key: String, reason: String)?
    func look(_ chunk: Chunk) throws {
      let hindrances = try importer.hindrances(of: chunk)
      count += hindrances.count
      first = first ?? hindrances.first
    }
    while let records = try source.next() { try chunker.append(records, emit: look) }
    if let last = chunker.finish() { try look(last) }
    guard let first else {
      return [TargetFinding(.good, "every row of \(table.name)@\(plan.side.version) can be sent")]
    }
    return [
      TargetFinding(
        .wrong,
        "\(count) \(count == 1 ? "row" : "rows") of \(table.name)@\(plan.side.version) cannot be sent: "
          + "\(Answer.shown(first.key)): \(first.reason)",
        advice: "leave columns out with \"columns\", or split them; such rows become dead letters")
    ]
  }
}
