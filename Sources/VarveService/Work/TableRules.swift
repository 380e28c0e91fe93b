internal import Varve
internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// Into which table a file goes and how: the first rule of `varve.json` whose pattern fits the file's name, else its
/// stem and `append`.
///
/// `{"service": {"rules": [{"file": "prices-*.xlsx", "table": "prices", "mode": "merge", "key": ["sku"]}]}}`
struct TableRules: Sendable {
  struct Rule: Hashable, Sendable {
    var pattern: String
    var table: String?
    var mode: IngestMode?
    var key: [String] = []
  }

  let rules: [Rule]

  init(_ storage: Storage) throws {
    guard let bytes = try storage.read(Layout.settings) else {
      rules = []
      return
    }
    guard let json = try? JSONValue(parsing: bytes) else {
      throw Problem(.failed, at: [Layout.settings], "is no JSON", advice: "mend it; varve push says the line")
    }
    rules = try (json["service"]?["rules"]?.array ?? []).enumerated().map { try TableRules.rule($1, number: $0 + 1) }
  }

  private static func rule(_ json: JSONValue, number: Int) throws -> Rule {
    let place = [Layout.settings, "service", "rule \(number)"]
    guard let object = json.object, let pattern = object["file"]?.string, !pattern.isEmpty else {
      throw Problem(.usage, at: place, "\"file\" is missing: a pattern like prices-*.xlsx")
    }
    if let unknown = object.keys.first(where: { !["file", "table", "mode", "key"].contains($0) }) {
      throw Problem(.usage, at: place, "\"\(unknown)\" is no setting of it")
    }
    var rule = Rule(pattern: pattern, table: object["table"]?.string)
    if let table = rule.table { try TableName.check(table) }
    if let mode = object["mode"] {
      guard let known = mode.string.flatMap({ IngestMode(rawValue: $0) }), known != .statefulMerge else {
        throw Problem(.usage, at: place, "\"mode\" must be append, insert, overwrite or merge")
      }
      rule.mode = known
    }
    rule.key = (object["key"]?.array ?? []).compactMap(\.string)
    return rule
  }

  /// What is to be done with a file of that name. The table's own mode holds where no rule names one.
  func rule(for name: String) -> Rule {
    var rule = rules.first { TableRules.fits(Array(name.utf8)[...], Array($0.pattern.utf8)[...]) } ?? Rule(pattern: "*")
    if rule.table == nil { rule.table = TableRules.tableName(ofFile: name) }
    return rule
  }

  /// `*` stands for anything, `?` for one byte.
  static func fits(_ name: ArraySlice<UInt8>, _ pattern: ArraySlice<UInt8>) -> Bool {
    guard let first = pattern.first else { return name.isEmpty }
    if first == UInt8(ascii: "*") {
      let rest = pattern.dropFirst()
      return (name.startIndex...name.endIndex).contains { fits(name[$0...], rest) }
    }
    guard let byte = name.first, first == byte || first == UInt8(ascii: "?") else { return false }
    return fits(name.dropFirst(), pattern.dropFirst())
  }

  /// The name without its endings, in small letters, anything else as `_`.
  static func tableName(ofFile name: String) -> String {
    let stem = name.split(separator: ".").first.map(String.init) ?? "feed"
    var bytes = stem.lowercased().utf8.map { byte -> UInt8 in
      (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) ? byte : UInt8(ascii: "_")
    }
    if bytes.first.map({ (0x30...0x39).contains($0) }) ?? true { bytes.insert(UInt8(ascii: "_"), at: 0) }
    let text = String(decoding: bytes.prefix(60), as: UTF8.self)
    return (try? TableName.check(text)) != nil ? text : "t_" + text
  }
}
