/// Bounds on what a workbook may make us hold or do, whatever it declares of itself.
///
/// Rows and columns are bounded by the format (`CellReference`), the rest here. Reaching one is a `Problem`.
package struct WorkbookLimits: Sendable {
  /// Entries of the zip archive.
  package var partsMax = 10_000
  /// Entries passed over to find parts: every part that lies before the last one read takes a pass from the beginning.
  package var entriesPassedMax = 2_000_000
  /// Bytes that one part may inflate to.
  package var partBytesMax = 16 << 30
  /// Bytes that all parts read from one workbook may inflate to.
  package var workbookBytesMax = 64 << 30
  /// Bytes out for each byte in, looked at once a part is past `inflationFreeBytes`.
  package var inflationMax = 200
  package var inflationFreeBytes = 16 << 20
  /// Bytes that a part other than a worksheet and the shared strings may inflate to; these are kept in memory.
  package var descriptionBytesMax = 64 << 20
  package var sharedStringsMax = 16 << 20
  /// UTF-8 bytes of all shared strings, which are kept in memory or, if they are many, in a temporary file.
  package var sharedStringBytesMax = 256 << 20
  /// Characters of one cell: what the format allows.
  package var cellCharactersMax = 32_767
  /// Bytes of one cell's text before escapes are resolved.
  package var cellBytesMax = 1 << 20
  /// UTF-8 bytes of the cells of one row.
  package var recordBytesMax = 64 << 20
  package var mergedRangesMax = 1 << 20
  package var xml = XMLLimits()

  package init() {}
}

/// Bounds on one XML document. libxml2's own do not hold for a push parser.
package struct XMLLimits: Sendable {
  package var depthMax = 64
  /// Bytes of one tag, comment or processing instruction.
  package var markupBytesMax = 128 << 10
  /// libxml2 compares every attribute of a tag with every other one.
  package var attributesMax = 256

  package init() {}
}
