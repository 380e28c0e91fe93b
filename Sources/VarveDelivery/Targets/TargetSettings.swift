package import VarveJSON
package import VarveLake
internal import VarveTables

/// A target as `varve.json` declares it under a name, or as a URL or `dir:PATH` does on its own.
package struct TargetSettings: Sendable {
  /// By which the ledger knows it: the declared name, else the URL or `dir:` and the absolute path.
  package var name: String
  package var kind: Kind
  package var mapping = RecordMapping.identity
  package var chunking: Chunking?
  package var policy = RetryPolicy(attemptsMax: 8, firstSeconds: 0.5, secondsMax: 30)

  package enum Kind: Sendable {
    case callback(Callback)
    case folder(path: String)
    case importer(ImporterSettings)
  }

  /// Whether what it took is read back.
  package var isProvable: Bool { if case .importer = kind { true } else { false } }

  package struct Callback: Sendable {
    package var address: WebAddress
    package var token: Secret?
    package var signatureKey: Secret?
    package var signatureHeader: String?
    package var timeoutSeconds = 60.0
    package var authoritiesPath: String?
    /// Whether a URL without encryption may lead to another machine.
    package var allowsHTTP = false
  }

  /// Opens the target, for a table whose key is sent as `keyFields`. `surroundings` give the time and end long waits.
  package func open(
    keyFields: [String] = [], milliseconds: @escaping @Sendable () -> Int64,
    isInterrupted: @escaping @Sendable () -> Bool
  ) throws -> any DeliveryTarget {
    switch kind {
    case .folder(let path): return try FolderTarget(path: path)
    case .importer(let importer): return try open(importer, keyFields, milliseconds, isInterrupted)
    case .callback(let callback):
      var options = HTTPClient.Options()
      options.timeoutSeconds = callback.timeoutSeconds
      options.authoritiesPath = callback.authoritiesPath
      options.reach = callback.address.isEncrypted || callback.allowsHTTP ? .anywhere : .loopback
      options.isInterrupted = isInterrupted
      var credentials = AcknowledgedCallback.Credentials()
      credentials.token = try callback.token?.read(place: ["target \(name)", "token"])
      credentials.signatureKey = try callback.signatureKey.map {
        Array(try $0.read(place: ["target \(name)", "signature"]).utf8)
      }
      if let header = callback.signatureHeader { credentials.signatureHeader = header }
      return try AcknowledgedCallback(callback.address, options, credentials, milliseconds: milliseconds)
    }
  }

  func open(
    _ importer: ImporterSettings, _ keyFields: [String],
    _ milliseconds: @escaping @Sendable () -> Int64,
    _ isInterrupted: @escaping @Sendable () -> Bool
  ) throws -> DataImporter {
    let place = ["target \(name)"]
    guard keyFields.count == 1 else {
      throw Problem(
        .refused, at: place,
        keyFields.isEmpty
          ? "Pimcore's objects are known by a key, and the table has none that is sent"
          : "Pimcore's objects are known by one attribute, and the table's key is sent as \(keyFields.count) fields",
        advice: keyFields.isEmpty
          ? "give the table a key, and let \"columns\" send it" : "give the table a key of one column")
    }
    var options = HTTPClient.Options()
    options.timeoutSeconds = importer.timeoutSeconds
    options.authoritiesPath = importer.authoritiesPath
    options.reach = importer.base.isEncrypted || importer.allowsHTTP ? .anywhere : .loopback
    options.isInterrupted = isInterrupted
    return try DataImporter(importer, options, keyField: keyFields[0], place: place, milliseconds: milliseconds)
  }

  // MARK: Reading

  /// The target that `text` names: a URL, `dir:PATH`, or a name declared in the warehouse's settings.
  package static func named(_ text: String, settings: JSONValue?) throws -> TargetSettings {
    if text.contains("://") {
      let address = try WebAddress(text)
      return TargetSettings(name: text, kind: .callback(Callback(address: address)))
    }
    if text.hasPrefix("dir:") {
      let path = try FolderTarget.absolute(String(text.dropFirst(4)))
      return TargetSettings(name: "dir:" + path, kind: .folder(path: path))
    }
    let declared = settings?["targets"]?.object ?? JSONObject()
    guard let json = declared[text] else {
      throw Problem(
        .failed, "no target is declared as \"\(Answer.shown(text))\" in \(Layout.settings)",
        advice: declared.isEmpty
          ? "give a URL or dir:PATH, or declare targets there"
          : "the targets are \(declared.keys.joined(separator: ", "))")
    }
    return try TargetSettings(name: text, json, place: [Layout.settings, "target \"\(text)\""])
  }

  private init(name: String, kind: Kind) {
    self.name = name
    self.kind = kind
  }

  /// Kinds of targets by their names in the settings. A new one is added here.
  private static let kinds: [String: @Sendable (inout SettingsReader) throws -> Kind] = [
    "callback": { .callback(try Callback(&$0)) },
    "data-importer": { .importer(try ImporterSettings(&$0)) },
    "folder": { reader in .folder(path: try FolderTarget.absolute(try reader.requiredText("path"))) },
  ]

  private init(name: String, _ json: JSONValue, place: [String]) throws {
    var reader = try SettingsReader(json, place)
    let kindName = try reader.requiredText("kind")
    guard let readKind = TargetSettings.kinds[kindName] else {
      throw reader.problem("\"kind\" must be one of \(TargetSettings.kinds.keys.sorted().joined(separator: ", "))")
    }
    self.init(name: name, kind: try readKind(&reader))
    mapping = try RecordMapping(reader.take("columns"), unlisted: reader.take("unlisted"), place: place)
    let records = try reader.count("chunk_records")
    let bytes = try reader.count("chunk_bytes")
    guard records == nil || bytes == nil else { throw reader.problem("give chunk_records or chunk_bytes, not both") }
    chunking = records.map { .records($0) } ?? bytes.map { .bytes($0) }
    // Rows are put into Pimcore's queue one by one, while the request waits.
    if isProvable { chunking = chunking ?? .records(200) }
    if let retry = reader.take("retry") {
      var reader = try SettingsReader(retry, place + ["retry"])
      policy.attemptsMax = try reader.count("attempts") ?? policy.attemptsMax
      policy.firstSeconds = try reader.seconds("first_seconds") ?? policy.firstSeconds
      policy.secondsMax = try reader.seconds("seconds_max") ?? policy.secondsMax
      try reader.finish()
    }
    try reader.finish()
  }
}

extension TargetSettings.Callback {
  fileprivate init(_ reader: inout SettingsReader) throws {
    self.init(address: try WebAddress(try reader.requiredText("url"), place: reader.place))
    token = try reader.take("token").map { try Secret($0, place: reader.place + ["token"]) }
    if let signature = reader.take("signature") {
      var members = signature.object ?? JSONObject()
      signatureHeader = members["header"]?.string
      members["header"] = nil
      signatureKey = try Secret(.object(members), place: reader.place + ["signature"])
      let isHeader = signatureHeader?.utf8.allSatisfy { Receiver.isNameByte($0) } ?? true
      guard isHeader else { throw reader.problem("the header of \"signature\" is no header's name") }
    }
    timeoutSeconds = try reader.seconds("timeout_seconds") ?? timeoutSeconds
    authoritiesPath = try reader.text("ca_file")
    allowsHTTP = try reader.flag("allow_http") ?? false
  }
}

/// Takes settings out of an object one by one; what is left over at the end is a mistake.
struct SettingsReader {
  private var members: JSONObject
  let place: [String]

  init(_ json: JSONValue, _ place: [String]) throws {
    guard let members = json.object else { throw Problem(.usage, at: place, "must be an object") }
    self.members = members
    self.place = place
  }

  func problem(_ what: String) -> Problem { Problem(.usage, at: place, what) }

  mutating func take(_ key: String) -> JSONValue? {
    defer { members[key] = nil }
    return members[key]
  }

  mutating func text(_ key: String) throws -> String? {
    guard let value = take(key) else { return nil }
    guard let text = value.string, !text.isEmpty else { throw problem("\"\(key)\" must be a text") }
    return text
  }

  mutating func requiredText(_ key: String) throws -> String {
    guard let text = try text(key) else { throw problem("\"\(key)\" is missing") }
    return text
  }

  mutating func texts(_ key: String) throws -> [String]? {
    guard let value = take(key) else { return nil }
    guard let texts = value.array?.map(\.string), !texts.contains(nil) else {
      throw problem("\"\(key)\" must be a list of texts")
    }
    return texts.compactMap(\.self)
  }

  mutating func flag(_ key: String) throws -> Bool? {
    guard let value = take(key) else { return nil }
    guard let flag = value.boolean else { throw problem("\"\(key)\" must be true or false") }
    return flag
  }

  mutating func count(_ key: String) throws -> Int? {
    guard let value = take(key) else { return nil }
    guard let count = value.int, count > 0 else { throw problem("\"\(key)\" must be a whole number above 0") }
    return count
  }

  mutating func seconds(_ key: String) throws -> Double? {
    guard let value = take(key) else { return nil }
    guard let seconds = value.double, seconds > 0, seconds <= 86_400 else {
      throw problem("\"\(key)\" must be seconds, up to a day")
    }
    return seconds
  }

  func finish() throws {
    guard let unknown = members.keys.first else { return }
    throw problem("\"\(Answer.shown(unknown))\" is no setting of it")
  }
}
