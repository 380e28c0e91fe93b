internal import VarveTables

/// A directory of tables.
package final class Warehouse: Sendable {
  package let storage: Storage

  private init(_ storage: Storage) { self.storage = storage }

  /// The warehouse in that directory; nil where nothing lies.
  package static func open(_ path: String) throws -> Warehouse? { try Storage.open(path).map(Warehouse.init) }

  /// As `open`, making the directory where it is missing. Its parent must exist.
  package static func create(_ path: String) throws -> Warehouse { Warehouse(try Storage.create(path)) }

  /// The names of the tables, in order. Directories without a committed version are none; those that cannot be looked
  /// into are, and say why when they are opened.
  package func tableNames() throws -> [String] {
    try storage.list("").filter { name in
      guard (try? TableName.check(name)) != nil, try storage.status(name)?.isDirectory == true else { return false }
      do {
        return try table(name) != nil
      } catch {
        return true
      }
    }
  }

  /// The table of that name; nil where there is none.
  package func table(_ name: String) throws -> Table? {
    try TableName.check(name)
    guard let directory = try storage.directory(name) else { return nil }
    let table = Table(name: name, storage: directory)
    return try table.head() == nil ? nil : table
  }

  /// The table's directory, whatever state it is in; nil where nothing is that was ever a table.
  package func directory(ofTable name: String) throws -> Table? {
    try TableName.check(name)
    guard let directory = try storage.directory(name) else { return nil }
    let table = Table(name: name, storage: directory)
    if try directory.exists(Layout.log) || directory.exists(Layout.proxy) {
      // A directory whose first commit never came is no table.
      return try (try? table.head()) == .some(nil) && !directory.exists(Layout.proxy) ? nil : table
    }
    return nil
  }

  /// As `directory(ofTable:)`, of all tables, by name.
  package func tableDirectories() throws -> [Table] {
    try storage.list("").filter { name in
      guard (try? TableName.check(name)) != nil else { return false }
      return try storage.status(name)?.isDirectory == true
    }.compactMap(directory(ofTable:))
  }

  /// The table of that name, ready for staging; its first commit creates it. `discardIfUnused` takes it back.
  package func prepare(_ name: String) throws -> Table {
    try TableName.check(name)
    try storage.checkOwner()
    try storage.makeDurableDirectories(name)
    guard let directory = try storage.directory(name) else {
      throw Problem(.failed, at: [name], "the table's directory was removed meanwhile", advice: "try again")
    }
    let table = Table(name: name, storage: directory)
    try table.prepare()
    return table
  }

  /// As below, of a table that may not even be prepared.
  package func discardIfUnused(_ name: String) throws {
    guard let directory = try storage.directory(name) else { return }
    try discardIfUnused(Table(name: name, storage: directory))
  }

  /// Takes away the directory of a table that was prepared and never committed.
  package func discardIfUnused(_ table: Table) throws {
    try table.discardIfUnused()
    if try storage.directory(table.name)?.isEmpty("") == true { try storage.removeEmptyDirectory(table.name) }
  }
}
