internal import Glibc
package import VarveJSON
package import VarveTables

/// Where a secret is kept. The secret itself is read when it is needed, and stands in no setting, message or ledger.
package enum Secret: Hashable, Sendable {
  case environment(String)
  case file(String)

  private static let bytesMax = 4096

  /// `{"env": "NAME"}` or `{"file": "PATH"}`.
  package init(_ json: JSONValue, place: [String]) throws(Problem) {
    switch (json.object?.count, json["env"]?.string, json["file"]?.string) {
    case (1, let name?, nil): self = .environment(name)
    case (1, nil, let path?): self = .file(path)
    default:
      throw Problem(
        .usage, at: place, "a secret itself does not belong here",
        advice: #"name where it is kept: {"env": "NAME"} or {"file": "PATH"}"#)
    }
  }

  /// The secret, without white space around it. It must be one line, since it becomes part of a header.
  package func read(place: [String]) throws -> String {
    let bytes: [UInt8]
    switch self {
    case .environment(let name):
      guard let value = getenv(name) else {
        throw Problem(.failed, at: place, "the environment variable \(name) is not set")
      }
      bytes = Array(String(cString: value).utf8)
    case .file(let path):
      bytes = try Secret.bytes(of: path, place)
    }
    let isBlank: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
    let trimmed = bytes.drop(while: isBlank).reversed().drop(while: isBlank).reversed()
    guard !trimmed.isEmpty, trimmed.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else {
      throw Problem(.failed, at: place + [source], "holds no secret: one line of printable ASCII is expected")
    }
    return String(decoding: trimmed, as: UTF8.self)
  }

  private var source: String {
    switch self {
    case .environment(let name): "environment variable \(name)"
    case .file(let path): path
    }
  }

  private static func bytes(of path: String, _ place: [String]) throws -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else {
      throw Problem(.failed, at: place + [path], "the secret cannot be read: \(String(cString: strerror(errno)))")
    }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: bytesMax)
    let count = Glibc.read(file, &bytes, bytes.count)
    guard count >= 0, count < bytesMax else {
      throw Problem(.failed, at: place + [path], "holds no secret: it cannot be read, or is too long")
    }
    return Array(bytes.prefix(count))
  }
}
