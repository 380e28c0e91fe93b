internal import Synchronization

/// Counters in the text format of Prometheus (version 0.0.4).
final class Metrics: Sendable {
  private let counters = Mutex<[String: Int]>([:])

  /// `name` may carry labels: `varve_http_requests_total{status="200"}`.
  func count(_ name: String, by amount: Int = 1) {
    counters.withLock { $0[name, default: 0] += amount }
  }

  /// Counters, and these gauges.
  func text(gauges: [(String, Int)]) -> String {
    var text = ""
    var last = ""
    func line(_ name: String, _ value: Int, _ kind: String) {
      let family = String(name.prefix { $0 != "{" })
      if family != last { text += "# TYPE \(family) \(kind)\n" }
      last = family
      text += "\(name) \(value)\n"
    }
    for (name, value) in counters.withLock({ $0 }).sorted(by: { $0.key < $1.key }) { line(name, value, "counter") }
    for (name, value) in gauges { line(name, value, "gauge") }
    return text
  }
}
