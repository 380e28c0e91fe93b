internal import VarveJSON
internal import VarveTables

/// One ingestion as the ledger tells it.
package struct IngestionRecord: Hashable, Sendable {
  package enum State: String, Sendable {
    /// Waits for somebody to do it.
    case pending
    /// Being done, if its lease is held; else whoever did it died.
    case inProgress = "in_progress"
    case done
    /// Did not work, and is due again at `nextTry`, or never of itself.
    case failed
    /// A dead letter: given up until a person requeues it.
    case dead
  }

  /// Who does it. Each leaves what is the other's alone.
  package enum Worker: Sendable {
    /// `varve ingest` and `varve retry`.
    case command
    /// The service, which also pushes it to a callback: its requests name one.
    case service

    /// In SQL.
    var condition: String {
      "json_extract(request, '$.callback_url') IS \(self == .command ? "" : "NOT ")NULL"
    }
  }

  /// Who does this one.
  package var worker: Worker {
    (try? JSONValue(parsing: request))?["callback_url"]?.string == nil ? .command : .service
  }

  /// A feed of the ingestion: identified by content and selector, not by its name.
  package struct Source: Hashable, Sendable {
    /// As given.
    package var path: String
    package var name: String
    /// Empty while it has not been read.
    package var sha256: String
    package var byteCount: Int
    /// The part of the file that is meant: `sheet=Prices`; empty for all of it.
    package var selector: String

    package init(path: String, name: String, sha256: String, byteCount: Int, selector: String = "") {
      self.path = path
      self.name = name
      self.sha256 = sha256
      self.byteCount = byteCount
      self.selector = selector
    }
  }

  package var id: String
  package var table: String
  package var sources: [Source]
  /// Stands for the schema file and the options that decide what the feed means.
  package var schemaVersion: String
  /// All that is needed to do it again, as JSON.
  package var request: String
  package internal(set) var state = State.pending
  package internal(set) var attempts = 0
  package internal(set) var nextTry: Int64?
  package internal(set) var error: String?
  package internal(set) var owner: String?
  package internal(set) var noted: Int64 = 0
  package internal(set) var started: Int64?
  package internal(set) var ended: Int64?
  /// `committed` or `unchanged`, when it is done.
  package internal(set) var outcome: String?
  package internal(set) var version: Int64?
  package internal(set) var rows = RowCounts()

  package init(id: String, table: String, sources: [Source], schemaVersion: String = "", request: String = "{}") {
    self.id = id
    self.table = table
    self.sources = sources
    self.schemaVersion = schemaVersion
    self.request = request
  }
}

/// An ingestion that this process works on. Letting go of it without an end leaves it to be taken up again.
package struct IngestionLease: Sendable {
  package var ingestion: IngestionRecord
  /// As it was before it was taken; nil of a new one.
  package internal(set) var before: IngestionRecord?
  let row: Int64
  let lease: LedgerLease
}
