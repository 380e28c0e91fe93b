internal import VarveJSON

/// Data Hub's GraphQL over a store: listings, lookups, create, update, delete, and as much introspection as tells which
/// of them are there.
struct PimcoreGraphQL {
  let setup: PimcoreSetup

  /// An answer's body; errors come with status 200 too.
  mutating func answer(_ body: [UInt8], _ store: inout PimcoreStore) -> JSONValue {
    guard let request = try? JSONValue(parsing: body), let query = request["query"]?.string else {
      return PimcoreGraphQL.errors("Syntax Error: Unexpected <EOF>")
    }
    do throws(GraphQLDocument.SyntaxError) {
      let document = try GraphQLDocument(query, variables: request["variables"]?.object ?? JSONObject())
      var data = JSONObject()
      for field in document.fields {
        data[field.alias] = try document.operation == .query ? read(field, store) : change(field, &store)
      }
      return ["data": .object(data)]
    } catch {
      return PimcoreGraphQL.errors(error.message)
    }
  }

  private static func errors(_ message: String) -> JSONValue { ["errors": [["message": .string(message)]]] }

  private typealias Failure = GraphQLDocument.SyntaxError

  // MARK: Queries

  private func read(_ field: GraphQLDocument.Field, _ store: PimcoreStore) throws(Failure) -> JSONValue {
    switch field.name {
    case "get\(setup.className)Listing":
      try check(field)
      var filter: JSONValue?
      if let text = field.arguments["filter"]?.string {
        guard let parsed = try? JSONValue(parsing: text), parsed.object != nil else {
          throw Failure(message: "unable to decode filter")
        }
        filter = parsed
      }
      guard var found = store.objects(filter) else { throw Failure(message: "Internal server error") }
      if field.arguments["published"] != false { found.removeAll { !$0.isPublished } }
      let total = found.count
      found = Array(found.dropFirst(field.arguments["after"]?.int ?? 0))
      if let first = field.arguments["first"]?.int { found = Array(found.prefix(first)) }
      var edges: [JSONValue] = []
      for object in found {
        edges.append(["cursor": .string("object-\(object.id)"), "node": try node(object, field, "edges", "node")])
      }
      return try project(
        ["totalCount": JSONValue(total), "edges": .array(edges)], field, "\(setup.className)Connection")
    case "get\(setup.className)":
      guard let id = field.arguments["id"]?.int, let object = store.objects[id] else {
        throw Failure(message: "object with id:'\(field.arguments["id"]?.text() ?? "")' not found")
      }
      return try project(.object(members(object)), field, "object_\(setup.className)")
    case "__schema":
      let queries = ["get\(setup.className)", "get\(setup.className)Listing"]
      let mutations =
        ["create\(setup.className)", "update\(setup.className)"] + (setup.mayDelete ? ["delete\(setup.className)"] : [])
      return try project(
        [
          "queryType": ["name": "Query", "fields": named(queries)],
          "mutationType": ["name": "Mutation", "fields": named(mutations)],
        ], field, "__Schema")
    default: throw unknown(field.name, "Query")
    }
  }

  /// A selection is checked before anything is read, whatever there is to read.
  private func check(_ listing: GraphQLDocument.Field) throws(Failure) {
    for edges in listing.selection where edges.name == "edges" {
      for node in edges.selection where node.name == "node" {
        for wanted in node.selection where setup.fields?.contains(wanted.name) == false {
          guard ["id", "fullpath", "published"].contains(wanted.name) else {
            throw unknown(wanted.name, "object_\(setup.className)")
          }
        }
      }
    }
  }

  private func named(_ names: [String]) -> JSONValue { .array(names.map { ["name": .string($0)] }) }

  private func unknown(_ name: String, _ type: String) -> Failure {
    Failure(message: "Cannot query field \"\(name)\" on type \"\(type)\".")
  }

  /// The object's members that the selection below `outer.inner` of `field` wants.
  private func node(
    _ object: PimcoreStore.Object, _ field: GraphQLDocument.Field, _ outer: String, _ inner: String
  ) throws(Failure) -> JSONValue {
    var all = members(object)
    // A class that takes whatever comes has every attribute that is asked for.
    guard setup.fields == nil else { return .object(all) }
    for edges in field.selection where edges.name == outer {
      for node in edges.selection where node.name == inner {
        for wanted in node.selection where all[wanted.name] == nil { all[wanted.name] = .null }
      }
    }
    return .object(all)
  }

  private func members(_ object: PimcoreStore.Object) -> JSONObject {
    var all: JSONObject = [
      "id": .string(String(object.id)), "published": .boolean(object.isPublished),
      "fullpath": .string("/\(setup.className)/\(PimcoreStore.text(object.values[setup.key]) ?? "")"),
    ]
    for field in setup.fields ?? object.values.keys { all[field] = object.values[field] ?? .null }
    return all
  }

  /// What a selection wants of a value.
  private func project(_ value: JSONValue, _ field: GraphQLDocument.Field, _ type: String) throws(Failure) -> JSONValue
  {
    switch value {
    case .array(let values):
      var projected: [JSONValue] = []
      for value in values { projected.append(try project(value, field, type)) }
      return .array(projected)
    case .object(let object) where !field.selection.isEmpty:
      var projected = JSONObject()
      for wanted in field.selection {
        guard let member = object[wanted.name] else {
          throw unknown(wanted.name, field.name == "node" ? "object_\(setup.className)" : type)
        }
        projected[wanted.alias] = try project(member, wanted, wanted.name)
      }
      return .object(projected)
    default: return value
    }
  }

  // MARK: Mutations

  private func change(_ field: GraphQLDocument.Field, _ store: inout PimcoreStore) throws(Failure) -> JSONValue {
    let id = field.arguments["id"]?.int ?? field.arguments["id"]?.string.flatMap { Int($0) }
    let answer: JSONValue
    switch field.name {
    case "delete\(setup.className)" where setup.mayDelete:
      answer =
        id.map { store.remove($0) } == true
        ? ["success": true, "message": "object deleted"]
        : ["success": false, "message": "unable to delete object. Unknown id or fullpath"]
    case "create\(setup.className)":
      let new = store.create(field.arguments["input"]?.object ?? JSONObject())
      answer = ["success": true, "message": .string("object created: \(new)")]
    case "update\(setup.className)":
      let isDone = id.map { store.update($0, field.arguments["input"]?.object ?? JSONObject()) } == true
      answer = ["success": .boolean(isDone), "message": isDone ? "object updated" : "unable to update object"]
    default: throw unknown(field.name, "Mutation")
    }
    return try project(answer, field, field.name)
  }
}
