/// What a push tells while it runs, in order, on the caller's thread.
public enum DeliveryEvent: Sendable {
  /// It begins, or goes on with chunk `chunk`. `recordCount` is how many there are in all, if that is known beforehand.
  case began(delivery: String, target: String, table: String, version: Int, chunk: Int, record: Int, recordCount: Int?)
  /// So much is acknowledged, since the beginning of the delivery.
  case acknowledged(chunk: Int, recordCount: Int, byteCount: Int)
  /// The target did not take chunk `chunk`; it is sent again after a pause.
  case waiting(chunk: Int, seconds: Double, reason: String)
  /// The target took chunk `chunk`, and was read back: so many of its records are not there yet.
  case proving(chunk: Int, recordCount: Int)
  /// So many records of a chunk that the target took had no effect, and are sent again. `reason` is that of the first.
  case redriven(chunk: Int, recordCount: Int, reason: String)
  /// So many records of a chunk are given up.
  case deadLettered(chunk: Int, recordCount: Int, reason: String)
  /// The target has lost what it had: chunks are sent again from that one on.
  case rewound(chunk: Int, reason: String)
  /// Every chunk, and the end, are acknowledged.
  case completed(delivery: String, chunkCount: Int, recordCount: Int)
}
