import Foundation
import Testing
import Varve

/// Executions in any order, corrected, run again, late: the table is always their newest inputs merged in the order of
/// executions, so is what each of them left, and no version ever changes.
@Suite struct StatefulModelTests {
  /// id → value; nil where the record lacks the column.
  private typealias Input = [Int: Int?]

  private static func merged(_ inputs: some Sequence<Input>) -> [String] {
    var rows: [Int: Int?] = [:]
    for input in inputs {
      for (id, value) in input { rows[id] = .some(value ?? rows[id] ?? nil) }
    }
    return rows.sorted { $0.key < $1.key }.map { "\($0.key)|\($0.value.map { "\($0)" } ?? "∅")" }
  }

  private static func json(_ input: Input) -> String {
    let records = input.sorted { $0.key < $1.key }.map { id, value in
      "{\"id\":\(id)" + (value.map { ",\"v\":\($0)" } ?? "") + "}"
    }
    return "[" + records.joined(separator: ",") + "]"
  }

  /// The last two strike rows out.
  @Test(arguments: 0..<5)
  func `any order of executions leaves what they would have left in theirs`(_ number: Int) throws {
    var random = Seed("executions, \(number)")
    let here = try TemporaryWarehouse()
    var inputs: [Int: Input] = [:]
    /// What each version held when it came.
    var versions: [[String]] = []
    let steps = ProcessInfo.processInfo.environment["VARVE_PROOF"] == nil ? 14 : 120
    for step in 0..<steps {
      let execution = Int.random(in: 1...9, using: &random)
      var input: Input = [100 + execution: 1]
      for _ in 0..<Int.random(in: 1...5, using: &random) {
        input[Int.random(in: 0..<8, using: &random)] = [nil, 1, 2, 3, 4].randomElement(using: &random)!
      }
      let isForced = Bool.random(using: &random)
      if let last = inputs[execution], Int.random(in: 0..<3, using: &random) == 0 { input = last }
      let isRepeated = inputs[execution] == input
      inputs[execution] = input
      let comment: Comment = "step \(step): \(execution), \(Self.json(input))"
      let report = try here.ingest("\(step).json", Self.json(input)) {
        $0.mode = .statefulMerge
        $0.key = ["id"]
        if number == 2 { $0.partitionBy = ["id"] }
        if number >= 3 { $0.updates = .mergeOnRead }
        if number == 4 { $0.partitionBy = ["id"] }
        $0.execution = "\(execution)"
        $0.reingest = isForced
      }
      #expect((report.outcome == .unchanged) == (isRepeated && !isForced), comment)
      let order = inputs.keys.sorted()
      let now = Self.merged(order.map { inputs[$0]! })
      #expect(try here.rows("SELECT id, v FROM t ORDER BY id") == now, comment)
      for (place, known) in order.enumerated() {
        let left = try here.rows("SELECT id, v FROM \"t@execution:\(known)\" ORDER BY id")
        #expect(left == Self.merged(order[...place].map { inputs[$0]! }), "after \(known), \(comment)")
      }
      let head = try here.warehouse.describe("t").version
      while versions.count < head {
        versions.append(try here.rows("SELECT id, v FROM \"t@\(versions.count + 1)\" ORDER BY id"))
      }
      let old = Int.random(in: versions.indices, using: &random)
      #expect(try here.rows("SELECT id, v FROM \"t@\(old + 1)\" ORDER BY id") == versions[old], comment)
    }
    for (index, rows) in versions.enumerated() {
      #expect(try here.rows("SELECT id, v FROM \"t@\(index + 1)\" ORDER BY id") == rows, "version \(index + 1)")
    }
    #expect(versions.count > steps / 2)
    #expect(try here.warehouse.verify("t").allSatisfy(\.isWhole))
  }
}
