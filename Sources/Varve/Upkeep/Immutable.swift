internal import VarveLake
internal import VarveTables

extension Warehouse {
  /// Makes a table that is there write-once, as a version of its own: the directories of its versions become read-only, and
  /// nothing of a version is vacuumed before so many days are over since another took its place, or ever without them.
  ///
  /// It stays so: a table's days can grow, and never shrink.
  public func makeImmutable(_ table: String, days: Int? = nil) throws -> ChangeReport {
    let asked = try Immutability(checking: days)
    let bookkeeping = Bookkeeping(
      ingestion: surroundings.random.identifier(), operation: .setProperties, mode: "immutable")
    return try commitChange(to: table, bookkeeping: bookkeeping) { head in
      if let present = head.metadata.immutability {
        if present == asked { return nil }
        guard asked.protectsMore(than: present) else {
          let term = present.days.map { "for \($0) days" } ?? "for ever"
          throw Problem(.refused, at: [table], "is immutable \(term), and cannot be for less")
        }
      }
      var metadata = head.metadata
      metadata.immutability = asked
      let properties = metadata.properties.filter { head.metadata.properties[$0.key] != $0.value }
      var changes: [String: String?] = properties.mapValues { $0 }
      for name in head.metadata.properties.keys where metadata.properties[name] == nil {
        changes.updateValue(nil, forKey: name)
      }
      return (
        StagedChange(added: [], removed: [], schema: head.schema, reads: .nothing, rows: RowCounts()), changes
      )
    }
  }
}

extension Immutability {
  init(checking days: Int?) throws {
    if let days, !(0...Immutability.daysMax).contains(days) {
      throw Problem(.usage, "a table is immutable for 0 to \(Immutability.daysMax) days, or for ever")
    }
    self.init(days: days)
  }
}
