internal import Varve
internal import VarveDelivery
internal import VarveTables

/// Finds the route of a request and turns whatever its handler throws into an answer.
struct Router: Sendable {
  enum Found {
    case route(Route)
    case otherMethods([String])
    case unknownPath
  }

  private let desk: ServiceDesk
  private let routes: [Route]

  init(_ desk: ServiceDesk) {
    self.desk = desk
    routes = allRoutes
  }

  func route(_ request: HTTPServer.Request) -> Found { find(request).found }

  private func find(_ request: HTTPServer.Request) -> (found: Found, captured: [String: String]) {
    let path = request.path.split(separator: "/", omittingEmptySubsequences: false)
    var methods: [String] = []
    for route in routes {
      guard let captured = route.captures(path) else { continue }
      if route.method == request.method { return (.route(route), captured) }
      methods.append(route.method)
    }
    return (methods.isEmpty ? .unknownPath : .otherMethods(methods), [:])
  }

  /// The route's path, for counting, and the answer.
  func answer(_ request: HTTPServer.Request) -> (route: String, reply: HTTPServer.Reply) {
    let (found, captured) = find(request)
    guard case .route(let route) = found else {
      return ("unknown", .sentence(404, "There is no such path; see /docs."))
    }
    guard request.body.count <= desk.options.bodyBytesMax else {
      return (route.path, .sentence(413, "The body is larger than \(desk.options.bodyBytesMax) bytes.", closes: true))
    }
    do {
      return (route.path, try route.run(Route.Call(request: request, captured: captured, desk: desk)))
    } catch let refusal as Refusal {
      return (route.path, refusal.reply)
    } catch let problem as Problem {
      return (route.path, .problem(problem))
    } catch {
      return (route.path, .sentence(500, "\(error)"))
    }
  }
}
