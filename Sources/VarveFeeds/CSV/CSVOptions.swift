import VarveTables

/// How a CSV file is written, as far as the user says; what is nil is found out.
package struct CSVFeedOptions: Sendable {
  package enum Header: Hashable, Sendable {
    /// The columns are `column_1`, `column_2`, …
    case none
    /// The first record from that line on, counted from 1 behind the skipped ones; what is above it is passed over.
    case line(Int)
  }

  /// What happens to a record with fewer fields than there are columns. Too many are always an error.
  package enum Ragged: String, Sendable {
    case refuse
    /// The missing ones are absent.
    case pad
  }

  package var delimiter: UInt8?
  package var quote: UInt8?
  /// Takes the meaning from the byte behind it; nil where a quote is doubled instead.
  package var escape: UInt8?
  /// As iconv names it; nil for UTF-8, or UTF-16 with a byte order mark.
  package var encoding: String?
  package var header = Header.line(1)
  /// Lines before the first record.
  package var skip = 0
  package var ragged = Ragged.refuse

  package init(delimiter: UInt8? = nil) { self.delimiter = delimiter }

  package static let tsv = CSVFeedOptions(delimiter: UInt8(ascii: "\t"))

  /// The mark that an option gives: one ASCII character, or `tab`.
  package static func mark(_ text: String, option: String) throws -> UInt8 {
    if text == "tab" || text == "\\t" { return UInt8(ascii: "\t") }
    guard let mark = text.utf8.first, text.utf8.count == 1 else {
      throw Problem(.usage, "\(option) \(text): not one ASCII character", advice: "give one, or the word tab")
    }
    return mark
  }

  /// Lines above the header, or above the first record where there is none.
  var linesAbove: Int { if case .line(let number) = header { skip + max(0, number - 1) } else { skip } }

  /// Refuses marks that could not be told apart.
  func check() throws {
    let marks = [("--delimiter", delimiter), ("--quote", quote), ("--escape", escape)]
    for (name, mark) in marks {
      guard let mark else { continue }
      if mark >= 0x80 || mark == 0x0A || mark == 0x0D || mark == 0 {
        throw Problem(.usage, "\(name) must be one ASCII character, and no line end")
      }
    }
    if let delimiter, delimiter == quote || delimiter == escape {
      throw Problem(.usage, "--delimiter must differ from --quote and --escape")
    }
  }
}

/// Bounds on what one CSV file may demand.
package enum CSVLimits {
  package static let fieldBytesMax = 16 << 20
  package static let recordBytesMax = 64 << 20
  /// What of the start of a file is looked at to find its dialect.
  package static let sampleBytesMax = 256 << 10
}
