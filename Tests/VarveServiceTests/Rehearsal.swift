import Foundation
import Glibc
import Synchronization
import Varve
import VarveDelivery
import VarveJSON
import VarveService

/// A service on a warehouse of its own, with a receiver beside it.
final class Rehearsal {
  let path = NSTemporaryDirectory() + "varve-service-\(UUID())"
  var inbox: String { path + "/inbox" }
  let receiver: Receiver
  private(set) var service: Service
  let token: String

  init(bodyBytesMax: Int = 1 << 20, _ change: (inout Service.Options) -> Void = { _ in }) throws {
    try FileManager.default.createDirectory(atPath: path + "/inbox", withIntermediateDirectories: true)
    var receiving = Receiver.Options()
    receiving.port = 0
    receiver = try Receiver(receiving)
    var options = Service.Options()
    options.port = 0
    options.roots = [path + "/inbox"]
    options.bodyBytesMax = bodyBytesMax
    change(&options)
    service = try Service(Warehouse(at: path + "/warehouse"), options)
    token = try String(contentsOfFile: path + "/warehouse/varve.token", encoding: .utf8).trimmingCharacters(
      in: .whitespacesAndNewlines)
  }

  deinit {
    service.stop()
    try? FileManager.default.removeItem(atPath: path)
  }

  var port: Int { service.port }
  var callback: String { "http://127.0.0.1:\(receiver.port)/" }

  func write(_ name: String, _ text: String) throws {
    try text.write(toFile: inbox + "/" + name, atomically: false, encoding: .utf8)
  }

  /// A connection to the service; whoever asks closes it.
  func connected() throws -> Int32 {
    let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(service.port)).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let isConnected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(file, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard isConnected == 0 else { throw POSIXError(.ECONNREFUSED) }
    return file
  }

  static func send(_ text: String, to file: Int32) {
    _ = text.withCString { Glibc.send(file, $0, strlen($0), Int32(MSG_NOSIGNAL)) }
  }

  /// A request as it is written, and the whole answer as it comes.
  func raw(_ text: String) throws -> String {
    let file = try connected()
    defer { close(file) }
    Rehearsal.send(text, to: file)
    return Rehearsal.answer(on: file)
  }

  /// All that comes until the other side closes.
  static func answer(on file: Int32) -> String {
    var answer: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = recv(file, &buffer, buffer.count, 0)
      guard count > 0 else { break }
      answer += buffer.prefix(count)
    }
    return String(decoding: answer, as: UTF8.self)
  }

  struct Answer {
    var status: Int
    var text: String
    var json: JSONValue { (try? JSONValue(parsing: Array(text.utf8))) ?? .null }
    var error: String { json["error"]?.string ?? "" }
  }

  /// One request with the token, on a connection of its own. A header given as nil is left out.
  func ask(
    _ method: String, _ path: String, body: String? = nil, headers changed: [String: String?] = [:]
  ) throws -> Answer {
    var headers: [String: String?] = [
      "Host": "127.0.0.1:\(service.port)", "Authorization": "Bearer \(token)", "Connection": "close",
    ]
    if let body {
      headers["Content-Type"] = "application/json"
      headers["Content-Length"] = "\(body.utf8.count)"
    }
    headers.merge(changed) { $1 }
    var text = "\(method) \(path) HTTP/1.1\r\n"
    for (name, value) in headers { if let value { text += "\(name): \(value)\r\n" } }
    let answer = try raw(text + "\r\n" + (body ?? ""))
    let parts = answer.components(separatedBy: "\r\n\r\n")
    let status = answer.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    return Answer(status: status, text: parts.dropFirst().joined(separator: "\r\n\r\n"))
  }

  func ingest(_ body: JSONValue, headers: [String: String?] = [:]) throws -> Answer {
    try ask("POST", "/api/ingest", body: body.text(), headers: headers)
  }

  func body(_ name: String, type: String = "json", records: Int = 2) -> JSONValue {
    [
      "file_path": .string(name), "file_type": .string(type), "callback_url": .string(callback),
      "chunk_size_by_records": JSONValue(records),
    ]
  }

  /// The ingestion once it is done, failed or dead: the events of it say when.
  func end(of id: String) throws -> JSONValue {
    let events = try ask("GET", "/api/v1/ingestions/\(id)/events")
    precondition(events.status == 200, "an ingestion that was accepted has events")
    return try ask("GET", "/api/v1/ingestions/\(id)").json
  }
}
