import Foundation
import VarveTables

/// Values as the fixtures' JSON has them: null, or a text (see make_fixtures.py).
func spelledValues(_ column: Column) -> [String?] {
  (0..<column.count).map { row in
    if column.isNull(row) { return nil }
    switch column.values {
    case .int64(let values): return column.type == .boolean ? (values[row] == 0 ? "false" : "true") : "\(values[row])"
    case .int128(let values): return "\(values[row])"
    case .double(let values): return "\(values[row])"
    case .bytes(let values): return String(decoding: values[row], as: UTF8.self)
    }
  }
}

/// Doubles are spelled differently by everyone, but mean the same.
func isSame(_ a: String?, _ b: String?, _ type: DataType) -> Bool {
  guard type == .double, let a, let b else { return a == b }
  return Double(a)?.bitPattern == Double(b)?.bitPattern
}

/// This folder.
let testsDirectory = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
let fixturesDirectory = testsDirectory.appendingPathComponent("Fixtures")

func fixture(_ name: String) throws -> [UInt8] {
  Array(try Data(contentsOf: fixturesDirectory.appendingPathComponent(name)))
}
