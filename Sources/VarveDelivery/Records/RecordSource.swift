/// Where the records of a delivery come from: the same records in the same order, whenever it is asked.
package protocol RecordSource: AnyObject {
  /// The next encoded records, or nil behind the last.
  func next() throws -> RecordEncoder.Records?
}

/// How the records of a delivery are made, from the record of that number on, as often as needed.
package typealias RecordOpening = @Sendable (_ firstRecord: Int) throws -> any RecordSource
