import Given
import Testing
import VarveDelivery
import VarveLake
import VarveTables

@Suite struct DeliveryRunTests {
  @Test func `a chunk is in the ledger before it is sent, and what was acknowledged with it`() throws {
    let directory = try TemporaryDirectory()
    let reader = try directory.ledger()
    let target = ScriptedTarget { call, _ in
      let states = try reader.chunks(of: "d").map(\.state)
      switch call {
      case .chunk(let number):
        #expect(states == Array(repeating: .acknowledged, count: number) + [.sent])
      case .end: #expect(states == Array(repeating: .acknowledged, count: 4))
      }
      #expect(try reader.delivery("d")?.state == .sending)
      return .acknowledged
    }
    let completion = try deliver(35, to: target, in: directory, Waits().patience())
    #expect(completion == Completion(chunkCount: 4, recordCount: 35))
    #expect(target.calls == [.chunk(0), .chunk(1), .chunk(2), .chunk(3), .end(completion)])
    #expect(try reader.delivery("d")?.state == .complete)
    #expect(try reader.chunks(of: "d").map(\.recordCount) == [10, 10, 10, 5])
  }

  @Test func `nothing to deliver is a completion without chunks`() throws {
    let directory = try TemporaryDirectory()
    let target = ScriptedTarget { _, _ in .acknowledged }
    _ = try deliver(0, to: target, in: directory, Waits().patience())
    #expect(target.calls == [.end(Completion(chunkCount: 0, recordCount: 0))])
  }

  @Test func `what may not have arrived is sent again after growing pauses, and not for ever`() throws {
    let directory = try TemporaryDirectory()
    let waits = Waits()
    var isDown = true
    let target = ScriptedTarget { call, _ in
      call == .chunk(1) && isDown ? .unanswered("connection refused") : .acknowledged
    }
    let problem = #expect(throws: Problem.self) {
      try deliver(30, to: target, in: directory, waits.patience { $0.policy.attemptsMax = 4 })
    }
    #expect(problem?.kind == .failed && problem?.description.contains("connection refused") == true)
    #expect(waits.seconds == [0.5, 1, 2])
    #expect(target.calls == [.chunk(0), .chunk(1), .chunk(1), .chunk(1), .chunk(1)])
    let stopped = try directory.ledger()
    #expect(try stopped.delivery("d")?.state == .stopped)
    #expect(try stopped.delivery("d")?.error?.contains("connection refused") == true)
    #expect(try stopped.chunks(of: "d").map(\.state) == [.acknowledged, .failed])
    #expect(try stopped.chunks(of: "d").map(\.attempts) == [1, 4])

    isDown = false
    _ = try deliver(30, to: target, in: directory, waits.patience())
    #expect(Array(target.calls[5...]) == [.chunk(1), .chunk(2), .end(Completion(chunkCount: 3, recordCount: 30))])
  }

  @Test func `a pause that the target asks for is kept, and one that is too long stops the delivery until then`() throws
  {
    let directory = try TemporaryDirectory()
    let waits = Waits()
    let target = ScriptedTarget { _, count in
      count == 0
        ? .unanswered("HTTP 429", pauseSeconds: 7)
        : count == 1 ? .unanswered("HTTP 429", pauseSeconds: 4000) : .acknowledged
    }
    let before = try directory.ledger().now
    #expect(throws: Problem.self) { try deliver(5, to: target, in: directory, waits.patience()) }
    #expect(waits.seconds == [7])
    let stopped = try #require(try directory.ledger().delivery("d"))
    #expect(stopped.state == .stopped && (stopped.nextTry ?? 0) >= before + 4_000_000)
  }

  @Test func `a refusal that repeats parks the chunk, and the next push begins with it`() throws {
    let directory = try TemporaryDirectory()
    var isRefusing = true
    let target = ScriptedTarget { call, _ in
      call == .chunk(2) && isRefusing ? .refused("Checksum mismatch") : .acknowledged
    }
    let problem = #expect(throws: Problem.self) { try deliver(50, to: target, in: directory, Waits().patience()) }
    #expect(problem?.description.contains("Checksum mismatch") == true)
    #expect(target.calls.filter { $0 == .chunk(2) }.count == 3)
    isRefusing = false
    let completion = try deliver(50, to: target, in: directory, Waits().patience())
    #expect(completion.recordCount == 50)
    #expect(target.calls[5] == .chunk(2))
  }

  @Test func `what no repeat will mend is tried once`() throws {
    let directory = try TemporaryDirectory()
    let target = ScriptedTarget { _, _ in .impossible("HTTP 401") }
    #expect(throws: Problem.self) { try deliver(50, to: target, in: directory, Waits().patience()) }
    #expect(target.calls == [.chunk(0)])
  }

  @Test func `the end is said until it is acknowledged`() throws {
    let directory = try TemporaryDirectory()
    let end = ScriptedTarget.Call.end(Completion(chunkCount: 1, recordCount: 5))
    let target = ScriptedTarget { call, count in call == end && count < 3 ? .unanswered("HTTP 502") : .acknowledged }
    _ = try deliver(5, to: target, in: directory, Waits().patience())
    #expect(target.calls == [.chunk(0), end, end, end])
    // Cut off before the end was acknowledged: nothing but the end is left.
    let late = try TemporaryDirectory()
    let stubborn = ScriptedTarget { call, _ in call == end ? .impossible("HTTP 403") : .acknowledged }
    #expect(throws: Problem.self) { try deliver(5, to: stubborn, in: late, Waits().patience()) }
    let mended = ScriptedTarget { _, _ in .acknowledged }
    _ = try deliver(5, to: mended, in: late, Waits().patience())
    #expect(mended.calls == [end])
  }

  @Test func `a target that forgot is given again what it expects`() throws {
    let directory = try TemporaryDirectory()
    var hasForgotten = false
    var events: [Int] = []
    let target = ScriptedTarget { call, _ in
      if call == .chunk(3), !hasForgotten {
        hasForgotten = true
        return .outOfOrder(expected: 1, "Out-of-order chunk")
      }
      return .acknowledged
    }
    let completion = try deliver(40, to: target, in: directory, Waits().patience()) {
      if case .rewound(let chunk, _) = $0 { events.append(chunk) }
    }
    #expect(events == [1])
    #expect(target.calls == [0, 1, 2, 3, 1, 2, 3].map { .chunk($0) } + [.end(completion)])

    // One that does not say what it expects gets all, and one that never remembers is given up.
    let other = try TemporaryDirectory()
    let forgetful = ScriptedTarget { call, _ in
      call == .chunk(2) ? .outOfOrder(expected: nil, "Out-of-order chunk") : .acknowledged
    }
    let problem = #expect(throws: Problem.self) {
      try deliver(40, to: forgetful, in: other, Waits().patience { $0.rewindsMax = 2 })
    }
    #expect(problem?.description.contains("Out-of-order") == true)
    #expect(forgetful.calls == [0, 1, 2, 0, 1, 2, 0, 1, 2].map { .chunk($0) })
  }

  @Test func `out of order without a way back is a refusal`() throws {
    for (number, expected) in [(0, nil), (0, 0), (1, 1), (1, 5), (1, -1)] as [(Int, Int?)] {
      let directory = try TemporaryDirectory()
      let target = ScriptedTarget { call, _ in
        call == .chunk(number) ? .outOfOrder(expected: expected, "Out-of-order chunk") : .acknowledged
      }
      #expect(throws: Problem.self) { try deliver(40, to: target, in: directory, Waits().patience()) }
      #expect(target.calls.filter { $0 == .chunk(number) }.count == 3)
    }
  }

  @Test func `one delivery at a time per target`() throws {
    let directory = try TemporaryDirectory()
    let target = ScriptedTarget { _, _ in
      let inner = ScriptedTarget { _, _ in .acknowledged }
      let problem = #expect(throws: Problem.self) {
        try deliver(5, id: "other", to: inner, in: directory, Waits().patience())
      }
      #expect(problem?.kind == .refused && inner.calls.isEmpty)
      return .acknowledged
    }
    _ = try deliver(5, to: target, in: directory, Waits().patience())
  }

  @Test func `whatever goes wrong on both sides, the receiver ends with every record once and in order`() throws {
    var random = Seed()
    for _ in 0..<(isProof ? 200 : 12) {
      let directory = try TemporaryDirectory()
      let receiver = ReceiverWithMemory()
      let recordCount = random.below(120)
      let size = 1 + random.below(20)
      var troubles = random.below(30)
      struct Death: Error {}
      let target = PostingTarget { body in
        guard troubles > 0, random.below(3) == 0 else { return receiver.take(body) }
        troubles -= 1
        switch random.below(4) {
        case 0: throw Death()
        case 1: receiver.forget()
        case 2: return nil
        default:
          // It arrives, and the answer is lost.
          _ = receiver.take(body)
          return nil
        }
        return receiver.take(body)
      }
      var runs = 0
      while receiver.total == nil {
        runs += 1
        try #require(runs < 200)
        _ = try? deliver(
          recordCount, to: target, in: directory, by: .records(size), Waits().patience { $0.policy.attemptsMax = 3 })
      }
      #expect(receiver.total == recordCount)
      #expect(receiver.content == NumberedRecords.text(recordCount))
      #expect(try directory.ledger().delivery("d")?.state != .planned)
    }
  }
}
