internal import CCurl

/// The header `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date.
package enum RetryAfter {
  /// Seconds from `now` (milliseconds since 1970) on; nil where the text says nothing that is understood.
  package static func seconds(_ text: String, now: Int64) -> Double? {
    if let seconds = Int(text) { return seconds >= 0 ? Double(seconds) : nil }
    let time = curl_getdate(text, nil)
    return time < 0 ? nil : max(0, Double(time) - Double(now) / 1000)
  }
}
