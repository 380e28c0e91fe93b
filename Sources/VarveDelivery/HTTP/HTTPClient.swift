internal import CCurl
internal import CHTTP
internal import Glibc
internal import VarveTables

/// What an HTTP request came to, with no more of the answer than is wanted.
package struct HTTPAnswer: Sendable {
  package var status: Int
  /// The header `Retry-After`, as it stands there.
  package var retryAfter: String?
  package var body: [UInt8]
}

/// Why there is no answer.
package enum HTTPFailure: Error, Hashable, Sendable {
  /// The request may or may not have arrived.
  case unanswered(String)
  /// Trying again will not help: a certificate that does not hold, an address that must not be reached.
  case impossible(String)
  case interrupted
}

/// Posts to one URL over one connection that is kept. One request at a time, on any thread.
///
/// No redirects, no proxy and no passwords from the environment or from files, no other protocol; certificates are
/// checked always; time and the size of the answer are bounded.
package final class HTTPClient {
  package struct Options: Sendable {
    /// Seconds to connect, and for the whole of a request.
    package var connectSeconds = 10.0
    package var timeoutSeconds = 60.0
    /// Certificates to trust instead of the system's: a PEM file.
    package var authoritiesPath: String?
    package var reach = Reach.anywhere
    /// What is sent and must not be told of, even where the other side repeats it.
    package var secrets: [String] = []
    /// Of an answer's body; what is longer is no answer.
    package var answerBytesMax = 1 << 16
    /// Asked about once a second while a request waits.
    package var isInterrupted: @Sendable () -> Bool = { false }

    package init() {}
  }

  /// Of an answer's headers.
  fileprivate static let headerBytesMax = 1 << 16

  private let easy: UnsafeMutableRawPointer
  private let exchange: Exchange
  private let check: UnsafeMutablePointer<varve_address_check>
  private let errorText: UnsafeMutablePointer<CChar>
  private let address: WebAddress
  private let secrets: [String]

  package init(_ address: WebAddress, _ options: Options) throws {
    _ = HTTPClient.isPrepared
    guard let easy = curl_easy_init() else { preconditionFailure("libcurl has no handle to give") }
    self.easy = easy
    self.address = address
    secrets = options.secrets
    exchange = Exchange(options)
    check = .allocate(capacity: 1)
    errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
    let context = Unmanaged.passUnretained(exchange).toOpaque()
    check.initialize(to: varve_address_check(allows: { Exchange.of($0).allows($1) ? 1 : 0 }, context: context))
    set(CURLOPT_URL, address.text)
    set(CURLOPT_PROTOCOLS_STR, address.isEncrypted ? "https" : "http")
    set(CURLOPT_NOSIGNAL, 1)
    set(CURLOPT_FOLLOWLOCATION, 0)
    set(CURLOPT_PROXY, "")
    set(CURLOPT_NETRC, 0)
    set(CURLOPT_HTTP_VERSION, 2)
    set(CURLOPT_TCP_NODELAY, 1)
    set(CURLOPT_CONNECTTIMEOUT_MS, Int(options.connectSeconds * 1000))
    // 0 would be without an end.
    set(CURLOPT_TIMEOUT_MS, max(1, Int(options.timeoutSeconds * 1000)))
    set(CURLOPT_SSL_VERIFYPEER, 1)
    set(CURLOPT_SSL_VERIFYHOST, 2)
    set(CURLOPT_SSLVERSION, 6)
    if let path = options.authoritiesPath { set(CURLOPT_CAINFO, path) }
    set(CURLOPT_ERRORBUFFER, UnsafeRawPointer(errorText))
    varve_curl_set_receiver(
      easy, Int32(CURLOPT_WRITEFUNCTION.rawValue), { Exchange.of($3).receive(body: $0, $1 * $2) },
      Int32(CURLOPT_WRITEDATA.rawValue), context)
    varve_curl_set_receiver(
      easy, Int32(CURLOPT_HEADERFUNCTION.rawValue), { Exchange.of($3).receive(header: $0, $1 * $2) },
      Int32(CURLOPT_HEADERDATA.rawValue), context)
    varve_curl_set_watch(easy, { context, _, _, _, _ in Exchange.of(context).isInterrupted ? 1 : 0 }, context)
    varve_curl_set_address_check(easy, check)
  }

  deinit {
    curl_easy_cleanup(easy)
    check.deallocate()
    errorText.deallocate()
  }

  /// The next request makes a connection of its own, so that nothing late on this one can be taken for its answer.
  package func leaveConnection() { set(CURLOPT_FRESH_CONNECT, 1) }

  /// What the other side said as part of a sentence.
  package func shown(_ text: some StringProtocol) -> String {
    Answer.shown(secrets.reduce(String(text)) { $1.isEmpty ? $0 : $0.replacing($1, with: "…") })
  }

  /// Posts a body, JSON as a rule. `headers` are whole lines.
  package func post(
    _ body: [UInt8], type: String = "application/json", headers: [String]
  ) throws(HTTPFailure) -> HTTPAnswer {
    var list: UnsafeMutablePointer<curl_slist>?
    // Without an empty Expect, a large body waits a second for permission.
    for header in ["Content-Type: \(type)", "Expect:"] + headers { list = curl_slist_append(list, header) }
    defer { curl_slist_free_all(list) }
    exchange.begin()
    errorText.pointee = 0
    let code = body.withUnsafeBytes { bytes in
      set(CURLOPT_POSTFIELDS, bytes.baseAddress)
      varve_curl_set_size(easy, Int32(CURLOPT_POSTFIELDSIZE_LARGE.rawValue), Int64(bytes.count))
      set(CURLOPT_HTTPHEADER, UnsafeRawPointer(list))
      defer {
        set(CURLOPT_POSTFIELDS, UnsafeRawPointer?.none)
        set(CURLOPT_HTTPHEADER, UnsafeRawPointer?.none)
        set(CURLOPT_FRESH_CONNECT, 0)
      }
      return curl_easy_perform(easy)
    }
    guard code == CURLE_OK else { throw failure(code) }
    return HTTPAnswer(
      status: varve_curl_status(easy), retryAfter: exchange.retryAfter, body: exchange.body)
  }

  private func failure(_ code: CURLcode) -> HTTPFailure {
    let told = errorText.pointee == 0 ? String(cString: curl_easy_strerror(code)) : String(cString: errorText)
    switch code {
    case CURLE_ABORTED_BY_CALLBACK: return .interrupted
    case CURLE_WRITE_ERROR: return .unanswered("the answer is longer than \(exchange.answerBytesMax) bytes")
    case CURLE_COULDNT_CONNECT where exchange.isAddressRefused:
      return .impossible(
        exchange.isLoopbackOnly
          ? "plain http leads to this machine only, and \(address.host) is another"
          : "the address of \(address.host) must not be reached from here")
    case CURLE_UNSUPPORTED_PROTOCOL, CURLE_URL_MALFORMAT, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE,
      CURLE_SSL_ISSUER_ERROR, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER:
      return .impossible(told)
    default: return .unanswered(told)
    }
  }

  private func set(_ option: CURLoption, _ value: Int) {
    must(varve_curl_set_long(easy, Int32(option.rawValue), value))
  }

  private func set(_ option: CURLoption, _ value: String) {
    must(varve_curl_set_text(easy, Int32(option.rawValue), value))
  }

  private func set(_ option: CURLoption, _ value: UnsafeRawPointer?) {
    must(varve_curl_set_pointer(easy, Int32(option.rawValue), value))
  }

  private func must(_ code: Int32) { precondition(code == 0, "libcurl refuses an option that it documents") }

  private static let isPrepared: Bool = {
    guard curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK else { preconditionFailure("libcurl cannot start") }
    return true
  }()
}

/// What libcurl's callbacks read and write during one request.
private final class Exchange {
  private let options: HTTPClient.Options
  private(set) var body: [UInt8] = []
  private(set) var retryAfter: String?
  private(set) var isAddressRefused = false
  private var headerByteCount = 0

  init(_ options: HTTPClient.Options) { self.options = options }

  static func of(_ context: UnsafeMutableRawPointer?) -> Exchange {
    guard let context else { preconditionFailure("every callback was given its context") }
    return Unmanaged<Exchange>.fromOpaque(context).takeUnretainedValue()
  }

  var answerBytesMax: Int { options.answerBytesMax }
  var isLoopbackOnly: Bool { options.reach == .loopback }
  var isInterrupted: Bool { options.isInterrupted() }

  func begin() {
    body.removeAll(keepingCapacity: true)
    retryAfter = nil
    isAddressRefused = false
    headerByteCount = 0
  }

  func allows(_ address: UnsafePointer<sockaddr>?) -> Bool {
    guard let address, options.reach.allows(address) else {
      isAddressRefused = true
      return false
    }
    return true
  }

  /// Another count than was given ends the transfer.
  func receive(body bytes: UnsafeMutablePointer<CChar>?, _ count: Int) -> Int {
    guard body.count + count <= options.answerBytesMax else { return 0 }
    body += UnsafeRawBufferPointer(start: bytes, count: count)
    return count
  }

  func receive(header bytes: UnsafeMutablePointer<CChar>?, _ count: Int) -> Int {
    headerByteCount += count
    guard headerByteCount <= HTTPClient.headerBytesMax else { return 0 }
    let line = String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
    if line.hasPrefix("HTTP/") { retryAfter = nil }
    let name = "retry-after:"
    if line.prefix(name.count).lowercased() == name {
      let blanks: Set<Unicode.Scalar> = [" ", "\t", "\r", "\n"]
      let value = line.unicodeScalars.dropFirst(name.count).drop { blanks.contains($0) }
      let end = value.lastIndex { !blanks.contains($0) }.map { value.index(after: $0) } ?? value.startIndex
      retryAfter = String(String.UnicodeScalarView(value[..<end]))
    }
    return count
  }
}
