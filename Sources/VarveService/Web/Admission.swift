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
    guard var reply = objection(to: request, route) else { return nil }
    reply.headers.append(("Connection", "close"))
    reply.isSentAtOnce = !hasReadableBody(request)
    return reply
  }

  /// Whether it is plain where the body ends, and that it is no larger than what is taken.
  private func hasReadableBody(_ request: HTTPServer.Request) -> Bool {
    let framing = ["content-length", "transfer-encoding"]
    guard request.repeatedHeaders.isDisjoint(with: framing) else { return false }
    switch (request.headers[framing[0]], request.headers[framing[1]]?.lowercased()) {
    case (nil, nil), (nil, "chunked"): return true
    case (let length?, nil): return Int(length).map { (0...bodyBytesMax).contains($0) } ?? false
    default: return false
    }
  }

  private func objection(to request: HTTPServer.Request, _ route: Router.Found) -> HTTPServer.Reply? {
    let headers = request.headers
    if let name = headers.keys.first(where: { !$0.utf8.allSatisfy(Admission.isOfName) || $0.isEmpty }) {
      return .sentence(400, "\"\(Answer.shown(name))\" is no name of a header.")
    }
    let single = ["host", "content-length", "transfer-encoding", "authorization", "content-type", "origin"]
    if let name = single.first(where: { request.repeatedHeaders.contains($0) }) {
      return .sentence(400, "The header \(name) comes more than once.")
    }
    if headers["content-length"] != nil, headers["transfer-encoding"] != nil {
      return .sentence(400, "Content-Length and Transfer-Encoding exclude each other.")
    }
    if let coding = headers["transfer-encoding"], coding.lowercased() != "chunked" {
      return .sentence(400, "Transfer-Encoding can be chunked only.")
    }
    let number = port.number.load(ordering: .relaxed)
    let names = ["localhost", "127.0.0.1", "[::1]"]
    guard let host = headers["host"]?.lowercased(), names.contains(where: { host == "\($0):\(number)" })
    else {
      return .sentence(421, "The Host must be localhost or 127.0.0.1 with this service's port.")
    }
    if let origin = headers["origin"]?.lowercased(), !names.contains(where: { origin == "http://\($0):\(number)" }) {
      return .sentence(403, "Requests from pages of other origins are refused.")
    }
    let needsToken = if case .route(let route) = route { !route.isOpen } else { true }
    if let token, needsToken {
      let given = headers["authorization"] ?? ""
      guard given.hasPrefix("Bearer "), ServiceToken.isEqual(String(given.dropFirst(7)), token) else {
        var reply = HTTPServer.Reply.sentence(
          401, "A bearer token is needed: send Authorization: Bearer with the content of varve.token.")
        reply.headers.append(("WWW-Authenticate", "Bearer"))
        return reply
      }
    }
    switch route {
    case .unknownPath: return .sentence(404, "There is no such path; see /docs.")
    case .otherMethods(let allowed):
      var reply = HTTPServer.Reply.sentence(
        405, "This path takes \(allowed.joined(separator: ", ")) only.")
      reply.headers.append(("Allow", allowed.joined(separator: ", ")))
      return reply
    case .route: break
    }
    if let length = headers["content-length"] {
      guard let count = Int(length), count >= 0 else {
        return .sentence(400, "Content-Length is no number.")
      }
      if count > bodyBytesMax {
        return .sentence(413, "The body is larger than \(bodyBytesMax) bytes.")
      }
    }
    if request.method == "POST" {
      let type = (headers["content-type"] ?? "").lowercased().split(separator: ";").first ?? ""
      let hasBody =
        headers["content-length"] != "0" && (headers["content-length"] ?? headers["transfer-encoding"]) != nil
      if hasBody || !type.isEmpty, type.filter({ $0 != " " }) != "application/json" {
        return .sentence(415, "A POST takes Content-Type: application/json only.")
      }
    }
    return nil
  }

  /// The characters of a token (RFC 9110, section 5.6.2).
  private static func isOfName(_ byte: UInt8) -> Bool {
    byte > 0x20 && byte < 0x7F && !Array("\"(),/:;<=>?@[\\]{}".utf8).contains(byte)
  }
}
