/// Where chunks go. One file per kind: another kind is a file that implements this, and a line in `TargetSettings.kinds`.
///
/// A chunk may come again, whole and under the same number, whenever it is not known whether it arrived.
package protocol DeliveryTarget: AnyObject {
  /// Sends one chunk of the delivery of that id and waits for what is said to it.
  func deliver(_ chunk: Chunk, of delivery: String) throws -> Answer
  /// Says that all is sent.
  func complete(_ completion: Completion, of delivery: String) throws -> Answer
}

/// The end of a delivery.
package struct Completion: Hashable, Sendable {
  /// How many chunks there were, and how many records in them.
  package var chunkCount: Int
  package var recordCount: Int

  package init(chunkCount: Int, recordCount: Int) {
    self.chunkCount = chunkCount
    self.recordCount = recordCount
  }
}

/// What a target said, or did not say, to a chunk or to the end.
package enum Answer: Hashable, Sendable {
  /// It has it, durably as far as it says.
  case acknowledged
  /// It wants another chunk first: number `expected`, or, where it names none, all from the beginning.
  case outOfOrder(expected: Int?, String)
  /// It looked at it and does not take it.
  case refused(String)
  /// It may or may not have it. Where it asked for a pause, `pauseSeconds`.
  case unanswered(String, pauseSeconds: Double? = nil)
  /// No repeat will help.
  case impossible(String)

  /// Somebody else's text as part of a sentence: on one line, without control characters, cut.
  package static func shown(_ text: some StringProtocol, countMax: Int = 200) -> String {
    var shown = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      guard shown.count < countMax else {
        shown.append("…")
        break
      }
      shown.append(scalar.properties.generalCategory == .control ? " " : scalar)
    }
    return String(shown)
  }
}
