import CSystem
import Glibc
import Varve
import VarveJSON
import VarveService

extension Session {
  /// Listens until it is interrupted.
  func serve(_ call: Invocation, _ warehouse: Warehouse) throws {
    var options = Service.Options()
    options.port = call.integer("port") ?? options.port
    options.roots = call.list("allow-root")
    options.callbacks = call.list("allow-callback")
    options.needsToken = !call.has("no-auth")
    // Half of the files at most for connections, the rest for the warehouse.
    options.connectionsMax = min(options.connectionsMax, Int(varve_allow_many_files()) / 2)
    let service = try Service(warehouse, options)
    let address = "http://127.0.0.1:\(service.port)/"
    if call.has("json") {
      let line: JSONValue = ["event": "listening", "url": .init(address), "token_file": text(service.tokenPath)]
      try output.writeLine(line.text())
    } else {
      try output.writeLine("listening on \(address), see \(address)docs")
      if let path = service.tokenPath { try output.writeLine("the token is in \(printable(path))") }
    }
    try output.flush()
    while !Interruption.isRequested { usleep(50_000) }
    service.stop()
  }
}
