internal import Dispatch
internal import Synchronization

/// What one thread makes and another takes, in order, a bounded number ahead.
package final class BoundedQueue<Element: Sendable>: Sendable {
  private struct State {
    var elements: [Element] = []
    var isClosed = false
  }

  private let state = Mutex(State())
  private let room: DispatchSemaphore
  private let filled = DispatchSemaphore(value: 0)

  package init(room count: Int) {
    precondition(count > 0, "a queue has room for one element at least")
    // Counted up from 0: a semaphore must not end below what it began with.
    room = DispatchSemaphore(value: 0)
    for _ in 0..<count { room.signal() }
  }

  /// Waits for room. False where the queue is closed, and nobody will take the element.
  @discardableResult
  package func put(_ element: Element) -> Bool {
    room.wait()
    let isTaken = state.withLock { state in
      guard !state.isClosed else { return false }
      state.elements.append(element)
      return true
    }
    // Whoever waits next must see that it is closed too.
    if isTaken { filled.signal() } else { room.signal() }
    return isTaken
  }

  /// Waits for an element.
  package func take() -> Element {
    filled.wait()
    let element = state.withLock { $0.elements.removeFirst() }
    room.signal()
    return element
  }

  /// Lets waiting makers go; what is in the queue is dropped.
  package func close() {
    state.withLock { state in
      state.isClosed = true
      state.elements.removeAll()
    }
    room.signal()
  }
}
