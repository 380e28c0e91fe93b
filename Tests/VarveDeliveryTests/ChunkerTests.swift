import Given
import Testing
import VarveDelivery
import VarveLake

@Suite struct ChunkerTests {
  func records(_ texts: [String]) -> RecordEncoder.Records {
    var records = RecordEncoder.Records()
    for text in texts {
      records.bytes += text.utf8
      records.ends.append(records.bytes.count)
    }
    return records
  }

  /// The chunks of these records, given in batches of that size.
  func chunks(_ texts: [String], _ chunking: Chunking, batch: Int) -> [Chunk] {
    var chunker = Chunker(chunking)
    var chunks: [Chunk] = []
    for start in stride(from: 0, to: texts.count, by: batch) {
      chunker.append(records(Array(texts[start..<min(start + batch, texts.count)]))) { chunks.append($0) }
    }
    if let last = chunker.finish() { chunks.append(last) }
    return chunks
  }

  @Test func `chunks are the same however the records come`() {
    var random = Seed()
    let texts = (0..<500).map { _ in "{" + String(repeating: "x", count: random.below(90)) + "}" }
    for chunking in [
      Chunking.records(1), .records(7), .records(500), .records(501), .bytes(1), .bytes(100), .bytes(1000),
    ] {
      let whole = chunks(texts, chunking, batch: 500)
      for batch in [1, 2, 3, 64, 499] {
        let parts = chunks(texts, chunking, batch: batch)
        #expect(parts.map(\.records) == whole.map(\.records), "\(chunking), by \(batch)")
        #expect(parts.map(\.firstRecord) == whole.map(\.firstRecord))
      }
      #expect(whole.map(\.number) == Array(0..<whole.count))
      #expect(whole.map(\.isLast) == (1...whole.count).map { $0 == whole.count })
      #expect(whole.reduce(0) { $0 + $1.recordCount } == 500)
      var next = 0
      for chunk in whole {
        #expect(chunk.firstRecord == next)
        let inside = texts[next..<next + chunk.recordCount].joined(separator: ",")
        #expect(chunk.records == Array("[\(inside)]".utf8))
        #expect(chunk.sha256 == Digest.sha256(chunk.records))
        next += chunk.recordCount
        switch chunking {
        case .records(let count): #expect(chunk.recordCount == count || chunk.isLast)
        case .bytes(let count):
          #expect(chunk.records.count <= count || chunk.recordCount == 1)
          // The next record would not have fitted.
          if !chunk.isLast { #expect(chunk.records.count + 1 + texts[next].utf8.count > count) }
        }
      }
    }
  }

  @Test func `going on behind a chunk gives the chunks that follow it`() {
    let texts = (0..<40).map { "{\"n\":\($0)}" }
    for chunking in [Chunking.records(7), .bytes(50)] {
      let whole = chunks(texts, chunking, batch: 40)
      for (number, chunk) in whole.enumerated() {
        var chunker = Chunker(chunking, number: number, firstRecord: chunk.firstRecord)
        var rest: [Chunk] = []
        chunker.append(records(texts), from: chunk.firstRecord) { rest.append($0) }
        if let last = chunker.finish() { rest.append(last) }
        #expect(rest.map(\.sha256) == whole[number...].map(\.sha256))
        #expect(rest.map(\.number) == whole[number...].map(\.number))
      }
    }
  }

  @Test func `no records are no chunk`() {
    var chunker = Chunker(.records(3))
    chunker.append(records([])) { _ in Issue.record("nothing to cut") }
    #expect(chunker.finish() == nil)
  }

  @Test func `a chunking reads back from its text`() {
    for chunking in [Chunking.records(4000), .bytes(1_000_000)] { #expect(Chunking("\(chunking)") == chunking) }
    for text in ["", "records", "records=0", "bytes=-1", "lines=3", "records=x"] { #expect(Chunking(text) == nil) }
  }
}
