import Foundation
import Given
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

  /// What a version that was made by hand did to the rows; nil where it deleted one.
  private typealias Hand = [Int: Int??]

  private enum Event {
    case run(Int, Input)
    case hand(Hand)
  }

  private static func state(_ line: some Sequence<Event>) -> [Int: Int?] {
    var rows: [Int: Int?] = [:]
    for event in line {
      switch event {
      case .run(_, let input): for (id, value) in input { rows[id] = .some(value ?? rows[id] ?? nil) }
      case .hand(let changes):
        for (id, change) in changes {
          if let value = change { rows[id] = .some(value) } else { rows[id] = nil }
        }
      }
    }
    return rows
  }

  private static func lines(_ rows: [Int: Int?]) -> [String] {
    rows.sorted { $0.key < $1.key }.map { "\($0.key)|\($0.value.map { "\($0)" } ?? "∅")" }
  }

  @Test(arguments: [false, true])
  func `what was done by hand in between is done again, or dropped, as the run is told`(_ isPartitioned: Bool) throws {
    var random = Seed("by hand, \(isPartitioned)")
    let here = try TemporaryWarehouse()
    var line: [Event] = []
    var versions: [[String]] = []
    let steps = ProcessInfo.processInfo.environment["VARVE_PROOF"] == nil ? 24 : 200
    for step in 0..<steps {
      var comment: Comment = "step \(step)"
      if step > 1, Int.random(in: 0..<3, using: &random) == 0 {
        let before = Self.state(line)
        if Int.random(in: 0..<8, using: &random) == 0 {
          comment = "step \(step): truncate"
          _ = try here.warehouse.truncate("t")
          line.append(.hand(Dictionary(uniqueKeysWithValues: before.keys.map { ($0, Int??.none) })))
        } else {
          var input: Input = [:]
          for _ in 0..<3 { input[Int.random(in: 0..<8, using: &random)] = Int.random(in: 10...14, using: &random) }
          comment = "step \(step): by hand \(Self.json(input))"
          try here.ingest("hand-\(step).json", Self.json(input)) {
            $0.mode = .merge
            // The same records may have come before.
            $0.reingest = true
          }
          line.append(.hand(input.filter { before[$0.key] != .some($0.value) }.mapValues { .some($0) }))
        }
      } else {
        let execution = Int.random(in: 1...6, using: &random)
        var input: Input = [100 + execution: step]
        for _ in 0..<3 { input[Int.random(in: 0..<8, using: &random)] = [nil, 1, 2, 3].randomElement(using: &random)! }
        let isReapplied = Bool.random(using: &random)
        comment = "step \(step): \(execution) \(Self.json(input)), reapplied \(isReapplied)"
        try here.ingest("\(step).json", Self.json(input)) {
          $0.mode = .statefulMerge
          $0.key = ["id"]
          if isPartitioned { $0.partitionBy = ["id"] }
          $0.execution = "\(execution)"
          $0.reappliesInterposed = isReapplied
          $0.discardsInterposed = !isReapplied
        }
        let place = line.firstIndex { event in
          if case .run(let key, _) = event { key >= execution } else { false }
        }
        if let place {
          var rest = Array(line[place...])
          if case .run(execution, _) = rest[0] { rest.removeFirst() }
          if !isReapplied { rest = rest.filter { if case .run = $0 { true } else { false } } }
          line = line[..<place] + [.run(execution, input)] + rest
        } else {
          line.append(.run(execution, input))
        }
      }
      #expect(try here.rows("SELECT id, v FROM t ORDER BY id") == Self.lines(Self.state(line)), comment)
      let head = try here.warehouse.describe("t").version
      while versions.count < head {
        versions.append(try here.rows("SELECT id, v FROM \"t@\(versions.count + 1)\" ORDER BY id"))
      }
      let old = Int.random(in: versions.indices, using: &random)
      #expect(try here.rows("SELECT id, v FROM \"t@\(old + 1)\" ORDER BY id") == versions[old], comment)
    }
    #expect(try here.warehouse.verify().allSatisfy(\.isWhole))
  }
}
