internal import VarveFeeds
internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// Rows that an ingestion laid aside, from the file that its version names.
struct QuarantinedRows: Sendable {
  /// The version that laid them aside, and what it says of itself.
  var version: Int64
  var bookkeeping: Bookkeeping
  var mode: IngestMode? { IngestMode(rawValue: bookkeeping.mode) }
  /// Relative to the table.
  var path: String
  var rowCount: Int
  /// The version that each line was committed by later, by its number from 0; of an execution that ran again, that run.
  var replayed: [Int: Int64] = [:]

  var waiting: [Int] { (0..<rowCount).filter { replayed[$0] == nil } }

  /// Of every version up to one, in their order.
  static func all(of table: Table, upTo version: Int64) throws -> [QuarantinedRows] {
    var found: [QuarantinedRows] = []
    for record in try table.log.history(upTo: version, limit: nil).reversed() {
      guard let bookkeeping = record.bookkeeping else { continue }
      // What an earlier run laid aside goes with its input; one that is replayed as it was says again what it did.
      guard bookkeeping.details["replayed_from"] == nil else { continue }
      if bookkeeping.mode == IngestMode.statefulMerge.rawValue {
        for index in found.indices
        where found[index].mode == .statefulMerge && found[index].bookkeeping.execution == bookkeeping.execution {
          for line in found[index].waiting { found[index].replayed[line] = record.version }
        }
      }
      if let kept = bookkeeping.details["quarantine"], let path = kept["path"]?.string, let rows = kept["rows"]?.int {
        found.append(QuarantinedRows(version: record.version, bookkeeping: bookkeeping, path: path, rowCount: rows))
      }
      if let done = bookkeeping.details["replayed"], let path = done["path"]?.string,
        let index = found.firstIndex(where: { $0.path == path })
      {
        for line in LineRanges.lines(done["lines"]?.string ?? "") { found[index].replayed[line] = record.version }
      }
    }
    return found
  }
}

/// Numbers as a text: `0-3,7`.
enum LineRanges {
  static func text(_ lines: [Int]) -> String {
    var ranges: [ClosedRange<Int>] = []
    for line in lines.sorted() {
      if let last = ranges.last, last.upperBound + 1 == line {
        ranges[ranges.count - 1] = last.lowerBound...line
      } else {
        ranges.append(line...line)
      }
    }
    return ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
      .joined(separator: ",")
  }

  static func lines(_ text: String) -> [Int] {
    text.split(separator: ",").flatMap { part -> [Int] in
      let bounds = part.split(separator: "-").compactMap { Int($0) }
      guard let first = bounds.first, let last = bounds.last, first <= last else { return [] }
      return Array(first...last)
    }
  }
}

/// Some lines of a quarantine as a feed: the cells as the feed had them that they came from.
final class QuarantineFeed: FeedReader {
  let declaredFields: [Field]? = nil
  let remarks: [String] = []
  private(set) var bytesRead = 0
  private let name: String
  private var lines: QuarantineLines
  private let wanted: Set<Int>
  private var columns: [String] = []
  private var places: [String: Int] = [:]

  private static let rowsMax = 1_024

  init(path: String, name: String, lines wanted: [Int]) throws {
    self.name = name
    self.wanted = Set(wanted)
    lines = try QuarantineLines(path: path)
  }

  func next() throws -> RawBatch? {
    var rows: [(number: Int, cells: JSONObject)] = []
    while rows.count < QuarantineFeed.rowsMax, let (number, line) = try lines.next() {
      guard wanted.contains(number) else { continue }
      let cells = line["cells"]?.object ?? [:]
      for member in cells.members where places[member.key] == nil {
        places[member.key] = columns.count
        columns.append(member.key)
      }
      rows.append((number, cells))
    }
    bytesRead = lines.bytesRead
    guard !rows.isEmpty else { return nil }
    var batch = columns.map { RawColumn(name: $0) }
    for (_, cells) in rows {
      for index in batch.indices {
        let cell = cells[batch[index].name]
        batch[index].bytes += Array((cell?["text"]?.string ?? "").utf8)
        batch[index].ends.append(batch[index].bytes.count)
        batch[index].kinds.append(cell?["kind"]?.string.flatMap(RawKind.init(name:)) ?? .absent)
      }
    }
    return RawBatch(
      columns: batch, rowCount: rows.count,
      origins: Origins(file: name, unit: .line, positions: rows.map { $0.number + 1 }))
  }
}

/// The lines of a quarantine's file, from the first on.
struct QuarantineLines {
  private let bytes: [UInt8]
  private(set) var bytesRead = 0
  private var number = 0

  init(path: String) throws {
    let source = try FileByteSource(path: path)
    bytes = try source.read(at: 0, count: source.byteCount)
  }

  mutating func next() throws -> (number: Int, line: JSONValue)? {
    guard bytesRead < bytes.count else { return nil }
    let end = bytes[bytesRead...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
    defer {
      bytesRead = end + 1
      number += 1
    }
    guard let line = try? JSONValue(parsing: Array(bytes[bytesRead..<end])) else {
      throw Problem(.damaged, "line \(number + 1) of a quarantine cannot be read", advice: "run varve verify")
    }
    return (number, line)
  }
}
