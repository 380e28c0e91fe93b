internal import CHTTP
internal import CMicrohttpd
internal import CSystem
internal import Glibc
internal import VarveTables

/// A small HTTP server on this machine's loopback address, reachable from nowhere else.
package final class HTTPServer {
  package struct Request: Sendable {
    package var method: String
    package var path: String
    /// By names in small letters; the last of a name that comes twice.
    package var headers: [String: String] = [:]
    /// Names of headers that came more than once.
    package var repeatedHeaders: Set<String> = []
    /// What stands behind the `?`, percent-decoded; the last of a name that comes twice.
    package var query: [String: String] = [:]
    package var body: [UInt8] = []
  }

  /// What one client may use.
  package struct Limits: Sendable {
    package var bodyBytesMax: Int
    /// Connections at once, and seconds that one may be idle.
    package var connectionsMax = 64
    package var idleSecondsMax = 60
    package var headerBytesMax = 1 << 15
    /// From a request's first byte to its last.
    package var requestSecondsMax = 600
    /// What is answered also where there are too many connections.
    package var pathsAlwaysServed: Set<String> = []

    package init(bodyBytesMax: Int) { self.bodyBytesMax = bodyBytesMax }
  }

  /// Made and sent by its connection's thread, so what it streams from need not be safe for others.
  package struct Reply {
    package var status = 200
    package var headers: [(String, String)] = []
    package var body: [UInt8] = []
    /// Of a refusal: goes out before the body is read, which breaks the connection off under a client that still sends.
    /// For requests whose body cannot be told from what comes behind it, or is too large to be read.
    package var isSentAtOnce = false
    /// A whole answer that goes out first, so that there are two.
    package var answerBefore: [UInt8] = []
    /// Gives the body piece by piece, in place of `body`; nil ends it, an error breaks the connection off.
    package var stream: (() throws -> [UInt8]?)?

    package init(_ status: Int = 200, _ body: [UInt8], headers: [(String, String)] = []) {
      self.status = status
      self.body = body
      self.headers = headers
    }
  }

  /// More connections than are served: what comes there is told so.
  private static let connectionsSpare = 32
  private static let stackBytes = 2 << 20

  private let server: UnsafeMutableRawPointer
  private let context: Unmanaged<Handling>
  package let port: Int

  /// Answers with what `handle` gives, on one thread per connection; nil closes the connection without an answer.
  /// Port 0 takes any that is free. Larger bodies than `bodyBytesMax` are answered by 413.
  package convenience init(port: Int, bodyBytesMax: Int, handle: @escaping @Sendable (Request) -> Reply?) throws {
    try self.init(port: port, Limits(bodyBytesMax: bodyBytesMax), admit: { _ in nil }, handle: handle)
  }

  /// `admit` sees each request before its body; an answer of its own ends it there.
  package init(
    port: Int, _ limits: Limits, admit: @escaping @Sendable (Request) -> Reply?,
    handle: @escaping @Sendable (Request) -> Reply?
  ) throws {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port)).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let context = Unmanaged.passRetained(Handling(admit, handle, limits))
    var callbacks = varve_http_callbacks(
      handle: { context, connection, path, method, _, body, size, request in
        Handling.of(context).take(connection, path, method, body, size, request)
      },
      complete: { context, connection, request, _ in
        Handling.release(request)
        Handling.of(context).connections.awaitRequest(connection)
      },
      connect: { context, connection, _, what in
        let connections = Handling.of(context).connections
        if what == 0 { connections.open(connection) } else { connections.close(connection) }
      })
    var bounds = varve_http_limits(
      connections_max: UInt32(limits.connectionsMax + HTTPServer.connectionsSpare),
      idle_seconds_max: UInt32(limits.idleSecondsMax), header_bytes_max: limits.headerBytesMax,
      stack_bytes: HTTPServer.stackBytes)
    let server = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        varve_http_start($0, &callbacks, context.toOpaque(), &bounds)
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
  private let admit: @Sendable (HTTPServer.Request) -> HTTPServer.Reply?
  private let handle: @Sendable (HTTPServer.Request) -> HTTPServer.Reply?
  private let limits: HTTPServer.Limits
  let connections: Connections

  /// One request under way; used on its connection's thread only.
  final class Open {
    var request: HTTPServer.Request
    var droppedCount = 0
    /// The answer, whatever the body is.
    var refusal: HTTPServer.Reply?

    init(_ request: HTTPServer.Request) { self.request = request }

    static func of(_ context: UnsafeMutableRawPointer) -> Open {
      Unmanaged<Open>.fromOpaque(context).takeUnretainedValue()
    }
  }

  init(
    _ admit: @escaping @Sendable (HTTPServer.Request) -> HTTPServer.Reply?,
    _ handle: @escaping @Sendable (HTTPServer.Request) -> HTTPServer.Reply?, _ limits: HTTPServer.Limits
  ) {
    self.admit = admit
    self.handle = handle
    self.limits = limits
    connections = Connections(requestSecondsMax: limits.requestSecondsMax)
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
          let open = Open.of(context)
          let key = String(cString: name).lowercased()
          let text = value.map { String(cString: $0) } ?? ""
          if open.request.headers.updateValue(text, forKey: key) != nil { open.request.repeatedHeaders.insert(key) }
          return .YES
        }, Unmanaged.passUnretained(open).toOpaque())
      MHD_get_connection_values(
        OpaquePointer(connection), .GET_ARGUMENT_KIND,
        { context, _, name, value in
          guard let context, let name else { return .YES }
          Open.of(context).request.query[String(cString: name)] = value.map { String(cString: $0) } ?? ""
          return .YES
        }, Unmanaged.passUnretained(open).toOpaque())
      slot.pointee = Unmanaged.passRetained(open).toOpaque()
      var refusal = admit(open.request)
      let isOverloaded = connections.count > limits.connectionsMax
      if isOverloaded, !limits.pathsAlwaysServed.contains(open.request.path) { refusal = .overloaded }
      guard let refusal else { return 1 }
      guard refusal.isSentAtOnce else {
        open.refusal = refusal
        return 1
      }
      connections.answer(connection)
      return send(refusal, OpaquePointer(connection))
    }
    let open = Open.of(known)
    if size.pointee > 0 {
      if open.refusal == nil, open.request.body.count + size.pointee > limits.bodyBytesMax {
        open.refusal = .sentence(413, "The body is larger than \(limits.bodyBytesMax) bytes.", closes: true)
      }
      if open.refusal != nil {
        // What comes behind is read and dropped, a bounded while, so that the answer can be read.
        open.droppedCount += size.pointee
        if open.droppedCount > limits.bodyBytesMax + (1 << 20) { return 0 }
      } else {
        open.request.body += UnsafeRawBufferPointer(start: body, count: size.pointee)
      }
      size.pointee = 0
      return 1
    }
    connections.answer(connection)
    let reply = open.refusal ?? handle(open.request)
    guard let reply else { return 0 }
    return send(reply, OpaquePointer(connection))
  }

  private func send(_ reply: HTTPServer.Reply, _ connection: OpaquePointer) -> Int32 {
    if !reply.answerBefore.isEmpty,
      varve_http_write_raw(
        varve_http_socket(UnsafeMutableRawPointer(connection)), reply.answerBefore, reply.answerBefore.count) != 0
    {
      return 0
    }
    if let stream = reply.stream { return send(reply, stream, connection) }
    let made = reply.body.withUnsafeBytes { body in
      MHD_create_response_from_buffer(
        body.count, UnsafeMutableRawPointer(mutating: body.baseAddress), .RESPMEM_MUST_COPY)
    }
    guard let response = made else { return 0 }
    defer { MHD_destroy_response(response) }
    for (name, value) in reply.headers { _ = MHD_add_response_header(response, name, value) }
    return MHD_queue_response(connection, UInt32(reply.status), response) == .YES ? 1 : 0
  }

  private func send(
    _ reply: HTTPServer.Reply, _ stream: @escaping () throws -> [UInt8]?, _ connection: OpaquePointer
  ) -> Int32 {
    let pieces = Unmanaged.passRetained(Pieces(stream))
    let made = MHD_create_response_from_callback(
      UInt64.max, 1 << 16,
      { context, _, buffer, count in
        guard let context, let buffer else { return -2 }
        return Unmanaged<Pieces>.fromOpaque(context).takeUnretainedValue().read(into: buffer, count)
      }, pieces.toOpaque(),
      { context in if let context { Unmanaged<Pieces>.fromOpaque(context).release() } })
    guard let response = made else {
      pieces.release()
      return 0
    }
    defer { MHD_destroy_response(response) }
    for (name, value) in reply.headers { _ = MHD_add_response_header(response, name, value) }
    return MHD_queue_response(connection, UInt32(reply.status), response) == .YES ? 1 : 0
  }
}

/// What is left of a streamed body; used on its connection's thread only.
private final class Pieces {
  private let next: () throws -> [UInt8]?
  private var piece: ArraySlice<UInt8> = []

  /// MHD_CONTENT_READER_END_OF_STREAM and MHD_CONTENT_READER_END_WITH_ERROR, which are casts in C.
  private static let end = -1
  private static let broken = -2

  init(_ next: @escaping () throws -> [UInt8]?) { self.next = next }

  func read(into buffer: UnsafeMutablePointer<CChar>, _ count: Int) -> Int {
    while piece.isEmpty {
      do {
        guard let fresh = try next() else { return Pieces.end }
        piece = fresh[...]
      } catch {
        return Pieces.broken
      }
    }
    let taken = piece.prefix(count)
    taken.withUnsafeBytes { UnsafeMutableRawPointer(buffer).copyMemory(from: $0.baseAddress!, byteCount: taken.count) }
    piece = piece.dropFirst(taken.count)
    return taken.count
  }
}
