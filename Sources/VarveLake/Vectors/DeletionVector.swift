package import VarveJSON
internal import VarveTables

/// Which rows of a live file are struck out: what the log says about it (Delta protocol, "Deletion Vector Descriptor
/// Schema").
package struct DeletionVector: Hashable, Sendable {
  package enum Kind: String, Sendable {
    /// In the log itself, as Z85 text.
    case inline = "i"
    /// In a file of the table, whose name is a UUID in Z85 behind the directory that it lies in.
    case relative = "u"
    /// In a file anywhere, by its address.
    case absolute = "p"
  }

  package var storage: Kind
  /// `pathOrInlineDv`.
  package var text: String
  /// Of its length in the file.
  package var offset: Int?
  /// Of the bitmap with its magic number, before Z85.
  package var byteCount: Int
  /// How many rows are struck.
  package var rowCount: Int

  /// What it is known by (Delta protocol, "Derived Fields"): equal ids strike out the same rows of a file.
  package var id: String { storage.rawValue + text + (offset.map { "@\($0)" } ?? "") }

  package init(storage: Kind, text: String, offset: Int? = nil, byteCount: Int, rowCount: Int) {
    self.storage = storage
    self.text = text
    self.offset = offset
    self.byteCount = byteCount
    self.rowCount = rowCount
  }

  /// A vector that lies in the log.
  init(inline rows: RowSet) {
    let bytes = RowBitmap.bytes(rows)
    self.init(storage: .inline, text: Z85.text(bytes), byteCount: bytes.count, rowCount: rows.count)
  }

  /// Its parts as the log and checkpoints have them; nil where there is none.
  init?(storage: String?, text: String?, offset: Int64?, byteCount: Int64?, rowCount: Int64?, place: [String]) throws {
    guard let storage else { return nil }
    guard let kind = Kind(rawValue: storage), let text, let byteCount = byteCount.flatMap({ Int(exactly: $0) }),
      let rowCount = rowCount.flatMap({ Int(exactly: $0) }), byteCount >= 0, rowCount >= 0, offset ?? 0 >= 0
    else { throw Problem(.damaged, at: place, "a deletion vector lacks a part, or is stored in an unknown way") }
    self.init(storage: kind, text: text, offset: offset.map { Int($0) }, byteCount: byteCount, rowCount: rowCount)
  }

  init?(json: JSONValue?, place: [String]) throws {
    guard let json, json.object != nil else { return nil }
    try self.init(
      storage: json["storageType"]?.string ?? "", text: json["pathOrInlineDv"]?.string,
      offset: json["offset"]?.int64, byteCount: json["sizeInBytes"]?.int64, rowCount: json["cardinality"]?.int64,
      place: place)
  }

  package var json: JSONValue {
    var object: JSONObject = ["storageType": .string(storage.rawValue), "pathOrInlineDv": .string(text)]
    if let offset { object["offset"] = JSONValue(offset) }
    object["sizeInBytes"] = JSONValue(byteCount)
    object["cardinality"] = JSONValue(rowCount)
    return .object(object)
  }

  // MARK: Files

  /// UUIDs have 16 bytes, and so 20 characters.
  private static let nameLength = 20

  /// Where the file of a relative one lies, below the table's root; nil where it is none, or its text makes no path.
  package var relativePath: String? {
    guard storage == .relative, text.utf8.count >= DeletionVector.nameLength,
      let uuid = Z85.bytes(String(text.suffix(DeletionVector.nameLength))), uuid.count == 16
    else { return nil }
    let digits = Array(hexadecimal(uuid))
    let groups = [digits[0..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20...]]
    let name = "deletion_vector_\(groups.map { String($0) }.joined(separator: "-")).bin"
    return Layout.join(String(text.dropLast(DeletionVector.nameLength)), name)
  }
}
