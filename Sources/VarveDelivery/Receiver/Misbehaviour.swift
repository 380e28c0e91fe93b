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

  /// A push is answered by 405, as if something were wrong.
  case unprepared = "405"
  /// An exception while a push is prepared: the rows before it are in the queue, and the answer is 405.
  case partial
  /// A row that was taken fails in processing, which only a log tells.
  case lostRows = "lost-rows"
  /// A row is saved with another value than was sent.
  case wrongValue = "wrong-value"
  /// Nothing works on the queue.
  case noWorkers = "no-workers"
  /// Rows over 65,535 bytes are cut, in place of being refused.
  case cutText = "cut-text"
  /// Rows whose content was pushed before are passed over.
  case deltaCheck = "delta-check"
  /// Objects that are not in a push are deleted.
  case cleanup

  /// What the receiver of acknowledged callbacks can do wrong, and what Pimcore can.
  public static let ofCallbacks: [Misbehaviour] = [.die, .stall, .error, .busy, .silent, .wrongID, .twice, .forget]
  /// Those of a Pimcore.
  public static let ofPimcore: [Misbehaviour] = [
    .stall, .error, .busy, .unprepared, .partial, .lostRows, .wrongValue, .noWorkers, .cutText, .deltaCheck, .cleanup,
  ]

  /// Whether it comes at every so many requests; the others are ways of working.
  var isOfRequests: Bool { [.stall, .error, .busy, .unprepared, .partial].contains(self) }
  /// Whether only a push can go wrong so.
  var isOfPushes: Bool { [.unprepared, .partial].contains(self) }

  /// Whether the misbehaviour, when it comes for the `count`-th time (from 0), comes after the chunk was taken: then the
  /// pusher must repeat what has arrived. They alternate.
  func takesChunk(_ count: Int) -> Bool {
    switch self {
    case .twice: true
    case .forget: false
    default: count % 2 == 1
    }
  }
}
