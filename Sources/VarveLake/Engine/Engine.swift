import VarveTables

/// Carries out partition plans on this machine, in bounded memory: a feed and a version's live files go in, staged files
/// come out, and what the new version drops is named. Nothing of it is visible until the committer records it.
///
/// Every pattern comes down to rows struck from live files and rows added per partition (`PartitionRewrite`). The same
/// plan gives the same bytes, whatever the memory and the number of threads.
package struct Engine: Sendable {
  private let staging: StagingArea
  private let limits: EngineLimits

  package init(staging: StagingArea, limits: EngineLimits) {
    self.staging = staging
    self.limits = limits
  }

  package func stage(_ plan: PartitionPlan) throws -> StagedChange {
    try plan.check()
    let execution = PlanExecution(plan: plan, staging: staging, limits: limits)
    return switch plan.pattern {
    case .append: try execution.append()
    case .insert(let newestBy): try execution.insert(newestBy: newestBy)
    case .overwrite(let scope, let allowEmpty): try execution.overwrite(scope, allowEmpty: allowEmpty)
    case .merge(let deleteWhen, let newestBy): try execution.merge(deleteWhen: deleteWhen, newestBy: newestBy)
    }
  }
}

/// One plan under way; each pattern is an extension.
struct PlanExecution {
  let plan: PartitionPlan
  let staging: StagingArea
  let limits: EngineLimits

  var scratch: () throws -> ScratchFile {
    let staging = staging
    return { try staging.createScratch() }
  }

  /// The feed's rows by partition and within it in feed order.
  func feedRowsByPartition() throws -> PartitionedRows {
    try PartitionedRows(
      sorted(AddedFeedRows(plan, leavingOut: RowSet()), by: plan.layout.columns), plan.layout)
  }

  /// The feed's rows, those left out aside, by partition and within it by key.
  func feedRowsByKey(leavingOut leftOut: RowSet) throws -> PartitionedRows {
    try PartitionedRows(
      sorted(AddedFeedRows(plan, leavingOut: leftOut), by: plan.layout.columns + plan.keyColumns), plan.layout)
  }

  private func sorted(_ rows: any BatchSource, by columns: [Int]) throws -> any BatchSource {
    if columns.isEmpty { return rows }
    let sort = ExternalSort(plan.schema, by: columns, budgetBytes: limits.sortBytes, scratch: scratch)
    try sort.add(rows)
    return try sort.finish()
  }

  func rewrite(_ added: PartitionedRows, striking struck: [Int: RowSet] = [:], removing removed: Set<Int> = [])
    throws -> RewrittenPartitions
  {
    try PartitionRewrite(plan: plan, staging: staging, limits: limits, struck: struck, removed: removed).write(added)
  }

  /// What a look at the table's keys reads.
  func keyReads(_ keys: FeedKeys) -> ReadSet {
    guard plan.keyDecidesPartition, plan.widenedColumns.isEmpty else { return .everything }
    return .partitions(Set(keys.partitions.values.map(PartitionText.init)))
  }

  /// Widened files are read whole.
  func reads(_ reads: ReadSet) -> ReadSet { plan.widenedColumns.isEmpty ? reads : .everything }
}

extension PartitionPlan {
  var keyColumns: [Int] { key.map { schema.index(of: $0)! } }
}
