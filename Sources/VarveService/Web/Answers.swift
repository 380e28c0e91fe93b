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

  static func streamed(type: String, _ next: @escaping @Sendable () throws -> [UInt8]?) -> HTTPServer.Reply {
    var reply = HTTPServer.Reply(200, [], headers: [("Content-Type", type)] + guards)
    reply.stream = next
    return reply
  }

  /// A body whose field is wrong, in the shape of FastAPI beside the sentence.
  static func invalid(_ field: String?, _ sentence: String, type: String) -> HTTPServer.Reply {
    let place: [JSONValue] = ["body"] + (field.map { [.string($0)] } ?? [])
    let detail: JSONValue = [["type": .string(type), "loc": .array(place), "msg": .string(sentence)]]
    return json(["status": 422, "error": .string(sentence), "detail": detail], status: 422)
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
  var reply: HTTPServer.Reply

  init(_ status: Int, _ sentence: String) { reply = .sentence(status, sentence) }
  init(_ reply: HTTPServer.Reply) { self.reply = reply }
}

extension Refusal {
  /// The error of its answer.
  var sentence: String { (try? JSONValue(parsing: reply.body))?["error"]?.string ?? "refused" }
}
