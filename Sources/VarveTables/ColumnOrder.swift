import Glibc

/// Comparing rows of columns of one type: null first, then by value, text by its bytes. Two nulls are equal here.
extension Column {
  /// Negative, zero or positive, as this row comes before, with or after the other.
  package func compare(_ row: Int, to other: Column, _ otherRow: Int) -> Int {
    switch (isNull(row), other.isNull(otherRow)) {
    case (true, true): return 0
    case (true, false): return -1
    case (false, true): return 1
    case (false, false): break
    }
    switch (values, other.values) {
    case (.int64(let left), .int64(let right)): return Self.order(left[row], right[otherRow])
    case (.int128(let left), .int128(let right)): return Self.order(left[row], right[otherRow])
    case (.double(let left), .double(let right)): return Self.order(left[row], right[otherRow])
    case (.bytes(let left), .bytes(let right)):
      return left.bytes.withUnsafeBufferPointer { leftBytes in
        right.bytes.withUnsafeBufferPointer { rightBytes in
          let leftRange = left.range(row)
          let rightRange = right.range(otherRow)
          for offset in 0..<min(leftRange.count, rightRange.count) {
            let leftByte = leftBytes[leftRange.lowerBound + offset]
            let rightByte = rightBytes[rightRange.lowerBound + offset]
            if leftByte != rightByte { return leftByte < rightByte ? -1 : 1 }
          }
          return Self.order(leftRange.count, rightRange.count)
        }
      }
    default: preconditionFailure("columns of \(type.name) and \(other.type.name) cannot be compared")
    }
  }

  private static func order<Number: Comparable>(_ left: Number, _ right: Number) -> Int {
    left < right ? -1 : (left == right ? 0 : 1)
  }

  /// For each i, whether row `rows[i]` here and row `otherRows[i]` there hold the same. -0.0 and 0.0 differ, as their
  /// texts do.
  package func equality(rows: [Int], with other: Column, rows otherRows: [Int]) -> [Bool] {
    precondition(rows.count == otherRows.count, "rows are compared in pairs")
    var equal = [Bool](repeating: true, count: rows.count)
    markDifferent(&equal, rows: rows, other, otherRows)
    return equal
  }

  fileprivate func markDifferent(_ equal: inout [Bool], rows: [Int], _ other: Column, _ otherRows: [Int]) {
    func mark(_ differ: (Int, Int) -> Bool) {
      for index in rows.indices where equal[index] {
        let row = rows[index]
        let otherRow = otherRows[index]
        let isNull = self.isNull(row)
        if isNull != other.isNull(otherRow) || (!isNull && differ(row, otherRow)) { equal[index] = false }
      }
    }
    switch (values, other.values) {
    case (.int64(let left), .int64(let right)): mark { left[$0] != right[$1] }
    case (.int128(let left), .int128(let right)): mark { left[$0] != right[$1] }
    case (.double(let left), .double(let right)): mark { left[$0].bitPattern != right[$1].bitPattern }
    case (.bytes(let left), .bytes(let right)):
      left.bytes.withUnsafeBufferPointer { leftBytes in
        right.bytes.withUnsafeBufferPointer { rightBytes in
          mark { row, otherRow in
            let leftRange = left.range(row)
            let rightRange = right.range(otherRow)
            return leftRange.count != rightRange.count
              || !leftBytes[leftRange].elementsEqual(rightBytes[rightRange])
          }
        }
      }
    default: preconditionFailure("columns of \(type.name) and \(other.type.name) cannot be compared")
    }
  }
}

extension Batch {
  /// For each i, whether the rows `rows[i]` and `otherRows[i]` hold the same in all `columns` (pairs of positions).
  package func equality(
    rows: [Int], with other: Batch, rows otherRows: [Int], columns pairs: [(here: Int, there: Int)]
  ) -> [Bool] {
    var equal = [Bool](repeating: true, count: rows.count)
    for pair in pairs { columns[pair.here].markDifferent(&equal, rows: rows, other.columns[pair.there], otherRows) }
    return equal
  }
}

/// Negative, zero or positive: the order of byte strings.
func compareBytes(_ left: UnsafeBufferPointer<UInt8>, _ right: UnsafeBufferPointer<UInt8>) -> Int {
  let common = min(left.count, right.count)
  if common > 0 {
    let order = memcmp(left.baseAddress!, right.baseAddress!, common)
    if order != 0 { return Int(order) }
  }
  return left.count < right.count ? -1 : (left.count == right.count ? 0 : 1)
}
