import VarveDelivery
import VarveJSON

/// The acknowledged callback without a network: bodies go to a function, and its verdicts become answers.
final class PostingTarget: DeliveryTarget {
  private let post: ([UInt8]) throws -> ReceivedDeliveries.Verdict?

  /// Nil is no answer.
  init(_ post: @escaping ([UInt8]) throws -> ReceivedDeliveries.Verdict?) { self.post = post }

  func deliver(_ chunk: Chunk, of delivery: String) throws -> Answer {
    try answer(AcknowledgedCallback.body(of: chunk, of: delivery))
  }

  func complete(_ completion: Completion, of delivery: String) throws -> Answer {
    try answer(AcknowledgedCallback.body(of: completion, of: delivery))
  }

  private func answer(_ body: [UInt8]) throws -> Answer {
    guard let verdict = try post(body) else { return .unanswered("no answer") }
    switch verdict.kind {
    case .taken, .repeated, .complete: return .acknowledged
    case .refused where verdict.reason == "Out-of-order chunk":
      return .outOfOrder(expected: verdict.answer["expected_chunk_number"]?.int, "Out-of-order chunk")
    case .refused: return .refused(verdict.reason ?? "")
    }
  }
}

/// A receiver that may forget how far it was, and a store behind it that does not, by chunk.
final class ReceiverWithMemory {
  private var received = ReceivedDeliveries()
  private var chunks: [Int: String] = [:]
  /// What the end said.
  private(set) var total: Int?

  func take(_ body: [UInt8]) -> ReceivedDeliveries.Verdict {
    let verdict = received.receive(body)
    if let records = verdict.records, let chunk = verdict.chunk {
      chunks[chunk] = String(decoding: records.dropFirst().dropLast(), as: UTF8.self)
    }
    if verdict.kind == .complete { total = verdict.recordCount }
    return verdict
  }

  func forget() { received = ReceivedDeliveries() }

  /// All records, without brackets.
  var content: String { chunks.keys.sorted().map { chunks[$0] ?? "" }.joined(separator: ",") }
}
