internal import VarveLake
internal import VarveTables

/// What an export to Iceberg wrote.
public struct IcebergReport: Sendable {
  /// The table's name.
  public var table: String
  /// The version that readers see who name none.
  public var version: Int
  /// Each is a version, and has its number.
  public var snapshotCount: Int
  /// The address of the metadata file, which readers open.
  public var metadata: String
  /// Versions of which files are gone.
  public var leftOut: [Int]
}

extension Warehouse {
  /// Writes Apache Iceberg metadata (format 2) over a table's files, with a snapshot for each version; the table itself is
  /// not touched. Again after a new version, it adds what that brought.
  ///
  /// - Parameters:
  ///   - reference: the version that is current in it: `products@7`, or `products` for what is published.
  ///   - basePath: the address of the table's directory as its readers have it; nil: where it lies now.
  public func exportIceberg(_ reference: String, basePath: String? = nil) throws -> IcebergReport {
    _ = try writable()
    let (table, snapshot) = try resolve(reference)
    let report = try IcebergExport(table, base: basePath).run(current: snapshot)
    return IcebergReport(
      table: table.name, version: Int(report.current), snapshotCount: report.snapshotCount, metadata: report.address,
      leftOut: report.leftOut.map { Int($0) })
  }
}
