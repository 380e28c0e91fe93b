internal import CCrypto
internal import VarveJSON
internal import VarveLake
internal import VarveTables

/// The acknowledged-callback protocol: each chunk is one POST, and only `ack: true` in the answer counts, whatever the
/// HTTP status (Documentation/Delivery.md, "The protocol").
package final class AcknowledgedCallback: DeliveryTarget {
  /// What is sent beside the records.
  package struct Credentials: Sendable {
    /// For `Authorization: Bearer`.
    package var token: String?
    /// The key of an HMAC-SHA256 over the body, sent as `sha256=<hex>` in the header of that name.
    package var signatureKey: [UInt8]?
    package var signatureHeader = "X-Varve-Signature"

    package init(token: String? = nil, signatureKey: [UInt8]? = nil) {
      self.token = token
      self.signatureKey = signatureKey
    }
  }

  private let client: HTTPClient
  private let credentials: Credentials
  private let milliseconds: @Sendable () -> Int64

  /// `milliseconds` since 1970 are needed for pauses that end at a date.
  package init(
    _ address: WebAddress, _ options: HTTPClient.Options, _ credentials: Credentials = Credentials(),
    milliseconds: @escaping @Sendable () -> Int64
  ) throws {
    var options = options
    options.secrets = [credentials.token, credentials.signatureKey.map { String(decoding: $0, as: UTF8.self) }]
      .compactMap(\.self)
    client = try HTTPClient(address, options)
    self.credentials = credentials
    self.milliseconds = milliseconds
  }

  package func deliver(_ chunk: Chunk, of delivery: String) throws -> Answer {
    try post(AcknowledgedCallback.body(of: chunk, of: delivery), of: delivery, number: chunk.number)
  }

  package func complete(_ completion: Completion, of delivery: String) throws -> Answer {
    try post(AcknowledgedCallback.body(of: completion, of: delivery), of: delivery, number: nil)
  }

  /// The body that says that all is sent. `chunk_number` is the last chunk's.
  package static func body(of completion: Completion, of delivery: String) -> [UInt8] {
    let body: JSONValue = [
      "ingestion_id": .string(delivery), "status": "COMPLETED",
      "chunk_number": JSONValue(max(0, completion.chunkCount - 1)),
      "total_records": JSONValue(completion.recordCount),
    ]
    return body.bytes()
  }

  /// The body of a chunk's request.
  package static func body(of chunk: Chunk, of delivery: String) -> [UInt8] {
    var body = Array(#"{"ingestion_id":"#.utf8)
    body.reserveCapacity(chunk.records.count + 512)
    JSONValue.write(string: delivery, to: &body)
    body += #","chunk_number":\#(chunk.number),"chunk_id":"#.utf8
    JSONValue.write(string: chunkID(chunk.number, of: delivery), to: &body)
    body += #","checksum":"\#(chunk.sha256)","records":"#.utf8
    body += chunk.records
    body += #","is_last":\#(chunk.isLast)}"#.utf8
    return body
  }

  static func chunkID(_ number: Int, of delivery: String) -> String { "\(delivery):\(number)" }

  /// `number` is the chunk's, nil for the completion.
  private func post(_ body: [UInt8], of delivery: String, number: Int?) throws -> Answer {
    var headers: [String] = []
    if let token = credentials.token { headers.append("Authorization: Bearer \(token)") }
    if let key = credentials.signatureKey {
      headers.append("\(credentials.signatureHeader): sha256=\(AcknowledgedCallback.signature(of: body, key: key))")
    }
    do throws(HTTPFailure) {
      return read(try client.post(body, headers: headers), of: delivery, number: number)
    } catch {
      switch error {
      case .unanswered(let reason): return .unanswered(reason)
      case .impossible(let reason): return .impossible(reason)
      case .interrupted: throw Problem(.interrupted, "interrupted")
      }
    }
  }

  /// HMAC-SHA256 (RFC 2104), in hexadecimal.
  package static func signature(of body: [UInt8], key: [UInt8]) -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    var count: UInt32 = 0
    guard HMAC(EVP_sha256(), key, Int32(key.count), body, body.count, &digest, &count) != nil, count == 32 else {
      preconditionFailure("libcrypto's HMAC takes any bytes")
    }
    return hexadecimal(digest)
  }

  // MARK: The answer

  private func read(_ answer: HTTPAnswer, of delivery: String, number: Int?) -> Answer {
    let isSuccess = (200..<300).contains(answer.status)
    let said = (try? JSONValue(parsing: answer.body)).flatMap { $0.object == nil ? nil : $0 }
    let acknowledges = said?["ack"]?.boolean
    if isSuccess, acknowledges == true {
      guard let stranger = mismatch(said, of: delivery, number: number) else {
        // One that does not say what it is for could be a late one, but not on a new connection.
        if !["chunk_number", "chunk_id"].contains(where: { said?[$0]?.isNull == false }) { client.leaveConnection() }
        return .acknowledged
      }
      return .unanswered("the acknowledgement is for something else: \(stranger)")
    }
    let reason = (said?["error"] ?? said?["message"] ?? said?["detail"])?.string.map { client.shown($0) }
    if acknowledges != true, let reason, AcknowledgedCallback.meansOutOfOrder(reason) {
      return .outOfOrder(expected: AcknowledgedCallback.expected(said), reason)
    }
    let status = "HTTP \(answer.status)" + (reason.map { ", \($0)" } ?? "")
    switch answer.status {
    case 200..<300:
      if acknowledges == false { return .refused(reason ?? "it answered ack: false without a reason") }
      let shown = client.shown(String(decoding: answer.body, as: UTF8.self))
      return .unanswered("HTTP \(answer.status) without an acknowledgement: \(shown.isEmpty ? "an empty body" : shown)")
    case 300..<400: return .impossible("\(status): it redirects, and no redirect is followed")
    case 401, 403, 404, 405, 410, 501: return .impossible(status)
    case 408, 425, 429, 500...:
      return .unanswered(
        status, pauseSeconds: answer.retryAfter.flatMap { RetryAfter.seconds($0, now: milliseconds()) })
    default: return .refused(status)
    }
  }

  /// What in the acknowledgement names another delivery or chunk. What is not named is not held against it.
  private func mismatch(_ said: JSONValue?, of delivery: String, number: Int?) -> String? {
    var expected: [(String, JSONValue)] = [("ingestion_id", .string(delivery))]
    if let number {
      expected.append(("chunk_number", JSONValue(number)))
      expected.append(("chunk_id", .string(AcknowledgedCallback.chunkID(number, of: delivery))))
    }
    for (key, value) in expected {
      if let found = said?[key], !found.isNull, found != value {
        return "\(key) \(client.shown(found.text())) in place of \(value.text())"
      }
    }
    return nil
  }

  /// The sentence of the protocol is "Out-of-order chunk".
  private static func meansOutOfOrder(_ reason: String) -> Bool {
    let letters = reason.lowercased().unicodeScalars.filter { $0.properties.isAlphabetic }
    return String(String.UnicodeScalarView(letters)).contains("outoforder")
  }

  /// Which chunk a receiver that says so wants.
  private static func expected(_ said: JSONValue?) -> Int? {
    (said?["expected_chunk_number"] ?? said?["expected_chunk"] ?? said?["expected"])?.int
  }
}
