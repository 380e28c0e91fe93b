import CSystem
import Glibc
import VarveTables

/// Colour and weight, or nothing at all.
package struct TextStyle: Sendable {
  package enum Look: String, Sendable {
    case heading = "1"
    case faint = "2"
    case good = "32"
    case warning = "33"
    case bad = "31"
  }

  package var isColoured: Bool
  package static let plain = TextStyle(isColoured: false)

  package func paint(_ text: String, _ look: Look) -> String {
    isColoured && !text.isEmpty ? "\u{1B}[\(look.rawValue)m\(text)\u{1B}[0m" : text
  }
}

/// One of the two streams that the command writes to.
package final class Stream {
  private let descriptor: Int32
  private let name: String
  private var pending: [UInt8] = []
  /// Columns of the terminal, or nil where the stream is none.
  package let width: Int?
  package let style: TextStyle

  package init(_ descriptor: Int32, name: String) {
    self.descriptor = descriptor
    self.name = name
    let columns = Int(varve_terminal_columns(descriptor))
    width = columns > 0 ? columns : nil
    let wantsColour = environment("NO_COLOR").isEmpty && environment("TERM") != "dumb"
    style = TextStyle(isColoured: columns > 0 && wantsColour)
  }

  package func write(_ text: String) throws { try write(Array(text.utf8)) }

  package func writeLine(_ text: String) throws { try write(text + "\n") }

  package func write(_ bytes: [UInt8]) throws {
    pending += bytes
    if pending.count >= pendingBytesMax { try flush() }
  }

  package func flush() throws {
    let bytes = pending
    pending = []
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress! + done, bytes.count - done) }
      if count >= 0 {
        done += count
      } else if errno == EPIPE {
        throw ReaderLeft()
      } else if errno != EINTR {
        throw Problem(.failed, at: [name], String(cString: strerror(errno)))
      }
    }
  }
}

/// Whoever read our output has seen enough: no error, and nothing more to do.
package struct ReaderLeft: Error {}

/// The value of an environment variable, empty where it is not set.
package func environment(_ name: String) -> String {
  getenv(name).map { String(cString: $0) } ?? ""
}

private let pendingBytesMax = 1 << 16
