import VarveJSON
import VarveTables

/// The kinds of file that can be read as feeds.
public enum FeedFormat: String, Sendable, CaseIterable {
  case xlsx, json, ndjson, csv, tsv, parquet
}

extension FeedFormat {
  /// What a file is, and what of it a person should know.
  package struct Detection: Hashable, Sendable {
    package var format: FeedFormat
    /// Set where the name says something else.
    package var remark: String?

    package init(format: FeedFormat, remark: String? = nil) {
      self.format = format
      self.remark = remark
    }
  }

  /// Looks at the content first, and at the file's extension where the content leaves it open.
  ///
  /// Workbooks, Parquet and JSON show what they are. Other text is CSV, unless the name promises something else and
  /// nothing in it looks like CSV: then the reader that was promised says what is wrong.
  package static func detect(path: String, name: String? = nil) throws -> Detection {
    let input = try ByteInput(path: path, name: name)
    var head: [UInt8] = []
    _ = try input.next { head = Array($0) }
    // A chunk that is the whole file can be judged as a whole.
    let isWhole = try head.count < ByteLimits.chunkBytesMax && !input.next { _ in }
    return try Head(bytes: head, isWhole: isWhole, name: input.name, isCompressed: input.compression != nil).detection()
  }

  /// What the extension promises; compressions are looked through.
  private static func promised(by name: String) -> (format: FeedFormat?, isText: Bool) {
    var parts = name.lowercased().split(separator: ".").map(String.init)
    if let last = parts.last, ["gz", "zst", "zstd", "bz2", "xz"].contains(last) { parts.removeLast() }
    guard parts.count > 1 || name.hasPrefix("."), let last = parts.last else { return (nil, true) }
    switch last {
    case "xlsx", "xlsm": return (.xlsx, false)
    case "json", "geojson": return (.json, false)
    case "ndjson", "jsonl", "jsonlines": return (.ndjson, false)
    case "csv": return (.csv, true)
    case "txt": return (nil, true)
    case "tsv", "tab": return (.tsv, true)
    case "parquet", "pq", "parq": return (.parquet, false)
    default: return (nil, false)
    }
  }

  /// The beginning of a file.
  private struct Head {
    var bytes: [UInt8]
    var isWhole: Bool
    var name: String
    var isCompressed: Bool

    func detection() throws -> Detection {
      let promise = FeedFormat.promised(by: name)
      if bytes.isEmpty {
        if let format = promise.format { return Detection(format: format) }
        throw Problem(.failed, at: [name], "the file is empty")
      }
      if let binary = binaryFormat {
        if isCompressed {
          throw Problem(
            .failed, at: [name], "a \(binary == .xlsx ? "workbook" : "Parquet file") that is compressed as a whole",
            advice: "decompress it: it is compressed inside")
        }
        return noticed(binary, promise.format)
      }
      if let json = jsonFormat(promise.format) { return noticed(json, promise.format) }
      switch promise.format {
      case .csv, .tsv: return Detection(format: promise.format ?? .csv)
      case nil where promise.isText && !isBinary: return Detection(format: .csv)
      case nil:
        if !isBinary, looksLikeCSV { return Detection(format: .csv) }
        throw Problem(
          .failed, at: [name], "neither a workbook nor JSON, CSV or Parquet",
          advice: "name the format with --format if it is one of them")
      case let format?:
        return !isBinary && looksLikeCSV ? noticed(.csv, format) : Detection(format: format)
      }
    }

    private func noticed(_ format: FeedFormat, _ promised: FeedFormat?) -> Detection {
      guard let promised, promised != format else { return Detection(format: format) }
      return Detection(
        format: format, remark: "named as \(promised.rawValue), but read as the \(format.rawValue) that it is")
    }

    /// By its magic bytes; an OLE container is an encrypted or ancient workbook, of which the workbook's reader tells.
    private var binaryFormat: FeedFormat? {
      if bytes.starts(with: Array("PAR1".utf8)) || bytes.starts(with: Array("PARE".utf8)) { return .parquet }
      let archives: [[UInt8]] = [[0x50, 0x4B, 3, 4], [0x50, 0x4B, 5, 6], [0xD0, 0xCF, 0x11, 0xE0]]
      return archives.contains { bytes.starts(with: $0) } ? .xlsx : nil
    }

    /// The text without a byte order mark of UTF-8.
    private var text: ArraySlice<UInt8> { bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...] }

    private var isUTF16: Bool { bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) }

    private var isBinary: Bool { !isUTF16 && bytes.contains(0) }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    /// JSON or NDJSON if it begins as they do.
    private func jsonFormat(_ promised: FeedFormat?) -> FeedFormat? {
      let isPromised = promised == .json || promised == .ndjson
      let start = text.drop(while: Head.isBlank)
      guard let first = start.first else { return nil }
      let second = start.dropFirst().first { !Head.isBlank($0) }
      switch first {
      case UInt8(ascii: "["):
        // `[id],[name]` is a header.
        guard isPromised || second.map({ "{[]\"-0123456789tfn".utf8.contains($0) }) ?? false else { return nil }
        return .json
      case UInt8(ascii: "{"):
        guard isPromised || second == UInt8(ascii: "\"") || second == UInt8(ascii: "}") else { return nil }
        return lineFormat(start, promised)
      default: return nil
      }
    }

    /// One object, or one on each line.
    private func lineFormat(_ start: ArraySlice<UInt8>, _ promised: FeedFormat?) -> FeedFormat {
      let lineEnd = start.firstIndex(of: 0x0A) ?? start.endIndex
      let line = start[..<lineEnd]
      let next = start[lineEnd...].first { !Head.isBlank($0) }
      let isRecord = lineEnd < start.endIndex && (try? JSONValue(parsing: Array(line), duplicateKeys: .lastWins)) != nil
      if isRecord, next != nil { return .ndjson }
      if next == nil { return promised == .ndjson ? .ndjson : .json }
      // The first line is no record: either the object goes on below, or the line is broken.
      guard promised == .ndjson else { return .json }
      let isObject = isWhole && (try? JSONValue(parsing: Array(start), duplicateKeys: .lastWins)) != nil
      let last = line.last { !Head.isBlank($0) }
      return isObject || last == UInt8(ascii: "{") ? .json : .ndjson
    }

    /// Several records of the same number of fields, more than one.
    private var looksLikeCSV: Bool {
      if isUTF16 { return true }
      return text.withUnsafeBufferPointer { text in
        let sample = UnsafeBufferPointer(rebasing: text[..<min(text.count, CSVLimits.sampleBytesMax)])
        return CSVDialectSearch(
          sample, isWhole: isWhole && sample.count == text.count, options: CSVFeedOptions()
        ).isConvincing
      }
    }
  }
}
