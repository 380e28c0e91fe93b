internal import VarveTables

/// Names of partition directories: `market=DE`, as Hive and Spark spell them.
///
/// Swift compares texts by what they look like, so `é` in one and in two code points are equal to it. A partition is
/// therefore known by its encoded directory, which is plain ASCII, and never by its value's text.
package enum PartitionDirectory {
  /// What stands for null (Hive's name for it; fixed by every reader).
  package static let null = "__HIVE_DEFAULT_PARTITION__"
  /// The longest name a file system takes.
  package static let nameBytesMax = 255

  /// `market=DE/year=2024`; empty for an unpartitioned table.
  ///
  /// Refuses an empty value, which the Delta protocol cannot tell from null, and a name of more than 255 bytes.
  /// The caller adds the row to the problem's place.
  package static func path(columns: [String], values: [String?]) throws -> String {
    precondition(columns.count == values.count, "a partition has one value per partition column")
    var path = ""
    for (column, value) in zip(columns, values) {
      guard value != "" else {
        throw Problem(
          .failed, at: ["partition column \"\(column)\""], "an empty text cannot be a partition value",
          advice: "declare it as null or partition by another column")
      }
      let name = escape(column) + "=" + (value.map(escapeValue) ?? null)
      guard name.utf8.count <= nameBytesMax else {
        throw Problem(
          .failed, at: ["partition column \"\(column)\""],
          "the directory of this value would have \(name.utf8.count) bytes, and \(nameBytesMax) is the limit",
          advice: "partition by a column with shorter values")
      }
      path = Layout.join(path, name)
    }
    return path
  }

  /// A value that reads like the mark for null has its first character escaped, so that the two differ.
  private static func escapeValue(_ value: String) -> String {
    value.utf8.elementsEqual(null.utf8) ? "%5F" + value.dropFirst() : escape(value)
  }

  /// `%XX` for control characters and `" # % ' * / : = ? \ { [ ] ^` (Spark, ExternalCatalogUtils); the rest as it is.
  private static func escape(_ text: String) -> String {
    var bytes: [UInt8] = []
    for byte in text.utf8 {
      if byte < 0x20 || byte == 0x7F || escaped.contains(byte) {
        bytes.append(percent: byte)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static let escaped = Set("\"#%'*/:=?\\{[]^".utf8)
}

/// Paths as the Delta log spells them: a relative URI reference (Delta protocol, "Add File").
package enum LogPath {
  /// Every byte outside `A–Z a–z 0–9 - . _ ~ / =` becomes `%XX`.
  package static func encode(_ path: String) -> String {
    var bytes: [UInt8] = []
    for byte in path.utf8 {
      switch byte {
      case 0x41...0x5A, 0x61...0x7A, 0x30...0x39: bytes.append(byte)
      case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "/"),
        UInt8(ascii: "="):
        bytes.append(byte)
      default: bytes.append(percent: byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The path on disk, or nil where it is none below the table: absolute, with a scheme, `..`, NUL or a broken escape.
  package static func decode(_ encoded: String) -> String? {
    var bytes: [UInt8] = []
    var rest = encoded.utf8.makeIterator()
    while let byte = rest.next() {
      if byte == UInt8(ascii: "%") {
        guard let high = rest.next().flatMap(hexValue), let low = rest.next().flatMap(hexValue) else { return nil }
        bytes.append(high << 4 | low)
      } else if byte == UInt8(ascii: ":") {
        return nil
      } else {
        bytes.append(byte)
      }
    }
    guard let path = String(validating: bytes, as: UTF8.self), isSafe(path) else { return nil }
    return path
  }

  /// Whether the path, as on disk, leads to something below the directory that it starts from.
  package static func isSafe(_ path: String) -> Bool {
    !path.isEmpty && !path.utf8.contains(0)
      && path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).allSatisfy {
        !$0.isEmpty && !$0.elementsEqual(".".utf8) && !$0.elementsEqual("..".utf8)
      }
  }

  private static func hexValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    case 0x61...0x66: byte - 0x61 + 10
    default: nil
    }
  }
}

extension [UInt8] {
  fileprivate mutating func append(percent byte: UInt8) {
    append(UInt8(ascii: "%"))
    append(hexDigits[Int(byte >> 4)])
    append(hexDigits[Int(byte & 15)])
  }
}

private let hexDigits = Array("0123456789ABCDEF".utf8)
