package import VarveJSON
internal import VarveLake

/// The receiving side of the acknowledged-callback protocol, as a Pimcore controller keeps it: in memory, strict about
/// order, identity and checksum, indifferent to repeats.
///
/// A value: what came in, and what is answered. It knows nothing of HTTP.
package struct ReceivedDeliveries: Sendable {
  /// One delivery so far.
  package struct Progress: Hashable, Sendable {
    /// Checksums of the chunks that were taken, by number.
    package internal(set) var checksums: [String] = []
    package internal(set) var recordCount = 0
    package internal(set) var isComplete = false
  }

  /// What a request came to.
  package struct Verdict: Sendable {
    package enum Kind: String, Sendable {
      case taken, repeated, refused, complete
    }

    package var kind: Kind
    package var answer: JSONValue
    /// Why, where it is refused.
    package var reason: String?
    package var delivery: String?
    package var chunk: Int?
    package var recordCount = 0
    /// Of a chunk that was taken, its records as they were checked.
    package var records: [UInt8]?
  }

  package private(set) var deliveries: [String: Progress] = [:]

  package init() {}

  package mutating func receive(_ body: [UInt8]) -> Verdict {
    guard let request = try? JSONValue(parsing: body), request.object != nil else {
      return refusal("The body is no JSON object", nil, nil)
    }
    guard let delivery = request["ingestion_id"]?.string, !delivery.isEmpty else {
      return refusal("ingestion_id is missing", nil, nil)
    }
    guard let number = request["chunk_number"]?.int, number >= 0 else {
      return refusal("chunk_number is missing", delivery, nil)
    }
    return request["status"] == nil
      ? chunk(request, of: delivery, number) : completion(request, of: delivery, number)
  }

  private mutating func chunk(_ request: JSONValue, of delivery: String, _ number: Int) -> Verdict {
    guard request["chunk_id"]?.string == "\(delivery):\(number)" else {
      return refusal("chunk_id is not the delivery's and the chunk's number", delivery, number)
    }
    guard let records = request["records"], let count = records.array?.count,
      let checksum = request["checksum"]?.string, request["is_last"]?.boolean != nil
    else {
      return refusal("records, checksum or is_last is missing", delivery, number)
    }
    guard count > 0 else { return refusal("Empty chunk", delivery, number) }
    // As a receiver does that parses with orjson and writes with sorted keys.
    guard let text = try? NestedNumbers.normalised(records, .refuse).bytes(.canonical),
      Digest.sha256(text) == checksum
    else {
      return refusal("Checksum mismatch", delivery, number)
    }
    var progress = deliveries[delivery] ?? Progress()
    if number < progress.checksums.count {
      guard progress.checksums[number] == checksum else {
        return refusal("The chunk came before with other records", delivery, number)
      }
      return verdict(.repeated, delivery, number)
    }
    guard number == progress.checksums.count else {
      return refusal("Out-of-order chunk", delivery, number, expected: progress.checksums.count)
    }
    progress.checksums.append(checksum)
    progress.recordCount += count
    deliveries[delivery] = progress
    var verdict = verdict(.taken, delivery, number)
    verdict.recordCount = count
    verdict.records = text
    return verdict
  }

  private mutating func completion(_ request: JSONValue, of delivery: String, _ number: Int) -> Verdict {
    guard request["status"] == "COMPLETED", let total = request["total_records"]?.int else {
      return refusal("status must be COMPLETED, and total_records be there", delivery, number)
    }
    var progress = deliveries[delivery] ?? Progress()
    let hasAll = total == 0 ? progress.checksums.isEmpty : progress.checksums.count == number + 1
    guard hasAll else {
      return refusal("Out-of-order chunk", delivery, number, expected: progress.checksums.count)
    }
    guard total == progress.recordCount else {
      return refusal("\(progress.recordCount) records came, and not \(total)", delivery, number)
    }
    progress.isComplete = true
    deliveries[delivery] = progress
    var verdict = verdict(.complete, delivery, number)
    verdict.recordCount = total
    verdict.answer = [
      "status": "COMPLETED", "ack": true, "ingestion_id": .string(delivery), "chunk_number": JSONValue(number),
    ]
    return verdict
  }

  private func verdict(_ kind: Verdict.Kind, _ delivery: String, _ number: Int) -> Verdict {
    Verdict(
      kind: kind, answer: ["ack": true, "ingestion_id": .string(delivery), "chunk_number": JSONValue(number)],
      delivery: delivery, chunk: number)
  }

  private func refusal(_ reason: String, _ delivery: String?, _ number: Int?, expected: Int? = nil) -> Verdict {
    var answer: JSONObject = [
      "ack": false, "ingestion_id": delivery.map { .string($0) } ?? .null,
      "chunk_number": number.map { JSONValue($0) } ?? .null, "error": .string(reason),
    ]
    if let expected { answer["expected_chunk_number"] = JSONValue(expected) }
    return Verdict(kind: .refused, answer: .object(answer), reason: reason, delivery: delivery, chunk: number)
  }
}
