internal import VarveLake
internal import VarveTables

/// What readers of a table are shown that name no version.
public struct Publication: Sendable {
  /// How readers come to a version.
  public enum Mode: String, Sendable {
    /// The newest version, as it comes.
    case follow
    /// They stay until somebody publishes: newer versions are being checked.
    case held
    /// They stay until somebody says otherwise.
    case pinned
  }

  /// The table's name.
  public var table: String
  /// How readers come to a version.
  public var mode: Mode
  /// The version that readers are shown.
  public var version: Int
  /// The newest version, published or not.
  public var newest: Int
}

/// One act of publishing, held or pinned, from the proxy's own history.
public struct PublicationRecord: Sendable {
  /// How readers came to a version from then on.
  public var mode: Publication.Mode
  /// The version that readers are shown.
  public var version: Int
  /// `2024-10-06T12:00:00Z`.
  public var timestamp: String
  /// Why.
  public var reason: String
}

extension Warehouse {
  /// Shows readers a version. Nothing is written but the proxy, atomically; readers that have a version open finish on
  /// it.
  ///
  /// - The newest: readers follow from now on.
  /// - One newer than what is shown, while newer ones are held: readers are shown it, and newer ones stay held.
  /// - An older one: readers go back to it and are pinned there.
  ///
  /// - Parameters:
  ///   - reference: `products@7`, or `products` for the newest.
  ///   - pins: stays at the version, even if it is the newest.
  ///   - forces: shows a version that is not as expected of it; without it, that is refused.
  ///   - unpins: lets go of a pinned version; without it, moving readers away from one is refused.
  public func publish(_ reference: String, pins: Bool = false, unpins: Bool = false, forces: Bool = false) throws
    -> Publication
  {
    let parsed = try TableReference(parsing: reference)
    let table = try tableToChange(parsed.table)
    let selector = parsed.version == .latest ? .settled : try Table.Selector(parsed.version, table: parsed.table)
    let wanted = try table.snapshot(at: selector).version
    let proxy = try Proxy.read(table.storage)
    if let proxy, proxy.mode == .pinned, proxy.version != wanted, !unpins, !pins {
      throw Problem(
        .refused, at: [parsed.table], "readers are pinned to version \(proxy.version)",
        advice: "say --unpin to let go of it, or --pin to pin them to version \(wanted)")
    }
    let shown = try table.snapshot().version
    if wanted > shown, !forces {
      let broken = try broken(
        table.snapshot(at: .version(wanted)), against: table.snapshot(at: .version(shown)), isWhole: false)
      if !broken.isEmpty {
        throw Problem(
          .refused, at: [parsed.table, "version \(wanted)"],
          "is not as expected: " + broken.map(\.sentence).joined(separator: "; "),
          advice: "mend the data, or show it all the same with --force")
      }
    }
    var isOutrun = false
    let newest = try table.publish(
      wanted, clock: surroundings.clock, reason: pins ? "pinned" : wanted < shown ? "rolled back" : "published"
    ) { proxy, newest in
      isOutrun = parsed.version == .latest && newest > wanted
      if isOutrun { return nil }
      var mode = Proxy.Mode.pinned
      if !pins {
        if wanted == newest { mode = .follow } else if wanted >= shown, proxy?.mode == .held || unpins { mode = .held }
      }
      let isThere = proxy.map { $0.mode == mode && $0.version == wanted && $0.heldFor == nil } ?? false
      return isThere ? nil : mode
    }
    if isOutrun { return try publish(reference, pins: pins, unpins: unpins, forces: forces) }
    return Publication(
      table: parsed.table, mode: try Proxy.read(table.storage).map { Publication.Mode($0.mode) } ?? .follow,
      version: Int(try table.snapshot().version), newest: Int(newest))
  }

  /// What readers of a table were shown other than the newest version, and since when; oldest first.
  public func publications(_ table: String) throws -> [PublicationRecord] {
    try Proxy.history(try self.table(table).storage).map { past in
      PublicationRecord(
        mode: Publication.Mode(past.mode), version: Int(past.version), timestamp: timeText(past.timestamp),
        reason: past.reason)
    }
  }

  /// Takes a table away. It lies in the warehouse's `_trash/` as it was; `bringBack` undoes it. Returns where.
  public func drop(_ table: String) throws -> String {
    let table = try tableToChange(table)
    guard let lake = try lake() else { preconditionFailure("a table lies in a warehouse") }
    return try lake.drop(table, clock: surroundings.clock)
  }

  /// Brings back the table of that name that was dropped last, and returns its newest version.
  public func bringBack(_ table: String) throws -> Int {
    guard let table = try lake()?.bringBack(table) else {
      throw Problem(.failed, "no table \"\(table)\" was dropped", advice: "see the warehouse's directory _trash")
    }
    return Int(try table.snapshot(at: .head).version)
  }
}

extension Publication.Mode {
  init(_ mode: Proxy.Mode) {
    self =
      switch mode {
      case .follow: .follow
      case .held: .held
      case .pinned: .pinned
      }
  }
}
