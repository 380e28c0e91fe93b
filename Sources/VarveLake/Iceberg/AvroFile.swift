/// Values as Avro encodes them (Avro specification, "Binary Encoding").
struct AvroRow {
  private(set) var bytes: [UInt8] = []

  /// An int or a long: zigzag, seven bits a byte.
  mutating func number(_ value: Int64) {
    var rest = UInt64(bitPattern: value << 1 ^ value >> 63)
    while rest > 0x7F {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  mutating func boolean(_ value: Bool) { bytes.append(value ? 1 : 0) }

  mutating func double(_ value: Double) {
    withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func text(_ value: String) { binary(Array(value.utf8)) }

  mutating func binary(_ value: [UInt8]) {
    number(Int64(value.count))
    bytes += value
  }

  mutating func fixed(_ value: [UInt8]) { bytes += value }

  /// Which of `["null", type]` follows.
  mutating func isPresent(_ isPresent: Bool) { number(isPresent ? 1 : 0) }
}

/// An object container file, uncompressed, of one block (Avro specification, "Object Container Files").
///
/// The mark between blocks is taken from the contents, so that equal rows give equal bytes.
func avroFile(schema: String, metadata: [(key: String, value: String)], rows: [AvroRow]) -> [UInt8] {
  var head = AvroRow()
  head.fixed(Array("Obj".utf8) + [1])
  let metadata = [(key: "avro.schema", value: schema), (key: "avro.codec", value: "null")] + metadata
  head.number(Int64(metadata.count))
  for (key, value) in metadata {
    head.text(key)
    head.text(value)
  }
  head.number(0)
  let block = rows.flatMap(\.bytes)
  let mark = Array(Digest.sha256(head.bytes + block).utf8.prefix(16))
  var file = head
  file.fixed(mark)
  if !rows.isEmpty {
    file.number(Int64(rows.count))
    file.number(Int64(block.count))
    file.fixed(block)
    file.fixed(mark)
  }
  return file.bytes
}
