import Foundation
import Synchronization
import VarveDelivery
import VarveLake
import VarveTables

/// Whether the long sweeps are wanted whole: `make proof`.
let isProof = ProcessInfo.processInfo.environment["VARVE_PROOF"] != nil

/// A directory that is gone with the test.
final class TemporaryDirectory {
  let path = NSTemporaryDirectory() + "varve-delivery-\(UUID())"

  init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false) }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func ledger() throws -> Ledger {
    guard let storage = try Storage.open(path) else { throw Problem(.failed, "the directory is gone") }
    return try Ledger.open(storage)
  }
}

/// Records `{"n":0}`, `{"n":1}`, …
final class NumberedRecords: RecordSource {
  private var remaining: Range<Int>

  init(_ range: Range<Int>) { remaining = range }

  func next() -> RecordEncoder.Records? {
    guard !remaining.isEmpty else { return nil }
    let taken = remaining.prefix(5)
    remaining = taken.endIndex..<remaining.upperBound
    var records = RecordEncoder.Records()
    for number in taken {
      records.bytes += Array(#"{"n":\#(number)}"#.utf8)
      records.ends.append(records.bytes.count)
    }
    return records
  }

  /// As the records of a delivery.
  static func opening(_ count: Int) -> RecordOpening { { NumberedRecords($0..<count) } }

  static func text(_ count: Int) -> String { (0..<count).map { #"{"n":\#($0)}"# }.joined(separator: ",") }
}

/// A target that answers as a test says.
final class ScriptedTarget: DeliveryTarget {
  enum Call: Hashable {
    case chunk(Int)
    case end(Completion)
  }

  private(set) var calls: [Call] = []
  private let answer: (Call, Int) throws -> Answer

  /// `answer` is given the call, and how many came before it.
  init(_ answer: @escaping (Call, Int) throws -> Answer) { self.answer = answer }

  func deliver(_ chunk: Chunk, of delivery: String) throws -> Answer { try take(.chunk(chunk.number)) }

  func complete(_ completion: Completion, of delivery: String) throws -> Answer { try take(.end(completion)) }

  private func take(_ call: Call) throws -> Answer {
    calls.append(call)
    return try answer(call, calls.count - 1)
  }
}

/// Waits that take no time, and are remembered.
final class Waits: Sendable {
  private let waited = Mutex<[Double]>([])

  var seconds: [Double] { waited.withLock { $0 } }

  func patience(_ change: (inout Patience) -> Void = { _ in }) -> Patience {
    var patience = Patience(chance: { 0.5 }) { [self] seconds in waited.withLock { $0.append(seconds) } }
    change(&patience)
    return patience
  }
}

/// Delivers numbered records, once.
func deliver(
  _ count: Int, id: String = "d", to target: any DeliveryTarget, in directory: TemporaryDirectory,
  by chunking: Chunking = .records(10), _ patience: Patience, onEvent: @escaping (DeliveryEvent) -> Void = { _ in }
) throws -> Completion {
  let ledger = try directory.ledger()
  let record = DeliveryRecord(id: id, target: "t", table: "p", version: 1, chunking: chunking.description)
  guard let lease = try ledger.begin(record) else { throw Problem(.refused, "the target is taken") }
  return try DeliveryRun(
    lease, ledger, target, chunking, patience, onEvent: onEvent, open: NumberedRecords.opening(count)
  ).run()
}
