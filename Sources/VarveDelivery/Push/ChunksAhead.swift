internal import Dispatch

/// The chunks of a delivery, made on a thread of their own, a few ahead of whoever sends them.
final class ChunksAhead {
  /// One is being sent; this many wait.
  private static let chunksWaitingMax = 2

  private enum Item: Sendable {
    case chunk(Chunk)
    case end
    case failure(any Error)
  }

  private let queue = BoundedQueue<Item>(room: ChunksAhead.chunksWaitingMax)

  /// From chunk `number` on, whose first record is number `firstRecord`.
  init(_ chunking: Chunking, number: Int, firstRecord: Int, _ open: @escaping RecordOpening) {
    let queue = queue
    DispatchQueue(label: "varve.delivery").async {
      do {
        let source = try open(firstRecord)
        var chunker = Chunker(chunking, number: number, firstRecord: firstRecord)
        while let records = try source.next() {
          var isWanted = true
          chunker.append(records) { chunk in
            if isWanted { isWanted = queue.put(.chunk(chunk)) }
          }
          guard isWanted else { return }
        }
        if let last = chunker.finish() { queue.put(.chunk(last)) }
        queue.put(.end)
      } catch {
        queue.put(.failure(error))
      }
    }
  }

  deinit { queue.close() }

  /// The next chunk, or nil behind the last. Nothing may be asked after that.
  func next() throws -> Chunk? {
    switch queue.take() {
    case .chunk(let chunk): return chunk
    case .end: return nil
    case .failure(let error): throw error
    }
  }
}
