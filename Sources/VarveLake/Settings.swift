package import VarveJSON
internal import VarveTables

/// `varve.json`, the settings of a warehouse. A person writes it; it need not be there.
package enum Settings {
  /// All of it; nil where there is none.
  package static func read(_ storage: Storage) throws -> JSONValue? {
    guard let bytes = try storage.read(Layout.settings) else { return nil }
    do throws(JSONError) {
      return try JSONValue(parsing: bytes)
    } catch {
      let place = error.place(in: bytes)
      throw Problem(
        .failed, at: [Layout.settings, "line \(place.line), column \(place.column)"], "is no JSON: \(error.what)")
    }
  }
}

/// What a table remembers from its creation where its first feed does not say: `{"tables": {"zstd_level": 12}}`.
package struct TableDefaults: Hashable, Sendable {
  package var zstdLevel = EngineLimits.zstdLevelStandard

  package static let zstdLevels = 1...22

  package init(_ settings: JSONValue?) throws {
    guard let tables = settings?["tables"] else { return }
    let place = [Layout.settings, "tables"]
    guard let object = tables.object else { throw Problem(.usage, at: place, "is no object") }
    for member in object.members {
      switch member.key {
      case "zstd_level":
        guard let level = member.value.int, TableDefaults.zstdLevels.contains(level) else {
          throw Problem(
            .usage, at: place, "\"zstd_level\" is \(member.value.text()), which is no level of compression",
            advice: "name one from 1 (fast) to 22 (small)")
        }
        zstdLevel = level
      default: throw Problem(.usage, at: place, "\"\(member.key)\" is no setting of tables")
      }
    }
  }
}
