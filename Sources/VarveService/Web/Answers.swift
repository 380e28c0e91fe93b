internal import VarveDelivery
internal import VarveJSON
internal import VarveTables

extension HTTPServer.Reply {
  /// No page may frame it, guess at its type or keep it.
  private static let guards = [("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")]

  static func json(_ value: JSONValue, status: Int = 200) -> HTTPServer.Reply {
    HTTPServer.Reply(status, value.bytes(), headers: [("Content-Type", "application/json")] + guards)
  }

  static func text(_ text: String, type: String) -> HTTPServer.Reply { bytes(Array(text.utf8), type: type) }

  static func bytes(_ bytes: [UInt8], type: String) -> HTTPServer.Reply {
    HTTPServer.Reply(200, bytes, headers: [("Content-Type", type)] + guards)
  }

  static func streamed(type: String, _ next: @escaping () throws -> [UInt8]?) -> HTTPServer.Reply {
    var reply = HTTPServer.Reply(200, [], headers: [("Content-Type", type)] + guards)
    reply.stream = next
    return reply
  }

  static func problem(_ problem: Problem) -> HTTPServer.Reply {
    let status =
      switch problem.kind {
      case .failed, .usage: 400
      case .refused: 409
      case .damaged: 500
      case .interrupted: 503
      }
    return sentence(status, problem.description)
  }
}

/// An answer that is thrown.
struct Refusal: Error {
  let status: Int
  let sentence: String
  /// What FastAPI says of a body whose field is wrong.
  private var detail: JSONValue?

  init(_ status: Int, _ sentence: String) {
    self.status = status
    self.sentence = sentence
  }

  /// A body whose field is wrong, in the shape of FastAPI beside the sentence.
  static func invalid(_ field: String?, _ sentence: String, type: String) -> Refusal {
    let place: [JSONValue] = ["body"] + (field.map { [.string($0)] } ?? [])
    var refusal = Refusal(422, sentence)
    refusal.detail = [["type": .string(type), "loc": .array(place), "msg": .string(sentence)]]
    return refusal
  }

  var reply: HTTPServer.Reply {
    guard let detail else { return .sentence(status, sentence) }
    return .json(["status": JSONValue(status), "error": .string(sentence), "detail": detail], status: status)
  }
}
