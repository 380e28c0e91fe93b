internal import VarveDelivery
internal import VarveJSON

/// One entry of the service's table of routes: what is served and what the OpenAPI document says of it.
struct Route: Sendable {
  /// A part of the path, of the query or a header.
  struct Parameter: Sendable {
    /// `path`, `query` or `header`.
    var place: String
    var name: String
    var help: String
    var schema: JSONValue

    static func path(_ name: String, _ help: String, _ schema: JSONValue = Shape.text) -> Parameter {
      Parameter(place: "path", name: name, help: help, schema: schema)
    }

    static func query(_ name: String, _ help: String, _ schema: JSONValue) -> Parameter {
      Parameter(place: "query", name: name, help: help, schema: schema)
    }
  }

  /// A request to it.
  struct Call {
    var request: HTTPServer.Request
    var captured: [String: String]
    var desk: ServiceDesk

    func part(_ name: String) -> String { captured[name] ?? "" }

    /// A whole number of the query.
    func number(_ name: String, preset: Int, in range: ClosedRange<Int>) throws -> Int {
      guard let text = request.query[name] else { return preset }
      guard let number = Int(text), range.contains(number) else {
        throw Refusal(400, "\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound).")
      }
      return number
    }

    /// `true` or `false` of the query; false without it.
    func flag(_ name: String) throws -> Bool {
      guard let text = request.query[name] else { return false }
      guard text == "true" || text == "false" else { throw Refusal(400, "\(name) must be true or false.") }
      return text == "true"
    }

    func body() throws -> JSONObject {
      guard let object = (try? JSONValue(parsing: request.body))?.object else {
        throw Refusal(400, "The body must be a JSON object.")
      }
      return object
    }
  }

  var method: String
  /// `/api/v1/tables/{table}`.
  var path: String
  var summary: String
  var details = ""
  /// Answered without a token.
  var isOpen = false
  /// Whether it is told of in the document.
  var isListed = true
  var parameters: [Parameter] = []
  /// The schema of the body.
  var body: JSONValue?
  /// Of the answer with status 200.
  var contentType = "application/json"
  var answer: JSONValue = Shape.object
  /// Other statuses that it answers with, beside those of every route.
  var refusals: [Int] = []
  var run: @Sendable (Call) throws -> HTTPServer.Reply

  /// The parts of the path that stand for something, if the path fits.
  func captures(_ path: [Substring]) -> [String: String]? {
    let own = self.path.split(separator: "/", omittingEmptySubsequences: false)
    guard own.count == path.count else { return nil }
    var captured: [String: String] = [:]
    for (mine, given) in zip(own, path) {
      if mine.hasPrefix("{") {
        guard !given.isEmpty else { return nil }
        captured[String(mine.dropFirst().dropLast())] = String(given)
      } else if mine != given {
        return nil
      }
    }
    return captured
  }
}

/// JSON Schemas that several routes share.
enum Shape {
  static let text: JSONValue = ["type": "string"]
  static let object: JSONValue = ["type": "object"]
  static let flag: JSONValue = ["type": "boolean"]
  static func number(_ range: ClosedRange<Int>) -> JSONValue {
    ["type": "integer", "minimum": JSONValue(range.lowerBound), "maximum": JSONValue(range.upperBound)]
  }
  static func list(_ name: String) -> JSONValue {
    [
      "type": "object", "required": [.string(name)],
      "properties": .object([name: ["type": "array", "items": object]]),
    ]
  }
  static let error: JSONValue = [
    "type": "object", "required": ["status", "error"],
    "properties": ["status": ["type": "integer"], "error": text],
  ]
}
