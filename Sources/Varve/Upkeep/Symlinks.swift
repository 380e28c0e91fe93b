internal import VarveLake
internal import VarveTables

extension Warehouse {
  /// Keeps lists of the files that readers are shown in `_symlink_format_manifest`, for engines that know Hive's
  /// SymlinkTextInputFormat and no Delta log; or, with `isOn` false, takes them away. Either is a version of its own.
  public func setSymlinks(_ table: String, isOn: Bool = true) throws -> ChangeReport {
    let bookkeeping = Bookkeeping(
      ingestion: surroundings.random.identifier(), operation: .setProperties, mode: "symlinks")
    return try commitChange(to: table, bookkeeping: bookkeeping) { head in
      guard head.metadata.listsSymlinks != isOn else { return nil }
      return (
        StagedChange(added: [], removed: [], schema: head.schema, reads: .nothing, rows: RowCounts()),
        [TableMetadata.symlinksProperty: isOn ? "true" : nil]
      )
    }
  }
}
