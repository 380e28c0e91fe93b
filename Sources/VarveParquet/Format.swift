// The names of parquet.thrift, as far as they are read or written here. Values that are not listed survive as raw
// numbers until something needs them.

enum PhysicalType: Int32, Sendable {
  case boolean = 0
  case int32 = 1
  case int64 = 2
  case int96 = 3
  case float = 4
  case double = 5
  case byteArray = 6
  case fixedLengthByteArray = 7
}

struct Encoding: RawRepresentable, Hashable, Sendable {
  var rawValue: Int32

  static let plain = Encoding(rawValue: 0)
  static let plainDictionary = Encoding(rawValue: 2)
  static let rle = Encoding(rawValue: 3)
  static let bitPacked = Encoding(rawValue: 4)
  static let deltaBinaryPacked = Encoding(rawValue: 5)
  static let deltaLengthByteArray = Encoding(rawValue: 6)
  static let deltaByteArray = Encoding(rawValue: 7)
  static let rleDictionary = Encoding(rawValue: 8)
  static let byteStreamSplit = Encoding(rawValue: 9)
}

struct Codec: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  var rawValue: Int32

  static let uncompressed = Codec(rawValue: 0)
  static let snappy = Codec(rawValue: 1)
  static let gzip = Codec(rawValue: 2)
  static let zstd = Codec(rawValue: 6)

  var description: String {
    let names = ["uncompressed", "snappy", "gzip", "lzo", "brotli", "lz4", "zstd", "lz4_raw"]
    return names.indices.contains(Int(rawValue)) ? names[Int(rawValue)] : "codec \(rawValue)"
  }
}

enum PageType {
  static let data: Int32 = 0
  static let index: Int32 = 1
  static let dictionary: Int32 = 2
  static let dataV2: Int32 = 3
}

enum ConvertedType {
  static let utf8: Int32 = 0
  static let map: Int32 = 1
  static let mapKeyValue: Int32 = 2
  static let list: Int32 = 3
  static let `enum`: Int32 = 4
  static let decimal: Int32 = 5
  static let date: Int32 = 6
  static let timeMillis: Int32 = 7
  static let timeMicros: Int32 = 8
  static let timestampMillis: Int32 = 9
  static let timestampMicros: Int32 = 10
  static let uint8: Int32 = 11
  static let uint16: Int32 = 12
  static let uint32: Int32 = 13
  static let uint64: Int32 = 14
  static let int8: Int32 = 15
  static let int64: Int32 = 18
  static let json: Int32 = 19
  static let bson: Int32 = 20
  static let interval: Int32 = 21
}

enum TimeUnit: Hashable, Sendable { case millis, micros, nanos }

/// What a leaf's or group's values mean (parquet.thrift, LogicalType; LogicalTypes.md).
enum LogicalType: Hashable, Sendable {
  case string
  case map
  case list
  case `enum`
  case decimal(precision: Int, scale: Int)
  case date
  case time(TimeUnit)
  case timestamp(TimeUnit, isAdjustedToUTC: Bool)
  case integer(bitWidth: Int, isSigned: Bool)
  case unknown
  case json
  case bson
  case uuid
  case float16
  /// One that is newer than this reader.
  case other(field: Int)
}

/// What is wrong with bytes being decoded; it becomes a `Problem` where the file's and the column's name are known.
struct Damage: Error {
  var what: String
  /// In the file, where known.
  var offset: Int?

  init(_ what: String, at offset: Int? = nil) {
    self.what = what
    self.offset = offset
  }
}
