internal import VarveTables

extension Warehouse {
  /// Takes a table away: its directory moves to `_trash/<table>@<time>`, whole. Returns where it lies.
  ///
  /// Readers see it gone at once; those that have it open read on. It is one rename: a crash leaves the table where it
  /// was or in the trash. Writers wait for the lock, and find then that what they locked is no longer in its place.
  package func drop(_ table: Table, clock: WallClock = .system) throws -> String {
    let lock = try table.lock()
    defer { withExtendedLifetime(lock) {} }
    try refuseImmutable(table, clock)
    if try storage.makeDirectory(Layout.droppedTables) { try storage.sync() }
    var time = clock.milliseconds()
    while try !storage.rename(table.name, to: Layout.droppedTable(table.name, at: time)) { time += 1 }
    for directory in [Layout.droppedTables, ""] { try storage.sync(directory) }
    return Layout.droppedTable(table.name, at: time)
  }

  private func refuseImmutable(_ table: Table, _ clock: WallClock) throws {
    // One that is damaged beyond reading may go: it can be brought back.
    guard let head = try? table.snapshot(at: .head), let immutability = head.metadata.immutability else { return }
    let end = immutability.end(replacedAt: head.timestamp)
    guard end ?? .max > clock.milliseconds() else { return }
    throw Problem(
      .refused, at: [table.name], "is immutable, and nothing of it may be taken away",
      advice: end.map { "that ends at \(Value.timestamp($0 * 1000).text ?? "")" } ?? "that does not end")
  }

  /// Brings back the table of that name that was dropped last. Nil where there is none.
  package func bringBack(_ name: String) throws -> Table? {
    try TableName.check(name)
    let dropped = try storage.list(Layout.droppedTables).compactMap { directory in
      Layout.dropTime(ofName: directory, table: name).map { (time: $0, directory: directory) }
    }
    guard let newest = dropped.max(by: { $0.time < $1.time }) else { return nil }
    guard try storage.rename(Layout.join(Layout.droppedTables, newest.directory), to: name) else {
      throw Problem(
        .refused, at: [name], "there is a table of that name again",
        advice: "drop it, or move \(Layout.join(Layout.droppedTables, newest.directory)) to another name")
    }
    for directory in [Layout.droppedTables, ""] { try storage.sync(directory) }
    return try table(name)
  }
}
