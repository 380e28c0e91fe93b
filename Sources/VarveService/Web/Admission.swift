internal import Synchronization
internal import VarveDelivery

/// Who is let in: judged by the headers, before the body is read.
struct Admission: Sendable {
  /// Nil where everybody on this machine may ask.
  let token: String?
  let port: ListeningPort
  let bodyBytesMax: Int

  /// The answer that ends a request here; nil for one that may go on.
  func refusal(of request: HTTPServer.Request, _ route: Router.Found) -> HTTPServer.Reply? {
    let headers = request.headers
    let single = ["host", "content-length", "transfer-encoding", "authorization", "content-type", "origin"]
    if let name = single.first(where: { request.repeatedHeaders.contains($0) }) {
      return .sentence(400, "The header \(name) comes more than once.", closes: true)
    }
    if headers["content-length"] != nil, headers["transfer-encoding"] != nil {
      return .sentence(400, "Content-Length and Transfer-Encoding exclude each other.", closes: true)
    }
    let number = port.number.load(ordering: .relaxed)
    let names = ["localhost", "127.0.0.1", "[::1]"]
    guard let host = headers["host"]?.lowercased(), names.contains(where: { host == "\($0):\(number)" })
    else {
      return .sentence(421, "The Host must be localhost or 127.0.0.1 with this service's port.", closes: true)
    }
    if let origin = headers["origin"]?.lowercased(), !names.contains(where: { origin == "http://\($0):\(number)" }) {
      return .sentence(403, "Requests from pages of other origins are refused.", closes: true)
    }
    let needsToken = if case .route(let route) = route { !route.isOpen } else { true }
    if let token, needsToken {
      let given = headers["authorization"] ?? ""
      guard given.hasPrefix("Bearer "), ServiceToken.isEqual(String(given.dropFirst(7)), token) else {
        var reply = HTTPServer.Reply.sentence(
          401, "A bearer token is needed: send Authorization: Bearer with the content of varve.token.", closes: true)
        reply.headers.append(("WWW-Authenticate", "Bearer"))
        return reply
      }
    }
    switch route {
    case .unknownPath: return .sentence(404, "There is no such path; see /docs.", closes: true)
    case .otherMethods(let allowed):
      var reply = HTTPServer.Reply.sentence(
        405, "This path takes \(allowed.joined(separator: ", ")) only.", closes: true)
      reply.headers.append(("Allow", allowed.joined(separator: ", ")))
      return reply
    case .route: break
    }
    if let length = headers["content-length"] {
      guard let count = Int(length), count >= 0 else {
        return .sentence(400, "Content-Length is no number.", closes: true)
      }
      if count > bodyBytesMax {
        return .sentence(413, "The body is larger than \(bodyBytesMax) bytes.", closes: true)
      }
    }
    if request.method == "POST" {
      let type = (headers["content-type"] ?? "").lowercased().split(separator: ";").first ?? ""
      let hasBody =
        headers["content-length"] != "0" && (headers["content-length"] ?? headers["transfer-encoding"]) != nil
      if hasBody || !type.isEmpty, type.filter({ $0 != " " }) != "application/json" {
        return .sentence(415, "A POST takes Content-Type: application/json only.", closes: true)
      }
    }
    return nil
  }
}
