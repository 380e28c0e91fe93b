internal import Dispatch
internal import Synchronization
internal import VarveFeeds
internal import VarveTables

/// Decodes a feed on a thread of its own, a bounded number of batches ahead of whoever takes them.
///
/// The reader is opened and used on that thread alone. Dropping the last reference stops it after its present batch.
final class ReadAhead {
  private static let batchesAheadMax = 3

  private let channel: Channel

  init(_ open: @escaping @Sendable () throws -> any FeedReader) {
    let channel = Channel(room: ReadAhead.batchesAheadMax)
    self.channel = channel
    DispatchQueue(label: "varve.feed").async {
      do {
        let reader = try open()
        channel.declare(reader.declaredFields)
        while channel.isWanted, let batch = try reader.next() {
          channel.put(.batch(batch, bytesRead: reader.bytesRead, remarks: reader.remarks))
        }
        channel.put(.end(bytesRead: reader.bytesRead, remarks: reader.remarks))
      } catch {
        channel.declare(nil)
        channel.put(.failure(error))
      }
    }
  }

  deinit { channel.stop() }

  /// What the reader declares of its columns; waits until it has been opened.
  func declaredFields() -> [Field]? { channel.declaredFields() }

  enum Item {
    case batch(RawBatch, bytesRead: Int, remarks: [String])
    case end(bytesRead: Int, remarks: [String])
    case failure(any Error)
  }

  /// The next item. Nothing may be asked after `end` or `failure`.
  func next() -> Item { channel.take() }
}

/// The queue between the two threads.
private final class Channel: Sendable {
  private struct State {
    var items: [ReadAhead.Item] = []
    var isStopped = false
    var declared: [Field]?
  }

  private let state = Mutex(State())
  // Counts up from 0: libdispatch traps when a semaphore goes with less than it began with.
  private let room = DispatchSemaphore(value: 0)
  private let filled = DispatchSemaphore(value: 0)
  private let opened = DispatchSemaphore(value: 0)

  init(room places: Int) { for _ in 0..<places { room.signal() } }

  var isWanted: Bool { state.withLock { !$0.isStopped } }

  func declare(_ fields: [Field]?) {
    state.withLock { $0.declared = $0.declared ?? fields }
    opened.signal()
  }

  func declaredFields() -> [Field]? {
    opened.wait()
    opened.signal()
    return state.withLock { $0.declared }
  }

  func put(_ item: sending ReadAhead.Item) {
    room.wait()
    let isKept = state.withLock { state in
      if !state.isStopped { state.items.append(item) }
      return !state.isStopped
    }
    // A semaphore that goes away with less than it began with ends the process.
    if isKept { filled.signal() } else { room.signal() }
  }

  func take() -> sending ReadAhead.Item {
    filled.wait()
    let item = state.withLock { $0.items.removeFirst() }
    room.signal()
    return item
  }

  /// Lets a waiting reader go: what it still puts is dropped.
  func stop() {
    let dropped = state.withLock { state in
      defer { state.items.removeAll() }
      state.isStopped = true
      return state.items.count
    }
    for _ in 0..<dropped { room.signal() }
  }
}
