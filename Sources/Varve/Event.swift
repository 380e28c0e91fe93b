/// What an operation tells while it runs. The library prints nothing: the command line draws these, the service logs
/// them, tests assert on them. They come on the thread of the caller, in order.
public enum Event: Sendable {
  /// What is being done.
  public enum Phase: String, Sendable {
    case reading, sorting, merging, rewriting, committing
  }

  case phase(Phase)
  /// How much of the feeds has been read: bytes as they lie on disk, and rows so far.
  case progress(bytesRead: Int, byteCount: Int, rows: Int)
  /// Something a person should know that is no error.
  case remark(String)
  /// A cell that does not fit: where, and why.
  case rejected(place: String, reason: String)
  case committed(table: String, version: Int)
}
