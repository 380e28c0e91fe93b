internal import Varve
internal import VarveJSON

/// The OpenAPI 3.1 document of the table of routes.
enum OpenAPI {
  static func document(_ routes: [Route]) -> JSONValue {
    var paths = JSONObject()
    for route in routes where route.isListed {
      var item = paths[route.path]?.object ?? JSONObject()
      item[route.method.lowercased()] = operation(route)
      paths[route.path] = .object(item)
    }
    return [
      "openapi": "3.1.0",
      "info": [
        "title": "Varve", "version": .string(Varve.version),
        "description": "Feeds become versions of tables, and versions arrive where they are wanted.",
      ],
      "paths": .object(paths),
      "components": [
        "securitySchemes": ["token": ["type": "http", "scheme": "bearer"]], "schemas": ["Error": Shape.error],
      ],
    ]
  }

  private static let sentences: [Int: String] = [
    400: "The request cannot be understood.", 401: "A bearer token is needed.",
    403: "Not allowed to this service's callers.", 404: "It is not there.", 405: "Another method is needed.",
    409: "It contradicts what is there.", 413: "The body is too large.", 415: "Not application/json.",
    421: "The Host is not this service.", 422: "A field has the wrong type or range.",
    500: "The service or the warehouse is damaged.", 503: "The service is stopping.",
  ]

  private static func operation(_ route: Route) -> JSONValue {
    var answers: JSONObject = [
      "200": [
        "description": .string(route.summary),
        "content": .object([route.contentType: ["schema": route.answer]]),
      ]
    ]
    var statuses: Set<Int> = [400, 403, 404, 421, 500, 503]
    if !route.isOpen { statuses.insert(401) }
    if route.method == "POST" { statuses.formUnion([409, 413, 415]) }
    for status in statuses.union(route.refusals).sorted() {
      answers["\(status)"] = [
        "description": .string(sentences[status] ?? "An error."),
        "content": ["application/json": ["schema": ["$ref": "#/components/schemas/Error"]]],
      ]
    }
    var operation: JSONObject = [
      "operationId": .string(identifier(route)), "summary": .string(route.summary),
      "parameters": .array(
        route.parameters.map {
          [
            "name": .string($0.name), "in": .string($0.place), "description": .string($0.help),
            "required": JSONValue($0.place == "path"), "schema": $0.schema,
          ]
        }),
      "responses": .object(answers),
    ]
    if !route.details.isEmpty { operation["description"] = .string(route.details) }
    if let body = route.body {
      operation["requestBody"] = ["required": true, "content": ["application/json": ["schema": body]]]
    }
    operation["security"] = route.isOpen ? [] : [["token": []]]
    return .object(operation)
  }

  private static func identifier(_ route: Route) -> String {
    let words = route.path.split { $0 == "/" || $0 == "{" || $0 == "}" || $0 == "-" || $0 == "." }
    return ([route.method.lowercased()] + words.map(String.init)).joined(separator: "_")
  }
}
