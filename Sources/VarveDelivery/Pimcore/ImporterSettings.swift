internal import VarveJSON
internal import VarveTables

/// A Pimcore as a target: an import configuration of its Data Importer, which is pushed to, and a Data Hub configuration,
/// through which objects are deleted and read back.
package struct ImporterSettings: Sendable {
  /// Where Pimcore is, without the paths of its interfaces.
  package var base: WebAddress
  package var importAddress: WebAddress
  package var importKey: Secret
  /// Nil for JSON.
  package var csv: ImporterCSV?
  /// A field that makes every sending of a row another row, where the importer's delta check cannot be switched off.
  package var nonceField: String?
  package var graphQLAddress: WebAddress
  package var graphQLKey: Secret
  package var className: String
  /// The attribute behind a field, where it is not of the same name; nil where the field is not compared.
  package var attributes: [String: String?] = [:]
  package var pace = ProvingPace()
  package var timeoutSeconds = 60.0
  package var authoritiesPath: String?
  package var allowsHTTP = false

  /// Shorter ones are refused by newer Data Importers and by every Data Hub.
  package static let keyLengthMin = 16

  init(_ reader: inout SettingsReader) throws {
    let place = reader.place
    base = try WebAddress(try reader.requiredText("url"), place: place)
    let config = try reader.requiredText("config")
    try ImporterSettings.checkName(config, "config", place)
    let path = try reader.text("push_path") ?? "/pimcore-datahub-import/{config}/push"
    importAddress = try base.appending(path.replacing("{config}", with: config), place: place)
    importKey = try Secret(try ImporterSettings.required("api_key", &reader), place: place + ["api_key"])
    csv = try ImporterCSV(&reader)
    var graph = try SettingsReader(try ImporterSettings.required("graphql", &reader), place + ["graphql"])
    let name = try graph.text("config") ?? config
    try ImporterSettings.checkName(name, "config", graph.place)
    let graphPath = try graph.text("path") ?? "/pimcore-graphql-webservices/{config}"
    graphQLAddress = try base.appending(graphPath.replacing("{config}", with: name), place: graph.place)
    graphQLKey = try Secret(try ImporterSettings.required("api_key", &graph), place: graph.place + ["api_key"])
    className = try graph.requiredText("class")
    guard ImporterSettings.isGraphQLName(className) else { throw graph.problem("\"class\" is no name of a class") }
    for member in graph.take("attributes")?.object?.members ?? [] {
      guard member.value.isNull || member.value.string.map(ImporterSettings.isGraphQLName) == true else {
        throw graph.problem("\"attributes\": \"\(Answer.shown(member.key))\" must have an attribute's name, or null")
      }
      attributes[member.key] = .some(member.value.string)
    }
    try graph.finish()
    nonceField = try ImporterSettings.confirmed(
      try ImporterSettings.required("importer", &reader), place + ["importer"])
    if let json = reader.take("proving") {
      var reader = try SettingsReader(json, place + ["proving"])
      pace.pollSeconds = try reader.seconds("poll_seconds") ?? pace.pollSeconds
      pace.pollSecondsMax = max(pace.pollSeconds, try reader.seconds("poll_seconds_max") ?? pace.pollSecondsMax)
      pace.settleSeconds = try reader.seconds("settle_seconds") ?? pace.settleSeconds
      pace.drainSeconds = try reader.seconds("drain_seconds") ?? pace.drainSeconds
      pace.drivesMax = try reader.count("attempts") ?? pace.drivesMax
      try reader.finish()
    }
    timeoutSeconds = try reader.seconds("timeout_seconds") ?? timeoutSeconds
    authoritiesPath = try reader.text("ca_file")
    allowsHTTP = try reader.flag("allow_http") ?? false
  }

  private static func required(_ key: String, _ reader: inout SettingsReader) throws -> JSONValue {
    guard let value = reader.take(key) else { throw reader.problem("\"\(key)\" is missing") }
    return value
  }

  private static func checkName(_ name: String, _ key: String, _ place: [String]) throws {
    guard name.utf8.allSatisfy({ Receiver.isNameByte($0) }) else {
      throw Problem(.usage, at: place, "\"\(key)\" may hold letters, digits, - and _ only, as Pimcore's names do")
    }
  }

  static func isGraphQLName(_ name: String) -> Bool {
    guard let first = name.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return false }
    return name.utf8.allSatisfy { Receiver.isNameByte($0) && $0 != UInt8(ascii: "-") }
  }

  // MARK: What Pimcore must be set to

  /// What the import configuration is said to be set to. Nobody tells over the interfaces, so whoever declares the target
  /// must; settings that would lose or wipe data are refused. Gives the field of a nonce.
  private static func confirmed(_ json: JSONValue, _ place: [String]) throws -> String? {
    var reader = try SettingsReader(json, place)
    func refused(_ what: String, _ advice: String) -> Problem { Problem(.refused, at: place, what, advice: advice) }
    func off(_ key: String, _ why: String) throws {
      guard reader.take(key) == "off" else {
        throw refused(
          "\"\(key)\" is not said to be off: \(why)", "switch it off in Pimcore, and say \"\(key)\": \"off\"")
      }
    }
    switch try reader.text("loading") {
    case "id", "path", "attribute": break
    case let other:
      throw refused(
        "\"loading\" is \(other.map { "\"\(Answer.shown($0))\"" } ?? "not said"): without a loading strategy every row "
          + "that comes again makes another object",
        "load by id, path or attribute in Pimcore, and say \"loading\": \"attribute\"")
    }
    try off("cleanup", "it takes every object of the class that is not in one push, and a push is never all")
    try off(
      "ignore_not_empty_queue", "pushes would overtake each other, and nothing would tell that the queue is worked off")
    var nonce: String?
    switch reader.take("delta_check") {
    case "off": break
    case let setting?:
      nonce = setting["nonce_field"]?.string
      guard let nonce, !nonce.isEmpty else { fallthrough }
    default:
      throw refused(
        "\"delta_check\" is not said to be off: rows that failed would be passed over when they come again",
        "switch it off in Pimcore, and say \"delta_check\": \"off\"; or name a field of its own for it to see a change "
          + "in, {\"nonce_field\": \"_sending\"}")
    }
    try reader.finish()
    return nonce
  }
}

extension WebAddress {
  /// The address of a path below this one.
  func appending(_ path: String, place: [String]) throws -> WebAddress {
    var base = text
    while base.hasSuffix("/") { base.removeLast() }
    return try WebAddress(base + (path.hasPrefix("/") ? path : "/" + path), place: place)
  }
}

extension String {
  fileprivate func replacing(_ mark: String, with text: String) -> String {
    guard let start = utf8.indices.first(where: { self[$0...].hasPrefix(mark) }) else { return self }
    return String(self[..<start]) + text + self[index(start, offsetBy: mark.count)...]
  }
}
