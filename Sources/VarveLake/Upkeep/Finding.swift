/// Something that lies in a table otherwise than it was written.
package struct Finding: Hashable, Sendable {
  package enum Kind: String, Sendable, CaseIterable {
    case missing
    /// Other bytes of the same count.
    case altered
    /// Bytes are missing, or the text ends early.
    case truncated
    /// What was written, and more behind it.
    case extended
    /// The bytes of another file of the table, or of an older state of this one.
    case swapped
    /// Nothing that was ever committed.
    case stray
    /// Whole in itself, and at odds with the log.
    case contradictory
    /// Was removed on purpose.
    case vacuumed
    /// The file's time is not that of its commit, which engines that travel by it would go by.
    case time
    /// What a crash left, and the next writer puts right.
    case unfinished
  }

  package var kind: Kind
  /// Relative to the table.
  package var path: String
  /// A sentence's rest: `holds the bytes of v00000001/part-…`.
  package var what: String
  /// Versions that cannot be read as they were committed because of it.
  package var versions: ClosedRange<Int64>?
  /// What puts it right without guessing, where there is such a thing.
  package var remedy: Remedy?

  package init(
    _ kind: Kind, _ path: String, _ what: String, versions: ClosedRange<Int64>? = nil, remedy: Remedy? = nil
  ) {
    self.kind = kind
    self.path = path
    self.what = what
    self.versions = versions
    self.remedy = remedy
  }

  /// Whether something is lost or wrong; else it is merely worth knowing.
  package var isDamage: Bool {
    switch kind {
    case .vacuumed, .time, .unfinished: false
    default: true
    }
  }
}

/// What makes a file again what it was. Each follows from what is proven, or from the log alone.
package enum Remedy: Hashable, Sendable {
  case write([UInt8], isSealed: Bool, modificationMilliseconds: Int64? = nil)
  /// The bytes of another file, whose digest is the one that this file must have.
  case copy(from: String, sha256: String)
  case remove
  case setTime(Int64)
  /// Makes a directory read-only.
  case seal
}

/// What an audit of one table found.
package struct AuditReport: Sendable {
  package var table: String
  /// Versions whose entries were looked at.
  package var versionCount = 0
  package var fileCount = 0
  package var byteCount = 0
  /// Damage first, each by path.
  package var findings: [Finding] = []

  package var damage: [Finding] { findings.filter(\.isDamage) }
}
