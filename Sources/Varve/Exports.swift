// Whoever imports Varve also sees the values, schemas and problems that its face speaks of.
@_exported public import enum VarveFeeds.FeedFormat
@_exported public import VarveTables
