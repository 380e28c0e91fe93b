/// The formats that feeds come in.
public enum FeedFormat: String, Sendable, CaseIterable {
  case xlsx, json, ndjson, csv, tsv, parquet
}
