package import VarveLake
internal import VarveTables

extension Warehouse {
  /// The table and version that a reference names: `products`, `products@7`, `products@2024-10-06`.
  package func resolve(_ text: String) throws -> (table: Table, snapshot: Snapshot) {
    let reference = try TableReference(parsing: text)
    let table = try table(reference.table)
    return (table, try table.snapshot(at: Table.Selector(reference.version, table: reference.table)))
  }
}

extension Table.Selector {
  init(_ version: VersionSelector, table: String) throws {
    switch version {
    case .latest: self = .published
    case .number(let number): self = .version(number)
    case .date(let days): self = .time(days * 86_400_000)
    case .time(let microseconds): self = .time(microseconds >= 0 ? microseconds / 1_000 : (microseconds - 999) / 1_000)
    case .execution(let name): self = .execution(name)
    case .tag(let name): self = .tag(name)
    }
  }
}

/// Milliseconds since 1970 as `2024-10-06T12:00:00Z`.
package func timeText(_ milliseconds: Int64) -> String {
  Value.timestamp(milliseconds &* 1000).text ?? "\(milliseconds)"
}
