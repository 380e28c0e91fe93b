import Foundation
import VarveTables

/// A server that acknowledges its first request, without saying what it acknowledges, and acknowledges it once more when
/// the second request comes. The second one itself gets a 503.
final class LateAnswer: Sendable {
  let port: Int
  private let listener: Int32

  private static let unavailable = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"

  /// What it acknowledges with.
  init(_ body: String) throws {
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isListening = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, length) == 0 && listen(listener, 4) == 0 && getsockname(listener, $0, &length) == 0
      }
    }
    guard isListening else { throw Problem(.failed, "the test's server cannot listen") }
    self.listener = listener
    port = Int(UInt16(bigEndian: address.sin_port))
    let acknowledgement = "HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    Thread.detachNewThread { LateAnswer.serve(listener, acknowledgement) }
  }

  private static func serve(_ listener: Int32, _ acknowledgement: String) {
    let first = accept(listener, nil, nil)
    take(first)
    answer(first, acknowledgement)
    var waiting = [
      pollfd(fd: first, events: Int16(POLLIN), revents: 0), pollfd(fd: listener, events: Int16(POLLIN), revents: 0),
    ]
    poll(&waiting, 2, 20_000)
    let isReused = waiting[0].revents & Int16(POLLIN) != 0 && waiting[1].revents == 0
    let second = isReused ? first : accept(listener, nil, nil)
    take(second)
    answer(first, acknowledgement)
    answer(second, unavailable)
    close(first)
    if !isReused { close(second) }
    close(listener)
  }

  /// Reads a request, whose body ends with a brace.
  private static func take(_ connection: Int32) {
    var request: [UInt8] = []
    while request.last != UInt8(ascii: "}") {
      var bytes = [UInt8](repeating: 0, count: 4096)
      let count = read(connection, &bytes, bytes.count)
      guard count > 0 else { return }
      request += bytes.prefix(count)
    }
  }

  private static func answer(_ connection: Int32, _ text: String) {
    _ = send(connection, text, text.utf8.count, Int32(MSG_NOSIGNAL))
  }
}
