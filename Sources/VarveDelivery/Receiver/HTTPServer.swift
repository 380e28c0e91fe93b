internal import CHTTP
internal import CMicrohttpd
internal import Glibc
internal import VarveTables

/// A small HTTP server on this machine's loopback address: for rehearsals, and reachable from nowhere else.
package final class HTTPServer {
  package struct Request: Sendable {
    package var method: String
    package var path: String
    /// By names in small letters; the last of a name that comes twice.
    package var headers: [String: String] = [:]
    package var body: [UInt8] = []
  }

  package struct Reply: Sendable {
    package var status = 200
    package var headers: [(String, String)] = []
    package var body: [UInt8] = []
    /// A whole answer that goes out first, so that there are two.
    package var answerBefore: [UInt8] = []

    package init(_ status: Int = 200, _ body: [UInt8], headers: [(String, String)] = []) {
      self.status = status
      self.body = body
      self.headers = headers
    }
  }

  /// Connections at once, and seconds that one may be idle.
  private static let connectionsMax: UInt32 = 64
  private static let idleSecondsMax: UInt32 = 60
  private static let headerBytesMax = 1 << 15

  private let server: UnsafeMutableRawPointer
  private let context: Unmanaged<Handling>
  package let port: Int

  /// Answers with what `handle` gives, on one thread per connection; nil closes the connection without an answer.
  /// Port 0 takes any that is free. Larger bodies than `bodyBytesMax` are answered by 413.
  package init(port: Int, bodyBytesMax: Int, handle: @escaping @Sendable (Request) -> Reply?) throws {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port)).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let context = Unmanaged.passRetained(Handling(handle, bodyBytesMax))
    let server = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        varve_http_start(
          $0,
          { context, connection, path, method, _, body, size, request in
            Handling.of(context).take(connection, path, method, body, size, request)
          },
          { _, _, request, _ in Handling.release(request) },
          context.toOpaque(), HTTPServer.connectionsMax, HTTPServer.idleSecondsMax, HTTPServer.headerBytesMax)
      }
    }
    guard let server else {
      let reason = String(cString: strerror(errno))
      context.release()
      throw Problem(
        .failed, at: ["127.0.0.1:\(port)"], "cannot listen: \(reason)", advice: "choose another port with --port")
    }
    self.context = context
    self.server = server
    self.port = Int(varve_http_port(server))
  }

  deinit {
    varve_http_stop(server)
    context.release()
  }
}

/// What the server's threads share.
private final class Handling: Sendable {
  private let handle: @Sendable (HTTPServer.Request) -> HTTPServer.Reply?
  private let bodyBytesMax: Int

  /// One request under way; used on its connection's thread only.
  final class Open {
    var request: HTTPServer.Request
    var isTooLarge = false

    init(_ request: HTTPServer.Request) { self.request = request }
  }

  init(_ handle: @escaping @Sendable (HTTPServer.Request) -> HTTPServer.Reply?, _ bodyBytesMax: Int) {
    self.handle = handle
    self.bodyBytesMax = bodyBytesMax
  }

  static func of(_ context: UnsafeMutableRawPointer?) -> Handling {
    guard let context else { preconditionFailure("every callback was given its context") }
    return Unmanaged<Handling>.fromOpaque(context).takeUnretainedValue()
  }

  static func release(_ slot: UnsafeMutablePointer<UnsafeMutableRawPointer?>?) {
    guard let slot, let open = slot.pointee else { return }
    Unmanaged<Open>.fromOpaque(open).release()
    slot.pointee = nil
  }

  /// Called once when the headers are there, once for each piece of the body, and once more behind it.
  func take(
    _ connection: UnsafeMutableRawPointer?, _ path: UnsafePointer<CChar>?, _ method: UnsafePointer<CChar>?,
    _ body: UnsafePointer<CChar>?, _ size: UnsafeMutablePointer<Int>?,
    _ slot: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
  ) -> Int32 {
    guard let slot, let size, let connection, let path, let method else { return 0 }
    guard let known = slot.pointee else {
      let open = Open(HTTPServer.Request(method: String(cString: method), path: String(cString: path)))
      MHD_get_connection_values(
        OpaquePointer(connection), .HEADER_KIND,
        { context, _, name, value in
          guard let context, let name else { return .YES }
          let open = Unmanaged<Open>.fromOpaque(context).takeUnretainedValue()
          open.request.headers[String(cString: name).lowercased()] = value.map { String(cString: $0) } ?? ""
          return .YES
        }, Unmanaged.passUnretained(open).toOpaque())
      slot.pointee = Unmanaged.passRetained(open).toOpaque()
      return 1
    }
    let open = Unmanaged<Open>.fromOpaque(known).takeUnretainedValue()
    if size.pointee > 0 {
      if open.request.body.count + size.pointee > bodyBytesMax {
        open.isTooLarge = true
      } else {
        open.request.body += UnsafeRawBufferPointer(start: body, count: size.pointee)
      }
      size.pointee = 0
      return 1
    }
    let reply =
      open.isTooLarge ? HTTPServer.Reply(413, Array("the body is too large\n".utf8)) : handle(open.request)
    guard let reply else { return 0 }
    return send(reply, OpaquePointer(connection))
  }

  private func send(_ reply: HTTPServer.Reply, _ connection: OpaquePointer) -> Int32 {
    if !reply.answerBefore.isEmpty,
      varve_http_write_raw(UnsafeMutableRawPointer(connection), reply.answerBefore, reply.answerBefore.count) != 0
    {
      return 0
    }
    let made = reply.body.withUnsafeBytes { body in
      MHD_create_response_from_buffer(
        body.count, UnsafeMutableRawPointer(mutating: body.baseAddress), .RESPMEM_MUST_COPY)
    }
    guard let response = made else { return 0 }
    defer { MHD_destroy_response(response) }
    for (name, value) in reply.headers { _ = MHD_add_response_header(response, name, value) }
    return MHD_queue_response(connection, UInt32(reply.status), response) == .YES ? 1 : 0
  }
}
