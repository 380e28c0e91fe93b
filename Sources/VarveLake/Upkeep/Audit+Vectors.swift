internal import VarveTables

/// What strikes rows out: vectors in the log are covered by its digests, those in files by their own sums, byte for byte.
extension Audit {
  struct ReadVector {
    var vector: DeletionVector
    /// As the log spells it.
    var file: String
    /// Of the file, where the log says.
    var rowCount: Int?
    var versions: ClosedRange<Int64>
  }

  /// Notes the vector of a file that is live from that version on.
  func note(_ add: AddAction, at version: Int64) {
    guard let vector = add.deletionVector else { return }
    if let known = vectors[add.key]?.versions.lowerBound {
      vectors[add.key]?.versions = known...version
      return
    }
    vectors[add.key] = ReadVector(
      vector: vector, file: add.path,
      rowCount: add.statistics.flatMap { StatisticsText.parse($0, Schema([])) }?.rowCount,
      versions: version...version)
  }

  func checkVectors() throws {
    var vouched: [ExactText: Bool] = [:]
    for (_, read) in vectors.sorted(by: { ($0.key.path, $0.value.vector.id) < ($1.key.path, $1.value.vector.id) }) {
      var path: String?
      do {
        path = try read.vector.path(in: storage)
        if let path, try !storage.exists(path) {
          let isVacuumed = vacuumed[ExactText(path)] != nil
          if vouched.updateValue(false, forKey: ExactText(path)) == nil {
            find(
              isVacuumed ? .vacuumed : .missing, path, isVacuumed ? "was removed by a vacuum" : "is missing",
              versions: read.versions)
          }
          continue
        }
        // A bitmap of more rows than the file has is found where the file is read.
        _ = try read.vector.rows(of: read.file, rowCount: read.rowCount ?? .max, in: storage)
        if let path, vouched.updateValue(true, forKey: ExactText(path)) == nil {
          report.fileCount += 1
          report.byteCount += try storage.openToRead(path)?.byteCount ?? 0
        }
      } catch let problem as Problem where problem.kind == .damaged || problem.kind == .refused {
        find(
          path == nil ? .contradictory : .altered, path ?? Layout.logEntry(read.versions.lowerBound), problem.what,
          versions: read.versions)
      }
    }
  }
}
