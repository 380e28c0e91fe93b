internal import VarveTables

extension DeltaLog {
  func readCheckpoint(_ checkpoint: Checkpoint) throws -> (actions: [Action], rowCount: Int) {
    throw Problem(.refused, at: place, "the log has a checkpoint, which cannot be read yet")
  }

  func isCheckpointDue(_ snapshot: Snapshot) throws -> Bool { false }

  func writeCheckpoint(_ snapshot: Snapshot, index: ManifestIndex, transaction: String) throws {}
}
