package import VarveJSON
internal import VarveTables

/// Data Hub's GraphQL: one configuration, one class. What it is asked stands in Documentation/Pimcore.md.
package final class DataHub {
  /// What a request came to.
  package enum Outcome: Sendable {
    case data(JSONValue)
    case unanswered(String, pauseSeconds: Double? = nil)
    case impossible(String)
  }

  /// An object as it was read: its id, its key's text, and the attributes that were asked for, in their order.
  package struct Object: Sendable {
    package var id: String
    package var key: String
    package var values: [JSONValue]
  }

  private let client: HTTPClient
  private let key: String
  private let className: String
  private let milliseconds: @Sendable () -> Int64

  package init(
    _ address: WebAddress, _ options: HTTPClient.Options, key: String, className: String,
    milliseconds: @escaping @Sendable () -> Int64
  ) throws {
    var options = options
    options.answerBytesMax = DataHub.answerBytesMax
    options.secrets = [key]
    client = try HTTPClient(address, options)
    self.key = key
    self.className = className
    self.milliseconds = milliseconds
  }

  private static let answerBytesMax = 64 << 20
  /// Keys that one listing asks for, and deletions that one request carries.
  package static let keysPerListingMax = 100
  package static let deletionsPerRequestMax = 50

  package func ask(_ query: String, _ variables: JSONObject = JSONObject()) throws -> Outcome {
    let body: JSONValue = ["query": .string(query), "variables": .object(variables)]
    do throws(HTTPFailure) {
      return read(try client.post(body.bytes(), headers: ["apikey: \(key)"]))
    } catch {
      switch error {
      case .unanswered(let reason): return .unanswered("Data Hub: \(reason)")
      case .impossible(let reason): return .impossible("Data Hub: \(reason)")
      case .interrupted: throw Problem(.interrupted, "interrupted")
      }
    }
  }

  private func read(_ answer: HTTPAnswer) -> Outcome {
    switch answer.status {
    case 200: break
    case 403: return .impossible("Data Hub: HTTP 403, it does not know the key")
    case 404: return .impossible("Data Hub: HTTP 404, there is no active configuration of that name")
    case 408, 425, 429, 500...:
      return .unanswered(
        "Data Hub: HTTP \(answer.status)",
        pauseSeconds: answer.retryAfter.flatMap { RetryAfter.seconds($0, now: milliseconds()) })
    default: return .impossible("Data Hub: HTTP \(answer.status)")
    }
    guard let said = try? JSONValue(parsing: answer.body, duplicateKeys: .lastWins), said.object != nil else {
      return .unanswered("Data Hub: an answer that is no JSON object")
    }
    if let errors = said["errors"]?.array, let first = errors.first {
      let message = client.shown(first["message"]?.string ?? "an error without a message")
      return message.lowercased().hasPrefix("internal server error")
        ? .unanswered("Data Hub: \(message)") : .impossible("Data Hub: \(message)")
    }
    guard let data = said["data"], data.object != nil else { return .unanswered("Data Hub: an answer without data") }
    return .data(data)
  }

  // MARK: Reading

  package enum Listing: Sendable {
    case objects([Object])
    case unanswered(String, pauseSeconds: Double? = nil)
    case impossible(String)
  }

  /// The objects whose key attribute is one of these texts as MySQL compares them, unpublished ones too.
  package func objects(keys: [String], keyAttribute: String, attributes: [String]) throws -> Listing {
    let filter: JSONValue = ["$or": .array(keys.map { .object(JSONObject([(keyAttribute, .string($0))])) })]
    // Names of ours, since attributes may be called as fields of the type are.
    let wanted = attributes.enumerated().map { "f\($0.offset): \($0.element)" }.joined(separator: " ")
    let query = """
      query($filter: String!, $first: Int!) { found: get\(className)Listing(filter: $filter, first: $first, published: \
      false) { edges { node { id k: \(keyAttribute) \(wanted) } } } }
      """
    // Keys that differ by case only, and objects that are there twice, come on top.
    let count = 2 * keys.count + 10
    switch try ask(query, ["filter": .string(filter.text()), "first": JSONValue(count)]) {
    case .unanswered(let reason, let pause): return .unanswered(reason, pauseSeconds: pause)
    case .impossible(let reason): return .impossible(reason)
    case .data(let data):
      guard let edges = data["found"]?["edges"]?.array else { return .unanswered("Data Hub: a listing without edges") }
      let nodes = edges.compactMap { $0["node"] }.filter { $0.object != nil }
      return .objects(
        nodes.compactMap { node in
          guard let id = DataHub.text(node["id"]), let key = DataHub.text(node["k"]) else { return nil }
          return Object(id: id, key: key, values: attributes.indices.map { node["f\($0)"] ?? .null })
        })
    }
  }

  /// How many objects of the class there are, and how many of them are published; nil where it does not say.
  func counts() throws -> (count: Int, publishedCount: Int)? {
    let query = """
      { all: get\(className)Listing(first: 1, published: false) { totalCount } live: get\(className)Listing(first: 1) \
      { totalCount } }
      """
    guard case .data(let data) = try ask(query), let count = data["all"]?["totalCount"]?.int,
      let publishedCount = data["live"]?["totalCount"]?.int
    else { return nil }
    return (count, publishedCount)
  }

  static func text(_ value: JSONValue?) -> String? { value?.string ?? value?.number }

  // MARK: Deleting

  package enum Deletion: Sendable {
    /// Why an object was not deleted, by id.
    case done(refused: [String: String])
    case unanswered(String, pauseSeconds: Double? = nil)
    case impossible(String)
  }

  /// Deletes objects, each by itself; one that is not there counts as deleted.
  package func delete(ids: [String]) throws -> Deletion {
    var refused: [String: String] = [:]
    var rest = ids[...]
    while !rest.isEmpty {
      let some = Array(rest.prefix(DataHub.deletionsPerRequestMax))
      rest = rest.dropFirst(some.count)
      guard some.allSatisfy({ Int($0) != nil }) else { return .impossible("Data Hub: an id is no number") }
      let fields = some.enumerated().map { "d\($0.offset): delete\(className)(id: \($0.element)) { success message }" }
      switch try ask("mutation { \(fields.joined(separator: " ")) }") {
      case .unanswered(let reason, let pause): return .unanswered(reason, pauseSeconds: pause)
      case .impossible(let reason): return .impossible("\(reason); it may have to be allowed to delete the class")
      case .data(let data):
        for (index, id) in some.enumerated() where data["d\(index)"]?["success"] != true {
          let message = data["d\(index)"]?["message"]?.string ?? "no reason"
          if !message.lowercased().contains("unknown id") { refused[id] = client.shown(message) }
        }
      }
    }
    return .done(refused: refused)
  }
}
