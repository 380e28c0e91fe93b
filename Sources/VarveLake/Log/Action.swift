package import VarveJSON
internal import VarveTables

/// One line of a log entry (Delta protocol, "Actions").
package enum Action: Sendable {
  case `protocol`(TableProtocol)
  case metadata(TableMetadata)
  case add(AddAction)
  case remove(RemoveAction)
  case transaction(TransactionAction)
  case commitInfo(JSONObject)
  /// `cdc`, `domainMetadata` and what is yet to come: of no effect on which rows a version has.
  case other

  var isOnFile: Bool {
    switch self {
    case .add, .remove: true
    default: false
    }
  }
}

/// A data file that is live from this version on, as the log spells it (Delta protocol, "Add File").
///
/// A class, since snapshots hand on thousands of them.
package final class AddAction: Hashable, Sendable {
  /// Relative to the table, percent-encoded: the identity of the file, byte for byte.
  package let path: String
  /// By partition column; null where nil.
  package let partitionValues: [(column: String, value: String?)]
  package let byteCount: Int
  /// Milliseconds since 1970.
  package let modificationTime: Int64
  package let dataChange: Bool
  /// JSON text (Delta protocol, "Per-file Statistics").
  package let statistics: String?
  package let deletionVector: DeletionVector?

  init(
    path: String, partitionValues: [(column: String, value: String?)], byteCount: Int, modificationTime: Int64,
    dataChange: Bool, statistics: String?, deletionVector: DeletionVector?
  ) {
    self.path = path
    self.partitionValues = partitionValues
    self.byteCount = byteCount
    self.modificationTime = modificationTime
    self.dataChange = dataChange
    self.statistics = statistics
    self.deletionVector = deletionVector
  }

  package var key: FileKey { FileKey(path: ExactText(path), deletionVectorID: deletionVector?.id) }

  package static func == (one: AddAction, other: AddAction) -> Bool { one.key == other.key }
  package func hash(into hasher: inout Hasher) { hasher.combine(key) }

  package func value(ofPartitionColumn column: String) -> String? {
    partitionValues.first { $0.column.utf8.elementsEqual(column.utf8) }?.value
  }
}

/// What a live file is known by.
package struct FileKey: Hashable, Sendable {
  /// As the log spells it.
  package var path: ExactText
  package var deletionVectorID: String?

  package init(path: ExactText, deletionVectorID: String?) {
    self.path = path
    self.deletionVectorID = deletionVectorID
  }
}

/// A data file that is no longer live (Delta protocol, "Remove File").
package struct RemoveAction: Sendable {
  package var path: String
  /// Milliseconds since 1970.
  package var deletionTimestamp: Int64?
  package var dataChange: Bool
  package var partitionValues: [(column: String, value: String?)]?
  package var byteCount: Int?
  package var deletionVector: DeletionVector?

  package var key: FileKey { FileKey(path: ExactText(path), deletionVectorID: deletionVector?.id) }
}

/// An application's own counter (Delta protocol, "Transaction Identifiers").
package struct TransactionAction: Sendable {
  package var appID: String
  package var version: Int64
  package var lastUpdated: Int64?
}

// MARK: JSON

extension Action {
  /// The action of one line. What it says about itself must make sense; fields that are not known are passed over.
  package init(json: JSONValue, place: [String]) throws {
    guard let object = json.object, let (kind, body) = Action.kind(of: object) else {
      self = .other
      return
    }
    func damaged(_ what: String) -> Problem { Problem(.damaged, at: place, "the \(kind) action has no \(what)") }
    switch kind {
    case "protocol":
      self = .protocol(try TableProtocol(json: body, place: place))
    case "metaData":
      self = .metadata(try TableMetadata(json: body, place: place))
    case "add":
      guard let path = body["path"]?.string else { throw damaged("path") }
      guard let size = body["size"]?.int, size >= 0 else { throw damaged("size") }
      self = .add(
        AddAction(
          path: path, partitionValues: Action.partitionValues(body["partitionValues"]) ?? [], byteCount: size,
          modificationTime: body["modificationTime"]?.int64 ?? 0, dataChange: body["dataChange"]?.boolean ?? true,
          statistics: body["stats"]?.string,
          deletionVector: try DeletionVector(json: body["deletionVector"], place: place)))
    case "remove":
      guard let path = body["path"]?.string else { throw damaged("path") }
      self = .remove(
        RemoveAction(
          path: path, deletionTimestamp: body["deletionTimestamp"]?.int64,
          dataChange: body["dataChange"]?.boolean ?? true,
          partitionValues: Action.partitionValues(body["partitionValues"]), byteCount: body["size"]?.int,
          deletionVector: try DeletionVector(json: body["deletionVector"], place: place)))
    case "txn":
      guard let appID = body["appId"]?.string, let version = body["version"]?.int64 else { throw damaged("appId") }
      self = .transaction(
        TransactionAction(appID: appID, version: version, lastUpdated: body["lastUpdated"]?.int64))
    case "commitInfo":
      self = .commitInfo(body.object ?? [:])
    default: self = .other
    }
  }

  private static func kind(of object: JSONObject) -> (String, JSONValue)? {
    object.members.first { !$0.value.isNull }.map { ($0.key, $0.value) }
  }

  private static func partitionValues(_ json: JSONValue?) -> [(column: String, value: String?)]? {
    // The protocol has no empty text: it stands for null.
    json?.object?.members.map { ($0.key, $0.value.string.flatMap { $0.isEmpty ? nil : $0 }) }
  }

  package var json: JSONValue {
    switch self {
    case .protocol(let action): ["protocol": action.json]
    case .metadata(let metadata): ["metaData": metadata.json]
    case .add(let add): ["add": add.json]
    case .remove(let remove): ["remove": remove.json]
    case .transaction(let transaction):
      [
        "txn": .object(
          JSONObject(
            [("appId", .string(transaction.appID)), ("version", JSONValue(transaction.version))]
              + (transaction.lastUpdated.map { [("lastUpdated", JSONValue($0))] } ?? [])))
      ]
    case .commitInfo(let info): ["commitInfo": .object(info)]
    case .other: preconditionFailure("an action that is not understood is never written")
    }
  }
}

private func json(_ values: [(column: String, value: String?)]) -> JSONValue {
  .object(JSONObject(values.map { ($0.column, $0.value.map(JSONValue.string) ?? .null) }))
}

extension AddAction {
  var json: JSONValue { json(dataChange: dataChange) }

  /// Checkpoints tell of no change.
  func json(dataChange: Bool) -> JSONValue {
    var object: JSONObject = [
      "path": .string(path), "partitionValues": VarveLake.json(partitionValues), "size": JSONValue(byteCount),
      "modificationTime": JSONValue(modificationTime), "dataChange": .boolean(dataChange),
    ]
    if let statistics { object["stats"] = .string(statistics) }
    if let deletionVector { object["deletionVector"] = deletionVector.json }
    return .object(object)
  }
}

extension RemoveAction {
  var json: JSONValue {
    var object: JSONObject = ["path": .string(path), "dataChange": .boolean(dataChange)]
    if let deletionTimestamp { object["deletionTimestamp"] = JSONValue(deletionTimestamp) }
    if let partitionValues, let byteCount {
      object["extendedFileMetadata"] = true
      object["partitionValues"] = VarveLake.json(partitionValues)
      object["size"] = JSONValue(byteCount)
    }
    if let deletionVector { object["deletionVector"] = deletionVector.json }
    return .object(object)
  }
}
