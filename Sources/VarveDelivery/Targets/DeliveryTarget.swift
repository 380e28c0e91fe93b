/// Where chunks go. One file per kind: another kind is a file that implements this, and a line in `TargetSettings.kinds`.
///
/// A chunk may come again, whole and under the same number, whenever it is not known whether it arrived.
package protocol DeliveryTarget: AnyObject {
  /// Sends one chunk of the delivery of that id and waits for what is said to it.
  func deliver(_ chunk: Chunk, of delivery: String) throws -> Answer
  /// Says that all is sent.
  func complete(_ completion: Completion, of delivery: String) throws -> Answer
}

/// A target whose acknowledgement says little, since what it took is worked on later, and can be looked at instead.
///
/// It is sent what is not there yet, again what still is not, and is read back until all is there.
package protocol ProvableTarget: DeliveryTarget {
  var pace: ProvingPace { get }
  /// What the target knows each record of a chunk by.
  func keys(of chunk: Chunk) throws -> [String]
  /// Which of these records of the chunk are not there as they were made.
  func compare(_ chunk: Chunk, _ records: [Int]) throws -> Comparison
  /// How many objects there are beside what was done here; nil where that is not known.
  func population() throws -> Population?
  /// Sends some records of the chunk. `attempt` tells one sending of a chunk from another.
  func send(_ records: [Int], of chunk: Chunk, attempt: String) throws -> Sending
}

/// How many objects there would be had nothing been created or deleted here; those that are shown, apart. It falls where
/// something else deletes or hides them.
package struct Population: Hashable, Sendable {
  package var count: Int
  package var shownCount: Int

  package init(count: Int, shownCount: Int) {
    self.count = count
    self.shownCount = shownCount
  }

  /// How many fewer there are now; nil for so few that somebody else may have deleted them.
  func loss(_ now: Population) -> Int? {
    let loss = max(count - now.count, shownCount - now.shownCount)
    return loss > max(2, count / 50) ? loss : nil
  }
}

package enum Comparison: Sendable {
  /// By the record's number in the chunk; empty where all are there.
  case differs([Int: Mismatch])
  case unanswered(String, pauseSeconds: Double? = nil)
  case impossible(String)
}

/// Why a record is not there as it was made.
package struct Mismatch: Hashable, Sendable {
  package var reason: String
  /// Whether it can be sent at all.
  package var isSendable = true

  package init(_ reason: String, isSendable: Bool = true) {
    self.reason = reason
    self.isSendable = isSendable
  }
}

package struct Sending: Sendable {
  package var answer: Answer
  /// Of records that were refused by themselves, why.
  package var refusals: [Int: String] = [:]

  package init(_ answer: Answer, refusals: [Int: String] = [:]) {
    self.answer = answer
    self.refusals = refusals
  }
}

/// How long a target is given to do what it was sent. Waits, not clock times, are counted.
package struct ProvingPace: Hashable, Sendable {
  /// Between two looks at it, growing.
  package var pollSeconds = 0.5
  package var pollSecondsMax = 10.0
  /// Without progress, until what is missing is sent again.
  package var settleSeconds = 5.0
  /// Without progress, while it takes nothing, until the delivery is stopped.
  package var drainSeconds = 900.0
  /// How often a record is taken without effect before it is a dead letter.
  package var drivesMax = 3

  package init() {}
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
  /// It takes nothing now; whether for a while or for good it does not say.
  case busy(String)
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
      shown.append(unshown.contains(scalar.properties.generalCategory) ? " " : scalar)
    }
    return String(shown)
  }

  /// What moves the cursor, begins a line, or turns the direction of writing.
  private static let unshown: Set<Unicode.GeneralCategory> = [.control, .format, .lineSeparator, .paragraphSeparator]
}
