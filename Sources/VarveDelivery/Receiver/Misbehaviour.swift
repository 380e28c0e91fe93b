/// What a receiver does wrong, to rehearse deliveries with.
public enum Misbehaviour: String, CaseIterable, Sendable {
  /// The process ends without an answer; started again, it knows nothing.
  case die
  /// No answer ever comes.
  case stall
  /// HTTP 503.
  case error = "5xx"
  /// HTTP 429, with a pause asked for.
  case busy = "429"
  /// HTTP 200 without an acknowledgement.
  case silent = "no-ack"
  /// An acknowledgement of another chunk.
  case wrongID = "wrong-id"
  /// Two answers to one request.
  case twice = "double-ack"
  /// It has forgotten what it received.
  case forget

  /// Whether the misbehaviour, when it comes for the `count`-th time (from 0), comes after the chunk was taken: then the
  /// pusher must repeat what has arrived. They alternate.
  func takesChunk(_ count: Int) -> Bool {
    switch self {
    case .twice: true
    case .forget: false
    case .die, .stall, .error, .busy, .silent, .wrongID: count % 2 == 1
    }
  }
}
