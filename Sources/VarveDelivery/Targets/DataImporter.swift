internal import VarveJSON
internal import VarveTables

/// Pimcore: rows are pushed to its Data Importer, which works on them later and tells nobody; deletions go through Data
/// Hub, and what came of both is read back there by key (Documentation/Pimcore.md).
package final class DataImporter: ProvableTarget {
  let settings: ImporterSettings
  private let client: HTTPClient
  let hub: DataHub
  private let key: String
  /// The field that holds the key, and the attribute that keeps it.
  private let keyField: String
  let keyAttribute: String
  private let milliseconds: @Sendable () -> Int64
  /// What was done through this target, objects each.
  private var createdCount = 0
  private var deletedCount = 0
  private var pushedCount = 0
  /// The chunk that was taken apart last.
  private var opened: (number: Int, sha256: String, records: [Record])?

  package var pace: ProvingPace { settings.pace }

  private struct Record {
    var fields: JSONObject
    var key: String
    var isDeletion: Bool
    /// What speaks against sending it.
    var hindrance: String?
    /// The objects that have its key, when it was looked at last.
    var ids: [String]?
    /// Whether the importer took it.
    var isPushed = false
  }

  package init(
    _ settings: ImporterSettings, _ options: HTTPClient.Options, keyField: String, place: [String],
    milliseconds: @escaping @Sendable () -> Int64
  ) throws {
    self.settings = settings
    self.keyField = keyField
    self.milliseconds = milliseconds
    guard case let attribute? = settings.attributes[keyField] ?? keyField, ImporterSettings.isGraphQLName(attribute)
    else {
      throw Problem(
        .refused, at: place, "the key is sent as \"\(keyField)\", which is no attribute that can be read back",
        advice: "name its attribute in \"attributes\" of \"graphql\"")
    }
    keyAttribute = attribute
    if let csv = settings.csv, !csv.fields.contains(keyField) {
      throw Problem(.refused, at: place, "the CSV has no column for the key \"\(keyField)\"")
    }
    key = try DataImporter.read(settings.importKey, place + ["api_key"])
    var options = options
    options.secrets = [key]
    client = try HTTPClient(settings.importAddress, options)
    hub = try DataHub(
      settings.graphQLAddress, options, key: DataImporter.read(settings.graphQLKey, place + ["graphql", "api_key"]),
      className: settings.className, milliseconds: milliseconds)
  }

  static func read(_ secret: Secret, _ place: [String]) throws -> String {
    let key = try secret.read(place: place)
    guard key.utf8.count >= ImporterSettings.keyLengthMin else {
      throw Problem(
        .refused, at: place, "the key is shorter than \(ImporterSettings.keyLengthMin) characters",
        advice: "make a longer one in Pimcore")
    }
    return key
  }

  // MARK: Records

  package func keys(of chunk: Chunk) throws -> [String] { try records(of: chunk).map(\.key) }

  private func records(of chunk: Chunk) throws -> [Record] {
    if let opened, opened.number == chunk.number, opened.sha256 == chunk.sha256 { return opened.records }
    guard let values = try? JSONValue(parsing: chunk.records).array else {
      preconditionFailure("a chunk is a JSON array of records")
    }
    let records = values.map { record($0.object ?? JSONObject()) }
    opened = (chunk.number, chunk.sha256, records)
    return records
  }

  private func record(_ object: JSONObject) -> Record {
    var fields = object
    let isDeletion = fields[RecordKind.field] == .string(RecordKind.delete.rawValue)
    fields[RecordKind.field] = nil
    let key = DataHub.text(fields[keyField]) ?? ""
    var record = Record(fields: fields, key: key, isDeletion: isDeletion)
    if key.isEmpty {
      record.hindrance = "it has no key: \"\(keyField)\" is \(ValueComparison.shown(fields[keyField] ?? .null))"
    } else if !isDeletion {
      record.hindrance = hindrance(fields)
    }
    return record
  }

  /// Why the importer could not take a row.
  private func hindrance(_ fields: JSONObject) -> String? {
    let row: JSONValue
    if let csv = settings.csv {
      if let field = csv.misread(fields) {
        return "\"\(field)\" holds a backslash where PHP's CSV reader takes it for an escape; push JSON"
      }
      row = .array(csv.cells(fields).map { .string($0) })
    } else {
      row = .object(fields)
    }
    let byteCount =
      QueueRow.bytes(row).count + (settings.nonceField.map { $0.utf8.count + DataImporter.nonceBytes } ?? 0)
    guard byteCount > QueueRow.bytesMax else { return nil }
    return "its row takes \(byteCount) bytes in Pimcore's queue, and \(QueueRow.bytesMax) is the limit"
  }

  private static let nonceBytes = 64

  /// Records of a chunk that can never be sent: key and reason.
  func hindrances(of chunk: Chunk) throws -> [(key: String, reason: String)] {
    try records(of: chunk).compactMap { record in record.hindrance.map { (record.key, $0) } }
  }

  // MARK: Reading back

  package func compare(_ chunk: Chunk, _ numbers: [Int]) throws -> Comparison {
    var records = try records(of: chunk)
    defer { opened?.records = records }
    let fields = comparedFields(records)
    var found: [Int: Mismatch] = [:]
    var rest = numbers[...]
    while !rest.isEmpty {
      let some = rest.prefix(DataHub.keysPerListingMax)
      rest = rest.dropFirst(some.count)
      for number in some {
        if let hindrance = records[number].hindrance { found[number] = Mismatch(hindrance, isSendable: false) }
      }
      let sendable = some.filter { records[$0].hindrance == nil }
      if sendable.isEmpty { continue }
      let listing = try hub.objects(
        keys: sendable.map { records[$0].key }, keyAttribute: keyAttribute, attributes: fields.map(\.attribute))
      switch listing {
      case .unanswered(let reason, let pause): return .unanswered(reason, pauseSeconds: pause)
      case .impossible(let reason): return .impossible(reason)
      case .objects(let objects):
        let byKey = Dictionary(grouping: objects, by: \.key)
        for number in sendable {
          let there = byKey[records[number].key] ?? []
          if let before = records[number].ids?.count {
            if before == 0 { createdCount += there.count }
            if records[number].isDeletion { deletedCount += max(0, before - there.count) }
          }
          records[number].ids = there.map(\.id)
          found[number] = mismatch(records[number], there, fields.map(\.field)).map { Mismatch($0) }
        }
        let asked = Set(sendable.map { records[$0].key })
        let hasStrangers = objects.contains { !asked.contains($0.key) }
        let missing = sendable.filter {
          records[$0].ids?.isEmpty == true && !records[$0].isDeletion && (hasStrangers || records[$0].isPushed)
        }
        if let end = try findAlike(missing, records, &found) { return end }
      }
    }
    return .differs(found)
  }

  /// Keys that Pimcore's database takes for another's: their rows would be saved over that object, so they are not sent.
  /// Gives an answer where that could not be found out.
  private func findAlike(
    _ missing: [Int], _ records: [Record], _ found: inout [Int: Mismatch]
  ) throws -> Comparison? {
    for number in missing {
      let key = records[number].key
      switch try hub.objects(keys: [key], keyAttribute: keyAttribute, attributes: []) {
      case .unanswered(let reason, let pause): return .unanswered(reason, pauseSeconds: pause)
      case .impossible(let reason): return .impossible(reason)
      case .objects(let objects):
        let going = Set(records.lazy.filter(\.isDeletion).map(\.key))
        if let other = objects.first(where: { $0.key != key && !going.contains($0.key) }) {
          found[number] = Mismatch(
            "an object has the key \"\(Answer.shown(other.key))\", which Pimcore's database takes for the same",
            isSendable: false)
        }
      }
    }
    return nil
  }

  /// The fields that are compared, and the attributes that keep them.
  private func comparedFields(_ records: [Record]) -> [(field: String, attribute: String)] {
    var names: [String] = []
    var seen: Set<String> = []
    for record in records {
      for field in settings.csv?.fields ?? record.fields.keys where seen.insert(field).inserted { names.append(field) }
    }
    return attributes(of: names)
  }

  /// The attributes that keep fields, without the key's and those that are not compared.
  func attributes(of fields: [String]) -> [(field: String, attribute: String)] {
    fields.filter { $0 != keyField }.compactMap { field in
      guard case let attribute? = settings.attributes[field] ?? field else { return nil }
      return (field, attribute)
    }
  }

  private func mismatch(_ record: Record, _ objects: [DataHub.Object], _ fields: [String]) -> String? {
    if record.isDeletion { return objects.isEmpty ? nil : "it is still there" }
    guard let object = objects.first else { return "it is missing" }
    guard objects.count == 1 else { return "\(objects.count) objects have this key" }
    for (field, value) in zip(fields, object.values) {
      let sent = record.fields[field] ?? .null
      if !ValueComparison.isSame(sent, value) {
        return "\(field) is \(ValueComparison.shown(value)) in place of \(ValueComparison.shown(sent))"
      }
    }
    return nil
  }

  /// The importer's publishing may hide what was pushed.
  package func population() throws -> Population? {
    guard let (count, shownCount) = try hub.counts() else { return nil }
    let own = createdCount - deletedCount
    return Population(count: count - own, shownCount: shownCount - own + pushedCount)
  }

  // MARK: Sending

  package func send(_ numbers: [Int], of chunk: Chunk, attempt: String) throws -> Sending {
    let records = try records(of: chunk)
    let rows = numbers.filter { !records[$0].isDeletion }.map { records[$0].fields }
    // Rows first: that they are taken shows that none is left in the queue which could bring back what is deleted.
    if !rows.isEmpty {
      let answer = try push(rows, attempt)
      guard answer == .acknowledged else { return Sending(answer) }
      pushedCount += rows.count
      for number in numbers { opened?.records[number].isPushed = true }
    }
    let deletions = numbers.filter { records[$0].isDeletion }
    guard !deletions.isEmpty else { return Sending(.acknowledged) }
    switch try hub.delete(ids: deletions.flatMap { records[$0].ids ?? [] }) {
    case .unanswered(let reason, let pause): return Sending(.unanswered(reason, pauseSeconds: pause))
    case .impossible(let reason): return Sending(.impossible(reason))
    case .done(let refused):
      var refusals: [Int: String] = [:]
      for number in deletions {
        let ids = records[number].ids ?? []
        if let reason = ids.lazy.compactMap({ refused[$0] }).first {
          refusals[number] = "it cannot be deleted: \(reason)"
        }
      }
      return Sending(.acknowledged, refusals: refusals)
    }
  }

  private func push(_ rows: [JSONObject], _ attempt: String) throws -> Answer {
    var rows = rows
    if let field = settings.nonceField {
      for index in rows.indices { rows[index][field] = .string(attempt) }
    }
    if let csv = settings.csv { return try post(csv.bytes(rows), type: "text/csv; charset=utf-8") }
    return try post(JSONValue.array(rows.map { .object($0) }).bytes(), type: "application/json")
  }

  /// What the importer said: all that its answers are told apart by.
  struct Said {
    var status: Int
    var isSuccess: Bool
    var message: String?
    var pauseSeconds: Double?

    var text: String { "the Data Importer: HTTP \(status)" + (message.map { ", \($0)" } ?? "") }

    func mentions(_ words: String) -> Bool { message?.lowercased().contains(words) == true }
    /// Whoever has the wrong key hears it as an error of the server.
    var isAboutKey: Bool { status == 500 && (mentions("missing authorization") || mentions("invalid token")) }
    var isUnknownConfiguration: Bool { status == 500 && mentions("does not exist") }
    var isOtherSource: Bool { status == 405 && mentions("push data source") }
    /// One text for a queue that is not empty, a configuration that is not active, a file that is not valid, and any
    /// exception while it was prepared.
    var isUnprepared: Bool { status == 405 && message != nil && !isOtherSource }
  }

  /// One push, of whatever body.
  func ask(_ body: [UInt8], type: String, isAuthorized: Bool = true) throws(HTTPFailure) -> Said {
    let answer = try client.post(body, type: type, headers: isAuthorized ? ["Authorization: Bearer \(key)"] : [])
    let said = (try? JSONValue(parsing: answer.body)).flatMap { $0.object == nil ? nil : $0 }
    return Said(
      status: answer.status, isSuccess: said?["success"] == true,
      message: (said?["error"] ?? said?["message"])?.string.map { client.shown($0) },
      pauseSeconds: answer.retryAfter.flatMap { RetryAfter.seconds($0, now: milliseconds()) })
  }

  private func post(_ body: [UInt8], type: String) throws -> Answer {
    let said: Said
    do throws(HTTPFailure) {
      said = try ask(body, type: type)
    } catch {
      switch error {
      case .unanswered(let reason): return .unanswered("the Data Importer: \(reason)")
      case .impossible(let reason): return .impossible("the Data Importer: \(reason)")
      case .interrupted: throw Problem(.interrupted, "interrupted")
      }
    }
    if said.isUnprepared { return .busy(said.text) }
    if said.isAboutKey { return .impossible("\(said.text): it does not know the key") }
    if said.isUnknownConfiguration { return .impossible(said.text) }
    switch said.status {
    case 200:
      // Anything else is a page of something before Pimcore.
      return said.isSuccess ? .acknowledged : .impossible("\(said.text), and not \"success\": true")
    case 413: return .refused("\(said.text): make chunks smaller")
    case 408, 425, 429, 500...: return .unanswered(said.text, pauseSeconds: said.pauseSeconds)
    case 300..<400: return .impossible("\(said.text): it redirects, and no redirect is followed")
    default: return .impossible(said.text)
    }
  }

  // MARK: What the protocol of chunks asks

  /// The whole chunk, unseen.
  package func deliver(_ chunk: Chunk, of delivery: String) throws -> Answer {
    try send(Array(0..<chunk.recordCount), of: chunk, attempt: "\(delivery.prefix(12)).\(chunk.number)").answer
  }

  /// Nobody is told that all is sent.
  package func complete(_ completion: Completion, of delivery: String) throws -> Answer { .acknowledged }
}
