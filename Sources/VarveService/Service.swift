internal import CSystem
internal import Dispatch
internal import Glibc
internal import Synchronization
public import Varve
// Not the lake's class of that name.
public import class Varve.Warehouse
internal import VarveDelivery
internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// The HTTP service on a warehouse: takes requests to ingest a file and to push it on, does them in the background, and
/// answers for tables, ingestions and deliveries. It listens on this machine's loopback address only.
///
/// What it has accepted is in the ledger before it is answered, so a service that was killed goes on where it was.
public final class Service {
  /// Where a service listens, and what it lets callers do.
  public struct Options: Sendable {
    /// 0 takes any that is free.
    public var port = 8000
    /// Directories below which `file_path` may lie.
    public var roots: [String] = []
    /// Beginnings of URLs that callbacks may have. Empty: loopback addresses.
    public var callbacks: [String] = []
    /// Whether a bearer token is asked for.
    public var needsToken = true
    /// Ingestions at once.
    public var workerCount = 4
    /// Bytes of a request's body.
    public var bodyBytesMax = 1 << 20
    /// Seconds from a request's first byte to its last.
    public var requestSecondsMax = 10
    /// Connections at once. Each needs a file handle and a thread.
    public var connectionsMax = 600
    /// Seconds that work under way gets when the service stops.
    public var stopSecondsMax = 10

    /// Everything as it is preset.
    public init() {}
  }

  private let server: HTTPServer
  private let desk: ServiceDesk
  /// Where it listens.
  public var port: Int { server.port }
  /// The file that holds the bearer token; nil where none is asked for.
  public let tokenPath: String?

  /// Listens, and goes on with what was begun, until `stop`.
  public init(_ warehouse: Warehouse, _ options: Options = Options()) throws {
    let lake = try VarveLake.Warehouse.create(warehouse.path)
    let token = options.needsToken ? try ServiceToken.read(lake.storage) : nil
    tokenPath = token == nil ? nil : Layout.join(warehouse.path, Layout.serviceToken)
    let journal = try Journal(directory: Layout.join(warehouse.path, Layout.serviceLogs), warehouse.surroundings.clock)
    let desk = try ServiceDesk(warehouse, lake.storage, options, journal)
    self.desk = desk
    let router = Router(desk)
    let port = ListeningPort()
    let admission = Admission(token: token, port: port, bodyBytesMax: options.bodyBytesMax)
    var limits = HTTPServer.Limits(bodyBytesMax: options.bodyBytesMax)
    limits.idleSecondsMax = 30
    limits.requestSecondsMax = options.requestSecondsMax
    limits.connectionsMax = options.connectionsMax
    limits.pathsAlwaysServed = ["/health"]
    server = try HTTPServer(port: options.port, limits) { request in
      let refusal = admission.refusal(of: request, router.route(request))
      if let refusal { desk.noteAnswer(request, "refused", refusal.status, nanoseconds: 0) }
      return refusal
    } handle: { request in
      let started = varve_monotonic_nanoseconds()
      let (route, reply) = router.answer(request)
      desk.noteAnswer(request, route, reply.status, nanoseconds: varve_monotonic_nanoseconds() - started)
      return reply
    }
    port.number.store(server.port, ordering: .sequentiallyConsistent)
    journal.write(.info, "started", ["port": JSONValue(server.port)])
    try desk.start()
  }

  /// Takes nothing new, lets work under way come to a clean stop, and ends. What is unfinished goes on at the next start.
  public func stop() { desk.stop() }
}

/// The port, which is known only when the server listens.
final class ListeningPort: Sendable {
  let number = Atomic<Int>(0)
}
