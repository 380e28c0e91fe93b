internal import CHTTP
internal import CSystem
@preconcurrency internal import Dispatch
internal import Glibc
internal import Synchronization
internal import VarveJSON

/// The open connections of a server, and since when each sends its request. One that does not come to the end of it in
/// time, however steadily it drips, is answered with 408 and let go of.
final class Connections: Sendable {
  private struct Connection {
    var socket: Int32
    /// Bytes that had come in when the last request was over; nil while one is answered.
    var bytesBefore: Int64?
    /// When the first byte of this request was seen, in nanoseconds.
    var began: Int64?
  }

  private static let looksPerSecond = 4

  private let requestSecondsMax: Int
  private let connections = Mutex<[Int: Connection]>([:])
  private let timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "varve.connections"))

  init(requestSecondsMax: Int) {
    self.requestSecondsMax = requestSecondsMax
    let pause = DispatchTimeInterval.milliseconds(1000 / Connections.looksPerSecond)
    timer.schedule(deadline: .now() + pause, repeating: pause)
    timer.setEventHandler { [weak self] in self?.dismissSlow() }
    timer.activate()
  }

  deinit { timer.cancel() }

  var count: Int { connections.withLock { $0.count } }

  func open(_ connection: UnsafeMutableRawPointer?) {
    guard let connection else { return }
    let new = Connection(socket: varve_http_socket(connection), bytesBefore: 0)
    connections.withLock { $0[Int(bitPattern: connection)] = new }
  }

  /// A request came to its end and is answered now.
  func answer(_ connection: UnsafeMutableRawPointer) {
    connections.withLock { $0[Int(bitPattern: connection)]?.bytesBefore = nil }
  }

  /// A request is over; there may come another.
  func awaitRequest(_ connection: UnsafeMutableRawPointer?) {
    guard let connection else { return }
    connections.withLock { connections in
      guard let known = connections[Int(bitPattern: connection)] else { return }
      connections[Int(bitPattern: connection)] = Connection(
        socket: known.socket, bytesBefore: varve_http_bytes_received(known.socket))
    }
  }

  /// Called before the socket is closed, so that none is written to behind that.
  func close(_ connection: UnsafeMutableRawPointer?) {
    guard let connection else { return }
    connections.withLock { _ = $0.removeValue(forKey: Int(bitPattern: connection)) }
  }

  private func dismissSlow() {
    let now = varve_monotonic_nanoseconds()
    connections.withLock { connections in
      for (key, connection) in connections {
        guard let before = connection.bytesBefore, varve_http_bytes_received(connection.socket) > before else {
          continue
        }
        guard let began = connection.began else {
          connections[key]?.began = now
          continue
        }
        guard now - began > Int64(requestSecondsMax) * 1_000_000_000 else { continue }
        let answer = HTTPServer.Reply.sentence(
          408, "The request did not arrive within \(requestSecondsMax) seconds.", closes: true
        ).bytes(reason: "Request Timeout")
        _ = varve_http_write_raw(connection.socket, answer, answer.count)
        shutdown(connection.socket, Int32(SHUT_RDWR))
        connections[key]?.bytesBefore = nil
      }
    }
  }
}

extension HTTPServer.Reply {
  static var overloaded: HTTPServer.Reply {
    .sentence(503, "Too many connections are open; try again later.", closes: true)
  }

  /// `{"status": …, "error": …}`, as the services that stand beside Pimcore write it.
  package static func sentence(_ status: Int, _ sentence: String, closes: Bool = false) -> HTTPServer.Reply {
    let body: JSONValue = ["status": JSONValue(status), "error": .string(sentence)]
    var reply = HTTPServer.Reply(
      status, body.bytes(), headers: [("Content-Type", "application/json"), ("Cache-Control", "no-store")])
    if closes { reply.headers.append(("Connection", "close")) }
    return reply
  }

  /// The answer as it goes over the wire.
  fileprivate func bytes(reason: String) -> [UInt8] {
    var text = "HTTP/1.1 \(status) \(reason)\r\nContent-Length: \(body.count)\r\n"
    for (name, value) in headers { text += "\(name): \(value)\r\n" }
    return Array((text + "\r\n").utf8) + body
  }
}
