internal import CCurl

/// The header `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.
package enum RetryAfter {
  /// A year; what asks for more is understood as this much.
  package static let secondsMax = 31_536_000.0

  /// Seconds from `now` (milliseconds since 1970) on; nil where the text says nothing that is understood.
  package static func seconds(_ text: String, now: Int64) -> Double? {
    if !text.isEmpty, text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
      return Int(text).map { min(Double($0), secondsMax) } ?? secondsMax
    }
    let time = curl_getdate(text, nil)
    return time < 0 ? nil : min(max(0, Double(time) - Double(now) / 1000), secondsMax)
  }
}
