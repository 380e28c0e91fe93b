internal import VarveJSON
internal import VarveTables

/// What a table asks of its readers and writers (Delta protocol, "Protocol Evolution").
package struct TableProtocol: Hashable, Sendable {
  package var minReaderVersion: Int
  package var minWriterVersion: Int
  package var readerFeatures: [String]?
  package var writerFeatures: [String]?

  /// What Varve asks for in tables of its own: the widest circle of readers.
  package static let own = TableProtocol(minReaderVersion: 1, minWriterVersion: 2)

  /// From these versions on, features are listed one by one.
  private static let readerVersionOfFeatures = 3
  private static let writerVersionOfFeatures = 7
  private static let deletionVectors = "deletionVectors"
  private static let readerFeaturesKnown: Set<String> = [deletionVectors]
  private static let writerFeaturesKnown: Set<String> = ["appendOnly", deletionVectors, "invariants"]
  /// What tables of writer version 2 may use without saying so.
  private static let writerFeaturesImplied = ["appendOnly", "invariants"]

  package init(
    minReaderVersion: Int, minWriterVersion: Int, readerFeatures: [String]? = nil, writerFeatures: [String]? = nil
  ) {
    self.minReaderVersion = minReaderVersion
    self.minWriterVersion = minWriterVersion
    self.readerFeatures = readerFeatures
    self.writerFeatures = writerFeatures
  }

  init(json: JSONValue, place: [String]) throws {
    guard let reader = json["minReaderVersion"]?.int, let writer = json["minWriterVersion"]?.int else {
      throw Problem(.damaged, at: place, "the protocol action has no versions")
    }
    self.init(
      minReaderVersion: reader, minWriterVersion: writer,
      readerFeatures: json["readerFeatures"]?.array?.compactMap(\.string),
      writerFeatures: json["writerFeatures"]?.array?.compactMap(\.string))
  }

  var json: JSONValue {
    var object: JSONObject = [
      "minReaderVersion": JSONValue(minReaderVersion), "minWriterVersion": JSONValue(minWriterVersion),
    ]
    if let readerFeatures { object["readerFeatures"] = .array(readerFeatures.map(JSONValue.string)) }
    if let writerFeatures { object["writerFeatures"] = .array(writerFeatures.map(JSONValue.string)) }
    return .object(object)
  }

  /// What is asked for where rows may be struck out of files, and what was asked for before: nothing is ever taken back.
  var withDeletionVectors: TableProtocol {
    guard !hasDeletionVectors else { return self }
    let implied = minWriterVersion == 2 ? TableProtocol.writerFeaturesImplied : []
    return TableProtocol(
      minReaderVersion: TableProtocol.readerVersionOfFeatures, minWriterVersion: TableProtocol.writerVersionOfFeatures,
      readerFeatures: Set((readerFeatures ?? []) + [TableProtocol.deletionVectors]).sorted(),
      writerFeatures: Set((writerFeatures ?? implied) + [TableProtocol.deletionVectors]).sorted())
  }

  var hasDeletionVectors: Bool { readerFeatures?.contains(TableProtocol.deletionVectors) ?? false }

  /// What a table of ours with these properties asks for.
  static func own(of metadata: TableMetadata) -> TableProtocol {
    metadata.strikesRows ? own.withDeletionVectors : own
  }

  /// Refuses a table whose rows cannot be told without a feature that Varve lacks.
  func checkReadable(_ place: [String]) throws {
    switch minReaderVersion {
    case ...1: return
    case 2: throw refusal(place, "read", ["columnMapping"])
    case TableProtocol.readerVersionOfFeatures:
      let missing = (readerFeatures ?? []).filter { !TableProtocol.readerFeaturesKnown.contains($0) }
      if !missing.isEmpty { throw refusal(place, "read", missing) }
    default:
      throw Problem(
        .refused, at: place,
        "the table asks for Delta reader version \(minReaderVersion), and Varve has 1, and 3 for deletion vectors",
        advice: "read it with the engine that wrote it")
    }
  }

  /// Refuses a table that a commit of ours could make wrong.
  func checkWritable(_ place: [String]) throws {
    switch minWriterVersion {
    case ...2: return
    case TableProtocol.writerVersionOfFeatures:
      let missing = (writerFeatures ?? []).filter { !TableProtocol.writerFeaturesKnown.contains($0) }
      if !missing.isEmpty { throw refusal(place, "write", missing) }
    default:
      throw Problem(
        .refused, at: place, "the table asks for Delta writer version \(minWriterVersion), and Varve has 2",
        advice: "write it with the engine that made it so, or copy it into a new table")
    }
  }

  private func refusal(_ place: [String], _ verb: String, _ features: [String]) -> Problem {
    Problem(
      .refused, at: place,
      "the table uses \(features.joined(separator: ", ")), which Varve cannot \(verb)",
      advice: "\(verb) it with the engine that switched that on, or copy it into a new table")
  }
}
